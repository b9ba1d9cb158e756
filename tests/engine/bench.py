"""Containers of a test's own on a real engine: what is ordered, what is posted, and nothing left behind."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from children import free_port
from engine import images
from locald.adapters.containers.containers import Containers
from locald.adapters.containers.create import OWNER, Order
from locald.adapters.containers.engines_used import EnginesUsed
from locald.capture import frames
from locald.capture.reader import CaptureReader
from locald.daemon.tasks import Tasks
from locald.domain.lifecycle.messages import Gone, Lost, NotStarted, Spawned
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Definition, ServiceSpec, Type
from locald.linux.clock import Clock
from locald.wire.engines import Address
from posted import Posted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from engine.session import Docker
    from locald.capture.block import Line

E = TypeVar("E")

PATIENCE = 30.0
"""seconds: far beyond what an engine takes on a busy machine"""


class Bench:
    """One project on one engine, under names that nobody else has."""

    def __init__(self, docker: Docker, folder: Path) -> None:
        self.docker, self.api, self.folder = docker, docker.api, folder
        self.project = f"t{secrets.token_hex(4)}"
        self.owner = secrets.token_hex(8)
        self.clock = Clock(time.time() - time.monotonic())
        self.posted = Posted()
        self._gone: set[Run] = set()
        self.printed = asyncio.Event()
        self._containers: Containers | None = None

    # The daemon.

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Containers]:
        """What a daemon has, from its start to its end; then another one may be had."""
        self.posted.events.clear()
        async with Tasks() as tasks:
            used = str(self.folder / "engines.json")
            self._containers = Containers(self._post, self.clock, tasks, self._on_output, self.owner, used)
            try:
                yield self._containers
            finally:
                await self._containers.close()

    def _post(self, news: Any) -> None:
        if isinstance(news, Gone):
            self._gone.add(news.run)
        self.posted.post(news)

    def _on_output(self, _: Run) -> None:
        self.printed.set()

    @property
    def containers(self) -> Containers:
        assert self._containers
        return self._containers

    # Orders.

    def run(self, name: str = "db", number: int = 1) -> Run:
        return Run(Key(self.project, name), number)

    def order(
        self,
        image: str,
        name: str = "db",
        *,
        env: dict[str, str] | None = None,
        shell: dict[str, str] | None = None,
        port: int | None = None,
        **spec: Any,
    ) -> Order:
        """`image` is one of the tests' own, or the whole name of another."""
        image = images.name(image) if image in images.IMAGES else image
        service = ServiceSpec(name, type=Type.CONTAINER, image=image, **spec)
        definition = Definition(
            Key(self.project, name), str(self.folder), service, port or service.port or free_port()
        )
        return Order(definition, env or {}, shell or self.shell, str(self.logs(name)))

    @property
    def shell(self) -> dict[str, str]:
        return {"DOCKER_HOST": self.docker.host, "HOME": str(self.folder)}

    def logs(self, name: str = "db") -> Path:
        return self.folder / "logs" / name

    def start(self, image: str, name: str = "db", **more: Any) -> Run:
        run = self.run(name)
        self.containers.start(run, self.order(image, name, **more))
        return run

    async def spawned(self, image: str, name: str = "db", **more: Any) -> Spawned:
        run = self.start(image, name, **more)
        return await self.wait_for(Spawned, lambda event: event.run == run)

    async def wait_for(self, kind: type[E], what: Callable[[E], bool] = lambda _: True) -> E:
        return await self.posted.wait_for(kind, what, PATIENCE)

    async def next_event(self) -> object:
        return await self.wait_for(object)

    async def end(self, run: Run) -> None:
        """Kill it, and wait until nothing is left."""
        self.containers.kill(run)
        await self.wait_for(Gone, lambda event: event.run == run)
        self.containers.forget(run)

    async def gone(self, run: Run) -> None:
        """Until nothing is left of it; it may have been so for a while."""
        if run not in self._gone:
            await self.wait_for(Gone, lambda event: event.run == run)
        self.containers.forget(run)

    async def over(self) -> None:
        """Until nothing is left, whether its end was seen or not."""
        await self.wait_for(object, lambda event: isinstance(event, Gone | Lost))

    async def not_started(self, run: Run) -> str:
        """The reason and the hint, on two lines."""
        refused = await self.wait_for(NotStarted, lambda event: event.run == run)
        self.containers.forget(run)
        return f"{refused.reason}\n{refused.hint}"

    def do_inside(self, command: str, name: str = "db") -> None:
        """Run a command in the container, to its end."""
        words = {"Cmd": ["sh", "-c", command], "AttachStdout": True}
        made = self.api.post(f"/containers/locald-{self.project}-{name}/exec", words)
        self.api.post(f"/exec/{made['Id']}/start", {"Detach": False})

    # What is to be seen.

    def inspect(self, name: str = "db") -> Any:
        return self.api.get(f"/containers/locald-{self.project}-{name}/json")

    def engines_used(self) -> set[Address]:
        return EnginesUsed(str(self.folder / "engines.json"), Address).all()

    def listed(self) -> list[str]:
        """What is in the project's folder, beside what was captured."""
        return sorted(
            each.name for each in self.folder.iterdir() if each.name not in ("logs", "engines.json")
        )

    def left(self) -> list[str]:
        """The names of all containers and networks of this bench that are there."""
        label = f"{OWNER}={self.owner}"
        return [each["Names"][0] for each in self.api.labelled(label)] + self.api.networks_labelled(label)

    async def until_not_running(self, name: str = "db") -> None:
        async with asyncio.timeout(PATIENCE):
            while (  # noqa: ASYNC110
                await asyncio.to_thread(self.inspect, name)
            )["State"]["Running"]:
                await asyncio.sleep(0.02)

    async def until_nothing_is_left(self) -> None:
        """The network goes a moment after the last container is told to be gone."""
        async with asyncio.timeout(PATIENCE):
            while await asyncio.to_thread(self.left):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def printed_at(self, text: str, name: str = "db") -> float:
        """When this line came from the engine, epoch seconds; waits for it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await asyncio.to_thread(self._lines, name)
                if at := next((line.at for line in found if line.text == text), None):
                    return at
                await asyncio.sleep(0.02)

    async def lines(self, name: str = "db", stream: int | None = None) -> list[str]:
        """What was captured so far, as lines; the last may be unended."""
        found = await asyncio.to_thread(self._lines, name)
        return [line.text for line in found if stream is None or line.stream == stream]

    def _lines(self, name: str) -> list[Line]:
        reader = CaptureReader(self.logs(name))
        found: list[Line] = []
        while more := reader.read():
            found += more
        return found + [line for block in reader.finish() for line in block.lines()]

    async def wait_for_line(self, text: str, name: str = "db") -> list[str]:
        """All lines, as soon as this one is among them."""
        async with asyncio.timeout(PATIENCE):
            while text not in (lines := await self.lines(name)):
                await self.printed.wait()
                self.printed.clear()
        return lines


STDOUT, STDERR, LOCALD = frames.STDOUT, frames.STDERR, frames.LOCALD


@asynccontextmanager
async def bench(docker: Docker, folder: Path) -> AsyncIterator[Bench]:
    """A bench without a daemon yet; at the end whatever is left of it is removed."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    made = Bench(docker, folder)
    try:
        yield made
    finally:
        await asyncio.to_thread(docker.api.remove_labelled, f"{OWNER}={made.owner}")


@asynccontextmanager
async def served(docker: Docker, folder: Path) -> AsyncIterator[Bench]:
    """A bench with a daemon."""
    async with bench(docker, folder) as made, made.daemon():
        yield made
