"""One connection to the keeper, which can never hold it up.

What is sent waits in a buffer when the other side is slow; when the buffer is full the connection is dropped,
and the daemon gets everything again when it comes back.
"""

from __future__ import annotations

import select
import socket
import struct

from locald.keeper.log import report
from locald.keeper.wire import protocol

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.loop import Loop

MOST_WAITING = 8 * 1024 * 1024
"""bytes beyond the replay"""
_READ = 32 * 1024
"""bytes at a time: a few spawns, then the services have their turn"""


class Link:
    """A connection. `deliver` gets each whole line, `lost` is called once when it is over."""

    __slots__ = ("_deliver", "_in", "_limit", "_loop", "_lost", "_out", "_socket", "closed", "peer")

    def __init__(
        self,
        loop: Loop,
        connection: socket.socket,
        deliver: Callable[[Link, bytes], None],
        lost: Callable[[Link], None],
    ) -> None:
        connection.setblocking(False)
        self.closed = False
        self.peer = _peer(connection)
        self._loop = loop
        self._socket = connection
        self._deliver = deliver
        self._lost = lost
        self._in = bytearray()
        self._out = bytearray()
        self._limit = MOST_WAITING
        loop.watch(connection.fileno(), select.EPOLLIN, self._ready)

    @property
    def idle(self) -> bool:
        """Nothing waits to be sent."""
        return not self._out

    def send(self, data: bytes) -> None:
        """Send now or later; never blocks."""
        if self.closed:
            return
        self._out += data
        self._flush()
        if len(self._out) > self._limit:
            report("the daemon does not read, connection dropped")
            self.close()

    def send_all(self, data: bytes) -> None:
        """The same for a replay, which may be longer than what may wait."""
        self._limit = MOST_WAITING + len(data)
        self.send(data)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.unwatch(self._socket.fileno())
            self._socket.close()
            self._lost(self)

    def release(self) -> socket.socket:
        """The connection, which is somebody else's from now on; what came after the last line is dropped."""
        self.closed = True
        self._loop.unwatch(self._socket.fileno())
        return self._socket

    def _ready(self) -> None:
        self._flush()
        if not self.closed:
            self._receive()

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        waits = select.EPOLLOUT if self._out else 0
        self._loop.watch_for(self._socket.fileno(), select.EPOLLIN | waits)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        searched = len(self._in)
        self._in += data
        self._deliver_lines(searched)
        if len(self._in) > protocol.LONGEST_LINE:
            self.close()

    def _deliver_lines(self, searched: int) -> None:
        start = 0
        while not self.closed and (end := self._in.find(b"\n", max(start, searched))) >= 0:
            line = bytes(self._in[start:end])
            start = end + 1
            self._deliver(self, line)
        del self._in[:start]


def _peer(connection: socket.socket) -> int:
    """The pid at the other end (unix(7), SO_PEERCRED)."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid: int = struct.unpack("iII", data)[0]
    return pid
