"""A process that is there before its run is: two forks and a cgroup take time, 20 ms on a busy machine, which
nobody needs to take while a service waits for its start.

So where runs can have cgroups, one leader is made in advance: in a session and a cgroup of its own, waiting
for its order. A run takes all of it over, the token included that is in the cgroup's name; soon afterwards
the next one is made. When many are started at once, the others fork for themselves.

It holds nothing open but its end of a socket, and goes when the keeper's end closes. One message comes over
it: the run's files, and one with what is to be done, for that can be larger than a message.
"""

from __future__ import annotations

import binascii
import gc
import os
import socket
import struct

from locald.keeper.log import report
from locald.keeper.runs import spawn
from locald.linux import cgroup, clone, prctl

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from typing import NoReturn

    from locald.keeper.loop import Loop
    from locald.keeper.runs.children import Children

SOON = 0.05
"""seconds after one was taken, in which the run that took it has begun"""
ON_ITS_WAY = 1.0
"""seconds that one may take to be there"""
_PID = struct.Struct("i")
_FILES = 5


def new_token() -> str:
    """Nobody else's, ever."""
    return binascii.hexlify(os.urandom(16)).decode("ascii")


class Spare:
    """`folder`: its cgroup; `pid`: known when it `is_ready`."""

    __slots__ = ("_children", "_dead", "_first", "_link", "folder", "pid", "token")

    def __init__(self, groups: str, children: Children, most_files: int) -> None:
        """Raises OSError."""
        self.token = new_token()
        self.folder = cgroup.make(groups, f"spare.{self.token}")
        self.pid = 0
        self._children = children
        self._dead = False
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._first = _fork(self.folder, theirs, most_files)
        except OSError:
            self._link.close()
            cgroup.remove(self.folder)
            raise
        finally:
            theirs.close()
        self._link.setblocking(False)
        children.expect(self._first, self)
        children.expect_members(os.path.basename(self.folder), self)

    def is_ready(self) -> bool:
        """It waits for its order."""
        if self.pid == 0 and not self._dead:
            try:
                said = self._link.recv(_PID.size)
            except OSError:  # BlockingIOError among them
                return False
            self.pid = _PID.unpack(said)[0] if len(said) == _PID.size else 0
        return self.pid != 0 and not self._dead

    @property
    def is_dead(self) -> bool:
        return self._dead

    def become(self, child: spawn.Child) -> bool:
        """Let it be this child from now on, whose owner is the caller; False when it has died."""
        order = spawn.written(child)
        try:
            socket.send_fds(self._link, [b"."], [*child.files, order], socket.MSG_NOSIGNAL)
        except OSError:
            return False
        finally:
            os.close(order)
            self._link.close()
        return True

    def end(self) -> None:
        """It is not needed: it goes when it sees that."""
        self._link.close()

    def disown(self) -> None:
        """A run took it over and does not need it: it is its own owner again, and goes."""
        self._children.expect_members(os.path.basename(self.folder), self)
        self.end()

    def end_now(self) -> None:
        """Wait until it is no more, also one that is on its way: its cgroup goes with the keeper's."""
        self._link.settimeout(ON_ITS_WAY)
        waits = self.is_ready()
        self.end()
        cgroup.kill(self.folder)
        if self._first:
            os.waitpid(self._first, 0)  # with its end the spare becomes our child
        if waits:
            os.waitpid(self.pid, 0)

    # As the owner of children of the keeper's.

    def child_ended(self, pid: int, _status: int) -> None:
        if pid == self._first:
            self._first = 0
        else:
            self._dead = True

    def child_reaped(self) -> None:
        if self._dead:
            self.end()
            self._children.expect_no_members(os.path.basename(self.folder))
            cgroup.remove(self.folder)


class Spares:
    """One of them, nearly always."""

    __slots__ = ("_children", "_loop", "_most_files", "_spare")

    def __init__(self, loop: Loop, children: Children, most_files: int) -> None:
        self._loop = loop
        self._children = children
        self._most_files = most_files
        self._spare: Spare | None = None

    def have_one(self) -> None:
        """Before long."""
        if self._children.groups is not None:
            self._loop.after(SOON, self._make)

    def _make(self) -> None:
        if self._spare is not None and not self._spare.is_dead:
            return
        self._spare = None
        try:
            self._spare = Spare(str(self._children.groups), self._children, self._most_files)
        except OSError as error:  # runs fork for themselves
            report(f"no spare process: {error.strerror or error}")

    def take(self) -> Spare | None:
        """One that waits, if there is one; it is the caller's."""
        spare = self._spare
        self.have_one()
        if spare is None or not spare.is_ready():
            return None
        self._spare = None
        return spare

    def close(self) -> None:
        if self._spare is not None and not self._spare.is_dead:
            self._spare.end_now()


def _fork(folder: str, link: socket.socket, most_files: int) -> int:
    """The pid of the first child, whose child is the spare."""
    pid, to_enter = clone.born_in(folder, spawn.fork)
    if pid == 0:
        _in_first_child(to_enter, link.fileno(), most_files)
    return pid


def _in_first_child(to_enter: str | None, link: int, most_files: int) -> NoReturn:
    try:
        prctl.set_name(b"locald-spare")
        os.setsid()
        if to_enter is not None:
            cgroup.join(to_enter)
        if os.fork() == 0:
            _wait_for_order(link, most_files)
    finally:
        os._exit(0)


def _wait_for_order(link: int, most_files: int) -> NoReturn:
    """What the spare does, signals blocked. Does not return."""
    try:
        gc.disable()
        spawn.close_others([link], most_files)
        orders = socket.socket(fileno=link)
        orders.send(_PID.pack(os.getpid()))
        _, files, _, _ = socket.recv_fds(orders, 1, _FILES)
        if len(files) == _FILES:
            for file in files:
                os.set_inheritable(file, False)  # Python's recv_fds drops the flag for it
            given, out, err, tell, order = files
            spawn.lead(spawn.read(order, (given, out, err, tell)))
    finally:
        os._exit(0)
