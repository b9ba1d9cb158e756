"""What one connection may take of a server of the daemon, so that others never wait for it.

Whoever comes has so long to say what he wants, and so long again for the body of it; a connection that is
kept for a next request may be quiet just as long. Nobody is kept waiting by many of these: when there are too
many connections, the one that has said nothing for longest is closed for the next. Answers under way, and
streams that somebody reads, are never taken from him; only when all connections are such is nobody else let
in. Who asked for news and reads none of it is sent away: he can ask anew, and is then told how things are.
"""

from __future__ import annotations

import asyncio
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ASK_WITHIN = 10.0
"""seconds for the head of a request, counted from the connection or from the last answer"""
BODY_WITHIN = 10.0
"""seconds for the body of a request"""
READ_WITHIN = 60.0
"""seconds for the reader of news to take something of what waits for him"""
LINGER = 2.0
"""seconds that a body which nobody wants is read, so that who sends it gets to read why"""
MOST = 512
"""connections to one server, or fewer where the daemon may open only few files"""
SHARE = 4
"""of the open files that the daemon may have, one server takes one part of so many"""
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def most() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // SHARE)


class Guest(Protocol):
    """A connection, as a server's protocol has it."""

    transport: asyncio.Transport | None

    def force_close(self) -> None: ...


class Crowd:
    """The connections of one server."""

    def __init__(self) -> None:
        self._answered: set[object] = set()

    @contextmanager
    def answering(self, connection: object) -> Iterator[None]:
        """Until the answer is there, or the stream is over, this connection is not closed."""
        self._answered.add(connection)
        try:
            yield
        finally:
            self._answered.discard(connection)

    def admit(
        self, guests: Iterable[Guest], newcomer: Callable[[], asyncio.BaseProtocol]
    ) -> asyncio.BaseProtocol:
        """Who talks to the connection that has just been made. `guests`: those before it, the oldest first.

        Those that come in one turn of the loop are counted in the next: there are a few more for a moment.
        """
        known = [each for each in guests if each.transport is not None]
        excess = len(known) + 1 - most()
        if excess <= 0:
            return newcomer()
        idle = [each for each in known if each not in self._answered]
        for each in idle[:excess]:
            each.force_close()
        return newcomer() if idle else _Refusing()


class _Refusing(asyncio.Protocol):
    """No room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(BUSY)
        transport.close()
