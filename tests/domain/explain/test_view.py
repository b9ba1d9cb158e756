"""What people see: rows, and whether anything can still move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.story import Story, key, service, task, worker
from locald.domain.explain.view import Row, is_fallback
from locald.domain.lifecycle.health import Source
from locald.domain.lifecycle.phase import (
    Adopting,
    Backoff,
    Blocked,
    Completed,
    Ended,
    Failed,
    Launching,
    Phase,
    Running,
    Starting,
    Stopped,
    Stopping,
    Waiting,
    state,
)
from locald.domain.lifecycle.reachable import with_dependencies, with_dependents
from locald.domain.project.names import Run
from locald.domain.project.spec import Engine, HealthCheck, HttpCheck, Type

if TYPE_CHECKING:
    from collections.abc import Callable

RUN = Run(key("web"), 1)

STATES: list[tuple[Phase, str]] = [
    (Stopped(), "stopped"),
    (Ended("exited with code 0"), "stopped"),
    (Waiting(), "waiting"),
    (Blocked(key("db"), key("db")), "blocked"),
    (Launching(RUN), "starting"),
    (Starting(RUN, None), "starting"),
    (Running(RUN), "running"),
    (Stopping(RUN, None), "stopping"),
    (Backoff("exited with code 1", 1.0), "backoff"),
    (Failed("exited with code 1"), "failed"),
    (Completed(1.0), "completed"),
    (Adopting(Running(RUN)), "running"),
    (Adopting(Launching(RUN)), "starting"),
    (Adopting(Stopping(RUN, None)), "stopping"),
]


@pytest.mark.parametrize(("phase", "shown"), STATES)
def test_every_phase_is_one_of_the_promised_states(phase: Phase, shown: str) -> None:
    assert state(phase) == shown


def test_a_row_has_the_promised_columns() -> None:
    assert list(Row.__struct_fields__) == [
        "name",
        "project",
        "instance",
        "shared",
        "shared_by",
        "directory",
        "type",
        "engine",
        "state",
        "health",
        "source",
        "check",
        "fallback",
        "because",
        "reason",
        "hint",
        "since",
        "waiting_on",
        "depends_on",
        "pid",
        "container",
        "port",
        "port_source",
        "address",
        "url",
        "name_url",
        "on_demand",
        "run",
        "restarts",
        "exit_code",
        "started_at",
        "ready_at",
        "left",
    ]


def test_the_row_of_a_healthy_service() -> None:
    s = Story(service("web", port=8080))
    s.up(), s.wait(1), s.spawned("web#1", pid=4790), s.wait(1), s.listens("web#1")

    assert s.row("web") == Row(
        name="web",
        project="shop",
        instance=None,
        shared=False,
        shared_by=(),
        directory="/shop",
        type=Type.EXEC,
        engine=Engine.LOCAL,
        state="running",
        health=s.row("web").health,
        source=Source.TCP,
        check=None,
        fallback=True,
        because="pid 2801 (node) accepts connections on 127.0.0.1:8080",
        reason="pid 2801 (node) accepts connections on 127.0.0.1:8080",
        hint=None,
        since=1002.0,
        waiting_on=(),
        depends_on={},
        pid=4790,
        container=None,
        port=8080,
        port_source="fixed",
        address="127.0.0.1:8080",
        url="http://127.0.0.1:8080/",
        name_url=None,
        on_demand=False,
        run=1,
        restarts=0,
        exit_code=None,
        started_at=1001.0,
        ready_at=1002.0,
        left=None,
    )


def test_what_has_no_port_has_no_url() -> None:
    s = Story(worker("jobs"), task("seed"))
    s.up()

    for name in ("jobs", "seed"):
        assert (s.row(name).port, s.row(name).url) == (None, None)


def test_check_is_the_kind_of_the_check_that_the_run_was_started_with() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1")
    s.edit(service("web", health_check=HealthCheck(HttpCheck())))

    s.up()
    assert s.row("web").check is None
    s.stopped("web#1")
    assert s.row("web").check == "http"


@pytest.mark.parametrize(
    ("source", "type_", "fallback"),
    [
        (Source.TCP, Type.EXEC, True),
        (Source.TCP, Type.CONTAINER, True),
        (Source.PROCESS, Type.WORKER, True),
        (Source.PROCESS, Type.CONTAINER, True),
        (Source.PROCESS, Type.TASK, False),
        (Source.NOTIFY, Type.EXEC, False),
        (Source.EXPLICIT, Type.EXEC, False),
        (Source.DOCKER, Type.CONTAINER, False),
        (Source.NONE, Type.WORKER, False),
    ],
)
def test_what_counts_as_a_fallback(source: Source, type_: Type, fallback: bool) -> None:
    assert is_fallback(source, type_) is fallback


def test_the_exit_code_is_that_of_the_latest_run_that_ended() -> None:
    s = Story(service("web"))
    s.up()
    assert s.row("web").exit_code is None
    s.healthy("web#1"), s.exited("web#1", 3, left=1)
    assert (s.row("web").exit_code, s.row("web").pid) == (3, None), "also while leftovers are ended"
    s.gone("web#1")
    assert s.row("web").exit_code == 3
    s.wait(0.1)
    assert s.row("web").exit_code is None
    s.spawned("web#2"), s.exits("web#2", signal=15)
    assert s.row("web").exit_code == 143


def test_times_of_a_run_are_shown_until_the_next_one() -> None:
    s = Story(service("web"))
    s.up(), s.wait(1), s.spawned("web#1"), s.wait(1), s.listens("web#1"), s.wait(1), s.stop("web")
    s.stopped("web#1")

    assert (s.row("web").started_at, s.row("web").ready_at) == (1001.0, 1002.0)
    s.up()
    assert (s.row("web").started_at, s.row("web").ready_at) == (None, None)


# Whether anything can still move: when `up`, `wait` and `stop` return.


MOMENTS: dict[str, Callable[[Story], object]] = {
    "starting": lambda s: s.spawned("web#1"),
    "running": lambda s: s.healthy("web#1"),
    "unhealthy": lambda s: s.healthy("web#1") + s.closes("web#1"),
    "stopping": lambda s: s.healthy("web#1") + s.stop("web"),
    "stopping by itself": lambda s: s.healthy("web#1") + s.says("web#1", "STOPPING=1"),
    "stopped": lambda s: s.healthy("web#1") + s.stop("web") + s.stopped("web#1"),
    "ended": lambda s: s.healthy("web#1") + s.exits("web#1", 0),
    "backoff": lambda s: s.healthy("web#1") + s.exits("web#1", 1),
    "failed": lambda s: s.refused("web#1"),
    "restarting": lambda s: s.healthy("web#1") + s.restart("web"),
    "wanted again": lambda s: s.healthy("web#1") + s.stop("web") + s.up("web"),
    "started again": lambda s: s.healthy("web#1") + s.stop("web") + s.up("web") + s.stopped("web#1"),
    "looked for": lambda s: s.healthy("web#1") + s.daemon_dies(),
    "leaving": lambda s: s.healthy("web#1") + s.stop("db"),
    "launching": lambda s: [],
}


def story(moment: str) -> Story:
    """A web that needs a db, at this moment of its life."""
    s = Story(service("db"), service("web", "db"))
    if moment == "never started":
        s.up("db")
        return s
    s.up()
    if moment == "blocked":
        s.refused("db#1")
    elif moment != "waiting":
        s.healthy("db#1"), MOMENTS[moment](s)
    return s


@pytest.mark.parametrize(
    ("moment", "is_settled", "is_down"),
    [
        ("never started", True, True),
        ("waiting", False, True),
        ("blocked", True, True),
        ("launching", False, True),
        ("starting", False, True),
        ("running", True, True),
        ("unhealthy", False, True),
        ("stopping", False, False),
        ("stopping by itself", False, False),
        ("stopped", True, True),
        ("ended", True, True),
        ("backoff", False, True),
        ("failed", True, True),
        ("restarting", False, False),
        ("wanted again", False, False),
        ("started again", False, True),
        ("looked for", False, True),
        ("leaving", False, False),
    ],
)
def test_when_a_service_is_settled_and_when_it_is_down(moment: str, is_settled: bool, is_down: bool) -> None:
    """What runs and is to run on is as down as it will be: who stopped it before is not kept waiting."""
    s = story(moment)

    assert (s.is_settled("web"), s.is_down("web")) == (is_settled, is_down)


def test_a_completed_task_is_settled_whether_it_is_wanted_or_not() -> None:
    s = Story(task("seed"))
    s.up(), s.healthy("seed#1")
    assert s.is_settled()

    s.stop("seed")
    assert s.is_settled()
    assert s.is_down()


def test_all_have_to_be_settled() -> None:
    s = story("starting")

    assert s.is_settled("db")
    assert not s.is_settled("db", "web")


def test_what_is_not_there_keeps_nobody() -> None:
    s = Story(service("web"))

    assert s.is_settled("web", "nobody")
    assert s.is_down("web", "nobody")


# Who else is concerned.


def shop() -> Story:
    s = Story(service("db"), task("seed", "db"), service("api", "db"), service("web", "api", "seed"))
    s.up()
    return s


def test_what_a_service_needs_comes_after_it() -> None:
    s = shop()

    assert with_dependencies(s.world.services, [key("web")]) == [*map(key, ["web", "api", "seed", "db"])]


def test_who_has_to_leave_with_a_service() -> None:
    s = shop()

    assert with_dependents(s.world.services, s.world.dependents, [key("db")]) == [
        *map(key, ["db", "seed", "api", "web"])
    ]
    assert with_dependents(s.world.services, s.world.dependents, [key("web")]) == [key("web")]


def test_behind_a_finished_task_nobody_has_to_leave() -> None:
    """Else `stop seed` would wait for the end of what goes on running."""
    s = Story(service("db"), task("seed", "db"), service("web", "seed"))
    s.up(), s.healthy("db#1", "seed#1", "web#1")

    assert with_dependents(s.world.services, s.world.dependents, [key("db")]) == [key("db"), key("seed")]
    s.stop("db"), s.stopped("db#1")
    assert s.is_down("db", "seed")
    assert s.state("web") == "running"


def test_a_row_tells_what_each_dependency_has_to_be() -> None:
    s = Story(service("db"), task("seed"), worker("cache"), service("web", "db", "seed", "cache=started"))
    s.up()
    assert s.row("web").depends_on == {"db": "healthy", "seed": "completed", "cache": "started"}
    assert s.row("db").depends_on == {}
