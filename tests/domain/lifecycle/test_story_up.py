"""`up` makes the project what its file says; `down` forgets it."""

from __future__ import annotations

import pytest

from domain.story import Story, project, service, task, worker
from locald.domain.lifecycle.messages import Up
from locald.domain.project.spec import Caller


def test_up_leaves_what_runs_unchanged_alone() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1")
    before = s.row("web")

    assert s.up() == []
    assert s.row("web") == before


def test_up_forgets_failures() -> None:
    s = Story(service("web", max_restarts=1))
    s.up(), s.spawned("web#1"), s.exits("web#1", 1), s.wait(0.1), s.spawned("web#2"), s.exits("web#2", 1)
    assert s.state("web") == "failed"

    assert s.up() == ["start web#3"]
    assert s.row("web").restarts == 0
    s.spawned("web#3"), s.exits("web#3", 1)
    assert s.because("web") == "exited with code 1, restart 1 of 1 in 100ms"


def test_up_starts_at_once_what_waits_for_its_retry() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.exits("web#1", 1)

    assert s.up() == ["start web#2"]
    assert s.wait(3600)[:1] == []


def test_up_forgives_the_crashes_of_what_is_starting_once_more() -> None:
    s = Story(service("web", max_restarts=1))
    s.up(), s.spawned("web#1"), s.exits("web#1", 1), s.wait(0.1), s.spawned("web#2")

    assert s.up() == []
    s.exits("web#2", 1)
    assert s.state("web") == "backoff"


def test_up_starts_again_what_ended_by_itself() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.exits("web#1", 0)

    assert s.up() == ["start web#2"]


def test_up_during_a_stop_starts_a_fresh_run_when_the_old_one_is_gone() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.stop("web")

    assert s.up() == []
    assert not s.is_settled()
    assert s.stopped("web#1") == ["start web#2"]


def test_up_before_it_was_told_to_stop_changes_its_mind() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1")

    assert s.stop("db") == ["terminate web#1"]
    assert s.up() == []
    assert s.stopped("web#1") == ["start web#2"]
    assert s.row("db").run == 1


def test_up_of_a_dependent_heals_the_dependency_that_was_stopped() -> None:
    s = Story(service("db"), service("api", "db"), service("web", "api"))
    s.up(), s.healthy("db#1", "api#1", "web#1"), s.stop("db"), s.stopped("web#1", "api#1", "db#1")

    assert s.up("web") == ["start db#2"]
    assert s.healthy("db#2") == ["start api#2"]


def test_up_of_something_else_leaves_what_was_stopped_alone() -> None:
    s = Story(service("db"), service("web", "db"), service("other"))
    s.up(), s.healthy("db#1", "web#1", "other#1"), s.stop("db"), s.stopped("web#1", "db#1")

    assert s.up("other") == []
    assert s.states() == {"db": "stopped", "web": "blocked", "other": "running"}


def test_up_before_there_is_a_process_is_patient() -> None:
    s = Story(service("web"))
    s.up()

    assert s.up() == []
    assert s.healthy("web#1") == []


def test_stop_and_up_before_there_is_a_process() -> None:
    s = Story(service("web"))
    s.up(), s.stop("web")

    assert s.up() == []
    assert s.spawned("web#1") == ["terminate web#1"]
    assert s.stopped("web#1") == ["start web#2"]


# Changed definitions.


def test_a_changed_service_is_restarted_and_its_dependents_keep_running() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1")

    s.edit(service("db", env={"A": "1"}), service("web", "db"))
    assert s.up() == ["terminate db#1"]
    assert s.state("web") == "running"
    assert s.stopped("db#1") == ["start db#2"]


def test_a_change_is_a_change_though_something_else_was_asked_for() -> None:
    s = Story(service("web"), service("other"))
    s.up("web"), s.healthy("web#1")

    s.edit(service("web", env={"A": "1"}), service("other"))
    assert sorted(s.up("other")) == ["start other#1", "terminate web#1"]


def test_a_changed_service_that_was_not_wanted_stays_down() -> None:
    s = Story(service("web"), service("other"))
    s.up(), s.healthy("web#1", "other#1"), s.stop("web"), s.stopped("web#1")

    s.edit(service("web", env={"A": "1"}), service("other"))
    assert s.up("other") == []
    assert s.state("web") == "stopped"


