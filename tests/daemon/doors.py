"""Both doors of the daemon, the Unix socket and the dashboard's, with somebody who may come in at each."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from daemon.office import Office
from daemon.test_site import Visit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TURNS = 8
"""of the loop, after which a connection has been made and heard"""
SOON = 2.0
"""seconds: far more than an answer takes, and far less than what slow clients are given"""


async def turn(times: int) -> None:
    """Let the loop do so many rounds."""
    for _ in range(times):
        await asyncio.sleep(0)


class Doors:
    """`close` hangs up for everybody who has arrived."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self._open = ExitStack()

    async def arrive(self, door: str, says: bytes = b"") -> socket.socket:
        """Somebody connects, and says so much."""
        arriving = self._open.enter_context(await self.begin(door, says))
        await turn(TURNS)
        return arriving

    async def begin(self, door: str, says: bytes) -> socket.socket:
        """The same, not heard yet; to be closed by the caller."""
        kind, address = self._address(door)
        beginning = socket.socket(kind)
        beginning.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(beginning, address)
        await loop.sock_sendall(beginning, says)
        return beginning

    def _address(self, door: str) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
        if door == "unix":
            return socket.AF_UNIX, self.visit.office.socket
        return socket.AF_INET, ("127.0.0.1", self.visit.port)

    async def status(self, door: str) -> int:
        async with asyncio.timeout(SOON):
            if door == "unix":
                return (await self.visit.office.get("status")).status
            return (await self.visit.signed_in("/v1/status")).status

    def close(self) -> None:
        self._open.close()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Doors]:
    office = Office(folder)
    async with office.open(), aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        visit = Visit(office)
        visit.client = client
        doors = Doors(await visit.open())
        yield doors
        doors.close()
        await visit.site.close()


Opened = Callable[[], AbstractAsyncContextManager[Doors]]
"""opened within a test, which sets the limits before"""
