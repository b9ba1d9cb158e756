"""How the keeper holds a run's tree together and learns of its ends: by a cgroup, or by a subreaper.

In a cgroup the leader, and every orphan of the run, becomes the keeper's own child, for the keeper is a
subreaper; the last one's end is reported by `cgroup.events`. With a subreaper of the run's own the keeper has
one child for each run, which reports the ends and goes when the tree is empty.

Should such a subreaper be killed, what was below it becomes the keeper's own: strays. They are ended, for
nobody could tell any more which of them belongs to what.
"""

from __future__ import annotations

import os
import select
import signal
import socket

from locald.keeper.log import report
from locald.keeper.runs import spawn
from locald.keeper.runs.reaper import ENDED, in_reaper
from locald.linux import cgroup, clone, procfs
from locald.linux.tree import Family, Group, Tree

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.runs.context import Context
    from locald.keeper.runs.spare import Spare

_REPORTS_AT_ONCE = 1000


class Ends:
    """Whom a hold tells. `member(pid, status)`: a member has ended, and is a zombie still. `settle`: the tree
    may have become empty. `lost`: it has fallen apart and is to be ended.
    """

    __slots__ = ("lost", "member", "settle")

    def __init__(
        self, member: Callable[[int, int], None], settle: Callable[[], None], lost: Callable[[], None]
    ) -> None:
        self.member = member
        self.settle = settle
        self.lost = lost


def hold_for(context: Context, name: str, ends: Ends, spare: Spare | None) -> Hold:
    """That of the spare; else a cgroup of this name where one can be made, else a subreaper."""
    if context.children.groups is None:
        return ReaperHold(context, ends)
    if spare is not None:
        try:
            return GroupHold(context, spare.folder, ends, spare)
        except OSError:
            spare.end()
    try:
        folder = cgroup.make(context.children.groups, name)
    except OSError:
        return ReaperHold(context, ends)
    try:
        return GroupHold(context, folder, ends)
    except OSError:
        cgroup.remove(folder)
        return ReaperHold(context, ends)


class Hold:
    """What both kinds share."""

    __slots__ = ("_context", "_ends", "_helper", "_waiting", "tree")

    def __init__(self, context: Context, tree: Tree, ends: Ends) -> None:
        self.tree = tree
        self._context = context
        self._ends = ends
        self._waiting: set[int] = set()
        """Children of the keeper whose end has not been seen yet."""
        self._helper: int | None = None
        """A process of ours that is not a member."""

    def begin(self, child: spawn.Child) -> None:
        """Fork. Raises OSError; then nothing was forked."""
        raise NotImplementedError

    def described(self) -> dict[str, str | int]:
        """The tree, for others to look at; of a second kind only what there is after `begin`."""
        return self.tree.described()

    def led_by(self, leader: int) -> None:
        """The leader's pid has become known."""

    def standing(self, pid: int) -> str:
        """What the process is to the run: "member", "stranger", or "spawner" for our helper."""
        if pid == self._helper:
            return "spawner"
        return "member" if self.tree.has(pid) else "stranger"

    def tree_has(self, pid: int) -> bool:
        """Whether it is a member, whatever holds the tree together by now."""
        return self.tree.has(pid)

    def child_ended(self, pid: int, status: int) -> None:
        """A child of the keeper that belongs to this run has ended; it is a zombie still."""
        raise NotImplementedError

    def child_reaped(self) -> None:
        self._ends.settle()

    def pump(self) -> None:
        """Take in what is known already about ends."""

    def signal(self, number: int) -> None:
        self.tree.signal(number)

    def tell(self, pid: int, number: int) -> None:
        """A signal for this member alone."""
        self.tree.tell(pid, number)

    def kill(self) -> None:
        """One round of SIGKILL."""
        self.tree.kill()

    def empty(self) -> bool:
        raise NotImplementedError

    def close(self) -> None:
        """The tree is empty, or never began."""

    def _adopt(self, pid: int) -> None:
        self._waiting.add(pid)
        self._context.children.expect(pid, self)


