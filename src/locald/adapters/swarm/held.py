"""One run as a service of a swarm, from its order to the news that nothing is left of it.

    order ── network, create ──► follow its tasks ──► Exited ── the last output, remove ──► Gone
          └─► NotStarted                         └─► Lost

It is stopped by removing the service: the swarm sends the stop signal, waits, kills, and the last task is
gone from its list when its container is. What a manager that is away would have to do is done when it is
back; who cannot wait for that is told what is left, by name.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from locald.adapters.containers.elsewhere import AGAIN, Elsewhere, Vanished
from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.networks import CannotBegin
from locald.adapters.containers.refusals import Reason
from locald.adapters.swarm import create
from locald.adapters.swarm.begin import Begin
from locald.adapters.swarm.cluster import remove
from locald.adapters.swarm.following import NOTHING, Following
from locald.adapters.swarm.port import Port
from locald.domain.lifecycle.messages import (
    Ends,
    Exited,
    NotStarted,
    Replaced,
    Spawned,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from locald.adapters.containers.create import Order
    from locald.adapters.containers.engine import Engine
    from locald.adapters.containers.printing import Printing
    from locald.adapters.swarm.cluster import Cluster
    from locald.adapters.swarm.tasks import Node, Task
    from locald.domain.lifecycle.messages import Event
    from locald.domain.project.names import Run
    from locald.linux import clock as clocks

    Reach = Callable[["Held"], Awaitable[Cluster]]

log = logging.getLogger(__name__)

READS_WITHIN = 5.0
"""seconds for which the news of an end waits for the last output"""
LAST_WORDS = 0.3
"""seconds that the last output of a container that was removed has to come from its node"""
PATIENT = 2.0
"""seconds before something that failed is tried again, at most"""


class Held(Elsewhere):
    ENGINE = "the swarm"

    def __init__(
        self,
        run: Run,
        order: Order,
        *,
        owner: str,
        reach: Reach,
        clear: Callable[[Held], Awaitable[None]],
        printing: Printing,
        post: Callable[[Event], None],
        clock: clocks.Clock,
    ) -> None:
        """`clear`: removes what the project needs no more, now that this is gone."""
        super().__init__(run, printing, post, clock)
        self.order = order
        self.service = ""
        self.cluster: Cluster | None = None
        self._clear = clear
        self._owner, self._reach = owner, reach
        self._tasks: list[Task] | None = None
        self._nodes: Mapping[str, Node] = {}
        self._following: Following | None = None
        self._port: Port | None = None
        self._created: Begin | None = None

    # For the cluster.

    @property
    def is_restless(self) -> bool:
        """Something of it is about to change: the swarm is asked often."""
        following = self._following
        if self._ending or following is None or following.task is None:
            return True
        return following.task.state != "running"

    def seen(self, tasks: list[Task], nodes: Mapping[str, Node]) -> None:
        if tasks == self._tasks and nodes is self._nodes and not self._silent:
            return
        self._tasks, self._nodes = tasks, nodes
        self._be_heard()
        self._news.set()

    # What others want of it.

    def signal(self, number: int) -> None:
        """Only a container of the manager's own node can be reached."""
        task = self._following.task if self._following else None
        cluster = self.cluster
        if cluster and task and task.container and task.node == cluster.own_node and cluster.is_up:
            work = self._signal(cluster.engine, task.container, number)
            self._sending = asyncio.get_running_loop().create_task(work, name=f"signal {self.run}")
        elif number != signal.SIGKILL:
            name = signal.Signals(number).name
            self.printing.note(f"{name} was not sent: its container is on another node of the swarm")

    async def _signal(self, engine: Engine, container: str, number: int) -> None:
        try:
            await engine.post(("containers", container, "kill"), query={"signal": str(number)})
        except (Refusal, EngineAbsent) as error:
            log.info("%s did not get signal %d: %s", self.run, number, error)

    @property
    def way_in(self) -> tuple[str, dict[str, str]] | None:
        task = self._following.task if self._following else None
        if self.cluster is None or task is None or task.node != self.cluster.own_node:
            return None
        return (task.container, self.cluster.engine.address.variables) if task.container else None

    # Its life.

    async def _end(self, ended: Exited | None) -> None:
        self._post(Ends(self.run, self._clock.now()))
        await self._read_on()
        if ended:
            self._post(ended)
        self.gone = await self._take_away()
        await self._clear(self)

    async def _begin(self) -> None:
        self._created = begin = Begin(self.run, self.order, self._owner)
        self.cluster = cluster = await self._reach(self)
        await begin.carry_out(cluster, await cluster.up())
        self._begun(begin, begin.service, again=False)

    async def _call_off(self) -> None:
        if self.cluster and self._created:
            self.is_removed = await self._created.undo(self.cluster.engine)

    def _begun(self, begin: Begin, service: str, *, again: bool) -> None:
        """The service is there: follow it."""
        now, published = self._clock.now, self.order.definition.port
        name, inside = create.name(self.run.key), begin.inside
        following = Following(self.run, name, inside, now, self._clock.of_wall, has_check=begin.has_check)
        self._following = following
        self._port = Port(self.run, following, inside, published, self._post, now, again=again)
        self.service = service
        assert self.cluster
        self.cluster.hurry()

    async def _find(self) -> None:
        """Raises Vanished."""
        pause, name = AGAIN, create.name(self.run.key)
        begin = Begin(self.run, self.order, self._owner)
        while True:
            try:
                self.cluster = self.cluster or await self._reach(self)
                engine = await self._patiently(self.cluster.up)
                await begin.look_at_image(engine)
                found = await engine.get(("services", name))
            except EngineAbsent as absent:
                self._spawned = True
                self.engine_went(absent.reason)
            except Refusal as refusal:
                if refusal.status == 404:
                    raise Vanished(f"the run was lost: its service {name} is not in the swarm") from None
                log.warning("%s cannot be looked for: %s", self.run, refusal)
            else:
                if create.carried(found) != create.labels(self.run, self._owner):
                    raise Vanished(f"the run was lost: the service {name} is of another run")
                self._begun(begin, str(found["ID"]), again=True)
                return
            self._check_patience()
            await asyncio.sleep(pause)
            pause = min(pause * 2, PATIENT)

    def _left(self) -> str:
        name = create.name(self.run.key)
        where = self.cluster.engine.address.url if self.cluster else "its engine"
        left = f"locald removes it when it can, or `docker service rm {name}` does"
        return f"the swarm at {where} cannot be reached: the service {name} is left there; {left}"

    # Following it.

    async def _follow(self) -> Exited:
        """From its first task to its end. Raises Vanished, CannotBegin."""
        assert self._port
        async with asyncio.TaskGroup() as group:
            prints = group.create_task(self._print(), name=f"output of {self.run}")
            try:
                ended = await self._until_ended(group, self._port)
                if self._ending:  # the output of what was removed cannot be asked for again
                    await asyncio.sleep(LAST_WORDS)
                return ended
            except (Vanished, CannotBegin) as over:
                gone = over
            finally:
                prints.cancel()
                self._port.let_go()
        raise gone

    async def _until_ended(self, group: asyncio.TaskGroup, port: Port) -> Exited:
        is_removed = False
        while True:
            self._news.clear()
            if self._ending and not is_removed:
                is_removed = self._is_obeyed = await self._remove()
            if self._tasks is not None and not self._silent:
                if ended := self._told(self._tasks, is_removed=is_removed):
                    return ended
                await port.attend(group)
            if self._ending:
                self._check_patience()
            try:
                async with asyncio.timeout(AGAIN if self._ending else PATIENT):
                    await self._news.wait()
            except TimeoutError:
                pass

    def _told(self, tasks: list[Task], *, is_removed: bool) -> Exited | None:
        """Post what is new in the snapshot; its end is returned. Raises Vanished."""
        following = self._following
        assert following
        following.nodes = self._nodes
        if not tasks and following.task is not None:
            if not is_removed:
                raise Vanished("its service was removed from the swarm outside locald")
            last = following.vanished()
            return last if isinstance(last, Exited) else None
        if is_removed and not tasks:
            return Exited(self.run, 0, NOTHING, 0, self._clock.now())
        for event in following.look(self._of_interest(tasks, is_removed=is_removed)):
            if isinstance(event, Exited):
                return event
            if isinstance(event, NotStarted):
                raise CannotBegin(Reason(event.reason, event.hint))
            self._spawned = self._spawned or isinstance(event, Spawned)
            if isinstance(event, Replaced) and self._port:
                self._port.let_go()
            self._post(event)
        return None

    def _of_interest(self, tasks: list[Task], *, is_removed: bool) -> list[Task]:
        """What is being removed is not replaced, and what is on a node that is down will not be heard of."""
        if not is_removed:
            return tasks
        down = [each for each in tasks if (node := self._nodes.get(each.node)) and not node.ready]
        for each in down:
            assert self._following
            if not each.is_over:
                self.printing.note(f"{self._following.named(each)} cannot be stopped: the node is down")
        return [each for each in tasks if each not in down or each.is_over] or tasks[:0]

    async def _remove(self) -> bool:
        assert self.cluster
        if not self.cluster.is_up:
            return False
        try:
            await remove(self.cluster.engine, self.service)
        except (EngineAbsent, Refusal) as error:
            log.warning("%s cannot be removed from the swarm: %s", self.run, error)
            return False
        self.cluster.hurry()
        return True

    async def _print(self) -> None:
        """Until cancelled. Where the stream ends too early, from our place on again."""
        assert self.cluster
        while True:
            try:
                await self.printing.follow(await self.cluster.up(), self.service)
            except EngineAbsent as absent:
                log.debug("the output of %s: %s", self.run, absent)
            except Refusal as refusal:
                log.debug("the output of %s cannot be read: %s", self.run, refusal)
            await asyncio.sleep(AGAIN)

    async def _read_on(self) -> None:
        """The last of its output, if that can be had at once."""
        assert self.cluster
        try:
            async with asyncio.timeout(READS_WITHIN):
                await self.printing.finish(await self.cluster.up(), self.service)
        except (EngineAbsent, Refusal, TimeoutError):
            pass

    async def _take_away(self) -> bool:
        """Remove the service, if it is not; a swarm that is away does so when it is back."""
        self._ending = True
        if not self.service:
            return True
        while True:
            if await self._remove():
                return True
            try:
                self._check_patience()
            except Vanished as vanished:
                self.printing.note(str(vanished))
                return True
            await asyncio.sleep(AGAIN)
