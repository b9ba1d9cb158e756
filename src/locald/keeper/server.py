"""The keeper's socket: one daemon at a time, and never one that can hold the keeper up.

Whoever connects and says `hello` is the daemon from then on; the one before is cut off. Until then a
connection is a guest that cannot ask for anything (so somebody who only looks whether we are there disturbs
nobody). What is sent waits in a buffer when the daemon is slow; when the buffer is full the connection is
dropped, and the daemon gets everything again when it comes back. Hints about output carry nothing that the
captures do not hold, so of them at most one for each run waits.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys

from locald.keeper import protocol

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.loop import Loop
    from locald.keeper.protocol import Event, Request

MOST_WAITING = 8 * 1024 * 1024
"""bytes beyond the replay"""
MOST_GUESTS = 16
_READ = 32 * 1024
"""bytes at a time: a few spawns, then the services have their turn"""
_REST_WHEN_FULL = 0.1


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
            print("the daemon does not read: its connection is dropped", file=sys.stderr, flush=True)
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


class Server:
    """`handle` carries out a request; `replay` gives what a new daemon must hear after `hello`."""

    __slots__ = ("_guests", "_handle", "_hints", "_link", "_listener", "_loop", "_path", "_replay")

    def __init__(
        self, loop: Loop, path: str, handle: Callable[[Request], None], replay: Callable[[], list[Event]]
    ) -> None:
        """Raises OSError."""
        self._loop = loop
        self._path = path
        self._handle = handle
        self._replay = replay
        self._link: Link | None = None
        self._guests: list[Link] = []
        self._hints: dict[str, None] = {}
        self._listener = _listen(path)
        loop.watch(self._listener.fileno(), select.EPOLLIN, self._accept)
        loop.before_sleep(self._send_hints)

    @property
    def daemon(self) -> int | None:
        """The pid of the connected daemon."""
        return self._link.peer if self._link is not None else None

    @property
    def wanted(self) -> bool:
        """Somebody is connected, the daemon or one who may become it."""
        return self._link is not None or bool(self._guests)

    def tell(self, event: Event) -> None:
        if self._link is not None:
            self._link.send(protocol.encode(event))

    def hint(self, run: str) -> None:
        """There is output of this run: tell when the daemon is ready for it."""
        self._hints[run] = None

    def close(self) -> None:
        """Nobody can connect any more; who has connected meanwhile sees the end and asks again."""
        if os.path.lexists(self._path):
            os.unlink(self._path)
        self._loop.unwatch(self._listener.fileno())
        self._listener.close()
        for link in (self._link, *self._guests):
            if link is not None:
                link.close()

    def _send_hints(self) -> None:
        if self._hints and (self._link is None or self._link.idle):
            hints, self._hints = self._hints, {}
            for run in hints:
                self.tell({"event": "output", "run": run, "at": self._loop.now()})

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:  # too many open files, perhaps
            self._loop.watch_for(self._listener.fileno(), 0)
            self._loop.after(_REST_WHEN_FULL, self._accept_again)
            return
        if len(self._guests) >= MOST_GUESTS:
            self._guests[0].close()
        self._guests.append(Link(self._loop, connection, self._received, self._lost))

    def _accept_again(self) -> None:
        self._loop.watch_for(self._listener.fileno(), select.EPOLLIN)

    def _received(self, link: Link, line: bytes) -> None:
        try:
            request = protocol.decode(line)
            if request.text("do") == "hello":
                self._greet(link, request)
            elif link is self._link:
                self._handle(request)
            else:
                raise protocol.Malformed("say hello first")
        except protocol.Malformed as error:
            self._complain(link, str(error), error.run)
        except Exception as error:  # a fault of ours: it is in the log, and costs this request only
            sys.excepthook(*sys.exc_info())
            self._complain(link, f"{type(error).__name__}: {error}", "")

    def _complain(self, link: Link, text: str, run: str) -> None:
        about = {"run": run} if run else {}
        link.send(protocol.encode({"event": "error", "at": self._loop.now(), **about, "text": text}))

    def _greet(self, link: Link, request: Request) -> None:
        request.number("protocol", 1, 2**31)  # a later one than ours understands ours
        before, self._link = self._link, link
        if before is not None and before is not link:
            before.close()
        if link in self._guests:
            self._guests.remove(link)
        link.send_all(b"".join(map(protocol.encode, self._replay())))

    def _lost(self, link: Link) -> None:
        if link in self._guests:
            self._guests.remove(link)
        if link is self._link:
            self._link = None


def _listen(path: str) -> socket.socket:
    """Take the place of a dead keeper's socket: whoever calls holds the lock."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if os.path.lexists(path):
            os.unlink(path)
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(16)
    except OSError:
        listener.close()
        raise
    return listener


def _peer(connection: socket.socket) -> int:
    """The pid at the other end (unix(7), SO_PEERCRED)."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid: int = struct.unpack("iII", data)[0]
    return pid
