"""The last start, told in times, and the chain that decided how long it took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.story import BEGIN, Story, service, task
from locald.domain.explain.timeline import Timeline, timeline


def told(s: Story) -> Timeline:
    return timeline("shop", s.world.of_project("shop"))


def seconds(at: float | None) -> float | None:
    return None if at is None else round(at - BEGIN, 3)


def starts(s: Story, run: str, after: float) -> list[str]:
    """Its port opens so many seconds after its spawn."""
    return s.spawned(run) + s.wait(after) + s.listens(run)


def test_it_tells_what_each_waited_for_and_when_it_was_ready() -> None:
    s = Story(service("db"), service("api", "db"), service("web", "api", "db"))
    s.up(), s.wait(0.5), starts(s, "db#1", 2), starts(s, "api#1", 3), starts(s, "web#1", 1)

    shown = told(s)
    assert [
        (p.name, seconds(p.queued_at), seconds(p.spawned_at), seconds(p.ready_at), p.waited_for)
        for p in shown.services
    ] == [
        ("db", 0.0, 0.5, 2.5, ()),
        ("api", 0.0, 2.5, 5.5, ("db",)),
        ("web", 0.0, 5.5, 6.5, ("api", "db")),
    ]
    assert shown.critical_path == ("db", "api", "web")
    assert shown.total == 6.5
    assert shown.services[0].source == "tcp"


def test_the_critical_path_is_the_chain_that_took_longest() -> None:
    s = Story(service("fast"), service("slow"), service("web", "fast", "slow"), service("alone"))
    s.up()
    for run in ("fast#1", "slow#1", "alone#1"):
        s.spawned(run)
    s.wait(1), s.listens("fast#1"), s.wait(1), s.listens("alone#1"), s.wait(1), s.listens("slow#1")
    starts(s, "web#1", 1)

    assert told(s).critical_path == ("slow", "web")


def test_listening_and_ready_are_told_apart() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.says("web#1", "STATUS=x"), s.wait(1), s.listens("web#1"), s.wait(1)
    s.says("web#1", "READY=1")

    (part,) = told(s).services
    assert (seconds(part.listening_at), seconds(part.ready_at), part.source) == (1.0, 2.0, "notify")


def test_who_said_that_it_was_ready_is_told_also_when_it_has_been_stopped() -> None:
    s = Story(service("web"))
    s.up(), starts(s, "web#1", 1), s.stop("web"), s.exits("web#1", 0)

    (part,) = told(s).services
    assert (seconds(part.ready_at), part.source) == (1.0, "tcp")


def test_a_task_is_ready_when_it_has_completed() -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.spawned("seed#1"), s.wait(4), s.exits("seed#1", 0), starts(s, "web#1", 1)

    shown = told(s)
    assert seconds(shown.services[0].ready_at) == 4.0
    assert shown.critical_path == ("seed", "web")


def test_a_dependency_that_was_there_already_was_not_waited_for() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up("db"), starts(s, "db#1", 1), s.wait(100), s.up("web"), starts(s, "web#1", 1)

    shown = told(s)
    assert shown.services[1].waited_for == ()
    assert shown.critical_path == ("web",)
    assert shown.total == 1.0


def test_what_was_never_asked_for_has_no_part_in_it() -> None:
    s = Story(service("db"), service("web"))
    s.up("db")

    assert [part.name for part in told(s).services] == ["db"]


def test_before_anything_is_ready_there_is_no_path() -> None:
    s = Story(service("db"))
    s.up(), s.spawned("db#1")

    shown = told(s)
    assert shown.critical_path == ()
    assert shown.total is None
    assert shown.services[0].ready_at is None


def test_a_restart_begins_a_start_of_its_own() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), starts(s, "db#1", 1), starts(s, "web#1", 1), s.wait(100)
    s.restart("web"), s.wait(1), s.stopped("web#1"), starts(s, "web#2", 2)

    shown = told(s)
    assert [(p.name, seconds(p.queued_at)) for p in shown.services] == [("db", 0.0), ("web", 102.0)]
    assert shown.critical_path == ("web",)
    assert shown.total == 3.0


def test_a_run_of_an_earlier_start_has_no_part_in_it() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), starts(s, "db#1", 1), starts(s, "web#1", 1), s.stop("db"), s.stopped("web#1", "db#1"), s.wait(100)
    s.up()

    assert [(p.name, p.spawned_at, p.listening_at, p.ready_at) for p in told(s).services] == [
        ("db", None, None, None),
        ("web", None, None, None),
    ]
    assert told(s).critical_path == ()


def test_retries_are_part_of_the_start() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.wait(1), s.exits("web#1", 1), s.wait(0.1), starts(s, "web#2", 1)

    (part,) = told(s).services
    assert (seconds(part.queued_at), seconds(part.spawned_at), seconds(part.ready_at)) == (0.0, 1.1, 2.1)
    assert told(s).total == pytest.approx(2.1)


def test_a_dependency_that_came_back_later_does_not_lead_in_circles() -> None:
    s = Story(service("a"), service("b", "a"))
    s.up(), starts(s, "a#1", 1), starts(s, "b#1", 1)
    s.edit(service("a", "b"), service("b"))
    s.up(), s.stopped("b#1", "a#1"), starts(s, "b#2", 1), starts(s, "a#2", 1)

    assert told(s).critical_path == ("b", "a")


@given(st.lists(st.floats(0.01, 5), min_size=4, max_size=4))
def test_the_path_is_a_path_and_explains_the_total(times: list[float]) -> None:
    s = Story(service("a"), service("b", "a"), service("c", "a"), service("d", "b", "c"))
    s.up()
    took = dict(zip("abcd", times, strict=True))
    starts(s, "a#1", took["a"])
    s.spawned("b#1"), s.spawned("c#1")
    first, second = sorted("bc", key=lambda name: took[name])
    s.wait(took[first]), s.listens(f"{first}#1")
    s.wait(took[second] - took[first]), s.listens(f"{second}#1")
    starts(s, "d#1", took["d"])

    shown = told(s)
    assert shown.critical_path in {("a", first, "d"), ("a", second, "d")}
    assert shown.total is not None
    assert abs(shown.total - (took["a"] + took[second] + took["d"])) < 1e-4


# The start before.


def three() -> Story:
    """A long start: `web` fails, the others are ready."""
    s = Story(service("db"), service("api", "db"), service("web", "api", restart="no"))
    s.up(), starts(s, "db#1", 2), starts(s, "api#1", 3), s.spawned("web#1"), s.wait(1), s.exits("web#1", 3)
    s.wait(100)
    return s


def test_a_repair_does_not_make_the_long_start_forgotten() -> None:
    s = three()
    assert told(s).before is None
    s.up(), starts(s, "web#2", 1)

    shown = told(s)
    assert (shown.critical_path, shown.total) == (("web",), 1.0)
    assert shown.before
    assert [(p.name, seconds(p.ready_at), seconds(p.ended_at)) for p in shown.before.services] == [
        ("db", 2.0, None),
        ("api", 5.0, None),
        ("web", None, 6.0),
    ]
    assert (shown.before.critical_path, shown.before.total) == (("db", "api"), 5.0)


def test_nor_do_several() -> None:
    s = three()
    s.up(), starts(s, "web#2", 1), s.wait(50)
    s.restart("db"), s.stopped("db#1"), starts(s, "db#2", 1)

    shown = told(s)
    assert shown.before
    assert [(p.name, seconds(p.spawned_at), p.source) for p in shown.before.services] == [
        ("db", 0.0, "tcp"),
        ("api", 2.0, "tcp"),
        ("web", 5.0, "none"),
    ]


def test_a_start_of_as_many_takes_its_place() -> None:
    s = three()
    (
        s.restart(),
        s.stopped("api#1", "db#1"),
        starts(s, "db#2", 1),
        starts(s, "api#2", 1),
        starts(s, "web#2", 1),
    )
    assert told(s).before is None


def test_what_is_still_starting_belongs_to_the_present_start() -> None:
    s = Story(service("db"), service("api"), service("slow", start_timeout=None))
    s.up(), starts(s, "db#1", 1), starts(s, "api#1", 1), s.spawned("slow#1"), s.wait(30)
    s.restart("api"), s.stopped("api#1"), starts(s, "api#2", 1)
    assert told(s).before is None


# How long a start takes: the median.


def median(s: Story, name: str) -> float | None:
    found = next(part.median for part in told(s).services if part.name == name)
    return None if found is None else round(found, 3)


def again(s: Story, took: float) -> list[str]:
    s.restart("web"), s.stopped(f"web#{s.service('web').runs}")
    return starts(s, f"web#{s.service('web').runs}", took)


def test_what_is_usual_is_the_median_of_earlier_starts() -> None:
    s = Story(service("web"))
    s.up(), starts(s, "web#1", 2)
    assert median(s, "web") is None
    again(s, 4)
    assert median(s, "web") == 2
    again(s, 30), again(s, 9)
    assert median(s, "web") == 4


def test_the_present_start_is_no_earlier_one() -> None:
    s = Story(service("web"))
    s.up(), starts(s, "web#1", 2)
    s.restart("web"), s.stopped("web#1"), s.spawned("web#2"), s.wait(50)
    assert median(s, "web") == 2
    s.listens("web#2")
    assert median(s, "web") == 2


def test_only_what_became_ready_counts() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.wait(1), s.exits("web#1", 1), s.wait(0.1), starts(s, "web#2", 3)
    assert median(s, "web") is None
    again(s, 1)
    assert median(s, "web") == 3


def test_a_task_counts_until_it_has_completed() -> None:
    s = Story(task("seed"))
    s.up(), s.spawned("seed#1"), s.wait(4), s.exits("seed#1", 0)
    s.up("seed"), s.spawned("seed#2"), s.wait(9), s.exits("seed#2", 3)
    s.up("seed")
    assert median(s, "seed") == 4
    assert s.service("seed").durations == (4.0,)


def test_ten_starts_are_remembered() -> None:
    s = Story(service("web"))
    s.up(), starts(s, "web#1", 50)
    for _ in range(9):
        again(s, 50)
    assert median(s, "web") == 50
    for _ in range(11):
        again(s, 1)
    assert median(s, "web") == 1
    assert len(s.service("web").durations) == 10


def test_a_changed_definition_and_another_daemon_remember_it() -> None:
    s = Story(service("web"))
    s.up(), starts(s, "web#1", 2), s.daemon_dies()
    s.edit(service("web", env={"A": "b"}))
    s.up(), s.stopped("web#1"), starts(s, "web#2", 5)
    assert median(s, "web") == 2


def test_it_is_forgotten_with_the_service() -> None:
    s = Story(service("web"))
    s.up(), starts(s, "web#1", 2), s.down(), s.stopped("web#1")
    s.up(), starts(s, "web#1", 5)
    again(s, 5)
    assert median(s, "web") == 5
