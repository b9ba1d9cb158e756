"""Several faces that look cost what one does, and services that are not here are not told of."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from domain.story import Story, worker
from locald.adapters.usage import Main, Usage, Used
from locald.daemon import meter as module
from locald.daemon.meter import Meter
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Sampling
from locald.linux.tree import Family
from virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from locald.linux.tree import Tree

DB, WEB = Key("shop", "db"), Key("shop", "web")


class Runs:
    """What processes and containers know of runs: `web` is a container here."""

    def tree(self, run: Run) -> Tree | None:
        return Family(os.getpid()) if run.key == DB else None

    def main(self, run: Run) -> tuple[int, str] | None:
        return (os.getpid(), "c0ffee") if run.key == WEB else None


class Sweeps:
    def __init__(self) -> None:
        self.seen: list[Mapping[Run, Tree | Main]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def sweep(self, trees: Mapping[Run, Tree | Main]) -> dict[Run, Used]:
        self.seen.append(trees)
        await self.gate.wait()
        return {run: Used(0.5, len(self.seen)) for run in trees}


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> Sweeps:
    found = Sweeps()
    monkeypatch.setattr(Usage, "sweep", lambda _, trees: found.sweep(trees))
    return found


def meter(now: Callable[[], float] = lambda: 1000.0, **db: Any) -> Meter:
    s = Story(worker("db", **db), worker("web"), worker("idle"), worker("stopped"))
    s.up("db", "web", "idle"), s.healthy("db#1", "web#1", "idle#1")
    runs: Any = Runs()
    return Meter(lambda: s.world, runs, runs.main, now)


async def test_what_runs_here_is_looked_at_by_its_tree_or_its_main_process(sweeps: Sweeps) -> None:
    used = await meter().sweep()
    (trees,) = sweeps.seen
    assert {run: type(tree) for run, tree in trees.items()} == {Run(DB, 1): Family, Run(WEB, 1): Main}
    assert used == {DB: Used(0.5, 1), WEB: Used(0.5, 1)}


async def test_who_asks_at_once_or_soon_after_gets_the_same_answer(sweeps: Sweeps) -> None:
    sweeps.gate.clear()
    one = meter()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(one.sweep()) for _ in range(3)]
        await asyncio.sleep(0)
        sweeps.gate.set()
    assert len(sweeps.seen) == 1
    assert [task.result() for task in asking] == [asking[0].result()] * 3
    await one.sweep()
    assert len(sweeps.seen) == 1


async def test_who_asks_later_gets_another(sweeps: Sweeps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH", 0.0)
    one = meter()
    assert [(await one.sweep())[DB].memory for _ in range(2)] == [1, 2]


class Time:
    def __init__(self) -> None:
        self.now = 1001.0

    def __call__(self) -> float:
        return self.now


async def test_what_was_seen_is_kept_in_steps_of_ten_seconds(
    sweeps: Sweeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FRESH", 0.0)
    time = Time()
    one = meter(time)
    for time.now in (1001.0, 1004.0, 1012.0):
        await one.sweep()
    assert [(each.at, each.cpu, each.memory) for each in one.past(DB)] == [(1000.0, 0.5, 2), (1010.0, 0.5, 3)]
    assert one.past(Key("shop", "stopped")) == []
    time.now = 1010.0 + 15 * 60
    assert [each.at for each in one.past(DB)] == [1010.0]
    time.now += 1
    assert one.past(DB) == []


@asynccontextmanager
async def at_work(one: Meter) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run())
        await asyncio.sleep(0)
        yield
        task.cancel()


async def test_nothing_is_measured_while_nobody_looks(sweeps: Sweeps) -> None:
    async with at_work(meter()):
        assert sweeps.seen == []


async def test_what_is_to_be_measured_always_is_and_nothing_else(sweeps: Sweeps) -> None:
    one = meter(usage=Sampling.ALWAYS)
    async with at_work(one):
        assert [set(trees) for trees in sweeps.seen] == [{Run(DB, 1)}]
        assert [each.memory for each in one.past(DB)] == [1]


@in_virtual_time
async def test_what_has_just_begun_is_looked_at_when_it_is_its_program(sweeps: Sweeps) -> None:
    s, runs = Story(worker("db", usage=Sampling.ALWAYS)), Runs()
    one = Meter(lambda: s.world, cast("Any", runs), runs.main, lambda: 1000.0)
    async with at_work(one):
        s.up("db")
        one.look(s.world, frozenset({DB}))
        await asyncio.sleep(module.BEGUN / 2)
        assert sweeps.seen == []
        await asyncio.sleep(module.BEGUN)
        assert [set(trees) for trees in sweeps.seen] == [{Run(DB, 1)}]
