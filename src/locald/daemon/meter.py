"""What services take of the machine, for all who ask, at the cost of one; and what they took before.

Nobody is looked at unless somebody asks, or the service says `usage = "always"`. Who asks soon after
another gets the same answer, so several faces cost what one does, and the time that usage is reported for is
never too short. What was seen is kept for a quarter of an hour, in steps of ten seconds; where nobody looked,
there is a gap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

from locald.adapters.usage import Main, Usage
from locald.domain.project.spec import Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from locald.adapters.processes import Processes
    from locald.adapters.usage import Used
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key, Run
    from locald.linux.tree import Tree

FRESH = 1.0
"""seconds that an answer may be given again"""
BEGUN = 1.0
"""seconds until a run is looked at that has just begun: before, it is a shell, or less"""
STEP = 10.0
"""seconds that one sample of the past stands for"""
KEPT = 90
"""samples of each service"""


class Sample(Struct):
    """`at`: where its step begins, epoch seconds; `cpu`: cores, the mean of `count` looks; `memory`: bytes,
    as it was last."""

    at: float
    cpu: float
    memory: int
    count: int = 1


class Meter:
    """`now`: epoch seconds."""

    def __init__(
        self,
        world: Callable[[], World],
        processes: Processes,
        main: Callable[[Run], tuple[int, str] | None],
        now: Callable[[], float],
    ) -> None:
        """`main`: the main process of what an engine runs, and what its cgroup is called."""
        self._world, self._processes, self._main, self._now = world, processes, main, now
        self._usage, self._own_usage = Usage(), Usage()
        self._turn = asyncio.Lock()
        self._known: dict[Key, Used] = {}
        self._known_at = float("-inf")
        self._past: dict[Key, deque[Sample]] = {}
        self._wanted = asyncio.Event()

    async def sweep(self) -> Mapping[Key, Used]:
        """What each service takes now; those of which no process is there, or none of this machine's, are
        left out."""
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if now - self._known_at >= FRESH:
                used = await self._usage.sweep(self._trees(lambda _: True))
                self._known = {run.key: each for run, each in used.items()}
                self._known_at = now
                self._remember(self._known)
            return self._known

    def past(self, key: Key) -> Sequence[Sample]:
        """What it took in the last quarter of an hour, as far as anybody looked, the oldest first."""
        oldest = self._now() - STEP * KEPT
        return [each for each in self._past.get(key, ()) if each.at >= oldest]

    # What is measured whether anybody looks or not.

    def look(self, world: World, moved: frozenset[Key]) -> None:
        """The world's watcher."""
        there = (world.services[key] for key in moved if key in world.services)
        if any(map(_is_measured, there)):
            self._wanted.set()

    async def run(self) -> None:
        """Never returns; rests while no such service runs."""
        while True:
            self._wanted.clear()
            if trees := self._trees(_is_measured):
                if self._now() - self._latest(trees) >= STEP:
                    used = await self._own_usage.sweep(trees)
                    self._remember({run.key: each for run, each in used.items()})
                await asyncio.sleep(STEP - self._now() % STEP)
            else:
                await self._wanted.wait()
                await asyncio.sleep(BEGUN)

    def _latest(self, trees: Mapping[Run, Tree | Main]) -> float:
        """Of which step there is a sample of every one of these."""
        past = [self._past.get(run.key) for run in trees]
        return min((each[-1].at if each else float("-inf") for each in past), default=float("-inf"))

    def _remember(self, used: Mapping[Key, Used]) -> None:
        at = self._now() // STEP * STEP
        for key, each in used.items():
            kept = self._past.setdefault(key, deque(maxlen=KEPT))
            if kept and kept[-1].at >= at:
                last = kept[-1]
                last.count += 1
                last.cpu += (each.cpu - last.cpu) / last.count
                last.memory = each.memory
            else:
                kept.append(Sample(at, each.cpu, each.memory))
        known = self._world().services
        for key in [key for key in self._past if key not in known]:
            del self._past[key]

    def _trees(self, is_wanted: Callable[[Service], bool]) -> dict[Run, Tree | Main]:
        services = self._world().services.values()
        runs = [service.run for service in services if service.run and is_wanted(service)]
        found = ((run, self._tree(run)) for run in runs)
        return {run: tree for run, tree in found if tree}

    def _tree(self, run: Run) -> Tree | Main | None:
        main = self._main(run)
        return Main(*main) if main else self._processes.tree(run)


def _is_measured(service: Service) -> bool:
    return service.spec.usage is Sampling.ALWAYS and service.run is not None
