"""Stopping: dependents first, the stubborn killed in time, and what was stopped stays stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.story import Story, service, task, worker
from locald.domain.lifecycle.messages import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.domain.project.spec import ServiceSpec


def test_a_stop_signal_that_is_honoured_is_the_end() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1")

    assert s.stop("web") == ["terminate web#1"]
    row = s.row("web")
    assert (row.state, row.health, row.because) == ("stopping", "unhealthy", "stopping, requested by user")
    assert s.exits("web#1", signal=15) == []
    row = s.row("web")
    assert (row.state, row.health, row.source) == ("stopped", "unknown", "none")
    assert (row.exit_code, row.pid, row.because) == (143, None, "stopped by user")
    assert s.is_down()


def test_the_stubborn_is_killed_when_its_grace_is_over() -> None:
    s = Story(service("web", stop_timeout=3.0))
    s.up(), s.healthy("web#1"), s.stop("web")

    assert s.wait(2.9) == []
    assert s.wait(0.1) == ["kill web#1"]
    assert s.because("web") == "killing with SIGKILL"
    assert s.notes[-1] == "did not stop in time, sending SIGKILL"
    assert s.wait(3600) == [], "once is enough"
    assert s.exits("web#1", signal=9) == []
    assert s.row("web").exit_code == 137


def test_what_survives_even_sigkill_is_named() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.stop("web"), s.wait(10)

    s.stuck("web#1", Process(77, "nfsd"))
    assert s.because("web") == "still running after SIGKILL: pid 77 (nfsd)"
    assert not s.is_down()
    s.gone("web#1")
    assert s.is_down()


def test_a_stopped_service_stays_stopped_whatever_its_policy() -> None:
    s = Story(service("web", restart="always"))
    s.up(), s.healthy("web#1"), s.stop("web"), s.exits("web#1", 1)

    assert s.state("web") == "stopped"
    assert s.wait(3600) == []


# Dependents.


def test_dependents_go_first_and_stay_wanted_but_blocked() -> None:
    s = Story(service("db"), service("api", "db"), service("web", "api"))
    s.up(), s.healthy("db#1", "api#1", "web#1")

    assert s.stop("db") == ["terminate web#1"]
    assert s.because("web") == "stopping because db was stopped"
    assert s.stopped("web#1") == ["terminate api#1"]
    assert s.states() == {"db": "running", "api": "stopping", "web": "blocked"}
    assert s.stopped("api#1") == ["terminate db#1"]
    assert s.stopped("db#1") == []
    assert s.states() == {"db": "stopped", "api": "blocked", "web": "blocked"}
    assert s.because("api") == "blocked by db: stopped by user"
    assert s.because("web") == "blocked by api, which needs db: stopped by user"
    assert s.waiting_on("web") == ("api",)
    assert s.is_settled()
    assert s.is_down()


def test_they_come_back_by_themselves_when_the_dependency_is_up_again() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.stop("db"), s.stopped("web#1", "db#1")

    assert s.up("db") == ["start db#2"]
    assert s.state("web") == "waiting"
    assert s.healthy("db#2") == ["start web#2"]


def test_whoever_was_stopped_too_does_not_come_back() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.stop("db", "web"), s.stopped("web#1", "db#1")

    assert s.up("db") == ["start db#2"]
    assert s.healthy("db#2") == []
    assert s.state("web") == "stopped"


def test_a_dependency_of_what_is_stopped_keeps_running() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1")

    assert s.stop("web") == ["terminate web#1"]
    s.stopped("web#1")
    assert s.states() == {"db": "running", "web": "stopped"}


def test_what_does_not_depend_on_each_other_is_stopped_at_once() -> None:
    s = Story(service("a"), service("c", "a"), service("d", "a"), service("b", "d"))
    s.up(), s.healthy("a#1", "c#1", "d#1", "b#1")

    assert sorted(s.stop("a", "b", "c", "d")) == ["terminate b#1", "terminate c#1"]
    assert s.stopped("b#1") == ["terminate d#1"]
    assert s.stopped("c#1") == []
    assert s.stopped("d#1") == ["terminate a#1"]


def test_dependents_go_first_also_when_the_one_between_is_not_there() -> None:
    s = Story(service("db"), service("api", "db", restart="no"), service("web", "api"))
    s.up(), s.healthy("db#1", "api#1", "web#1"), s.exits("api#1", 1)

    assert s.stop("db") == ["terminate web#1"]
    assert s.stopped("web#1") == ["terminate db#1"]


@pytest.mark.parametrize("code", [0, 1])
def test_a_dependent_that_ends_by_itself_before_its_turn_comes_back_too(code: int) -> None:
    s = Story(service("db"), service("api", "db"), service("web", "api"))
    s.up(), s.healthy("db#1", "api#1", "web#1")

    assert s.stop("db") == ["terminate web#1"]
    s.exits("api#1", code)
    assert s.stopped("web#1") == ["terminate db#1"]
    s.stopped("db#1")
    assert s.states() == {"db": "stopped", "api": "blocked", "web": "blocked"}
    s.up("db")
    assert s.healthy("db#2") == ["start api#2"]


def test_a_task_that_completes_before_its_turn_has_completed() -> None:
    s = Story(service("db"), task("seed", "db"), service("web", "seed", "db"))
    s.up(), s.healthy("db#1"), s.spawned("seed#1"), s.daemon_dies(), s.stop("db"), s.spawned("db#1")

    s.exits("seed#1", 0), s.stopped("db#1")
    assert s.state("seed") == "completed"


def test_a_dependent_that_is_going_anyway_is_waited_for() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.stop("web")

    assert s.stop("db") == []
    assert s.stopped("web#1") == ["terminate db#1"]


def test_a_dependent_that_only_needs_it_to_have_started_goes_first_too() -> None:
    s = Story(service("db"), service("web", "db=started"))
    s.up(), s.spawned("db#1"), s.spawned("web#1")

    assert s.stop("db") == ["terminate web#1"]


def test_what_waits_for_the_stopped_is_blocked() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.spawned("db#1")

    assert s.stop("db") == ["terminate db#1"]
    assert s.because("web") == "blocked by db: stopped by user"
    assert s.state("web") == "blocked"


def test_while_dependents_leave_nothing_has_settled() -> None:
    """Whoever waiting for db to be healthy must not be told that it is, a moment before it is stopped."""
    s = Story(service("db"), service("api", "db"), service("web", "api"))
    s.up(), s.healthy("db#1", "api#1", "web#1")
    assert s.is_settled("db")

    s.stop("db")
    assert s.health("db") == s.health("api") == ("healthy", "tcp")
    assert not s.is_settled("db")
    assert not s.is_settled("api")


# At any moment.


def test_stop_before_there_is_a_process_waits_for_it_and_ends_it() -> None:
    s = Story(service("web"))
    s.up()

    assert s.stop("web") == []
    assert s.state("web") == "stopping"
    assert s.because("web") == "waiting for its process to stop it"
    assert s.spawned("web#1") == ["terminate web#1"]
    assert s.wait(10) == ["kill web#1"]
    s.exits("web#1", signal=9)
    assert s.state("web") == "stopped"


def test_stop_before_there_is_a_process_and_then_there_is_none() -> None:
    s = Story(service("web"))
    s.up(), s.stop("web")

    assert s.refused("web#1") == []
    assert s.state("web") == "stopped"


def test_stop_while_it_waits() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.stop("web")

    assert s.states() == {"db": "starting", "web": "stopped"}
    assert s.is_down("web")
    assert s.healthy("db#1") == []


def test_stop_while_it_is_blocked() -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.spawned("seed#1"), s.exits("seed#1", 1), s.stop("web")

    assert s.state("web") == "stopped"
    assert s.waiting_on("web") == ()


def test_stop_while_a_restart_is_due() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.exits("web#1", 1)

    assert s.stop("web") == []
    assert s.state("web") == "stopped"
    assert s.wait(3600) == []


def test_stop_while_leftovers_are_ended() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.exited("web#1", 1, left=1)

    assert s.stop("web") == []
    assert s.gone("web#1") == []
    assert s.state("web") == "stopped"


def test_stop_while_it_starts() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1")

    assert s.stop("web") == ["terminate web#1"]
    s.exits("web#1", 0)
    assert s.state("web") == "stopped"


def test_stop_what_has_failed_forgets_the_failure() -> None:
    s = Story(service("web", restart="no"))
    s.up(), s.spawned("web#1"), s.exits("web#1", 1), s.stop("web")

    row = s.row("web")
    assert (row.state, row.because, row.exit_code) == ("stopped", "stopped by user", 1)


def test_stop_twice_signals_once() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.stop("web")

    assert s.stop("web") == []


def test_stop_what_never_ran_is_nothing() -> None:
    s = Story(service("a"), service("b"))
    s.up("a")

    assert s.stop("b") == []
    assert s.because("b") == "not running"


def test_a_dependent_that_crashes_while_it_should_leave_is_not_retried() -> None:
    s = Story(service("db"), service("web", "db", stop_timeout=1.0))
    s.up(), s.healthy("db#1", "web#1"), s.stop("db")

    assert s.exits("web#1", 1) == ["terminate db#1"]
    assert s.state("web") == "blocked"


def test_a_dependency_that_crashes_while_it_waits_for_dependents_to_leave_stays_down() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.stop("db")

    assert s.exits("db#1", 1) == []
    assert s.state("db") == "stopped"
    assert s.stopped("web#1") == []
    assert s.wait(3600) == []


def test_the_grace_is_that_of_the_run_not_of_a_later_definition() -> None:
    s = Story(service("web", stop_timeout=30.0))
    s.up(), s.healthy("web#1")
    s.edit(service("web", stop_timeout=1.0))

    assert s.up() == ["terminate web#1"]
    assert s.wait(29.9) == []
    assert s.wait(0.1) == ["kill web#1"]


@pytest.mark.parametrize("make", [service, worker])
def test_the_health_of_what_is_being_stopped_is_no_longer_good(make: Callable[[str], ServiceSpec]) -> None:
    s = Story(make("web"))
    s.up(), s.healthy("web#1"), s.stop("web")

    assert s.health("web")[0] == "unhealthy"
    s.says("web#1", "READY=1")
    assert s.health("web")[0] == "unhealthy"


def test_nothing_is_noted_of_the_end_of_what_is_forgotten() -> None:
    """Its history is gone by then, and a late note would begin another."""
    s = Story(service("web"), service("api", "web"))
    s.up(), s.healthy("web#1"), s.healthy("api#1"), s.down()
    before = list(s.notes)
    s.exits("web#1", 1), s.exits("api#1", signal=15)
    assert s.notes == before
    assert "web" not in s


def test_shutdown_stops_everything_dependents_first_and_clears_the_desired_state() -> None:
    s = Story(service("db"), service("web", "db"), service("other"))
    s.up(), s.healthy("db#1", "web#1", "other#1")

    assert sorted(s.shutdown()) == ["terminate other#1", "terminate web#1"]
    assert s.stopped("web#1", "other#1") == ["terminate db#1"]
    s.stopped("db#1")
    assert set(s.states().values()) == {"stopped"}
    assert s.is_down()


def test_a_project_without_services_is_forgotten_at_once() -> None:
    """Else nobody else could ever have its name."""
    s = Story()
    s.up()
    assert "shop" in s.world.places
    s.down()
    assert "shop" not in s.world.places
