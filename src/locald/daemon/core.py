"""What the API and the daemon's main program hold in common."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from locald.adapters.containers.translate import Volumes
from locald.adapters.logbook import Logbook
from locald.adapters.processes import Processes
from locald.adapters.state.store import Store
from locald.adapters.usage import Used
from locald.daemon.hub import Hub
from locald.daemon.loop import Loop
from locald.daemon.meter import Sample
from locald.daemon.port_choice import PortChoice
from locald.daemon.texts import KnownTexts
from locald.domain.lifecycle.messages import Command, Restart, Shutdown, Up, Wake
from locald.domain.lifecycle.world import World
from locald.domain.project.names import Key, Run
from locald.linux.clock import Clock
from locald.wire.rows import timestamp
from locald.wire.version import __version__


class Ending(Exception):
    """Everything is being stopped: nothing can be wanted any more."""


class Unsaved(Exception):
    """What was asked for is not on disk, so no other daemon would know it. Its text says why."""


class Proxy(Protocol):
    """What makes services reachable by name."""

    def status(self) -> dict[str, Any]:
        """As `GET /v1/proxy` answers it."""
        ...

    async def served(self) -> None:
        """Wait until who asks for a name of now is served."""
        ...


class Dashboard(Protocol):
    """The dashboard's site."""

    @property
    def url(self) -> str | None:
        """Where it is; None when it could not be opened."""
        ...

    def invite(self, *, by_name: bool = False) -> str | None:
        """An address that lets a browser in."""
        ...


async def _nothing() -> Mapping[Key, Used]:
    return {}


async def _unmeasured(_: float) -> None:
    """Where there is no engine nothing has volumes."""


async def _ready(_: World, command: Up) -> Up:
    """Where everything runs on this machine nothing has to be asked for."""
    return command


class Core(Struct, eq=False):
    loop: Loop
    hub: Hub
    logbook: Logbook
    clock: Clock
    store: Store
    processes: Processes
    started_at: float
    trouble: str = ""
    """what was wrong with the saved state, one sentence, or empty"""
    troubles: tuple[Callable[[], str], ...] = ()
    """what is wrong now: each tells one sentence, or empty"""
    way_in: Callable[[Run], tuple[str, dict[str, str]] | None] = lambda _: None
    """the id of a run's container, and the environment with which the docker command finds that"""
    ports: PortChoice = field(default_factory=PortChoice)
    engines_ready: Callable[[World, Up], Awaitable[Up]] = _ready
    """the same command, with what its engines say of where they run it; raises Refused where one of them
    cannot be used"""
    texts: KnownTexts = field(default_factory=KnownTexts)
    volumes: Callable[[float], Awaitable[Volumes | None]] = _unmeasured
    """what the volumes of projects take on disk, as far as it is known within so many seconds"""
    usage: Callable[[], Awaitable[Mapping[Key, Used]]] = _nothing
    """what services take of the machine; costs something only when it is asked for"""
    past_usage: Callable[[Key], Sequence[Sample]] = lambda _: ()
    """what one took in the last quarter of an hour, as far as it was measured"""
    dashboard: Dashboard | None = None
    proxy: Proxy | None = None
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """set when the daemon is to end"""
    stopping: bool = False
    """everything is being stopped, and then the daemon ends"""

    @property
    def world(self) -> World:
        return self.loop.world

    def identity(self) -> dict[str, Any]:
        """The `daemon` of every status document; `trouble` is there only when there was some."""
        told = {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": timestamp(self.started_at),
            "dashboard_url": self.dashboard.url if self.dashboard else None,
        }
        wrong = [found for found in (self.trouble, *(ask() for ask in self.troubles)) if found]
        return told | {"trouble": "; ".join(wrong)} if wrong else told

    async def ask(self, command: Command) -> None:
        """Have the command taken in. When this returns, also a daemon that is killed will not forget it.

        Raises Ending for a request that nobody would be there to carry out.
        """
        if self.stopping and isinstance(command, Up | Restart | Wake):
            raise Ending
        await self.loop.ask(command)
        await self.store.saved()

    async def stop_everything(self) -> None:
        """Nothing is wanted any more; when nothing runs any more the daemon ends."""
        self.stopping = True
        await self.ask(Shutdown())
        self.loop.watch(self._leave_when_idle)
        self._leave_when_idle(self.world, frozenset())

    async def leave_to_another(self) -> None:
        """The daemon ends, and services go on. Raises Unsaved."""
        await self.store.saved()
        if self.store.trouble:
            raise Unsaved(self.store.trouble)
        self.leaving.set()

    def _leave_when_idle(self, world: World, _: object) -> None:
        if not any(service.run for service in world.services.values()):
            self.leaving.set()
