"""What the properties of a unit mean for its run: snapshots in, news out. No systemd is asked."""

from __future__ import annotations

from typing import Any

from locald.adapters.systemd.following import Following, state
from locald.domain.lifecycle.messages import Event, Exit, Exited, NotStarted, Reported, Spawned
from locald.domain.project.names import Key, Run

RUN = Run(Key("shop", "web"), 1)
UNIT = "locald-shop-web.service"
BEGUN = {"ActiveState": "activating", "SubState": "start", "ExecMainPID": 7, "MainPID": 7}
ACTIVE = BEGUN | {"ActiveState": "active", "SubState": "running", "ActiveEnterTimestampMonotonic": 1}
STARTED = {"ExecMainStartTimestamp": 10_000_000}
ENDED = {"MainPID": 0, "ExecMainExitTimestamp": 20_000_000}


def following(*, speaks: bool = False) -> Following:
    return Following(RUN, UNIT, "serve", lambda wall: 50.0 if wall is None else wall, speaks=speaks)


def look(run: Following, *properties: dict[str, Any]) -> list[Event]:
    known: dict[str, Any] = {}
    for each in properties:
        known |= each
    return run.look(state(known))


def test_a_program_is_there_when_systemd_has_executed_it_and_nothing_is_told_twice() -> None:
    run = following()
    assert look(run, {"ActiveState": "activating"}) == []
    assert look(run, BEGUN, STARTED) == []
    assert look(run, ACTIVE, STARTED) == [Spawned(RUN, 7, 10.0)]
    assert look(run, ACTIVE, STARTED) == []


def test_one_that_systemd_has_not_got_to_yet_is_neither_there_nor_over() -> None:
    run, idle = following(), {"ActiveState": "inactive", "SubState": "dead", "Result": "success"}
    assert look(run, idle, {"Job": (5, "/job/5")}) == []
    assert look(run, ACTIVE, STARTED, {"Job": (0, "/")}) == [Spawned(RUN, 7, 10.0)]
    (told,) = look(following(), idle, {"Job": (0, "/")})
    assert isinstance(told, NotStarted)


def test_one_that_says_when_it_is_ready_is_there_at_once_and_ready_when_it_says_so() -> None:
    run = following(speaks=True)
    waits = f"{UNIT} is activating, its program has not sent READY=1 yet"
    assert look(run, BEGUN, STARTED) == [Spawned(RUN, 7, 10.0), Reported(RUN, False, waits, 50.0)]
    loads = f"{waits} (status: loading)"
    assert look(run, BEGUN, STARTED, {"StatusText": "loading"}) == [Reported(RUN, False, loads, 50.0)]
    ready = f"{UNIT} is active, its program sent READY=1"
    assert look(run, ACTIVE, STARTED) == [Reported(RUN, True, ready, 50.0)]
    assert look(run, ACTIVE, STARTED) == []


def test_one_that_stops_by_itself_is_not_healthy_any_more() -> None:
    run = following(speaks=True)
    look(run, ACTIVE, STARTED)
    (told,) = look(run, ACTIVE, STARTED, {"ActiveState": "deactivating"})
    assert told == Reported(RUN, False, f"{UNIT} is deactivating", 50.0)


def test_how_it_ended_is_told_with_the_units_result() -> None:
    run = following()
    look(run, ACTIVE, STARTED)
    failed = {"ActiveState": "failed", "Result": "exit-code", "ExecMainCode": 1, "ExecMainStatus": 3}
    assert look(run, ACTIVE, STARTED, ENDED, failed) == [
        Exited(RUN, 7, Exit(code=3, reason=f"{UNIT}: exit-code"), 0, 20.0)
    ]


def test_a_signal_is_named_and_so_is_what_only_systemd_knows() -> None:
    run = following()
    look(run, ACTIVE, STARTED)
    killed = {"ActiveState": "failed", "Result": "oom-kill", "ExecMainCode": 2, "ExecMainStatus": 9}
    assert look(run, ACTIVE, STARTED, ENDED, killed) == [
        Exited(RUN, 7, Exit(signal=9, reason=f"{UNIT}: oom-kill"), 0, 20.0)
    ]


def test_what_was_over_before_anybody_looked_has_lived() -> None:
    """A task of no time: systemd keeps its unit, and how it ended."""
    over = {"SubState": "exited", "ExecMainCode": 1}
    assert look(following(), ACTIVE, STARTED, ENDED, over) == [
        Spawned(RUN, 7, 10.0),
        Exited(RUN, 7, Exit(code=0), 0, 20.0),
    ]


def test_what_never_became_its_program_has_not_started() -> None:
    failed = {"ActiveState": "failed", "Result": "exit-code", "ExecMainCode": 1, "ExecMainStatus": 203}
    (told,) = look(following(), BEGUN, STARTED, ENDED, failed)
    assert isinstance(told, NotStarted)
    assert told.reason == "serve: systemd could not execute it"
    assert UNIT in told.hint


def test_what_systemd_had_no_means_for_has_not_started() -> None:
    (told,) = look(following(), {"ActiveState": "failed", "Result": "resources"})
    assert isinstance(told, NotStarted)
    assert told.reason == f"systemd could not start {UNIT}: resources"
