"""What one connection may take of a server of the daemon, so that others never wait for it.

Whoever comes has so long to say what he wants, and so long again for the body of it; a connection that is
kept for a next request may be quiet just as long. Nobody is kept waiting by many of these: when there are too
many connections, the one that has said nothing for longest is closed for the next. Answers under way, and
streams that somebody reads, are never taken from him; only when all connections are such is nobody else let
in.

The time is aiohttp's `keepalive_timeout`: it begins with the connection, and again with each answer.
"""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ASK_WITHIN = 10.0
"""seconds for the head of a request, counted from the connection or from the last answer"""
BODY_WITHIN = 10.0
"""seconds for the body of a request"""
LINGER = 2.0
"""seconds that a body which nobody wants is read, so that who sends it gets to read why"""
MOST = 512
"""connections to one server, or fewer where the daemon may open only few files"""
SHARE = 4
"""of the open files that the daemon may have, one server takes one part of so many"""
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def limits() -> dict[str, Any]:
    """For the runner of a server."""
    return {"keepalive_timeout": ASK_WITHIN, "lingering_time": LINGER}


def most() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // SHARE)


async def body(request: web.Request) -> bytes:
    """All of the request's body. Raises an answer when it is too large, or takes too long."""
    announced, most = request.content_length or 0, request.client_max_size
    if announced > most:  # it would be waited for, and then refused
        raise web.HTTPRequestEntityTooLarge(most, announced)
    try:
        async with asyncio.timeout(BODY_WITHIN):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


class Crowd:
    """The connections of one server."""

    def __init__(self) -> None:
        self._answered: set[asyncio.BaseProtocol] = set()

    @web.middleware
    async def answering(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """The outermost: until the answer is there, or the stream is over, its connection is not closed."""
        connection = request.protocol
        self._answered.add(connection)
        try:
            return await handler(request)
        finally:
            self._answered.discard(connection)

    def admit(self, server: web.Server) -> asyncio.BaseProtocol:
        """Who talks to the connection that has just been made.

        Those that come in one turn of the loop are counted in the next: there are a few more for a moment.
        """
        known = [each for each in server.connections if each.transport is not None]  # the oldest first
        excess = len(known) + 1 - most()
        if excess <= 0:
            return server()
        idle = [each for each in known if each not in self._answered]
        for each in idle[:excess]:
            each.force_close()
        return server() if idle else _Refusing()


class _Refusing(asyncio.Protocol):
    """No room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(BUSY)
        transport.close()
