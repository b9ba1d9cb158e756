"""The process that subreapers are forked from, so that they share its memory.

The keeper changes its memory all the time, and every page that it changes is one more that a process forked
from it earlier has for itself: half of a subreaper's. So this process is forked from the keeper once, in its
youth, and does nothing but fork. It forks twice, so that a subreaper is an orphan at once and becomes the
keeper's own child.

One order is one message: the files of the run, and one that the order is written in, for it can be larger
than a message. Only the leader reads that. The answer is the subreaper's pid, or why there is none. When the
keeper's end of the socket closes, the zygote goes.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct

from locald.keeper.runs import spawn
from locald.keeper.runs.reaper import in_reaper
from locald.linux import prctl

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from typing import NoReturn

_ANSWER = struct.Struct("ii")
"""(pid, 0), or (0, errno)."""
_FILES = 6
_PATIENCE = 3_000
"""milliseconds; on a machine that is very busy a fork takes some hundred"""


class Zygote:
    """For the keeper. `most_files`: no process here has more files open."""

    __slots__ = ("_link", "pid")

    def __init__(self, most_files: int) -> None:
        """Fork it. Raises OSError."""
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.pid = spawn.fork()
        except OSError:
            self._link.close()
            theirs.close()
            raise
        if self.pid == 0:
            _serve(theirs.fileno(), most_files)
        theirs.close()

    def fork(self, child: spawn.Child, control: int) -> int:
        """The pid of a subreaper with this child, which is the caller's child. Raises OSError.

        `control`: the subreaper's end of its socket; the caller closes its own copy.
        """
        order = spawn.written(child)
        try:
            socket.send_fds(self._link, [b"."], [*child.files, control, order], socket.MSG_NOSIGNAL)
        finally:
            os.close(order)
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        answer = self._link.recv(_ANSWER.size) if poll.poll(_PATIENCE) else b""
        if len(answer) != _ANSWER.size:
            self._end()
            raise BrokenPipeError(errno.EPIPE, "it does not answer")
        pid, number = _ANSWER.unpack(answer)
        if number:
            raise OSError(number, os.strerror(number))
        return int(pid)

    def _end(self) -> None:
        """What it was told last is done by somebody else: it must not be done once more, nor be answered."""
        os.kill(self.pid, signal.SIGKILL)  # it is not reaped before we are told
        self._link.close()

    # As the owner of a child of the keeper's.

    def child_ended(self, _pid: int, _status: int) -> None:
        """Somebody killed it: from now on the keeper forks for itself."""
        self._link.close()

    def child_reaped(self) -> None:
        pass


def _serve(link: int, most_files: int) -> NoReturn:
    """What the zygote does, signals blocked. Does not return."""
    try:
        prctl.set_name(b"locald-zygote")
        spawn.close_others([link], most_files)
        orders = socket.socket(fileno=link)
        while True:
            message, files, _, _ = socket.recv_fds(orders, 1, _FILES)
            if not message:
                os._exit(0)
            for file in files:
                os.set_inheritable(file, False)  # Python's recv_fds drops the flag for it
            answer = _fork(files, most_files)
            for file in files:  # before the answer: who waits for the end of one waits for ours too
                os.close(file)
            orders.send(_ANSWER.pack(*answer))
    finally:
        os._exit(1)


def _fork(files: list[int], most_files: int) -> tuple[int, int]:
    """(pid, errno) of a subreaper. Its parent is gone when this returns."""
    listen, tell = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            _between(files, tell, most_files)
        os.waitpid(between, 0)
        answer = os.read(listen, _ANSWER.size) if select.select([listen], [], [], 0)[0] else b""
    except OSError as error:
        return 0, error.errno or 1
    finally:
        os.close(listen)
        os.close(tell)
    pid, number = _ANSWER.unpack(answer) if len(answer) == _ANSWER.size else (0, 1)
    return pid, number


def _between(files: list[int], tell: int, most_files: int) -> NoReturn:
    answer = 0, 1
    try:
        pid = os.fork()
        if pid == 0:
            _become_reaper(files, most_files)
        answer = pid, 0
    except OSError as error:
        answer = 0, error.errno or 1
    finally:
        os.write(tell, _ANSWER.pack(*answer))
        os._exit(0)


def _become_reaper(files: list[int], most_files: int) -> NoReturn:
    given, out, err, report, control, order = files

    def lead() -> NoReturn:
        spawn.lead(spawn.read(order, (given, out, err, report)))

    in_reaper((given, out, err, report, order), lead, control, report, most_files)
