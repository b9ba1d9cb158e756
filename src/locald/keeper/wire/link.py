"""One connection to the keeper, which can never hold it up.

When too much waits to be sent the connection is dropped, and the daemon gets everything again when it comes
back.
"""

from __future__ import annotations

import socket
import struct

from locald.keeper.log import report
from locald.keeper.wire import protocol
from locald.keeper.wire.nonblocking import Nonblocking

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

    __slots__ = ("_deliver", "_in", "_limit", "_lost", "_wire", "closed", "peer")

    def __init__(
        self,
        loop: Loop,
        connection: socket.socket,
        deliver: Callable[[Link, bytes], None],
        lost: Callable[[Link], None],
    ) -> None:
        self.closed = False
        self.peer = _peer(connection)
        self._deliver = deliver
        self._lost = lost
        self._in = bytearray()
        self._limit = MOST_WAITING
        self._wire = Nonblocking(loop, connection, self._ready)

    @property
    def idle(self) -> bool:
        """Nothing waits to be sent."""
        return not self._wire.waiting

    def send(self, data: bytes) -> None:
        """Send now or later; never blocks."""
        if self.closed:
            return
        self._wire.add(data)
        self._flush()
        if self._wire.waiting > self._limit:
            report("the daemon does not read, connection dropped")
            self.close()

    def send_all(self, data: bytes) -> None:
        """The same for a replay, which may be longer than what may wait."""
        self._limit = MOST_WAITING + len(data)
        self.send(data)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._wire.close()
            self._lost(self)

    def release(self) -> socket.socket:
        """The connection, which is somebody else's from now on; what came after the last line is dropped."""
        self.closed = True
        return self._wire.release()

    def _ready(self) -> None:
        self._flush()
        if not self.closed:
            self._receive()

    def _flush(self) -> None:
        if not self._wire.flush():
            self.close()

    def _receive(self) -> None:
        data = self._wire.receive(_READ)
        if data is None:
            return
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
