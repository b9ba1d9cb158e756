"""The runs of a service are remembered, the newest first."""

from __future__ import annotations

from domain.story import BEGIN, Story, worker
from locald.domain.explain.past import runs
from locald.domain.lifecycle.past import REMEMBERED_RUNS
from locald.domain.project.spec import FileWatch


def test_each_run_is_told_with_its_end_and_why_it_began() -> None:
    story = Story(worker("web", watch=FileWatch(("src",)), restart="no"))
    story.up()
    story.healthy("web#1")
    story.wait(60)
    story.changes("web", "src/a.py")
    story.wait(0.2)
    story.stopped("web#1")
    story.healthy("web#2")
    story.exits("web#2", 3)
    story.said("web#2", "no such table")
    latest, first = [each.run for each in runs(list(story.world.services.values()))]
    assert (latest.number, latest.exit_code, latest.cause) == (2, 3, "src/a.py changed")
    assert latest.said == "no such table"
    assert (first.number, first.exit_code, first.cause) == (1, 143, "")
    assert first.spawned_at == BEGIN
    assert first.ready_at is not None
    assert first.ended_at is not None


def test_so_many_are_remembered_and_no_more() -> None:
    story = Story(worker("web"))
    story.up()
    for run in range(1, REMEMBERED_RUNS + 10):
        story.spawned(f"web#{run}")
        story.restart("web")
        story.stopped(f"web#{run}")
    assert len(story.service("web").past) == REMEMBERED_RUNS
