"""The site on 127.0.0.1: the page and the API, behind the door.

It keeps its port from one daemon to the next, so that an open page finds it again; only when somebody else
has taken the port does it move to another. A daemon that cannot listen anywhere has no dashboard, and nothing
else suffers.

It listens from the beginning. What it answers with (`pages`) is made when the first visitor comes, for most
daemons never have one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from locald.adapters import ports
from locald.daemon.api import closing
from locald.daemon.api.crowd import Crowd
from locald.daemon.dashboard import memory
from locald.daemon.dashboard.door import Door, Tickets
from locald.daemon.dashboard.memory import Memory
from locald.domain.project.names import Key

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp import web

    from locald.daemon.api.routes import Api

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
"""where the build of the page leaves it"""


class Site:
    def __init__(self, api: Api, noted: str, folder: Path = PAGE) -> None:
        """`noted`: the file with the port and the secret. `folder`: the page's files."""
        self._api, self._noted, self._folder = api, noted, folder
        self._tickets = Tickets(asyncio.get_running_loop().time)
        self._crowd = Crowd()
        self._door: Door | None = None
        self._socket: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._listening: closing.Listening | None = None
        self._opening: asyncio.Task[None] | None = None
        """to the first visitor"""

    @property
    def url(self) -> str | None:
        """Where the page is; None when the site is closed."""
        return f"http://{self._door.hosts[0]}/" if self._door else None

    def invite(self) -> str | None:
        """An address that lets a browser in, once, soon."""
        return f"{self.url}signin?ticket={self._tickets.issue()}" if self._door else None

    async def open(self, taken: Collection[int]) -> None:
        """Listen, if there is a port to be had. `taken`: those promised to services."""
        try:
            listening, remembered = await asyncio.to_thread(_listen, self._noted, taken)
        except OSError as error:
            log.warning("no dashboard: %s", error.strerror)
            return
        self._socket = listening
        listening.setblocking(False)
        self._door = Door(listening.getsockname()[1], remembered.secret, os.geteuid())
        asyncio.get_running_loop().add_reader(listening, self._receive_first)
        log.info("dashboard: %s", self.url)

    def _receive_first(self) -> None:
        assert self._socket
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        self._opening = loop.create_task(self._serve(self._socket))

    async def _serve(self, listening: socket.socket) -> None:
        pages = await asyncio.to_thread(import_module, "locald.daemon.dashboard.pages")
        assert self._door
        self._runner = pages.Pages(self._api, self._crowd, self._door, self._tickets, self._folder).runner
        await self._runner.setup()
        self._listening = closing.Listening(listening, self._admit)
        await self._listening.begin()

    def _admit(self) -> asyncio.BaseProtocol:
        server = self._runner and self._runner.server
        assert server
        return self._crowd.admit(server.connections, server)

    async def withdraw(self) -> None:
        """Let nobody in any more: who is notified that the daemon ends should not find it here again."""
        if self._opening:
            await self._opening
        if self._listening:
            await self._listening.end()
        elif self._socket:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        self._listening = self._socket = self._opening = None

    async def close(self) -> None:
        """Finish what is under way, and be gone."""
        await self.withdraw()
        self._door = None
        if self._runner:
            await self._runner.cleanup()


# In a thread.


def _listen(noted: str, taken: Collection[int]) -> tuple[socket.socket, Memory]:
    """A socket that listens, on the port of last time if it is free. Raises OSError."""
    earlier = memory.recall(noted)
    port = ports.assign(Key("locald", "dashboard"), noted, earlier.port, taken)
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # for what the last daemon left
        listening.bind(("127.0.0.1", port))
        listening.listen(closing.QUEUE)
    except OSError:
        listening.close()
        raise
    now = Memory(port, earlier.secret)
    if now != earlier:
        memory.keep(noted, now)
    return listening, now