class GroupHold(Hold):
    """`folder`: a cgroup made for this run, or for the spare that is to be its leader."""

    __slots__ = ("_early", "_events", "_folder", "_spare")

    def __init__(self, context: Context, folder: str, ends: Ends, spare: Spare | None = None) -> None:
        """Raises OSError."""
        super().__init__(context, Group(folder), ends)
        self._folder = folder
        self._spare = spare
        self._early: int | None = None
        """The leader, where that is known from the beginning."""
        self._events = cgroup.watch(folder)
        context.loop.watch(self._events, select.EPOLLPRI, self._changed)
        context.children.expect_members(os.path.basename(folder), self)

    def begin(self, child: spawn.Child) -> None:
        """The spare becomes it; else the first child is born in the cgroup, or enters it."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.become(child):
            self._early = spare.pid
            self._adopt(spare.pid)
            return
        pid, to_enter = clone.born_in(self._folder, spawn.fork)
        if pid == 0:
            spawn.in_first_child(child, to_enter)
        self._adopt(pid)

    def led_by(self, leader: int) -> None:
        if leader != self._early:  # which may have ended already
            self._adopt(leader)

    def child_ended(self, pid: int, status: int) -> None:
        self._ends.member(pid, status)  # until that is told, the run is not over
        self._waiting.discard(pid)

    def signal(self, number: int) -> None:
        self.tree.signal(number)
        self._signal_runaways(number)

    def kill(self) -> None:
        self.tree.kill()
        self._signal_runaways(signal.SIGKILL)

    def _signal_runaways(self, number: int) -> None:
        """A leader with the rights for it may have moved itself to another cgroup; it is our child still."""
        for pid in self._waiting:
            if not self.tree.has(pid):
                try:
                    os.kill(pid, number)
                except PermissionError:  # it has become another user's
                    pass

    def empty(self) -> bool:
        return not self._waiting and not cgroup.populated(self._events)

    def _changed(self) -> None:
        cgroup.populated(self._events)  # re-arms the poll
        self._ends.settle()

    def close(self) -> None:
        if self._spare is not None:  # it was not needed: whose it was, sees to its end
            self._context.loop.unwatch(self._events)
            os.close(self._events)
            self._spare.disown()
            return
        self._context.children.expect_no_members(os.path.basename(self._folder))
        self._context.loop.unwatch(self._events)
        os.close(self._events)
        cgroup.remove(self._folder)


class ReaperHold(Hold):
    __slots__ = ("_control",)

    def __init__(self, context: Context, ends: Ends) -> None:
        super().__init__(context, Tree(), ends)
        self._control: socket.socket | None = None

    def begin(self, child: spawn.Child) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = self._fork(child, ours, theirs)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._control = ours
        self.tree = Family(pid)
        self._helper = pid
        self._adopt(pid)
        self._context.loop.watch(ours.fileno(), select.EPOLLIN, self.pump)

    def _fork(self, child: spawn.Child, ours: socket.socket, theirs: socket.socket) -> int:
        """The pid of the subreaper. Raises OSError. It takes more memory when there is no zygote any more."""
        if self._context.zygote is not None:
            try:
                return self._context.zygote.fork(child, theirs.fileno())
            except OSError as error:
                report(f"the zygote cannot fork: {error.strerror or error}")
        pid = spawn.fork()
        if pid == 0:
            ours.close()
            in_reaper(
                child.files,
                lambda: spawn.lead(child),
                theirs.fileno(),
                child.report,
                self._context.most_files,
            )
        return pid

    def described(self) -> dict[str, str | int]:
        return {"reaper": self._helper} if self._helper is not None else {}

    def pump(self) -> None:
        for _ in range(_REPORTS_AT_ONCE):
            report = self._receive()
            if report is None:
                return
            self._ends.member(*report)

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
        self._waiting.discard(pid)
        if status != 0:
            self.tree = Strays(self._context.children.knows)
            self._ends.lost()

    def empty(self) -> bool:
        return not self._waiting and not (isinstance(self.tree, Strays) and self.tree.pids())

    def close(self) -> None:
        if self._control is not None:
            self._context.loop.unwatch(self._control.fileno())
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
