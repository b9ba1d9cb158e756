"""A cluster of Kubernetes as the place where services run: the face of this package.

Every run that was ordered ends in exactly one `NotStarted`, `Gone` or `Lost`. Which cluster it is says the
context in its definition, of the KUBECONFIG of the shell that ran `up`; a connection is made when the first
run needs it, and let go of with the last.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from locald.adapters.containers import elsewhere
from locald.adapters.containers.engine import EngineAbsent
from locald.adapters.kubernetes.cluster import Cluster, reach, usable
from locald.adapters.kubernetes.held import Held
from locald.adapters.kubernetes.kubectl import Place, current_context
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.adapters.containers.create import Order
    from locald.adapters.containers.printing import Printing
    from locald.domain.project.names import Run

SETTLES = 1.0
"""seconds after the last service of a project in which another may come, before its namespace goes: a
cluster takes its time to remove one, and what comes then would have to wait"""


class Adapter(elsewhere.Adapter[Held, Cluster, Place]):
    KIND = "pod"
    ADDRESS = Place

    async def ready(self, shell: Mapping[str, str], context: str) -> str:
        """The context that is meant. Raises Refused where its cluster takes no orders."""
        try:
            context = context or await current_context(shell)
            await usable(context, shell)
        except EngineAbsent as absent:
            raise Refused(Problem(absent.reason, "--on kubernetes", absent.hint)) from None
        return context

    def way_in(self, run: Run) -> None:
        """A container that the docker command knows is not there."""

    def _made(self, run: Run, order: Order, printing: Printing) -> Held:
        return Held(
            run,
            order,
            owner=self._owner,
            reach=self._reach,
            printing=printing,
            post=self._post,
            clock=self._clock,
        )

    async def _reach(self, held: Held) -> Cluster:
        """The cluster of the run's order. Raises EngineAbsent."""
        where = Place(held.order.definition.context, dict(held.order.shell))
        return await self._connections.reach(held, (where,))

    async def _connect(self, candidates: tuple[Place, ...]) -> Cluster:
        (where,) = candidates
        return await reach(where, self._owner, self._lives.held.keys)

    async def _leave(self, held: Held) -> None:
        """With the last service of a project goes its namespace, with the last run of all the connection."""
        if (cluster := held.cluster) is None:
            return
        project = held.run.key.project
        if not self._in_use(project):
            await asyncio.sleep(SETTLES)
            await cluster.drop_namespace(project, lambda: self._in_use(project))
        self._connections.leave(held, cluster, is_removed=held.is_removed)
