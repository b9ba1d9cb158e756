"""The keeper's socket, and who is the daemon: one at a time.

Who connects and says `hello` is the daemon from then on; the one before is cut off. Until then a
connection is a guest that cannot ask for anything (so somebody who only looks whether we are there disturbs
nobody), but to be attached to the terminal of a run: then the connection is that run's. Hints about output
carry nothing that the captures do not hold, but for the end of what no disk has taken, so of them at most one
for each run waits for a daemon that is slow. What runs say of themselves comes after all else, each in turn.
"""

from __future__ import annotations

import binascii
import os
import select
import socket
import sys

from locald.keeper.log import report
from locald.keeper.wire import protocol
from locald.keeper.wire.link import Link
from locald.linux import ownership

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from locald.keeper.loop import Loop
    from locald.keeper.wire.protocol import Event, Request

    class Teller(Protocol):
        """Who has something to tell that can wait."""

        def flush(self) -> None:
            """Tell it."""

        def drop(self) -> None:
            """Nobody is there to be told."""


MOST_GUESTS = 16
MOST_UNWRITTEN = 64 * 1024
"""bytes in one hint"""
_REST_WHEN_FULL = 0.1


class Server:
    """`handle` carries out a request; `replay` gives what a new daemon must get after `hello`; `attach` takes
    a connection over, once it is sure that it can."""

    __slots__ = (
        "_attach",
        "_expected",
        "_file",
        "_guests",
        "_handle",
        "_hints",
        "_link",
        "_listener",
        "_loop",
        "_path",
        "_replay",
        "_trouble",
    )

    def __init__(
        self,
        loop: Loop,
        path: str,
        handle: Callable[[Request], None],
        replay: Callable[[], list[Event]],
        attach: Callable[[Request, Callable[[], socket.socket]], None],
    ) -> None:
        """Raises OSError."""
        self._loop = loop
        self._path = path
        self._handle = handle
        self._replay = replay
        self._attach = attach
        self._link: Link | None = None
        self._guests: list[Link] = []
        self._hints: dict[str, bytes] = {}
        self._expected: dict[Teller, None] = {}
        self._listener: socket.socket | None = None
        self._trouble = ""
        self._file: tuple[int, int] | None = None
        """The file at `path`, as long as it is ours."""
        self.listen()
        loop.before_sleep(self._send_what_waits)

    def listen(self) -> None:
        """Accept connections at `path`; harmless where that is so. Raises OSError."""
        if self._file is not None and _identity(self._path) == self._file:
            return
        listener = _listen(self._path)
        self._stop_listening()
        self._listener, self._file = listener, _identity(self._path)
        self._loop.watch(listener.fileno(), select.EPOLLIN, self._accept)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._loop.unwatch(self._listener.fileno())
            self._listener.close()
            self._listener = None

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

    def hint(self, run: str, unwritten: bytes = b"") -> None:
        """There is output of this run, some of it nowhere else: tell when the daemon is ready for it."""
        self._hints[run] = (self._hints.get(run, b"") + unwritten)[-MOST_UNWRITTEN:]

    def expect(self, teller: Teller) -> None:
        """Somebody has something to tell when nothing else waits for the daemon."""
        self._expected[teller] = None

    def close(self) -> None:
        """Nobody can connect any more; who has connected meanwhile sees the end and asks again."""
        if _identity(self._path) == self._file:
            os.unlink(self._path)
        self._stop_listening()
        for link in (self._link, *self._guests):
            if link is not None:
                link.close()

    def _send_what_waits(self) -> None:
        self._send_news()
        self._send_hints()

    def _send_news(self) -> None:
        while self._expected and (self._link is None or self._link.idle):
            teller = next(iter(self._expected))
            del self._expected[teller]
            teller.drop() if self._link is None else teller.flush()

    def _send_hints(self) -> None:
        if self._hints and (self._link is None or self._link.idle):
            hints, self._hints = self._hints, {}
            for run, unwritten in hints.items():
                told = {"unwritten": _text(unwritten)} if unwritten else {}
                self.tell({"event": "output", "run": run, "at": self._loop.now(), **told})

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:  # too many open files, perhaps
            self._tell(f"{self._path}: {error.strerror}, daemons wait until they can connect")
            self._loop.watch_for(self._listener.fileno(), 0)
            self._loop.after(_REST_WHEN_FULL, self._accept_again)
            return
        self._tell("")
        if not ownership.is_trusted(ownership.peer(connection)):
            connection.close()  # the folder keeps others out; this does where its mode was changed
            return
        if len(self._guests) >= MOST_GUESTS:
            self._guests[0].close()
        self._guests.append(Link(self._loop, connection, self._received, self._lost))

    def _tell(self, trouble: str) -> None:
        """Once, until it is over."""
        if trouble and trouble != self._trouble:
            report(trouble)
        self._trouble = trouble

    def _accept_again(self) -> None:
        if self._listener is not None:
            self._loop.watch_for(self._listener.fileno(), select.EPOLLIN)

    def _received(self, link: Link, line: bytes) -> None:
        request = None
        try:
            request = protocol.decode(line)
            if request.text("do") == "hello":
                self._greet(link, request)
            elif link is self._link:
                self._handle(request)
            elif request.text("do") == "attach":
                self._attach(request, lambda: self._give_away(link))
            else:
                raise protocol.Malformed("say hello first")
        except protocol.Malformed as error:
            self._complain(link, str(error), request)
        except Exception as error:  # a fault of ours: it is in the log, and costs this request only
            sys.excepthook(*sys.exc_info())
            self._complain(link, f"{type(error).__name__}: {error}", request)

    def _complain(self, link: Link, text: str, request: Request | None) -> None:
        about = {} if request is None else request.identity()
        link.send(protocol.encode({"event": "error", "at": self._loop.now(), **about, "text": text}))

    def _greet(self, link: Link, request: Request) -> None:
        request.number("protocol", 1, 2**31)  # a later one than ours understands ours
        before, self._link = self._link, link
        if before is not None and before is not link:
            before.close()
        if link in self._guests:
            self._guests.remove(link)
        link.send_all(b"".join(map(protocol.encode, self._replay())))

    def _give_away(self, link: Link) -> socket.socket:
        if link in self._guests:
            self._guests.remove(link)
        return link.release()

    def _lost(self, link: Link) -> None:
        if link in self._guests:
            self._guests.remove(link)
        if link is self._link:
            self._link = None


def _text(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _listen(path: str) -> socket.socket:
    """Take the place of a dead keeper's socket: the caller holds the lock."""
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


def _identity(path: str) -> tuple[int, int] | None:
    """What tells the file of this name from any other, for as long as somebody holds it open."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