def test_a_change_of_what_is_blocked_starts_nothing_that_somebody_stopped() -> None:
    s = Story(service("db"), service("web", "db"), service("other"))
    s.up(), s.healthy("db#1", "web#1", "other#1"), s.stop("db"), s.stopped("web#1", "db#1")

    s.edit(service("db"), service("web", "db", env={"A": "1"}), service("other"))
    assert s.up("other") == []
    assert s.state("web") == "blocked"
    assert s.up("db") == ["start db#2"]
    assert s.healthy("db#2") == ["start web#2"]
    assert s.service("web").present.spec.env == {"A": "1"}


def test_the_order_of_the_file_is_no_change() -> None:
    s = Story(service("db"), service("cache"), service("web", "db", "cache", env={"A": "1", "B": "2"}))
    s.up(), s.healthy("db#1", "cache#1", "web#1")

    s.edit(service("web", "cache", "db", env={"B": "2", "A": "1"}), service("cache"), service("db"))
    assert s.up() == []


def test_a_failed_service_that_changed_is_tried_again() -> None:
    s = Story(service("web", restart="no"), service("other"))
    s.up(), s.spawned("web#1"), s.exits("web#1", 1)

    s.edit(service("web", command="better", restart="no"), service("other"))
    assert s.up("other") == ["start web#2"]


def test_a_change_during_a_stop_is_what_starts_next() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.restart("web")

    s.edit(service("web", command="other"))
    assert s.up() == []
    assert s.stopped("web#1") == ["start web#2"]
    assert s.service("web").present.spec.command == "other"


def test_a_change_while_it_starts_restarts_it() -> None:
    s = Story(service("web"))
    s.up()

    s.edit(service("web", command="other"))
    assert s.up() == []
    assert s.spawned("web#1") == ["terminate web#1"]
    assert s.stopped("web#1") == ["start web#2"]


def test_a_change_while_it_still_runs_though_stopped_restarts_it() -> None:
    """`stop` lets dependents go first: what waits for them runs on, as it was defined before."""
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.stop("db")

    s.edit(service("db", command="other"), service("web", "db"))
    assert s.up() == []
    assert s.stopped("web#1") == ["terminate db#1"]
    assert s.stopped("db#1") == ["start db#2"]


def test_a_new_dependency_of_what_runs_is_started_too() -> None:
    s = Story(service("web"), service("other"))
    s.up(), s.healthy("web#1", "other#1")

    s.edit(service("cache"), service("web", "cache"), service("other"))
    assert sorted(s.up("other")) == ["start cache#1", "terminate web#1"]
    s.stopped("web#1")
    assert s.state("web") == "waiting"
    assert s.healthy("cache#1") == ["start web#2"]


def test_a_dependency_that_is_no_more_is_not_waited_for() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.spawned("db#1")

    s.edit(service("db"), service("web"))
    assert s.up() == ["start web#1"]


def test_changed_dependencies_count_for_later_stops() -> None:
    s = Story(service("a"), service("b", "a"))
    s.up(), s.healthy("a#1", "b#1")
    s.edit(service("a", "b"), service("b"))
    assert s.up() == ["terminate b#1"], "as it was started, b depends on a"
    assert sorted(s.stopped("b#1")) == ["start b#2", "terminate a#1"]
    s.stopped("a#1")
    assert s.healthy("b#2") == ["start a#2"]
    s.healthy("a#2")

    assert s.stop("b") == ["terminate a#2"]


# Services that are not in the file any more.


def test_a_removed_service_is_stopped_and_forgotten() -> None:
    s = Story(service("old"), service("web"))
    s.up(), s.healthy("old#1", "web#1")

    s.edit(service("web"))
    assert s.up() == ["terminate old#1"]
    assert s.stopped("old#1") == ["discard old"]
    assert "old" not in s


def test_dependents_of_a_removed_service_leave_first() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1")

    s.edit(service("web"))
    assert s.up() == ["terminate web#1"]
    assert sorted(s.stopped("web#1")) == ["start web#2", "terminate db#1"]


def test_a_removed_service_that_comes_back_while_it_stops_is_kept() -> None:
    s = Story(service("old"), service("web"))
    s.up(), s.healthy("old#1", "web#1"), s.edit(service("web")), s.up()

    s.edit(service("old"), service("web"))
    assert s.up() == []
    assert s.stopped("old#1") == ["start old#2"]


