"""What a run notifies, from its socket into its record, with the sender's standing.

The standing is found out at the moment of arrival, for later nobody could tell. It counts only if the pid
still means the sender after we have looked. For the same reason MAINPID= is taken up here: `main` in an event
says that the process it names was one of the run's, whose end is told from now on.
"""

from __future__ import annotations

import binascii
import select

from locald.keeper.notify import Datagram, NotifySocket
from locald.linux import procfs

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.holds import Hold
    from locald.keeper.keeper import Keeper
    from locald.keeper.protocol import Event
    from locald.keeper.record import Record

_AT_ONCE = 64
_WHEN_DRAINED = 1000
"""More than a socket's queue holds (512 where systemd set it), unless somebody goes on sending."""


class Ear:
    """`path`: what NOTIFY_SOCKET says. `before`: called before anything is taken in. `follow`: called with
    the pid that MAINPID= names; says whether it is taken for the run's main process.
    """

    __slots__ = ("_before", "_follow", "_hold", "_keeper", "_record", "_run", "_socket", "path")

    def __init__(
        self,
        keeper: Keeper,
        run: str,
        record: Record,
        before: Callable[[], None],
        follow: Callable[[int], bool],
    ) -> None:
        """Raises OSError."""
        self._keeper = keeper
        self._run = run
        self._record = record
        self._before = before
        self._follow = follow
        self._hold: Hold | None = None
        self._socket: NotifySocket | None = NotifySocket(keeper.notify_folder)
        self.path = self._socket.path

    def listen(self, hold: Hold) -> None:
        """From now on, for the members of this tree. Raises OSError."""
        self._hold = hold
        if self._socket is not None:
            self._keeper.loop.watch(self._socket.file, select.EPOLLIN, self._hear)

    def drain(self) -> None:
        """Take in all that is there."""
        self._take(_WHEN_DRAINED)

    def close(self) -> None:
        if self._socket is not None:
            self._keeper.loop.unwatch(self._socket.file)
            self._socket.close()
            self._socket = None

    def _hear(self) -> None:
        self._take(_AT_ONCE)

    def _take(self, most: int) -> None:
        self._before()
        if self._socket is None or self._hold is None:
            return
        for datagram in self._socket.arrived(most):
            try:
                self._tell(datagram, _standing(datagram, self._keeper, self._hold))
            finally:
                datagram.close()

    def _tell(self, datagram: Datagram, standing: str) -> None:
        event: Event = {
            "event": "notified",
            "run": self._run,
            "at": self._keeper.loop.now(),
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
        self._record.add_datagram(event, datagram.data)
        self._keeper.tell(event)


def _main(data: bytes) -> int | None:
    """The pid that MAINPID= names, the first one."""
    lines = data.removesuffix(b"\0").split(b"\n")
    value = next((line[8:] for line in lines if line.startswith(b"MAINPID=")), b"")
    return int(value) if value.isdigit() and 0 < len(value) < 10 else None


def _standing(datagram: Datagram, keeper: Keeper, hold: Hold) -> str:
    """The sender's relation to the run.

    "spawner": a root sender may claim any pid, and `systemd-notify` of root claims its parent's, which is
    the keeper (or the run's subreaper) when the leader itself became it; or the daemon.
    """
    if datagram.pid in keeper.spawners() or datagram.pid == hold.helper:
        return "spawner"
    member = hold.tree.has(datagram.pid)
    if not datagram.is_there():
        return "exited"
    return "member" if member else "stranger"
