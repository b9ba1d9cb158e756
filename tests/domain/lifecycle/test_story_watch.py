"""Watched files: a change restarts a service or signals it, once it is quiet, and no loop lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.story import Story, service, task, worker
from locald.domain.project.spec import FileWatch

if TYPE_CHECKING:
    from locald.domain.project.spec import ServiceSpec

SOURCES = FileWatch(("src",))


def running(*specs: ServiceSpec) -> Story:
    story = Story(*specs)
    story.up()
    story.healthy(*(f"{spec.name}#1" for spec in specs))
    story.wait(60)
    return story


def restarts(story: Story, run: int) -> None:
    """The web service has stopped and begins its next run, which is healthy."""
    story.stopped(f"web#{run}")
    story.healthy(f"web#{run + 1}")


def test_a_change_restarts_the_service_once_it_has_been_quiet() -> None:
    story = running(worker("web", watch=SOURCES))
    assert story.changes("web", "src/api.py") == []
    assert story.wait(0.15) == []
    assert story.changes("web", "src/view.py") == []
    assert story.wait(0.19) == []
    assert story.wait(0.02) == ["terminate web#1"]
    assert story.because("web") == "restarting: src/api.py and 1 more changed"
    assert story.notes[-1] == "restarting: src/api.py and 1 more changed"
    assert story.stopped("web#1") == ["start web#2"]
    story.healthy("web#2")
    assert story.why("web").cause == "src/api.py and 1 more changed"
    assert story.row("web").restarts == 0


def test_its_dependents_keep_running() -> None:
    story = running(worker("db", watch=SOURCES), worker("web", "db"))
    story.changes("db", "src/a")
    assert story.wait(0.2) == ["terminate db#1"]
    assert story.state("web") == "running"


def test_a_change_that_goes_on_and_on_counts_after_a_while() -> None:
    story = running(worker("web", watch=SOURCES))
    orders: list[str] = []
    for _ in range(310):
        story.changes("web", "src/a")
        orders += story.wait(0.1)
    assert orders == ["terminate web#1"]


def test_a_burst_of_thousands_is_one_change() -> None:
    story = running(worker("web", watch=SOURCES))
    for start in range(0, 2000, 100):
        story.changes("web", *(f"src/{start + n}" for n in range(3)), count=100)
    assert story.wait(0.2) == ["terminate web#1"]
    assert story.notes[-1] == "restarting: src/0 and 1999 more changed"


@pytest.mark.parametrize("policy", ["no", "on-failure"])
def test_a_service_that_has_failed_starts_again_when_its_file_is_mended(policy: str) -> None:
    story = Story(worker("web", watch=SOURCES, restart=policy, max_restarts=0))
    story.up()
    story.spawned("web#1")
    story.exits("web#1", 1)
    assert story.state("web") == "failed"
    story.changes("web", "src/api.py")
    assert story.wait(0.2) == ["start web#2"]


def test_a_task_runs_again() -> None:
    story = running(task("build", watch=SOURCES))
    story.changes("build", "src/a.ts")
    assert story.wait(0.2) == ["start build#2"]


def test_what_somebody_stopped_stays_stopped() -> None:
    story = running(worker("web", watch=SOURCES))
    story.stop("web")
    story.stopped("web#1")
    story.changes("web", "src/api.py")
    assert story.wait(10) == []
    assert story.state("web") == "stopped"


def test_a_change_before_a_stop_is_forgotten() -> None:
    story = running(worker("web", watch=SOURCES))
    story.changes("web", "src/api.py")
    assert story.stop("web") == ["terminate web#1"]
    story.stopped("web#1")
    assert story.wait(10) == []
    assert story.state("web") == "stopped"


def test_what_waits_or_is_blocked_is_not_started_by_a_change() -> None:
    story = Story(worker("db"), worker("web", "db", watch=SOURCES))
    story.up()
    story.changes("web", "src/api.py")
    assert story.wait(1) == []
    assert story.state("web") == "waiting"


def test_a_change_while_it_starts_begins_it_once_more() -> None:
    """What it has read by now is not what is there."""
    story = Story(service("web", watch=SOURCES))
    story.up()
    story.spawned("web#1")
    story.changes("web", "src/api.py")
    assert story.wait(0.2) == ["terminate web#1"]
    assert story.stopped("web#1") == ["start web#2"]


def test_a_signal_in_place_of_a_restart() -> None:
    story = running(worker("web", watch=FileWatch(("src",), signal="SIGHUP")))
    story.changes("web", "src/api.py")
    assert story.wait(0.2) == ["signal web#1"]
    assert story.notes[-1] == "sending SIGHUP: src/api.py changed"
    assert story.state("web") == "running"


def test_no_signal_for_what_does_not_run() -> None:
    story = running(worker("web", watch=FileWatch(("src",), signal="SIGHUP"), restart="no"))
    story.exits("web#1", 1)
    story.changes("web", "src/api.py")
    assert story.wait(1) == []


def test_a_loop_is_found_named_and_ended() -> None:
    """It writes a watched file at each start."""
    story = running(worker("web", watch=SOURCES))
    story.changes("web", "src/api.py")
    story.wait(0.2)
    for run in range(1, 6):
        restarts(story, run)
        story.changes("web", "src/gen.py")
        story.wait(0.3)
    assert story.state("web") == "running"
    assert "restarted 5 times in a row because its own start changes src/gen.py" in story.notes[-1]
    assert story.row("web").hint == (
        'its own start changes src/gen.py, left out of `watch` now: add ignore = ["src/gen.py"]'
    )
    story.changes("web", "src/gen.py")
    assert story.wait(10) == []
    story.changes("web", "src/gen.py", "src/api.py")
    assert story.wait(10) == ["terminate web#6"]
    assert story.because("web") == "restarting: src/api.py changed"


def test_a_person_who_saves_often_is_no_loop() -> None:
    story = running(worker("web", watch=SOURCES))
    for run in range(1, 20):
        story.changes("web", "src/api.py")
        assert story.wait(0.2) == [f"terminate web#{run}"]
        restarts(story, run)
        story.wait(4)


def test_what_was_left_out_is_watched_again_after_a_restart_by_hand() -> None:
    story = running(worker("web", watch=SOURCES))
    story.changes("web", "src/gen.py")
    story.wait(0.2)
    for run in range(1, 6):
        restarts(story, run)
        story.changes("web", "src/gen.py")
        story.wait(0.3)
    story.restart("web")
    restarts(story, 6)
    story.wait(60)
    story.changes("web", "src/gen.py")
    assert story.wait(0.2) == ["terminate web#7"]


def test_the_cause_of_one_restart_is_not_that_of_the_next() -> None:
    story = running(worker("web", watch=SOURCES))
    story.changes("web", "src/api.py")
    story.wait(0.2)
    restarts(story, 1)
    story.restart("web")
    restarts(story, 2)
    assert story.why("web").cause == ""
