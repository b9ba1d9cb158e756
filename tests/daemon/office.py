"""A daemon within the test's own loop: everything is real but what runs, and that does as the test says.

`Office` has the loop, the hub, the store and the API on a Unix socket. In place of the keeper there is a
`Crew`, which answers orders at once: what is started is spawned, what is told to end ends, unless the test
takes that upon itself.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from locald.adapters.logbook import Logbook
from locald.adapters.processes import Processes
from locald.adapters.state.store import Store
from locald.daemon.api.entrance import Entrance
from locald.daemon.api.routes import Api
from locald.daemon.core import Core
from locald.daemon.hub import Hub
from locald.daemon.loop import Loop
from locald.daemon.tasks import Tasks
from locald.domain.lifecycle.messages import Effect, Exit, Exited, Gone, Kill, Spawned, Start, Terminate
from locald.domain.lifecycle.world import World
from locald.linux.clock import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from locald.domain.project.names import Run

Json = dict[str, Any]
SHELL: Json = {"env": {"PATH": "/usr/bin:/bin"}, "umask": 18, "limits": {"nofile": [1024, 4096]}}


class Crew:
    """Who carries out effects. `stubborn`: what is told to end does so only when the test `lets` it."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.effects: list[Effect] = []
        self.stubborn = False
        self._pids: dict[Run, int] = {}

    def perform(self, effect: Effect, world: World) -> None:
        self.effects.append(effect)
        post, now = self._office.loop.post, self._office.clock.now()
        match effect:
            case Start(run):
                self._pids[run] = 100_000 + len(self._pids)
                post(Spawned(run, self._pids[run], now))
            case Terminate(run) | Kill(run) if not self.stubborn:
                self.end(run)

    def end(self, run: Run) -> None:
        post, now = self._office.loop.post, self._office.clock.now()
        post(Exited(run, self._pids[run], Exit(None, 15), 0, now))
        post(Gone(run, now))

    def end_all(self) -> None:
        for service in self._office.loop.world.services.values():
            if service.run:
                self.end(service.run)

    def said(self, kind: type[Effect]) -> list[str]:
        """`shop:web#1` of each such order, as they came."""
        return [str(each.run) for each in self.effects if isinstance(each, kind)]  # type: ignore[union-attr]


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> Json:
        """The only problem."""
        (problem,) = self.json["problems"]
        found: Json = problem
        return found


class Office:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock.new()
        self.loop = Loop(World(), self.clock)
        self.hub = Hub(lambda: self.loop.world)
        self.logbook = Logbook(folder / "logs")
        world: Callable[[], World] = lambda: self.loop.world  # noqa: E731
        self.store = Store(str(folder / "state.json"), str(folder / "wanted"), self.clock.epoch, world)
        processes = Processes(_nobody, self.loop.post, self.clock, self.logbook.hint)
        now = self.clock.now()
        self.core = Core(self.loop, self.hub, self.logbook, self.clock, self.store, processes, now)
        self.api = Api(self.core)
        self.crew = Crew(self)
        self.loop.watch(self.hub.change)
        self.loop.record(self.store.change)
        self._run_folder = Path(tempfile.mkdtemp(prefix="ld", dir="/tmp"))
        self.socket = str(self._run_folder / "s")
        self.entrance: Entrance
        self.client: aiohttp.ClientSession

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with asyncio.timeout(30), Tasks() as tasks:
            self.entrance = Entrance(self.api, self.socket)
            await self.entrance.open()
            tasks.begin(self.loop.run(self.crew), "loop")
            tasks.begin(self.store.run(), "store")
            connector = aiohttp.UnixConnector(self.socket, force_close=True)
            async with aiohttp.ClientSession(connector=connector) as self.client:
                yield
            await self.entrance.close()
        shutil.rmtree(self._run_folder)

    # Projects.

    def project(self, services: str, name: str = "shop", folder: str = "shop") -> str:
        """A folder with a file; all services in it are workers with a command, unless they say otherwise."""
        where = self.folder / folder
        where.mkdir(exist_ok=True)
        (where / "locald.toml").write_text(f'[project]\nname = "{name}"\n{services}\n')
        return str(where)

    # Requests.

    async def ask(self, method: str, target: str, **how: Any) -> Answer:
        async with self.client.request(method, f"http://locald{target}", **how) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, target: str, **query: str) -> Answer:
        return await self.ask("GET", f"/v1/{target}", params=query)

    async def post(self, target: str, **body: Any) -> Answer:
        return await self.ask("POST", f"/v1/{target}", json=body)

    async def up(self, folder: str, *services: str, caller: Json | None = None) -> Answer:
        body = {"directory": folder, "services": list(services), "caller": caller or SHELL}
        return await self.post("up", **body)

    async def rows(self, **query: str) -> Json:
        answer = await self.get("status", **query)
        assert answer.status == 200, answer.body
        return {row["name"]: row for row in answer.json["services"]}

    async def until(self, condition: Callable[[World], bool]) -> None:
        """Wait until the world is so."""
        while not condition(self.loop.world):
            changed = asyncio.Event()
            self.loop.watch(lambda *_, changed=changed: changed.set())
            if not condition(self.loop.world):
                await changed.wait()


async def _nobody() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    raise OSError(0, "there is no keeper in these tests")


def worker(name: str, *depends_on: str, more: str = "") -> str:
    needs = ", ".join(f'"{each}"' for each in depends_on)
    return f'[services.{name}]\ntype = "worker"\ncommand = "true"\ndepends_on = [{needs}]\n{more}\n'


def server(name: str, more: str = "") -> str:
    return f'[services.{name}]\ncommand = "true"\n{more}\n'
