"""Tasks run to completion, and run again only for a reason."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from domain.story import Story, service, task
from locald.domain.lifecycle.messages import Process


def test_a_task_that_exits_0_is_completed_and_healthy_by_its_process() -> None:
    s = Story(task("seed"))
    s.up(), s.spawned("seed#1")
    assert s.state("seed") == "starting"
    assert s.health("seed") == ("starting", "none")

    s.wait(1.5)
    s.exits("seed#1", 0)
    row = s.row("seed")
    assert (row.state, row.health, row.source, row.fallback) == ("completed", "healthy", "process", False)
    assert row.because == "exited with code 0 after 1.5s"
    assert (row.exit_code, row.pid, row.ready_at) == (0, None, s.now)


@pytest.mark.parametrize(("code", "signal", "shown"), [(1, None, 1), (None, 9, 137)])
def test_a_task_that_ends_otherwise_has_failed_and_is_not_tried_again(
    code: int | None, signal: int | None, shown: int
) -> None:
    s = Story(task("seed"))
    s.up(), s.spawned("seed#1")
    s.exits("seed#1", code, signal=signal)

    assert s.state("seed") == "failed"
    assert s.row("seed").exit_code == shown
    assert s.wait(3600) == []


def test_a_task_is_tried_again_when_its_file_says_so() -> None:
    s = Story(task("seed", restart="on-failure"), service("web", "seed"))
    s.up(), s.spawned("seed#1"), s.exits("seed#1", 1)

    assert s.state("web") == "waiting"
    assert s.wait(0.1) == ["start seed#2"]
    assert s.healthy("seed#2") == ["start web#1"]


def test_a_completed_task_is_not_repeated_even_with_restart_always() -> None:
    s = Story(task("seed", restart="always"))
    s.up(), s.healthy("seed#1")

    assert s.state("seed") == "completed"
    assert s.wait(3600) == []


SLEEP, CAT = Process(4242, "sleep"), Process(4243, "cat")


@pytest.mark.parametrize(
    ("left", "behind", "named"),
    [
        (1, (SLEEP,), "pid 4242 (sleep)"),
        (2, (SLEEP, CAT), "pid 4242 (sleep), pid 4243 (cat)"),
        (4, (SLEEP, CAT), "pid 4242 (sleep), pid 4243 (cat), 2 more"),
        (1, (), "1 process"),
        (3, (), "3 processes"),
    ],
)
@pytest.mark.parametrize("code", [0, 1])
def test_what_a_task_leaves_behind_is_named(
    left: int, behind: tuple[Process, ...], named: str, code: int
) -> None:
    s = Story(task("seed"))
    s.up(), s.spawned("seed#1"), s.wait(1.5)
    s.exited("seed#1", code, left=left, behind=behind), s.gone("seed#1")

    after = " after 1.5s" if code == 0 else ""
    told = f", and what it left running was ended: {named}"
    assert s.row("seed").because == f"exited with code {code}{after}{told}"
    assert s.notes[-1] == f"exited with code {code}{told}"


def test_what_a_task_leaves_behind_is_ended_before_it_is_completed() -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.spawned("seed#1")

    assert s.exited("seed#1", 0, left=2) == ["terminate seed#1"]
    assert s.states() == {"seed": "stopping", "web": "waiting"}
    assert s.gone("seed#1") == ["start web#1"]
    assert s.state("seed") == "completed"


# `up` runs a task again only when it changed, failed or was named.


def test_up_leaves_a_completed_task_alone() -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.healthy("seed#1")

    assert s.up() == []
    assert s.up("web") == []
    assert s.state("seed") == "completed"


def test_up_runs_a_completed_task_again_when_it_is_named() -> None:
    s = Story(task("seed"))
    s.up(), s.healthy("seed#1")

    assert s.up("seed") == ["start seed#2"]


def test_up_runs_a_completed_task_again_when_it_changed() -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.healthy("seed#1", "web#1")

    s.edit(task("seed", command="run seed --more"), service("web", "seed"))
    assert s.up() == ["start seed#2"]
    assert s.state("web") == "running"
    assert s.because("web").endswith(", but dependency seed is starting")


def test_up_runs_a_failed_task_again() -> None:
    s = Story(task("seed"))
    s.up(), s.spawned("seed#1"), s.exits("seed#1", 1)

    assert s.up() == ["start seed#2"]


def test_a_completed_task_that_was_stopped_is_still_completed() -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.healthy("seed#1", "web#1")

    assert s.stop("seed") == []
    assert s.states() == {"seed": "completed", "web": "running"}
    assert s.up() == []


def test_a_task_that_changed_while_it_was_not_wanted_runs_again_too() -> None:
    s = Story(task("seed"))
    s.up(), s.healthy("seed#1"), s.stop("seed")

    s.edit(task("seed", command="run seed --more"))
    assert s.up() == ["start seed#2"]


def test_up_while_a_completed_tasks_leftovers_are_ended_does_not_run_it_again() -> None:
    s = Story(task("seed"))
    s.up(), s.spawned("seed#1"), s.exited("seed#1", 0, left=1)

    assert s.up() == []
    assert s.gone("seed#1") == []
    assert s.state("seed") == "completed"


def test_restart_runs_a_completed_task_again() -> None:
    s = Story(task("seed"))
    s.up(), s.healthy("seed#1")

    assert s.restart("seed") == ["start seed#2"]


def test_a_task_that_is_stopped_has_not_completed_though_it_exits_0() -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.spawned("seed#1")

    assert s.stop("seed") == ["terminate seed#1"]
    s.exits("seed#1", 0)
    assert s.states() == {"seed": "stopped", "web": "blocked"}


def test_stopping_what_a_completed_task_needed_leaves_the_tasks_dependents_alone() -> None:
    """A finished task serves its dependents for ever."""
    s = Story(service("db"), task("seed", "db"), service("web", "seed"))
    s.up(), s.healthy("db#1", "seed#1", "web#1")

    assert s.stop("db") == ["terminate db#1"]
    s.stopped("db#1")
    assert s.states() == {"db": "stopped", "seed": "completed", "web": "running"}


# Health of a task.


@pytest.mark.parametrize("word", ["READY=1", "STATUS=half done"])
def test_a_running_task_is_not_healthy_whatever_it_says(word: str) -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.spawned("seed#1")

    assert s.says("seed#1", word) == []
    assert s.health("seed")[0] == "starting"
    assert s.state("web") == "waiting"


def test_a_task_shows_its_status() -> None:
    s = Story(task("seed"))
    s.up(), s.spawned("seed#1"), s.says("seed#1", "STATUS=12 of 30 tables")

    pid = s.row("seed").pid
    assert pid
    assert s.because("seed") == f"task running (pid {pid}), status: 12 of 30 tables"


def test_a_task_has_no_start_timeout_of_its_own() -> None:
    s = Story(task("seed"))
    s.up(), s.spawned("seed#1")

    assert s.wait(86_400) == []
    assert s.state("seed") == "starting"


def test_a_task_with_a_start_timeout_has_to_complete_within_it() -> None:
    s = Story(task("seed", start_timeout=30.0), service("web", "seed"))
    s.up(), s.spawned("seed#1")

    assert s.wait(29.9) == []
    assert s.wait(0.1) == ["terminate seed#1"]
    s.stopped("seed#1")
    assert s.states() == {"seed": "failed", "web": "blocked"}
    assert s.because("seed") == "not completed within 30s"


def test_a_task_that_ends_early_by_its_own_word_completes() -> None:
    s = Story(task("seed"))
    s.up(), s.spawned("seed#1"), s.says("seed#1", "STOPPING=1")

    s.exits("seed#1", 0)
    assert s.state("seed") == "completed"


def test_the_same_task_of_two_definitions_is_run_once_for_each() -> None:
    one = task("seed", command="run 1")
    s = Story(one)
    s.up(), s.healthy("seed#1")
    s.edit(replace(one, command="run 2"))
    s.up(), s.healthy("seed#2")

    assert s.up() == []
    s.edit(one)
    assert s.up() == ["start seed#3"]
