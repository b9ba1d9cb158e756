"""Several faces that look cost what one does, and services that are not here are not told of."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from domain.story import Story, worker
from locald.adapters.usage import Main, Usage, Used
from locald.daemon import meter as module
from locald.daemon.meter import Meter
from locald.domain.project.names import Key, Run
from locald.linux.tree import Family

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def meter() -> Meter:
    s = Story(worker("db"), worker("web"), worker("idle"), worker("stopped"))
    s.up("db", "web", "idle"), s.healthy("db#1", "web#1", "idle#1")
    runs: Any = Runs()
    return Meter(lambda: s.world, runs, runs)


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
