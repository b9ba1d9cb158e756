"""The result: the last word of the strongest source that spoke, unless a fact overrides it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.story import definition, listener, service, worker
from locald.domain.lifecycle.evaluation import evaluate
from locald.domain.lifecycle.health import Evidence, Health, HealthResult, Source
from locald.domain.lifecycle.messages import Listens, Notified, Process, Sender
from locald.domain.lifecycle.observations import observe_listeners, observe_notification
from locald.domain.lifecycle.run_facts import REMEMBERED, NotifyState, RunFacts, with_evidence
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import CommandCheck, HealthCheck, ServiceSpec, Type

RUN = Run(Key("shop", "web"), 1)
INFERRED = [Source.DOCKER, Source.NOTIFY, Source.TCP, Source.PROCESS]


def facts(spec: ServiceSpec | None = None) -> RunFacts:
    return RunFacts(RUN, definition(spec or service("web", port=8080)), pid=7, spawned_at=0.0)


def explicit() -> RunFacts:
    return facts(service("web", health_check=HealthCheck(CommandCheck("true"))))


def result(known: RunFacts) -> HealthResult:
    return evaluate(known, expects_ready=False)


words = st.builds(
    Evidence, st.sampled_from(INFERRED), st.booleans(), st.floats(0, 9), st.sampled_from(["a", "b"])
)


@given(st.lists(words, min_size=1))
def test_the_verdict_is_the_last_word_of_the_strongest_source(evidence: list[Evidence]) -> None:
    order = list(Source)
    strongest = min((word.source for word in evidence), key=order.index)
    last = [word for word in evidence if word.source is strongest][-1]

    known = facts()
    for word in evidence:
        known = with_evidence(known, word)

    health = Health.HEALTHY if last.ok else Health.STARTING
    assert result(known) == HealthResult(health, strongest, last.detail)


@given(st.lists(words), st.booleans())
def test_an_explicit_check_is_the_only_source_there_is(evidence: list[Evidence], ok: bool) -> None:
    known = explicit()
    for word in evidence:
        known = with_evidence(known, word)
    assert result(known).source is Source.NONE

    known = with_evidence(known, Evidence(Source.EXPLICIT, ok, 1.0, "seen", "command"))
    for word in evidence:
        known = with_evidence(known, word)
    assert result(known) == HealthResult(Health.HEALTHY if ok else Health.STARTING, Source.EXPLICIT, "seen")


@given(st.lists(words), st.booleans())
def test_stopping_and_the_watchdog_override_every_source(evidence: list[Evidence], configured: bool) -> None:
    known = explicit() if configured else facts()
    for word in [*evidence, Evidence(Source.EXPLICIT, True, 1.0, "seen")]:
        known = with_evidence(known, word)

    for overriding in (
        replace(known, notify=NotifyState(stopping=True)),
        replace(known, expired=True, watchdog=2.0),
    ):
        assert result(overriding).health is Health.UNHEALTHY
        assert result(overriding).source is Source.NOTIFY


@given(st.lists(words))
def test_a_vanished_listener_overrides_all_that_was_inferred(evidence: list[Evidence]) -> None:
    known = observe_listeners(facts(), Listens(RUN, (listener(8080),), True, None, 1.0))
    known = observe_listeners(known, Listens(RUN, (), False, None, 2.0))
    for word in evidence:
        known = with_evidence(known, word)

    assert result(known).source is Source.TCP
    assert result(known).health is not Health.HEALTHY


@given(st.lists(words))
def test_a_weak_word_is_not_enough_for_a_program_that_has_sent_ready_before(evidence: list[Evidence]) -> None:
    known = facts()
    for word in evidence:
        known = with_evidence(known, word)

    found = evaluate(known, expects_ready=True)
    if found.health is Health.HEALTHY:
        assert found.source in (Source.DOCKER, Source.NOTIFY)


def test_what_was_healthy_once_is_unhealthy_from_then_on_not_starting() -> None:
    bad = with_evidence(facts(), Evidence(Source.TCP, False, 1.0, "closed"))

    assert result(bad).health is Health.STARTING
    assert result(replace(bad, ready_at=0.5)).health is Health.UNHEALTHY


@given(st.lists(words, max_size=100))
def test_because_always_says_something(evidence: list[Evidence]) -> None:
    for known in (facts(), facts(worker("web")), explicit(), facts(service("web", type=Type.TASK))):
        for word in evidence:
            known = with_evidence(known, word)
        assert result(known).because


# What is remembered.


def test_history_is_newest_first_and_shows_changes_only() -> None:
    known = facts()
    for at, detail in enumerate(["closed", "closed", "open", "open", "closed"]):
        known = with_evidence(known, Evidence(Source.TCP, detail == "open", float(at), detail))

    assert [(word.detail, word.at) for word in known.history] == [
        ("closed", 4.0),
        ("open", 3.0),
        ("closed", 1.0),
    ]


def test_history_does_not_grow_for_ever() -> None:
    known = facts()
    for number in range(1000):
        known = with_evidence(known, Evidence(Source.TCP, True, float(number), f"seen {number}"))

    assert len(known.history) == REMEMBERED
    assert known.history[0].detail == "seen 999"


def test_a_word_that_does_not_count_is_remembered_all_the_same() -> None:
    known = with_evidence(facts(), Evidence(Source.NOTIFY, False, 1.0, "from a stranger"), counts=False)

    assert known.evidence == {}
    assert known.history[0].detail == "from a stranger"


def test_keep_alives_are_no_evidence() -> None:
    sender, known = Sender(Process(7), 0, "member"), facts()
    for at in range(100):
        known, _ = observe_notification(known, Notified(RUN, sender, b"READY=1\nWATCHDOG=1", float(at)))

    assert len(known.history) == 1


def test_who_was_turned_away_is_counted() -> None:
    sender, known = Sender(Process(7), 0, "outside"), facts()
    for datagram in (b"READY=1", b"READY=1", b"x\0y"):
        known, words = observe_notification(known, Notified(RUN, sender, datagram, 1.0))
        assert words is None

    assert known.notify == NotifyState(refused=3)
    assert [word.detail for word in known.history] == [
        "ignored a malformed datagram from pid 7, a process outside the service",
        "ignored READY=1 from pid 7, a process outside the service",
    ]


def test_silence_is_no_evidence() -> None:
    known = observe_listeners(facts(), Listens(RUN, (), False, None, 1.0))

    assert known.history == ()
    assert result(known).source is Source.NONE


def test_the_own_listener_counts_wherever_it_is_in_the_list() -> None:
    both = (listener(9229), listener(8080, Process(7, "node")))
    known = observe_listeners(facts(), Listens(RUN, both, True, None, 1.0))

    assert result(known).because == "pid 7 (node) accepts connections on 127.0.0.1:8080"


def test_a_listener_on_ipv6_alone_counts_and_is_shown_in_brackets() -> None:
    known = observe_listeners(facts(), Listens(RUN, (listener(8080, Process(7), "::1"),), True, None, 1.0))

    assert result(known) == HealthResult(
        Health.HEALTHY, Source.TCP, "pid 7 accepts connections on [::1]:8080"
    )


def test_listening_at_is_the_first_time() -> None:
    known = observe_listeners(facts(), Listens(RUN, (listener(8080),), False, None, 0.0))
    known = observe_listeners(known, Listens(RUN, (listener(8080),), True, None, 5.0))

    assert known.listening_at == 0.0
