"""How a server of the daemon stops listening: who was let in a moment ago is answered like all others.

Between the moment at which a connection is accepted and the one at which its request is read, the loop takes
some turns. A server that is closed in one of them loses the connection (asyncio), or waits for it until the
time is up, deaf to what is asked there (aiohttp 3.14: `RequestHandler.close`, then `shutdown`). So first
nobody is let in any more, and what is half made is finished, before the server is closed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    import socket

END_WITHIN = 3.0
"""seconds that answers under way have to be finished when the daemon ends; streams are ended at once"""
_TURNS = 8
"""of the loop; it takes five: accepted, connected, made known, its handler begun, its request read"""


class Listening:
    """`socket`: bound; what comes there is answered by `runner`, from `begin` to `end`."""

    def __init__(self, runner: web.AppRunner, socket: socket.socket) -> None:
        self._socket = socket
        self._site = web.SockSite(runner, socket)

    async def begin(self) -> None:
        await self._site.start()

    async def end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await self._site.stop()
