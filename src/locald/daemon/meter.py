"""What services take of the machine, for all who ask, at the cost of one.

Nobody is looked at unless somebody asks. Who asks soon after another gets the same answer, so several faces
cost what one does, and the time that usage is reported for is never too short.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from locald.adapters.usage import Main, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locald.adapters.processes import Processes
    from locald.adapters.usage import Used
    from locald.daemon.runners import ContainerRunner
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key, Run
    from locald.linux.tree import Tree

FRESH = 1.0
"""seconds that an answer may be given again"""


class Meter:
    def __init__(self, world: Callable[[], World], processes: Processes, containers: ContainerRunner) -> None:
        self._world, self._processes, self._containers = world, processes, containers
        self._usage = Usage()
        self._turn = asyncio.Lock()
        self._known: dict[Key, Used] = {}
        self._known_at = float("-inf")

    async def sweep(self) -> Mapping[Key, Used]:
        """What each service takes now; those of which no process is there, or none of this machine's, are
        left out."""
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if now - self._known_at >= FRESH:
                used = await self._usage.sweep(self._trees())
                self._known = {run.key: each for run, each in used.items()}
                self._known_at = now
            return self._known

    def _trees(self) -> dict[Run, Tree | Main]:
        runs = [service.run for service in self._world().services.values() if service.run]
        found = ((run, self._tree(run)) for run in runs)
        return {run: tree for run, tree in found if tree}

    def _tree(self, run: Run) -> Tree | Main | None:
        main = self._containers.main(run)
        return Main(*main) if main else self._processes.tree(run)
