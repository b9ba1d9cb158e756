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
import time
from typing import TYPE_CHECKING

from locald.adapters.containers import create as containers
from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.listening import Target, is_of_this_machine, listen
from locald.adapters.containers.networks import CannotBegin
from locald.adapters.containers.refusals import Reason, name_held, shown
from locald.adapters.swarm import create
from locald.adapters.swarm.cluster import remove
from locald.adapters.swarm.following import NOTHING, Following
from locald.domain.lifecycle.messages import (
    Exited,
    Gone,
    Listens,
    Lost,
    NotStarted,
    Prepares,
    Replaced,
    Resumed,
    Silenced,
    Spawned,
)
from locald.domain.lifecycle.run_facts import carries_out

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

READS_WITHIN = 1.0
"""seconds for which the news of an end waits for the last output"""
AGAIN, PATIENT = 0.2, 2.0
"""seconds before something that failed is tried again: at first, and at most"""
GIVES_UP = 10.0
"""seconds after SIGKILL was asked for in which a swarm that is away may come back"""
REACHED_WITHIN = 5.0
"""seconds in which a port on another machine has to answer, before the swarm's word has to do"""
CALLED_OFF = Reason("stopped before it started")


class Vanished(Exception):
    """The service is not there, and nobody saw how it ended. One sentence."""


