"""What a run notifies, from its socket into its record, with the sender's standing.

The standing is found out at the moment of arrival, for later nobody could tell. It counts only if the pid
still means the sender after we have looked. For the same reason MAINPID= is taken up here: `main` in an event
says that the process it names was one of the run's, whose end is reported from now on.

A run that says more than anybody can need is listened to at a limited pace: its senders wait.
"""

from __future__ import annotations

import binascii
import os
import select
import time

from locald.keeper.runs.news import Allowance, News, lines_of
from locald.keeper.runs.notify_socket import Datagram, NotifySocket, new_path
from locald.linux import procfs

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.loop import Timer
    from locald.keeper.runs.context import Context
    from locald.keeper.runs.record import Record
    from locald.keeper.runs.senders import Line
    from locald.keeper.wire.protocol import Event

_AT_ONCE = 32
"""datagrams that are taken before others have their turn"""
_BURST, _A_SECOND = 256, 640
"""datagrams that are taken at once after a rest, and from then on"""
_PAUSE = 0.05
_FIRST_AND_PRESENT = 2
"""sockets that a run has at most"""
_QUEUE = "/proc/sys/net/unix/max_dgram_qlen"


class Notifications:
    """`path`: what NOTIFY_SOCKET says. `standing`: tells what a process is to the run, as `notified` says it.
    `before`: called before anything is taken in, with whether it is known to come from a member. `follow`:
    called with the pid that MAINPID= names; says whether it is taken for the run's main process. `line`:
    what is told with READY=1 and STOPPING=1 (see `Senders`).
    """

    __slots__ = (
        "_before",
        "_context",
        "_follow",
        "_line",
        "_news",
        "_pace",
        "_pause",
        "_queue",
        "_record",
        "_run",
        "_sockets",
        "_standing",
        "path",
    )

    def __init__(
        self,
        context: Context,
        run: str,
        record: Record,
        standing: Callable[[int], str],
        before: Callable[[bool], None],
        follow: Callable[[int], bool],
        line: Callable[[int, bool], Line],
    ) -> None:
        self._context = context
        self._run = run
        self._record = record
        self._standing = standing
        self._before = before
        self._follow = follow
        self._line = line
        self._sockets: list[NotifySocket] = []
        """One, and after a loss of its file the first, to which somebody may still be connected. Those in
        between are closed, or each loss would take a descriptor for each run."""
        self._news = News(context.loop, context.server)
        self._pace = Allowance(_BURST, _A_SECOND, time.monotonic())
        self._pause: Timer | None = None
        self._queue = int(procfs.read(_QUEUE) or 512) + 1
        """the most datagrams that a socket of ours lets wait"""
        self.path = new_path(context.sockets)

    def listen(self) -> None:
        """From now on, or again after the socket's file was lost. Raises OSError."""
        if not os.path.lexists(self.path):
            socket = NotifySocket(self.path, self._context.throwaway.take)
            self._sockets.append(socket)
            self._context.loop.watch(socket.file, select.EPOLLIN, self._hear)
            if len(self._sockets) > _FIRST_AND_PRESENT:
                self._let_go_of(self._sockets[1])

    def _let_go_of(self, socket: NotifySocket) -> None:
        self.drain()
        self._context.loop.unwatch(socket.file)
        self._sockets.remove(socket)
        socket.close()

    def drain(self) -> None:
        """Take in all that is there."""
        self._take(self._queue)

    def glance(self) -> None:
        """The same, unless the run says so much that it has to wait."""
        if self._pause is None:
            self.drain()

    def flush(self) -> None:
        """Something follows that must not be told before what was said."""
        self._news.flush()

    def drop(self) -> None:
        """All that is on record is told."""
        self._news.drop()

    def close(self) -> None:
        self._news.close()
        if self._pause is not None:
            self._pause.cancel()
        try:
            os.unlink(self.path)
        except OSError:
            pass
        for socket in self._sockets:
            self._context.loop.unwatch(socket.file)
            socket.close()
        self._sockets.clear()

    def _hear(self) -> None:
        self._take(_AT_ONCE)
        self._go_on()

    def _go_on(self) -> None:
        """Listen, now or after a pause."""
        patient = self._news.full or self._pace.left(time.monotonic()) < 1
        self._pause = self._context.loop.after(_PAUSE, self._go_on) if patient else None
        for socket in self._sockets:
            self._context.loop.watch_for(socket.file, 0 if patient else select.EPOLLIN)

    def _take(self, most: int) -> None:
        self._before(False)
        for socket in tuple(self._sockets):
            for datagram in socket.arrived(most):
                self._pace.spend(1)
                try:
                    self._tell(datagram, self._standing_of(datagram))
                finally:
                    datagram.close()

    def _standing_of(self, datagram: Datagram) -> str:
        """The sender's relation to the run.

        "spawner": a root sender may claim any pid, and `systemd-notify` of root claims its parent's, which is
        the keeper (or the run's subreaper) when the leader itself became it; or the daemon.
        """
        if datagram.pid in (os.getpid(), self._context.server.daemon):
            return "spawner"
        standing = self._standing(datagram.pid)
        return standing if standing == "spawner" or datagram.is_there() else "exited"

    def _tell(self, datagram: Datagram, standing: str) -> None:
        if standing == "member":
            self._before(True)
        event: Event = {
            "event": "notified",
            "run": self._run,
            "at": self._context.loop.now(),
            "pid": datagram.pid,
            "uid": datagram.uid,
            "gid": datagram.gid,
            "program": "" if standing == "exited" else procfs.program(datagram.pid),
            "standing": standing,
            "data": binascii.b2a_base64(datagram.data, newline=False).decode("ascii"),
        }
        named = None if standing == "stranger" else _main(datagram.data)
        if named is not None and self._follow(named):
            event["main"] = named
        if standing in ("member", "exited") and _is_of_readiness(datagram.data):
            event["line"] = self._line(datagram.pid, standing == "member")
        self._record.add_datagram(event, datagram.data)
        self._news.tell(event, datagram.data)


def _is_of_readiness(data: bytes) -> bool:
    return not {b"READY=1", b"STOPPING=1"}.isdisjoint(lines_of(data))


def _main(data: bytes) -> int | None:
    """The pid that MAINPID= names, the first one."""
    value = next((line[8:] for line in lines_of(data) if line.startswith(b"MAINPID=")), b"")
    return int(value) if value.isdigit() and 0 < len(value) < 10 else None
