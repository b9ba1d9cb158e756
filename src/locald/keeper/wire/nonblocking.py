"""A socket whose other side may be slow, or gone: nobody ever waits for it.

What is sent waits in a buffer until there is room. Who uses it says how much may wait, and what is done then.
"""

from __future__ import annotations

import select

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from locald.keeper.loop import Loop


class Nonblocking:
    """`ready` is called when there is something to read, or room to write."""

    __slots__ = ("_hears", "_loop", "_out", "_socket")

    def __init__(self, loop: Loop, connection: socket.socket, ready: Callable[[], None]) -> None:
        connection.setblocking(False)
        self._loop = loop
        self._socket = connection
        self._out = bytearray()
        self._hears = True
        loop.watch(connection.fileno(), select.EPOLLIN, ready)

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._out)

    @property
    def is_open(self) -> bool:
        return self._socket.fileno() >= 0

    def add(self, data: bytes) -> None:
        """Send it with the next `flush`."""
        self._out += data

    def flush(self) -> bool:
        """Send what there is room for. False where the other side is gone."""
        try:
            while self._out:
                del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            return False
        self._wait()
        return True

    def receive(self, size: int) -> bytes | None:
        """What has come. None: nothing yet; empty: the other side is gone."""
        try:
            return self._socket.recv(size)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def listen(self, hears: bool) -> None:
        """Whether what comes is read."""
        if hears != self._hears:
            self._hears = hears
            self._wait()

    @property
    def hears(self) -> bool:
        return self._hears

    def release(self) -> socket.socket:
        """The socket, which is somebody else's from now on."""
        self._loop.unwatch(self._socket.fileno())
        return self._socket

    def close(self) -> None:
        self.release().close()

    def _wait(self) -> None:
        hears = select.EPOLLIN if self._hears else 0
        self._loop.watch_for(self._socket.fileno(), hears | (select.EPOLLOUT if self._out else 0))
