"""The site on 127.0.0.1: the page and the API, behind the door.

By way of the proxy it has a name too, `https://locald.localhost:7443/`: then who comes, comes by a Unix
socket, and finds the same page behind a door of its own (see `by_name`).

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
from locald.daemon.api.socket_file import SocketFile
from locald.daemon.dashboard import memory
from locald.daemon.dashboard.by_name import Arriving
from locald.daemon.dashboard.door import Door, Tickets
from locald.daemon.dashboard.memory import Memory
from locald.domain.explain.routes import DASHBOARD
from locald.domain.project.names import Key

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp import web

    from locald.daemon.api.routes import Api

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
"""where the build of the page leaves it"""


class Site:
    def __init__(self, api: Api, noted: str, by_name: str, folder: Path = PAGE) -> None:
        """`noted`: the file with the port and the secret. `by_name`: the path of the socket for who comes by
        name. `folder`: the page's files."""
        self._api, self._noted, self._folder = api, noted, folder
        self._file = SocketFile(by_name, self._admit_by_name)
        self._tickets = Tickets(asyncio.get_running_loop().time)
        self._crowd = Crowd()
        self._door: Door | None = None
        self._socket: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._listening: closing.Listening | None = None
        self._opening: asyncio.Task[None] | None = None
        """to the first visitor"""
        self._making = asyncio.Lock()

    @property
    def url(self) -> str | None:
        """Where the page is; None when the site is closed."""
        return self._door.url if self._door else None

    @property
    def name_url(self) -> str | None:
        """Where it is by name; None without a proxy."""
        door = self._door_by_name()
        return door.url if door else None

    def invite(self, *, by_name: bool = False) -> str | None:
        """An address that lets a browser in, once, soon."""
        url = self.name_url if by_name else self.url
        return f"{url}signin?ticket={self._tickets.issue()}" if url else None

    def _door_by_name(self) -> Door | None:
        port = self._api.core.world.https_port
        if port is None or self._door is None:
            return None
        return Door.of_name(DASHBOARD, port, self._door.secret, os.geteuid())

    async def open(self, taken: Collection[int]) -> None:
        """Listen, if there is a port to be had. `taken`: those promised to services."""
        try:
            listening, remembered = await asyncio.to_thread(_listen, self._noted, taken)
        except OSError as error:
            log.warning("no dashboard: %s", error.strerror)
            return
        self._socket = listening
        listening.setblocking(False)
        self._door = Door.of_port(listening.getsockname()[1], remembered.secret, os.geteuid())
        asyncio.get_running_loop().add_reader(listening, self._receive_first)
        log.info("dashboard: %s", self.url)
        try:
            await self._file.open()
        except OSError as error:
            log.warning("no dashboard by name: %s: %s", self._file.path, error.strerror)

    async def keep(self) -> None:
        """Be found by name also when the socket was removed. Never returns."""
        await self._file.keep()

    def _receive_first(self) -> None:
        assert self._socket
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        self._opening = loop.create_task(self._serve(self._socket))

    async def _serve(self, listening: socket.socket) -> None:
        await self._made()
        self._listening = closing.Listening(listening, self._admit)
        await self._listening.begin()

    async def _made(self) -> web.Server:
        """What talks to visitors, made for the first one."""
        async with self._making:
            if self._runner is None:
                pages = await asyncio.to_thread(import_module, "locald.daemon.dashboard.pages")
                assert self._door
                self._runner = pages.Pages(
                    self._api, self._crowd, self._door, self._door_by_name, self._tickets, self._folder
                ).runner
                await self._runner.setup()
        assert self._runner.server
        return self._runner.server

    def _admit(self) -> asyncio.BaseProtocol:
        server = self._runner and self._runner.server
        assert server
        return self._crowd.admit(server.connections, server)

    def _admit_by_name(self) -> asyncio.BaseProtocol:
        guests = self._runner.server.connections if self._runner and self._runner.server else []
        return self._crowd.admit(guests, lambda: Arriving(self._talks))

    async def _talks(self) -> asyncio.Protocol:
        return (await self._made())()

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
        await self._file.close(self._finish)
        self._door = None

    async def _finish(self) -> None:
        if self._runner:
            await self._runner.cleanup()


# In a thread.


def _listen(noted: str, taken: Collection[int]) -> tuple[socket.socket, Memory]:
    """A socket that listens, on the port of last time if it is free. Raises OSError."""
    known = memory.recall(noted)
    earlier = known or memory.new()
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
    if known and now != known:
        memory.keep(noted, now)
    return listening, now
