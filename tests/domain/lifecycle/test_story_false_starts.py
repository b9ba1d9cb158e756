"""Stories: ready means that a client who comes now is served; what only looked like it is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.story import Story, listener, service, task
from locald.domain.lifecycle.messages import STALLED, UNTAKEN, Listens, Process
from locald.domain.project.names import Key, Run

if TYPE_CHECKING:
    from locald.domain.project.spec import ServiceSpec

DB = Run(Key("shop", "db"), 1)
PARENT, CHILD = Process(90, "gunicorn"), Process(91, "python")


def started(*others: ServiceSpec) -> Story:
    s = Story(service("db", port=8080), *others)
    s.up(), s.spawned("db#1", pid=90)
    return s


def listens(
    s: Story, *, accepts: bool = False, untaken: float = 0.0, acceptor: Process | None = None
) -> list[str]:
    return s.tell(Listens(DB, (listener(8080, PARENT),), accepts, None, s.now, acceptor, untaken))


# Taken by the program.


def test_a_parent_that_listens_while_its_workers_load_is_not_ready() -> None:
    s = started(service("web", "db"))
    assert listens(s, untaken=UNTAKEN) == []
    assert s.health("db") == ("starting", "tcp")
    assert s.because("db") == (
        "pid 90 (gunicorn) listens on 127.0.0.1:8080, but has not accepted a connection yet"
    )

    s.wait(3)
    assert listens(s, accepts=True, acceptor=CHILD) == ["start web#1"]
    assert s.because("db") == ("pid 91 (python), child of 90, accepted a connection on 127.0.0.1:8080")


def test_a_program_that_takes_nothing_for_long_is_said_to() -> None:
    s = started()
    listens(s, untaken=UNTAKEN), s.wait(10), listens(s, untaken=STALLED)
    assert s.because("db") == (
        "pid 90 (gunicorn) listens on 127.0.0.1:8080, but has accepted no connection for 10s"
    )


# Probes.


def test_a_port_probe_is_no_readiness_and_leaves_a_line_in_why() -> None:
    s = started(service("web", "db"))
    assert s.tell(Listens(DB, (), False, None, s.now, probes=1)) == []
    assert s.health("db") == ("starting", "none")
    assert s.because("db") == "not listening on port 8080 yet"
    assert [each.detail for each in s.why("db").evidence] == [
        "port 8080 was open for a moment only: a probe, not the server"
    ]

    s.wait(3)
    assert s.listens("db#1") == ["start web#1"]
    facts = s.service("db").facts
    assert facts
    assert facts.listening_at == s.now


def test_a_listener_that_goes_before_anybody_was_taken_was_not_open() -> None:
    s = started(service("web", "db"))
    listens(s, untaken=UNTAKEN)
    s.wait(1), s.closes("db#1")
    assert s.health("db") == ("starting", "tcp")
    assert s.because("db") == "not listening on port 8080 yet"

    s.wait(3)
    assert s.listens("db#1") == ["start web#1"]
    facts = s.service("db").facts
    assert facts
    assert facts.listening_at == s.now


# Taken back.


def test_health_that_is_lost_within_a_second_was_none() -> None:
    s = started(service("web", "db"))
    assert s.listens("db#1") == ["start web#1"]
    s.wait(0.4), s.closes("db#1")
    row = s.row("db")
    assert (row.state, row.health, row.ready_at) == ("starting", "starting", None)

    s.wait(2), s.listens("db#1")
    row = s.row("db")
    assert (row.state, row.health, row.ready_at) == ("running", "healthy", s.now)


def test_health_that_is_lost_later_is_lost_and_not_taken_back() -> None:
    s = started()
    s.listens("db#1"), s.wait(1.1), s.closes("db#1")
    row = s.row("db")
    assert (row.state, row.health) == ("running", "unhealthy")
    assert row.ready_at is not None


def test_what_was_started_for_it_and_failed_is_tried_again_without_counting() -> None:
    """A task is never tried again; here it never had a chance."""
    s = started(task("seed", "db"))
    assert s.listens("db#1") == ["start seed#1"]
    s.spawned("seed#1"), s.exits("seed#1", 7)
    assert s.state("seed") == "failed"

    s.wait(0.1), s.closes("db#1")
    assert (s.state("seed"), s.row("seed").restarts) == ("waiting", 0)

    s.wait(2)
    assert s.listens("db#1") == ["start seed#2"]
    s.spawned("seed#2"), s.exits("seed#2", 0)
    assert s.state("seed") == "completed"


def test_what_was_started_for_it_and_fails_afterwards_is_tried_again_too() -> None:
    s = started(task("seed", "db"))
    s.listens("db#1"), s.spawned("seed#1")
    s.wait(0.1), s.closes("db#1"), s.wait(0.5)
    s.exits("seed#1", 7)
    assert s.state("seed") == "waiting"
    assert s.listens("db#1") == ["start seed#2"]


def test_a_retry_of_it_does_not_count() -> None:
    s = started(service("web", "db"))
    s.listens("db#1"), s.spawned("web#1"), s.exits("web#1", 1)
    assert s.state("web") == "backoff"

    s.closes("db#1")
    assert (s.state("web"), s.row("web").restarts) == ("waiting", 0)


def test_what_ran_before_is_not_forgiven() -> None:
    s = started(service("web", "db"))
    s.listens("db#1"), s.spawned("web#1"), s.listens("web#1"), s.wait(5)
    s.restart("db"), s.stopped("db#1")
    s.spawned("db#2"), s.listens("db#2")
    s.exits("web#1", 1)
    assert s.state("web") == "backoff"
    s.closes("db#2")
    assert s.row("web").restarts == 1


def test_the_start_timeout_counts_from_the_spawn_still() -> None:
    s = Story(service("db", port=8080, start_timeout=5.0))
    s.up(), s.spawned("db#1"), s.wait(1), s.listens("db#1"), s.wait(0.5), s.closes("db#1")
    assert s.wait(3.4) == []
    assert s.wait(0.2) == ["terminate db#1"]


def test_who_ends_well_right_after_it_was_ready_was_ready() -> None:
    """Its listener goes a moment before it does."""
    s = started()
    s.listens("db#1"), s.wait(0.2), s.closes("db#1")
    s.exited("db#1", 0, pid=90), s.gone("db#1")
    assert s.state("db") == "stopped"