def test_a_removed_service_that_never_ran_is_forgotten_at_once() -> None:
    s = Story(service("old"), service("web"))
    s.up("web")

    s.edit(service("web"))
    assert s.up("web") == ["discard old"]


# down


def test_down_stops_everything_dependents_first_and_forgets_the_project() -> None:
    s = Story(service("db"), service("web", "db"), task("seed"))
    s.up(), s.healthy("db#1", "web#1", "seed#1")

    assert sorted(s.down()) == ["discard seed", "terminate web#1"]
    assert sorted(s.stopped("web#1")) == ["discard web", "terminate db#1"]
    assert "shop" in s.world.places
    assert s.stopped("db#1") == ["discard db"]
    assert s.world.services == {}
    assert s.world.places == {}
    assert s.world.dependents == {}
    assert s.is_down()


def test_down_leaves_other_projects_alone() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1")
    blog = project(service("web"), name="blog")
    s.tell(Up(blog, frozenset({"web"}), frozenset(), Caller()))

    assert s.down() == ["terminate web#1"]
    assert s.stopped("web#1") == ["discard web"]
    assert [str(key) for key in s.world.services] == ["blog:web"]
    assert list(s.world.places) == ["blog"]


@pytest.mark.parametrize(
    "until", ["launching", "starting", "running", "backoff", "failed", "waiting", "stopping", "completed"]
)
def test_down_at_any_moment_ends_in_nothing(until: str) -> None:
    spec = {"waiting": service("web", "db"), "completed": task("web"), "failed": worker("web", restart="no")}
    s = Story(service("db"), spec.get(until, service("web")))
    s.up("web")
    match until:
        case "starting":
            s.spawned("web#1")
        case "running" | "completed":
            s.healthy("web#1")
        case "backoff" | "failed":
            s.spawned("web#1"), s.exits("web#1", 1)
        case "stopping":
            s.healthy("web#1"), s.stop("web")
        case _:
            pass
    assert until in (s.state("web"), "launching")

    s.down()
    for name in ("db", "web"):
        if name in s and (run := s.service(name).run):
            s.spawned(f"{name}#{run.number}")
            s.stopped(f"{name}#{run.number}")
    assert s.world.services == {}
    assert s.is_down("db", "web")


def test_up_during_down_keeps_the_project() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.down()

    assert s.up("db") == []
    assert s.stopped("web#1") == []
    assert s.states() == {"db": "running", "web": "stopped"}


def test_stop_during_down_does_not_keep_the_project() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.down(), s.stop("web"), s.shutdown()

    assert s.stopped("web#1") == ["discard web"]


def test_restart_during_down_does_not_bring_back_half_a_project() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.down()

    assert s.restart("web") == []
    assert s.stopped("web#1", "db#1") == ["discard web", "terminate db#1", "discard db"]


def test_what_was_forgotten_begins_anew() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.down(), s.stopped("web#1")

    assert s.up() == ["start web#1"]
    assert s.row("web").exit_code is None


# Whose environment.


def test_the_shell_that_asked_last_is_remembered_for_retries() -> None:
    one, two = Caller({"A": "1"}), Caller({"A": "2"})
    s = Story(service("web"), service("other"))
    s.up(caller=one), s.healthy("web#1", "other#1")

    s.up("web", caller=two)
    assert s.service("web").caller == two
    assert s.service("other").caller == one


def test_a_changed_service_starts_in_the_shell_that_ran_up() -> None:
    one, two = Caller({"A": "1"}), Caller({"A": "2"})
    s = Story(service("web"), service("other"))
    s.up(caller=one), s.healthy("web#1", "other#1")

    s.edit(service("web", command="changed"), service("other"))
    s.up("other", caller=two)
    assert s.service("web").caller == two


def test_the_services_of_a_project_are_known_before_they_run() -> None:
    s = Story(service("db"), service("web"))
    s.up("db")

    row = s.row("web")
    assert (row.state, row.health, row.source, row.run, row.because) == (
        "stopped",
        "unknown",
        "none",
        0,
        "not running",
    )
    assert row.since == s.now
    assert s.world.places["shop"].directory == "/shop"
    assert "web" in s
