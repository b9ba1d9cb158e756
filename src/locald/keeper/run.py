"""One run: from the order to spawn it until nothing is left of it and all that it printed is captured.

The events of a run come in this order: `spawned`, then `notified` and `exited` as they happen, `gone` last
and once; or `refused` alone when its program never began, and then nothing is left either. Before an exit
is told, the notify socket is drained (a "READY=1, exit" counts) and so is the output. The exits that are
told are the leader's, and that of the process which the daemon follows in its place (MAINPID=).
"""

from __future__ import annotations

import binascii
import os
import select
import time

from locald.keeper import spawn
from locald.keeper.follow import Followed, shown
from locald.keeper.notify import Datagram, NotifySocket
from locald.keeper.output import Output
from locald.keeper.protocol import Malformed
from locald.keeper.record import Record
from locald.linux import procfs

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from locald.keeper.holds import Hold
    from locald.keeper.keeper import Keeper
    from locald.keeper.loop import Timer
    from locald.keeper.protocol import Order

STUCK_AFTER = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2
_ENDS_REMEMBERED = 32


class Run:
    """`leader`: None until it is known. `tailed`: the daemon wants to hear of output."""

    __slots__ = (
        "_ends",
        "_followed",
        "_hold",
        "_keeper",
        "_killing",
        "_notify",
        "_order",
        "_report",
        "_said",
        "_token",
        "_unsent",
        "leader",
        "name",
        "output",
        "over",
        "record",
        "refusal",
        "tailed",
    )

    def __init__(self, keeper: Keeper, order: Order) -> None:
        self.name = order.run
        self.record = Record()
        self.output = Output(keeper.loop, order, self._grew)
        self.leader: int | None = None
        self.refusal: spawn.Refusal | None = None
        self.over = False
        """Gone or refused: only the record is left, and the capture for late notes."""
        self.tailed = False
        self._keeper = keeper
        self._order = order
        self._token = binascii.hexlify(os.urandom(16)).decode("ascii")
        self._hold: Hold | None = None
        self._notify: NotifySocket | None = None
        self._report: int | None = None
        """The pipe from the forked child, until it has said how exec went."""
        self._said = b""
        self._unsent: list[int] = []
        """Signals to send as soon as the program is there."""
        self._followed: Followed | None = None
        self._ends: dict[int, int] = {}
        """Wait statuses of the members that ended last, for a `follow` that comes too late."""
        self._killing: Timer | None = None

    @property
    def starting(self) -> bool:
        return self._report is not None

    @property
    def unique_name(self) -> str:
        """Told apart from every run that ever was, by its name in the file system."""
        return f"{self.name.replace(':', '.').replace('#', '.')}.{self._token}"

    # Beginning.

    def begin(self) -> None:
        """Fork the program off. It is told later whether it became one; lack of resources at once."""
        theirs: list[int] = []
        try:
            self._begin(theirs)
        except Exception as error:  # whatever it is, it concerns this run alone
            self._refuse(error)
        finally:
            for file in theirs:
                os.close(file)

    def _begin(self, theirs: list[int]) -> None:
        out, err = self.output.open(self._order.tty)
        theirs += [out, err]
        self._notify = NotifySocket(self._keeper.notify_folder)
        self._keeper.loop.watch(self._notify.file, select.EPOLLIN, self._hear)
        self._report, report = os.pipe()
        theirs.append(report)
        os.set_blocking(self._report, False)
        self._keeper.starting.add(self)
        self._keeper.loop.watch(self._report, select.EPOLLIN, self.pump_report)
        self._hold = self._keeper.hold_for(self)
        self._write_down()
        child = spawn.Child(self._order, self._environment(), out, err, report, self._keeper.own_files)
        self._hold.begin(child)

    def _environment(self) -> dict[bytes, bytes]:
        assert self._notify is not None
        own = {b"NOTIFY_SOCKET": os.fsencode(self._notify.path), b"LOCALD_RUN": self._token.encode()}
        return self._order.env | own

    def _write_down(self) -> None:
        """What a later keeper needs to end this run, should this keeper be killed."""
        assert self._hold is not None
        known = {"run": self.name, "token": self._token, **self._hold.described()}
        self._keeper.table.put(self._token, known, self.leader)

    def _refuse(self, error: Exception) -> None:
        self.refusal = spawn.Refusal.of("resources", error)
        self._finish()

    def pump_report(self) -> None:
        """Take in what the forked child says; it has ended when the program was executed, or was not."""
        if self._report is None:
            return
        try:
            said = os.read(self._report, 4096)
        except BlockingIOError:
            return
        self._said += said
        if said:
            self.pump_report()
        else:
            self._begun()

    def _begun(self) -> None:
        self._close_report()
        self.leader, self.refusal = spawn.parse_report(self._said)
        assert self._hold is not None
        if self.leader is not None:
            self._hold.led_by(self.leader)
        if self.refusal is None:
            self._tell("spawned", pid=self.leader, token=self._token, tree=self._hold.described())
            self._write_down()
            for number in self._unsent:
                self._hold.tree.signal(number)
        self.settle()

    # Ends.

    def member_ended(self, pid: int, status: int) -> None:
        """A member has ended and will be reaped: a leader, the followed process, or an orphan."""
        self._hear()
        if pid == self.leader or (self._followed is not None and pid == self._followed.pid):
            self._exited(pid, status)
        while len(self._ends) >= _ENDS_REMEMBERED:
            del self._ends[next(iter(self._ends))]
        self._ends[pid] = status

    def _exited(self, pid: int, status: int | None) -> None:
        if self._followed is not None and pid == self._followed.pid:
            self._unfollow()
        if self.refusal is not None or self._hold is None:
            return
        self._hear()
        self.output.drain()
        self._tell("exited", pid=pid, **shown(status), left=len(self._hold.tree.pids()))

    def settle(self) -> None:
        """Finish when nothing is left. To be called whenever that may have come true."""
        if not self.over and not self.starting and self._hold is not None and self._hold.empty():
            self._finish()

    def _finish(self) -> None:
        self._hear()
        self.output.close()
        self._release()
        self.over = True
        if self.refusal is None:
            self._tell("gone")
        else:
            refusal = self.refusal
            self._tell("refused", errno=refusal.errno, stage=refusal.stage, text=refusal.text)

    def _release(self) -> None:
        self._unfollow()
        self._close_report()
        if self._notify is not None:
            self._keeper.loop.unwatch(self._notify.file)
            self._notify.close()
            self._notify = None
        if self._killing is not None:
            self._killing.cancel()
        if self._hold is not None:
            self._hold.close()
            self._hold = None
        self._keeper.table.drop(self._token)

    def _close_report(self) -> None:
        if self._report is not None:
            self._keeper.loop.unwatch(self._report)
            os.close(self._report)
            self._report = None
            self._keeper.starting.discard(self)

    # What the daemon asks for.

    def signal(self, number: int) -> None:
        """To every member, wherever it went. Before the program is there: as soon as it is."""
        if self.starting:
            self._unsent.append(number)
        elif self._hold is not None:
            self._hold.tree.signal(number)

    def kill(self) -> None:
        """SIGKILL for all that is left, until nothing is."""
        if self._killing is None and not self.over:
            self._kill(time.monotonic() + STUCK_AFTER, _FIRST_PAUSE)

    def _kill(self, stuck_at: float, pause: float) -> None:
        if self._hold is None:
            return
        self._hold.tree.kill()
        self.settle()
        if self.over:
            return
        if time.monotonic() >= stuck_at:
            self._tell("stuck", pids=self._hold.tree.pids())
            stuck_at = float("inf")
        pause = min(pause, max(0.0, stuck_at - time.monotonic()))
        longer = min(2 * pause, _LONGEST_PAUSE)
        self._killing = self._keeper.loop.after(pause, lambda: self._kill(stuck_at, longer))

    def follow(self, pid: int) -> None:
        """Tell this member's end, too. Raises Malformed when it is none."""
        followed = self._find(pid) if pid != self.leader else None
        if followed is None and pid != self.leader and pid not in self._ends:
            raise Malformed(f"pid {pid} does not belong to the run", self.name)
        self._unfollow()
        if followed is not None:
            self._followed = followed
            self._keeper.loop.watch(followed.file, select.EPOLLIN, self._followed_ended)
        elif pid != self.leader:
            self._exited(pid, self._ends[pid])

    def _find(self, pid: int) -> Followed | None:
        """The member, alive or a zombie."""
        try:
            found = Followed(pid)
        except OSError:
            return None
        if self._hold is not None and self._hold.tree.has(pid):
            return found
        found.close()
        return None

    def _followed_ended(self) -> None:
        if self._hold is not None:
            self._hold.pump()  # the best witness is whoever reaped it
        if self._followed is not None:
            self._exited(self._followed.pid, self._followed.exit_status())

    def _unfollow(self) -> None:
        if self._followed is not None:
            self._keeper.loop.unwatch(self._followed.file)
            self._followed.close()
            self._followed = None

    # What the run says.

    def _hear(self) -> None:
        """Take in the datagrams that are there. A program that is there to send has been executed."""
        self.pump_report()
        for datagram in self._notify.arrived() if self._notify is not None else ():
            try:
                self._notified(datagram)
            finally:
                datagram.close()

    def _notified(self, datagram: Datagram) -> None:
        standing = self._standing(datagram)
        event = {
            "event": "notified",
            "run": self.name,
            "at": self._keeper.loop.now(),
            "pid": datagram.pid,
            "uid": datagram.uid,
            "gid": datagram.gid,
            "program": "" if standing == "exited" else procfs.program(datagram.pid),
            "standing": standing,
            "data": binascii.b2a_base64(datagram.data, newline=False).decode("ascii"),
        }
        self.record.add_datagram(event, datagram.data)
        self._keeper.tell(event)

    def _standing(self, datagram: Datagram) -> str:
        """The sender's relation to the run. What was found out counts only if the pid still means it then.

        "spawner": a root sender may claim any pid, and `systemd-notify` of root claims its parent's,
        which is the keeper (or the run's subreaper) when the leader itself became it, or the daemon.
        """
        assert self._hold is not None
        if datagram.pid in self._keeper.spawners() or datagram.pid == self._hold.helper:
            return "spawner"
        member = self._hold.tree.has(datagram.pid)
        if not datagram.is_there():
            return "exited"
        return "member" if member else "stranger"

    def _grew(self) -> None:
        if self.tailed:
            self._keeper.hint(self.name)

    def _tell(self, kind: str, **facts: object) -> None:
        event = {"event": kind, "run": self.name, "at": self._keeper.loop.now(), **facts}
        self.record.add(event)
        self._keeper.tell(event)
