"""The connection to one swarm, by one of its managers, for as long as some run of ours is there.

A swarm tells of no change of a task by itself, so it is asked: of all tasks of ours at once, every few
milliseconds while something starts or ends, and once a second while everything stands still. A manager that
does not answer is tried again, ever more rarely; meanwhile nobody can tell how runs are, and they say so.

Each time that it is there (again), services that carry our label and belong to no run that anybody knows are
removed. What others made is never touched.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Protocol

from locald.adapters.containers import create as containers
from locald.adapters.containers.connection import SOONEST, Connection
from locald.adapters.containers.engine import ANSWERS_WITHIN, NOTHING, EngineAbsent, Refusal
from locald.adapters.containers.making import making
from locald.adapters.swarm import create
from locald.adapters.swarm.tasks import Node, Task, node, task

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from locald.adapters.containers.engine import Engine
    from locald.domain.project.names import Run

log = logging.getLogger(__name__)

RESTLESS, STILL = 0.02, 1.0
"""seconds between two questions: while something starts or ends, and while nothing does"""
NODES = 2.0
"""seconds between two looks at the nodes"""
TRIES = 40
"""how often a network that is still in use is tried to be removed"""


class User(Protocol):
    """A run with a service in this swarm."""

    @property
    def service(self) -> str:
        """Its id; empty while there is none."""
        ...

    @property
    def is_restless(self) -> bool: ...
    def seen(self, tasks: list[Task], nodes: Mapping[str, Node]) -> None: ...
    def engine_went(self, why: str) -> None: ...


class Cluster(Connection[User]):
    KIND = "swarm"

    def __init__(self, engine: Engine, owner: str, runs: Callable[[], Collection[Run]]) -> None:
        """`engine` is a manager that answers now; it is closed with this. `runs`: all that anybody knows."""
        super().__init__(engine.address)
        self.engine = engine
        self.own_node = ""
        """the id of the node that this manager is"""
        self._owner, self._runs = owner, runs
        self._wake = asyncio.Event()
        self._nodes: dict[str, Node] = {}
        self._nodes_at = 0.0
        self._tasks: set[str] = set()
        """the ids of the tasks that were there the last time"""
        self._turn = asyncio.Lock()
        """of what concerns networks"""

    # For its users.

    def use(self, user: User) -> None:
        super().use(user)
        self.hurry()

    def hurry(self) -> None:
        """Ask now."""
        self._wake.set()

    async def up(self) -> Engine:
        """The manager, when it is there."""
        await self._up.wait()
        return self.engine

    # The connection.

    async def _talk(self) -> str:
        """Ask for as long as answers come, and say why they do not any more."""
        try:
            self.own_node = await usable(self.engine)
            await self._tidy()
            while True:
                self._wake.clear()
                await self._ask()
                self._came()
                try:
                    async with asyncio.timeout(self._pace()):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        except EngineAbsent as absent:
            return absent.reason
        except Refusal as refusal:
            return f"the swarm refuses: {refusal.message}"

    def _pace(self) -> float:
        return RESTLESS if any(user.is_restless for user in self._users) else STILL

    async def _ask(self) -> None:
        """Of the nodes after their tasks: where one has gone down, another task is there because of that.
        Raises EngineAbsent, Refusal."""
        now = asyncio.get_running_loop().time()
        tasks = [*map(task, await self.engine.get(("tasks",), self._ours()))]
        known, self._tasks = self._tasks, {each.id for each in tasks}
        if now - self._nodes_at >= NODES or not self._tasks <= known or not self._nodes:
            self._nodes_at = now
            self._nodes = {each.id: each for each in map(node, await self.engine.get(("nodes",)))}
        by_service: dict[str, list[Task]] = {}
        for each in tasks:
            by_service.setdefault(each.service, []).append(each)
        for user in list(self._users):
            if user.service:
                user.seen(by_service.get(user.service, []), self._nodes)

    async def _try_again(self) -> None:
        await self.engine.negotiate()
        await usable(self.engine)

    async def close(self) -> None:
        await self.engine.close()

    def _ours(self, project: str = "") -> dict[str, str]:
        wanted = [f"{create.OWNER}={self._owner}"]
        wanted += [f"{containers.PROJECT}={project}"] if project else []
        return {"filters": json.dumps({"label": wanted})}

    # What is nobody's.

    async def _tidy(self) -> None:
        """Remove services of runs that nobody knows, and networks without any. Raises EngineAbsent,
        Refusal."""
        self.is_clean = True
        projects = {run.key.project for run in self._runs()}
        for listed in await self.engine.get(("services",), self._ours()):
            run = containers.run_of(create.carried(listed))
            if run not in self._runs():
                log.warning("removing the service %s of the swarm: its run is not known", run or listed["ID"])
                await remove(self.engine, listed["ID"])
        for listed in await self.engine.get(("networks",), self._ours()):
            project = create.carried(listed).get(containers.PROJECT, "")
            if project not in projects:
                await self._drop(listed["Id"])

    # Networks.

    async def network(self, project: str) -> str:
        """The id of the project's network, which is made if it is not there. Raises Refusal, EngineAbsent."""
        name = create.network(project)
        async with self._turn:
            for found in await self.engine.get(("networks",), self._ours(project)):
                if found["Name"] == name:
                    return str(found["Id"])
            labels = {containers.PROJECT: project, create.OWNER: self._owner}
            body = {"Name": name, "Driver": "overlay", "CheckDuplicate": True, "Labels": labels}
            return str((await making(self.engine.post(("networks", "create"), body)))["Id"])

    async def drop_network(self, project: str, in_use: Callable[[], bool]) -> None:
        """Remove it, as soon as its last container has left it. Never raises."""
        for _ in range(TRIES):
            async with self._turn:
                if in_use():
                    return
                try:
                    found = await self.engine.get(("networks",), self._ours(project))
                    if all([await self._drop(each["Id"]) for each in found]):
                        return
                except (EngineAbsent, Refusal) as error:
                    log.warning("the network of %s is not removed: %s", project, error)
                    return
            await asyncio.sleep(SOONEST * 2)

    async def _drop(self, network: str) -> bool:
        """Whether it is gone. Raises EngineAbsent."""
        try:
            await self.engine.call("DELETE", ("networks", network), NOTHING, timeout=ANSWERS_WITHIN)
        except Refusal as refusal:
            return refusal.status == 404
        return True