class Held:
    def __init__(
        self,
        run: Run,
        order: Order,
        *,
        owner: str,
        reach: Reach,
        printing: Printing,
        post: Callable[[Event], None],
        clock: clocks.Clock,
    ) -> None:
        self.run, self.order, self.printing = run, order, printing
        self.service = ""
        self.cluster: Cluster | None = None
        self.gone = False
        self._owner, self._reach, self._post, self._clock = owner, reach, post, clock
        self._beginning: asyncio.Timeout | None = None
        self._ending = self._silent = self._spawned = False
        self._give_up_at: float | None = None
        self._news = asyncio.Event()
        self._tasks: list[Task] | None = None
        self._nodes: Mapping[str, Node] = {}
        self._following: Following | None = None
        self._listening: asyncio.Task[None] | None = None
        self._listened_to = ""

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
        if self._silent:
            self._silent = False
            self._post(Resumed(self.run, self._clock.now()))
        self._news.set()

    def engine_went(self, why: str) -> None:
        if not self._silent and self._spawned:
            self._silent = True
            self._post(Silenced(self.run, why, self._clock.now()))
        elif not self._spawned and self._beginning is None:
            self._post(Prepares(self.run, f"waiting for the swarm to be back: {why}", self._clock.now()))

    # What others want of it.

    def stop(self) -> None:
        if self._beginning:
            if not self._beginning.expired():
                self._beginning.reschedule(asyncio.get_running_loop().time())
            return
        self._ending = True
        self._news.set()

    def kill(self) -> None:
        self.stop()
        self._give_up_at = self._give_up_at or self._clock.now() + GIVES_UP
        self.signal(signal.SIGKILL)

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

    async def live(self, *, known: bool) -> None:
        """`known`: it was begun by an earlier daemon, and is looked for."""
        try:
            inside = await (self._find() if known else self._start())
            ended = await self._follow(inside)
        except CannotBegin as cannot:
            self._post(NotStarted(self.run, *cannot.reason, self._clock.now()))
        except Vanished as vanished:
            self._post(Lost(self.run, str(vanished), self._clock.now()))
        else:
            await self._read_on()
            self._post(ended)
            self.gone = await self._take_away()
            self._post(Gone(self.run, self._clock.now()))

    async def _start(self) -> int | None:
        """Returns its port inside. Raises CannotBegin, and then nothing of it is left."""
        try:
            async with asyncio.timeout(None) as self._beginning:
                self.cluster = cluster = await self._reach(self)
                engine = await cluster.up()
                inside = await self._look_at_image(engine)
                await self._create(cluster, engine, inside)
        except TimeoutError:
            await self._undo()
            raise CannotBegin(CALLED_OFF) from None
        except EngineAbsent as absent:
            raise CannotBegin(Reason(absent.reason, absent.hint)) from None
        except Refusal as refusal:
            raise CannotBegin(_refused(refusal.message)) from None
        finally:
            self._beginning = None
        return inside

    async def _look_at_image(self, engine: Engine) -> int | None:
        """Its port inside, and whether it has a HEALTHCHECK: of an image that this engine has."""
        spec = self.order.definition.spec
        config: Mapping[str, object] | None = None
        try:
            found = await engine.get(("images", *self.order.image.split("/"), "json"))
            config = found.get("Config") or {}
        except Refusal as refusal:
            if refusal.status != 404:
                raise
        has_check: bool | None = None if config is None else _tests(config.get("Healthcheck"))
        if spec.health_check:
            has_check = carries_out(spec.health_check.check)
        exposed = config.get("ExposedPorts") if config else None
        names = list(exposed) if isinstance(exposed, dict) else []
        ports = [int(name.partition("/")[0]) for name in names if name.endswith("/tcp")]
        inside = spec.container_port or (ports[0] if len(ports) == 1 else None)
        if self.order.definition.port is None:
            inside = None
        self._following = Following(
            self.run,
            create.name(self.run.key),
            inside,
            self._clock.now,
            self._steady,
            has_check=has_check,
        )
        return inside

    async def _create(self, cluster: Cluster, engine: Engine, inside: int | None) -> None:
        """Raises Refusal, EngineAbsent, CannotBegin."""
        network = await cluster.network(self.run.key.project)
        body = create.body(self.run, self.order, inside, network, self._owner, soon=engine.knows(1, 44))
        for last in (False, True):
            try:
                made = await engine.post(("services", "create"), body)
            except Refusal as refusal:
                if last or "name conflicts" not in refusal.message:
                    raise
                await self._make_way(engine, str(body["Name"]))
            else:
                self.service = str(made["ID"])
                cluster.hurry()
                return

    async def _make_way(self, engine: Engine, name: str) -> None:
        """Remove what an earlier run of this service left. What is not ours stays. Raises CannotBegin."""
        found = await engine.get(("services", name))
        run = containers.run_of(create.carried(found))
        if not (create.is_ours(found, self._owner) and run and run.key == self.run.key):
            hint = f"run `docker service rm {name}` to remove it, or rename one of the two"
            raise CannotBegin(name_held(name, "a service that is not of this locald", hint))
        await remove(engine, str(found["ID"]))

    async def _undo(self) -> None:
        if self.service and self.cluster:
            try:
                await remove(self.cluster.engine, self.service)
            except (EngineAbsent, Refusal) as error:  # it is removed when the swarm is there again
                log.warning("%s has not been removed yet: %s", self.run, error)

    async def _find(self) -> int | None:
        """Raises Vanished."""
        pause, name = AGAIN, create.name(self.run.key)
        while True:
            try:
                self.cluster = self.cluster or await self._reach(self)
                engine = await self._patiently_up(self.cluster)
                inside = await self._look_at_image(engine)
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
                self.service = str(found["ID"])
                self.cluster.hurry()
                return inside
            self._check_patience()
            await asyncio.sleep(pause)
            pause = min(pause * 2, PATIENT)

    async def _patiently_up(self, cluster: Cluster) -> Engine:
        while True:
            try:
                async with asyncio.timeout(AGAIN):
                    return await cluster.up()
            except TimeoutError:
                self._check_patience()

    def _check_patience(self) -> None:
        """Raises Vanished."""
        if self._give_up_at is not None and self._clock.now() >= self._give_up_at:
            name = create.name(self.run.key)
            where = self.cluster.engine.address.url if self.cluster else "its engine"
            left = f"the service {name} is left there, and `docker service rm {name}` removes it"
            raise Vanished(f"the swarm at {where} cannot be reached: {left}")

    # Following it.

    async def _follow(self, inside: int | None) -> Exited:
        """From its first task to its end. Raises Vanished."""
        assert self._following
        async with asyncio.TaskGroup() as group:
            prints = group.create_task(self._print(), name=f"output of {self.run}")
            try:
                return await self._until_ended(group, inside)
            except Vanished as vanished:
                gone = vanished
            finally:
                prints.cancel()
                if self._listening:
                    self._listening.cancel()
        raise gone

    async def _until_ended(self, group: asyncio.TaskGroup, inside: int | None) -> Exited:
        assert self._following
        is_removed = False
        while True:
            self._news.clear()
            if self._ending and not is_removed:
                is_removed = await self._remove()
            if self._tasks is not None and not self._silent:
                if ended := self._told(self._tasks, is_removed=is_removed):
                    return ended
                await self._attend(group, inside)
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
            self._spawned = self._spawned or isinstance(event, Spawned)
            if isinstance(event, Replaced):
                self._stop_listening()
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

    # Its port, its output.

    async def _attend(self, group: asyncio.TaskGroup, inside: int | None) -> None:
        """Look at the port of the task that is alive now."""
        assert self._following
        task, published = self._following.task, self.order.definition.port
        if task is None or not task.is_alive or task.id == self._listened_to or not task.container:
            return
        if task.state != "running" and not (task.pid and self._following.has_check):
            return  # its process is told of later
        self._listened_to = task.id
        is_here = await asyncio.to_thread(is_of_this_machine, task.pid, task.container)
        node = self._nodes.get(task.node)
        if inside is None or published is None:
            if not self._following.has_check:
                self._say_unseen("and its image has neither a HEALTHCHECK nor a port")
            return
        host = containers.LOCALHOST if is_here or node is None else node.address
        target = Target(task.container, task.pid if is_here else 0, inside, published, host)
        self._listening = group.create_task(self._listen(target, is_here=is_here), name=f"port of {self.run}")

    async def _listen(self, target: Target, *, is_here: bool) -> None:
        heard = asyncio.Event()

        def post(event: Listens) -> None:
            if event.accepts:
                heard.set()
            self._post(event)

        async with asyncio.TaskGroup() as group:
            again = listen(self.run, target, post, self._clock.now, again=self._spawned)
            group.create_task(again)
            if is_here or self._following is None or self._following.has_check:
                return
            try:
                async with asyncio.timeout(REACHED_WITHIN):
                    await heard.wait()
            except TimeoutError:
                self._say_unseen(f"but {target.host}:{target.published} cannot be reached from here")

    def _say_unseen(self, why: str) -> None:
        assert self._following
        for event in self._following.unseen(why):
            self._post(event)

    def _stop_listening(self) -> None:
        if self._listening:
            self._listening.cancel()
            self._listening = None

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
        assert self.cluster
        self._ending = True
        while True:
            if await self._remove():
                return True
            try:
                self._check_patience()
            except Vanished as vanished:
                self.printing.note(str(vanished))
                return True
            await asyncio.sleep(AGAIN)

    def _steady(self, wall: float | None) -> float:
        """A moment of a node's clock on ours; now, where it is not known. Never later than now."""
        now = self._clock.now()
        return now if wall is None else min(now, now - (time.time() - wall))


def _tests(healthcheck: object) -> bool:
    test = healthcheck.get("Test") if isinstance(healthcheck, dict) else None
    return bool(test) and test != ["NONE"]


def _refused(message: str) -> Reason:
    """What a swarm says is passed on, without the wrapping of its protocol."""
    told = message.rpartition("desc = ")[2]
    if "address pool" in told or "could not find an available" in told:
        return Reason("the swarm has no addresses left for another network", "run `docker network prune`")
    return Reason(f"the swarm refuses to create it: {shown(told)}", "correct it, then run `locald up` again")
