"""`restart`: stop, then start, of just these; their dependents keep running."""

from __future__ import annotations

import pytest

from domain.story import Story, service, task


def shop() -> Story:
    s = Story(service("db"), service("api", "db"), service("web", "api"))
    s.up(), s.healthy("db#1", "api#1", "web#1")
    return s


def test_restart_leaves_dependents_running() -> None:
    s = shop()

    assert s.restart("db") == ["terminate db#1"]
    assert s.states() == {"db": "stopping", "api": "running", "web": "running"}
    assert s.waiting_on("api") == ("db",)
    assert not s.is_settled("db")
    assert s.stopped("db#1") == ["start db#2"]
    assert s.healthy("db#2") == []
    assert s.row("api").run == 1
    assert s.is_settled()


def test_while_it_is_stopped_for_a_restart_it_says_so() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.restart("web")
    assert (s.state("web"), s.because("web")) == ("stopping", "restarting")


def test_restart_leaves_dependencies_running() -> None:
    s = shop()

    assert s.restart("web") == ["terminate web#1"]
    assert s.stopped("web#1") == ["start web#2"]


def test_restart_of_several_stops_dependents_first_and_starts_dependencies_first() -> None:
    s = shop()

    assert s.restart("db", "web") == ["terminate db#1", "terminate web#1"], "api is between them and stays"
    s.stopped("db#1", "web#1")
    s.healthy("db#2", "web#2")
    assert s.restart("api", "db") == ["terminate api#1"]
    assert s.stopped("api#1") == ["terminate db#2"]
    assert s.stopped("db#2") == ["start db#3"]
    assert s.healthy("db#3") == ["start api#2"]


@pytest.mark.parametrize("named", [("db", "api"), ("api", "db")])
def test_a_dependent_that_is_down_waits_for_the_restart_of_its_dependency(named: tuple[str, str]) -> None:
    s = Story(service("db"), service("api", "db", restart="no"))
    s.up(), s.healthy("db#1", "api#1"), s.exits("api#1", 1)

    assert s.restart(*named) == ["terminate db#1"]
    assert s.state("api") == "waiting"
    assert s.stopped("db#1") == ["start db#2"]
    assert s.healthy("db#2") == ["start api#2"]


def test_so_does_one_that_needs_it_only_to_have_started() -> None:
    s = Story(service("cache"), service("api", "cache=started", restart="no"))
    s.up(), s.spawned("cache#1"), s.spawned("api#1"), s.exits("api#1", 1)

    assert s.restart("api", "cache") == ["terminate cache#1"]
    assert s.stopped("cache#1") == ["start cache#2"]
    assert s.spawned("cache#2") == ["start api#2"]


def test_a_crashed_dependent_waits_for_the_restart_too() -> None:
    s = shop()
    s.restart("db"), s.exits("api#1", 1)

    assert s.wait(0.1) == []
    assert s.state("api") == "waiting"


def test_restart_forgets_failures() -> None:
    s = Story(service("web", max_restarts=0))
    s.up(), s.spawned("web#1"), s.exits("web#1", 1)

    assert s.restart("web") == ["start web#2"]
    assert s.row("web").restarts == 0


def test_restart_starts_what_was_stopped() -> None:
    s = shop()
    s.stop("web"), s.stopped("web#1")

    assert s.restart("web") == ["start web#2"]


def test_restart_of_what_needs_something_stopped_is_blocked() -> None:
    s = shop()
    s.stop("api"), s.stopped("web#1", "api#1")

    assert s.restart("web") == []
    assert s.state("web") == "blocked"
    assert s.is_settled("web")


def test_restart_of_what_was_stopped_brings_its_dependents_back() -> None:
    s = shop()
    s.stop("api"), s.stopped("web#1", "api#1")

    assert s.restart("api") == ["start api#2"]
    assert s.healthy("api#2") == ["start web#2"]


@pytest.mark.parametrize(
    ("moment", "orders"),
    [
        ("launching", ["start web#2"]),
        ("starting", ["start web#2"]),
        ("running", ["start web#2"]),
        ("stopping", ["start web#2"]),
        ("leftovers", ["start web#2"]),
        ("timing out", ["start web#2"]),
        ("backoff", []),
        ("failed", []),
        ("ended", []),
        ("stopped", []),
    ],
)
def test_restart_at_any_moment_leads_to_one_fresh_run(moment: str, orders: list[str]) -> None:
    s = Story(service("web", restart="no" if moment == "failed" else "on-failure", start_timeout=5.0))
    s.up()
    if moment not in ("launching", "starting", "timing out"):
        s.healthy("web#1")
    match moment:
        case "starting":
            s.spawned("web#1")
        case "timing out":
            s.spawned("web#1"), s.wait(5)
        case "stopping":
            s.stop("web")
        case "leftovers":
            s.exited("web#1", 1, left=1)
        case "backoff" | "failed":
            s.exits("web#1", 1)
        case "ended":
            s.exits("web#1", 0)
        case "stopped":
            s.stop("web"), s.stopped("web#1")
        case _:
            pass

    first = s.restart("web")
    if not orders:
        assert first == ["start web#2"]
    else:
        assert "start web#2" not in first
        assert not s.is_settled()
        if moment == "launching":
            assert s.spawned("web#1") == ["terminate web#1"]
        assert [*s.exited("web#1", signal=15), *s.gone("web#1")] == orders
    s.healthy("web#2")
    assert s.states() == {"web": "running"}
    assert s.is_settled()


def test_restart_twice_is_one_restart() -> None:
    s = shop()
    s.restart("web")

    assert s.restart("web") == []
    assert s.stopped("web#1") == ["start web#2"]
    assert s.healthy("web#2") == []


def test_stop_after_restart_wins() -> None:
    s = shop()
    s.restart("web"), s.stop("web")

    assert s.stopped("web#1") == []
    assert s.state("web") == "stopped"


def test_restart_after_stop_wins() -> None:
    s = shop()
    s.stop("web"), s.restart("web")

    assert s.stopped("web#1") == ["start web#2"]


def test_up_after_restart_does_not_undo_it() -> None:
    s = shop()
    s.restart("web"), s.up()

    assert s.stopped("web#1") == ["start web#2"]


def test_up_while_a_restart_waits_for_dependents_to_leave_does_not_undo_it() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.restart("db", "web"), s.up()

    assert s.stopped("web#1") == ["terminate db#1"]
    assert s.stopped("db#1") == ["start db#2"]


def test_a_stop_of_its_dependency_wins_over_a_restart() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.restart("web")

    assert s.stop("db") == []
    assert s.stopped("web#1") == ["terminate db#1"]
    assert s.state("web") == "blocked"


def test_restart_runs_a_task_again() -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.healthy("seed#1", "web#1")

    assert s.restart("seed") == ["start seed#2"]
    assert s.state("web") == "running"
