"""A swarm of Docker Engines as the place where services run: the face of this package.

Every run that was ordered ends in exactly one `NotStarted`, `Gone` or `Lost`. Which swarm it is says the
environment of the shell that ran `up`, as for the docker command; a connection is made when the first run
needs it, and let go of with the last.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from locald.adapters.containers.engine import EngineAbsent, Refusal, first, where
from locald.adapters.containers.logs import Capture
from locald.adapters.containers.printing import Printing
from locald.adapters.swarm.cluster import Cluster, usable
from locald.adapters.swarm.held import Held
from locald.domain.lifecycle.messages import Lost
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locald.adapters.containers.create import Order
    from locald.domain.lifecycle.messages import Event
    from locald.domain.project.names import Run
    from locald.linux.clock import Clock
    from locald.wire.engines import Address

log = logging.getLogger(__name__)

CLEARED_WITHIN = 5.0
"""seconds that the end of the daemon may wait for networks to be removed"""


class Adapter:
    def __init__(
        self,
        post: Callable[[Event], None],
        clock: Clock,
        tasks: asyncio.TaskGroup,
        on_output: Callable[[Run], None],
        owner: str,
    ) -> None:
        """`tasks`: where the work lives. `owner`: what tells our services from those of another locald."""
        self._post, self._clock, self._tasks = post, clock, tasks
        self._on_output, self._owner = on_output, owner
        self._held: dict[Run, Held] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._clearing: set[asyncio.Task[None]] = set()
        self._clusters: dict[Address, tuple[Cluster, asyncio.Task[None]]] = {}
        self._connecting = asyncio.Lock()
        self._disk = ThreadPoolExecutor(1, "output of a swarm")

    async def ready(self, shell: Mapping[str, str]) -> None:
        """Raises Refused where there is no swarm that takes orders."""
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

    # Orders.

    def start(self, run: Run, order: Order) -> None:
        self._hold(run, order, known=False)

    def adopt(self, run: Run, order: Order) -> None:
        self._hold(run, order, known=True)

    def stop(self, run: Run) -> None:
        if held := self._held.get(run):
            held.stop()

    def signal(self, run: Run, number: int) -> None:
        if held := self._held.get(run):
            held.signal(number)

    def kill(self, run: Run) -> None:
        if held := self._held.get(run):
            held.kill()

    def note(self, run: Run, line: str) -> None:
        if held := self._held.get(run):
            held.printing.note(line)
            self._on_output(run)

    def forget(self, run: Run) -> None:
        if held := self._held.pop(run, None):
            held.printing.close(over=True)

    def way_in(self, run: Run) -> tuple[str, dict[str, str]] | None:
        """Of a container on the node that we talk to; the others cannot be entered from there."""
        held = self._held.get(run)
        return held.way_in if held else None

    async def close(self) -> None:
        """Let go of everything; services keep running. What is being cleared away is cleared away first."""
        if self._clearing:
            await asyncio.wait(self._clearing, timeout=CLEARED_WITHIN)
        working = [*self._lives, *(task for _, task in self._clusters.values())]
        for task in working:
            task.cancel()
        if working:
            await asyncio.wait(working)
        for held in self._held.values():
            held.printing.close(over=False)
        self._held.clear()
        await asyncio.to_thread(self._disk.shutdown)

    # Runs.

    def _hold(self, run: Run, order: Order, *, known: bool) -> None:
        capture = Capture(order.logs, run.number, order.definition.spec.log_size, self._clock)
        printing = Printing(capture, self._in_thread, lambda: self._on_output(run), kind="services")
        held = self._held[run] = Held(
            run,
            order,
            owner=self._owner,
            reach=self._reach,
            clear=self._clear,
            printing=printing,
            post=self._post,
            clock=self._clock,
        )
        life = self._tasks.create_task(self._look_after(held, known=known), name=f"service of {run}")
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    async def _look_after(self, held: Held, *, known: bool) -> None:
        """A fault of ours costs one run, not the daemon."""
        try:
            await held.live(known=known)
        except Exception as error:
            log.exception("%s can no longer be managed", held.run)
            reason = f"internal error while managing its service: {error!r}"
            self._post(Lost(held.run, reason, self._clock.now()))
        held.gone = True
        if task := asyncio.current_task():
            self._clearing.add(task)
            task.add_done_callback(self._clearing.discard)
        if held.cluster:
            await self._leave(held, held.cluster)

    def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._disk, function, *arguments)

    # Swarms.

    async def _reach(self, held: Held) -> Cluster:
        """The cluster of the run's order. Raises EngineAbsent."""
        candidates = await where(held.order.shell)
        async with self._connecting:
            known = next((self._clusters[each] for each in candidates if each in self._clusters), None)
            if known:
                cluster = known[0]
            else:
                engine = await first(candidates)
                cluster = Cluster(engine, self._owner, self._held.keys)
                task = self._tasks.create_task(cluster.hold(), name=f"swarm at {engine.address.url}")
                self._clusters[engine.address] = (cluster, task)
            cluster.use(held)
            return cluster

    def _in_use(self, project: str) -> bool:
        return any(held.run.key.project == project and not held.gone for held in self._held.values())

    async def _clear(self, held: Held) -> None:
        """With the last service of a project goes its network."""
        project = held.run.key.project
        if held.cluster and not self._in_use(project):
            await held.cluster.drop_network(project, lambda: self._in_use(project))

    async def _leave(self, held: Held, cluster: Cluster) -> None:
        """With the last run of all goes the connection."""
        await self._clear(held)
        if cluster.leave(held):
            _, task = self._clusters.pop(cluster.engine.address)
            task.cancel()
