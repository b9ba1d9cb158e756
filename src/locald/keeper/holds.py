"""How the keeper holds a run's tree together and hears of its ends: by a cgroup, or by a subreaper.

In a cgroup the leader, and every orphan of the run, becomes the keeper's own child, for the keeper is a
subreaper; the last one's end is told by `cgroup.events`. With a subreaper of the run's own the keeper has
one child for each run, which reports the ends and goes when the tree is empty.

Should such a subreaper be killed, what was below it becomes the keeper's own: strays. They are ended, for
nobody could tell any more which of them belongs to what.
"""

from __future__ import annotations

import os
import select
import signal
import socket

from locald.keeper import spawn
from locald.keeper.reaper import ENDED, in_reaper
from locald.linux import cgroup, procfs
from locald.linux.tree import Family, Group, Tree

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.keeper import Keeper
    from locald.keeper.run import Run

_REPORTS_AT_ONCE = 1000


class Hold:
    """What both kinds share. `waiting`: children of the keeper whose end has not been seen yet."""

    __slots__ = ("helper", "keeper", "run", "tree", "waiting")

    def __init__(self, keeper: Keeper, run: Run, tree: Tree) -> None:
        self.keeper = keeper
        self.run = run
        self.tree = tree
        self.waiting: set[int] = set()
        self.helper: int | None = None
        """A process of ours that is not a member."""

    def begin(self, child: spawn.Child) -> None:
        """Fork. Raises OSError; then nothing was forked."""
        raise NotImplementedError

    def described(self) -> dict[str, str | int]:
        """The tree, for others to look at; of a second kind only what there is after `begin`."""
        return self.tree.described()

    def led_by(self, leader: int) -> None:
        """The leader's pid has become known."""

    def child_ended(self, pid: int, status: int) -> None:
        """A child of the keeper that belongs to this run has ended; it is a zombie still."""
        raise NotImplementedError

    def pump(self) -> None:
        """Take in what is known already about ends."""

    def signal(self, number: int) -> None:
        self.tree.signal(number)

    def kill(self) -> None:
        """One round of SIGKILL."""
        self.tree.kill()

    def empty(self) -> bool:
        raise NotImplementedError

    def close(self) -> None:
        """The tree is empty, or never began."""

    def _adopt(self, pid: int) -> None:
        self.waiting.add(pid)
        self.keeper.children[pid] = self


class GroupHold(Hold):
    """`folder`: a cgroup made for this run."""

    __slots__ = ("_events", "_folder")

    def __init__(self, keeper: Keeper, run: Run, folder: str) -> None:
        """Raises OSError."""
        super().__init__(keeper, run, Group(folder))
        self._folder = folder
        self._events = cgroup.watch(folder)
        keeper.loop.watch(self._events, select.EPOLLPRI, self._changed)

    def begin(self, child: spawn.Child) -> None:
        pid = spawn.fork()
        if pid == 0:
            spawn.in_first_child(child, self._folder)
        self._adopt(pid)

    def led_by(self, leader: int) -> None:
        self._adopt(leader)

    def child_ended(self, pid: int, status: int) -> None:
        self.waiting.discard(pid)
        self.run.member_ended(pid, status)

    def signal(self, number: int) -> None:
        self.tree.signal(number)
        self._signal_runaways(number)

    def kill(self) -> None:
        self.tree.kill()
        self._signal_runaways(signal.SIGKILL)

    def _signal_runaways(self, number: int) -> None:
        """A leader with the rights for it may have moved itself to another cgroup; it is our child still."""
        for pid in self.waiting:
            if not self.tree.has(pid):
                try:
                    os.kill(pid, number)
                except PermissionError:  # it has become another user's
                    pass

    def empty(self) -> bool:
        return not self.waiting and not cgroup.populated(self._events)

    def _changed(self) -> None:
        cgroup.populated(self._events)  # re-arms the poll
        self.run.settle()

    def close(self) -> None:
        self.keeper.loop.unwatch(self._events)
        os.close(self._events)
        cgroup.remove(self._folder)


class ReaperHold(Hold):
    __slots__ = ("_control", "_lost")

    def __init__(self, keeper: Keeper, run: Run) -> None:
        super().__init__(keeper, run, Tree())
        self._control: socket.socket | None = None
        self._lost = False

    def begin(self, child: spawn.Child) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = spawn.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            ours.close()
            in_reaper(child, theirs, self.keeper.most_files)
        theirs.close()
        ours.setblocking(False)
        self._control = ours
        self.tree = Family(pid)
        self.helper = pid
        self._adopt(pid)
        self.keeper.loop.watch(ours.fileno(), select.EPOLLIN, self.pump)

    def described(self) -> dict[str, str | int]:
        return {"reaper": self.helper} if self.helper is not None else {}

    def pump(self) -> None:
        for _ in range(_REPORTS_AT_ONCE):
            report = self._receive()
            if report is None:
                return
            self.run.member_ended(*report)

    def _receive(self) -> tuple[int, int] | None:
        if self._control is None:
            return None
        try:
            report = self._control.recv(ENDED.size)
        except BlockingIOError:
            return None
        except OSError:
            report = b""
        if len(report) != ENDED.size:
            self.close()
            return None
        pid, status = ENDED.unpack(report)
        return pid, status

    def child_ended(self, pid: int, status: int) -> None:
        self.pump()
        self.waiting.discard(pid)
        if status != 0:
            self._lost = True
            self.tree = Strays(self.keeper.holds_child)
            self.run.kill()

    def empty(self) -> bool:
        return not self.waiting and not (self._lost and self.tree.pids())

    def close(self) -> None:
        if self._control is not None:
            self.keeper.loop.unwatch(self._control.fileno())
            self._control.close()
            self._control = None


class Strays(Tree):
    """The keeper's children that nobody holds (and all below them): what a killed subreaper left behind."""

    __slots__ = ("_held",)

    def __init__(self, held: Callable[[int], bool]) -> None:
        self._held = held

    def members(self) -> list[int]:
        roots = [pid for pid in procfs.children(os.getpid()) or () if not self._held(pid)]
        return roots + procfs.descendants(*roots)

    def has(self, pid: int) -> bool:
        return pid in self.members()
