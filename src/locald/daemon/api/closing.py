"""How a server of the daemon listens, and stops: who was let in a moment ago is answered like all others.

Between the moment at which a connection is accepted and the one at which its request is read, the loop takes
some turns. A server that is closed in one of them loses the connection (asyncio), or waits for it until the
time is up, deaf to what is asked there (aiohttp 3.14: `RequestHandler.close`, then `shutdown`). So first
nobody is let in any more, and what is half made is finished, before the server is closed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

END_WITHIN = 3.0
"""seconds that answers under way have to be finished when the daemon ends; streams are ended at once"""
_TURNS = 8
"""of the loop; it takes five: accepted, connected, made known, its handler begun, its request read"""


AT_ONCE = 128
"""connections that are taken in one turn of the loop"""
QUEUE = 1024
"""connections that the kernel holds until then: a Unix socket refuses who comes when it is full"""


class Listening:
    """`socket`: bound; who comes there is talked to by what `admit` makes, from `begin` to `end`."""

    def __init__(self, socket: socket.socket, admit: Callable[[], asyncio.BaseProtocol]) -> None:
        self._socket = socket
        self._admit = admit
        self._server: asyncio.Server | None = None

    async def begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._admit, sock=self._socket, backlog=AT_ONCE)
        self._socket.listen(QUEUE)

    async def end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        if self._server:
            self._server.close()