async def remove(engine: Engine, service: str) -> None:
    """Have a service, and what runs of it, go. Raises EngineAbsent, Refusal."""
    try:
        await engine.call("DELETE", ("services", service), NOTHING, timeout=ANSWERS_WITHIN)
    except Refusal as refusal:
        if refusal.status != 404:
            raise


async def usable(engine: Engine) -> str:
    """The id of the node that this engine is, where that is a manager. Raises EngineAbsent, Refusal."""
    swarm: Any = (await engine.get(("info",))).get("Swarm") or {}
    state, where = swarm.get("LocalNodeState") or "inactive", engine.address.url
    if state == "active" and swarm.get("ControlAvailable"):
        return str(swarm.get("NodeID", ""))
    if state == "active":
        managers = ", ".join(each.get("Addr", "") for each in swarm.get("RemoteManagers") or ())
        hint = f"set DOCKER_HOST to the engine of a manager ({managers})" if managers else MANAGER
        raise EngineAbsent(f"the engine at {where} is a worker of its swarm, which takes no orders", hint)
    if state == "locked":
        raise EngineAbsent(f"the swarm of the engine at {where} is locked", "run `docker swarm unlock`")
    if state in ("pending", "error"):
        error = swarm.get("Error") or "it is still joining"
        raise EngineAbsent(f"the swarm of the engine at {where} is not ready: {error}", "run `docker info`")
    raise EngineAbsent(f"the engine at {where} is not part of a swarm", INIT)


MANAGER = "set DOCKER_HOST to the engine of a manager"
INIT = "run `docker swarm init` to begin one, or set DOCKER_HOST to a manager of yours"
