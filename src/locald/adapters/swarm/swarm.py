"""A swarm of Docker Engines as the place where services run: the face of this package.

Every run that was ordered ends in exactly one `NotStarted`, `Gone` or `Lost`. Which swarm it is says the
environment of the shell that ran `up`, as for the docker command; a connection is made when the first run
needs it, and let go of with the last.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from locald.adapters.containers import elsewhere
from locald.adapters.containers.engine import EngineAbsent, Refusal, first, where
from locald.adapters.swarm.cluster import Cluster, usable
from locald.adapters.swarm.held import Held
from locald.domain.values.problem import Problem, Refused
from locald.wire.engines import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.adapters.containers.create import Order
    from locald.adapters.containers.printing import Printing
    from locald.domain.project.names import Run

log = logging.getLogger(__name__)


class Adapter(elsewhere.Adapter[Held, Cluster, Address]):
    KIND = "service"
    ADDRESS = Address

    async def ready(self, shell: Mapping[str, str], context: str) -> str:
        """It has no contexts. Raises Refused where there is no swarm that takes orders."""
        try:
            engine = await first(await where(shell))
            try:
                await usable(engine)
            finally:
                await engine.close()
        except EngineAbsent as absent:
            raise Refused(Problem(absent.reason, "--on swarm", absent.hint)) from None
        except Refusal as refusal:
            raise Refused(Problem(f"the engine refuses: {refusal.message}", "--on swarm")) from None
        return ""

    def way_in(self, run: Run) -> tuple[str, dict[str, str]] | None:
        """Of a container on the node that we talk to; the others cannot be entered from there."""
        held = self._lives.held.get(run)
        return held.way_in if held else None

    def _made(self, run: Run, order: Order, printing: Printing) -> Held:
        return Held(
            run,
            order,
            owner=self._owner,
            reach=self._reach,
            clear=self._clear,
            printing=printing,
            post=self._post,
            clock=self._clock,
        )

    async def _reach(self, held: Held) -> Cluster:
        """The cluster of the run's order. Raises EngineAbsent."""
        return await self._connections.reach(held, await where(held.order.shell))

    async def _connect(self, candidates: tuple[Address, ...]) -> Cluster:
        return Cluster(await first(candidates), self._owner, self._lives.held.keys)

    async def _clear(self, held: Held) -> None:
        """With the last service of a project goes its network."""
        project = held.run.key.project
        if held.cluster and not self._in_use(project):
            await held.cluster.drop_network(project, lambda: self._in_use(project))

    async def _leave(self, held: Held) -> None:
        """With the last run of all goes the connection."""
        if (cluster := held.cluster) is None:
            return
        await self._clear(held)
        self._connections.leave(held, cluster, is_removed=held.is_removed)
