"""The Unix socket at which the proxy brings who asks for the dashboard by its name.

Only the owner can connect here, so what the proxy says of a visitor's connection is believed: it tells both
ends, and the kernel tells whose the visitor's end is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from locald.domain.values import digits
from locald.linux import ownership
from locald.linux.peers import uid_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

THERE, HERE = "X-Locald-There", "X-Locald-Here"
"""the headers with the two ends of the visitor's connection to the proxy: an address, a space, a port"""


class Arriving(asyncio.Protocol):
    """Who has just come is talked to by what `server` makes; nothing is read of him until that is there."""

    def __init__(self, server: Callable[[], Awaitable[asyncio.Protocol]]) -> None:
        self._server = server
        self._handing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if not ownership.is_trusted(ownership.peer(transport.get_extra_info("socket"))):
            transport.abort()
            return
        transport.pause_reading()
        self._handing = asyncio.get_running_loop().create_task(self._hand_over(transport))

    async def _hand_over(self, transport: asyncio.Transport) -> None:
        other = await self._server()
        if transport.is_closing():
            return
        transport.set_protocol(other)
        other.connection_made(transport)
        transport.resume_reading()


def visitor(headers: Mapping[str, str]) -> int | None:
    """The user who came to the proxy; None when that cannot be known."""
    there, here = (_end(headers.get(name, "")) for name in (THERE, HERE))
    return uid_of(there, here) if there and here else None


def _end(said: str) -> tuple[str, int] | None:
    address, _, port = said.partition(" ")
    number = digits.port(port)
    return (address, number) if number else None
