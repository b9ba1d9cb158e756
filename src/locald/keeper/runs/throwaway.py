"""Where descriptors are closed that somebody handed over: closing may take as long as its owner likes.

The last close of a socket waits for its peer where SO_LINGER says so, that of a file for its file system,
which may be a program or a dead network disk; and a socket may hold others in its queue. So the keeper closes
none of them for the last time: it hands them on to a process that does nothing else, forked when it is needed
for the first time, closes its own, and says so; then each is closed there by a thread of its own. Only pipes
it closes itself: that never waits, and a pipe is what a `systemd-notify` sends along, and waits for.
"""

from __future__ import annotations

import _thread
import os
import socket

from locald.keeper.log import report
from locald.keeper.runs import spawn
from locald.linux import prctl

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from typing import NoReturn

    from locald.keeper.runs.children import Children

_MOST = 253
"""descriptors that one message may carry (SCM_MAX_FD)"""


class Throwaway:
    """For the keeper. `most_files`: no process here has more files open."""

    __slots__ = ("_children", "_closer", "_most_files")

    def __init__(self, children: Children, most_files: int) -> None:
        self._children = children
        self._most_files = most_files
        self._closer: Closer | None = None

    def take(self, files: list[int]) -> None:
        """Close them, now or soon. They belong to the caller no longer."""
        slow = [file for file in files if not _is_pipe(file)]
        try:
            if slow and not self._hand_over(slow):
                report("descriptors that came along with a notification are closed here")
        finally:
            for file in files:
                os.close(file)
        if slow and self._closer is not None:
            self._closer.go_on()

    def _hand_over(self, files: list[int]) -> bool:
        """One that was killed, or whose queue is full, is replaced."""
        return (self._closer is not None and self._closer.take(files)) or self._hand_to_another(files)

    def _hand_to_another(self, files: list[int]) -> bool:
        if self._closer is not None:
            self._closer.leave()
        try:
            self._closer = Closer(self._children, self._most_files)
        except OSError as error:
            report(f"no process to close descriptors: {error.strerror}")
            self._closer = None
            return False
        return self._closer.take(files)


class Closer:
    """The process that closes, as the keeper sees it."""

    __slots__ = ("_link",)

    def __init__(self, children: Children, most_files: int) -> None:
        """Fork it. Raises OSError."""
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._link.setblocking(False)
            pid = spawn.fork()
            if pid == 0:
                _serve(theirs.fileno(), most_files)
        except OSError:
            self._link.close()
            raise
        finally:
            theirs.close()
        children.expect(pid, self)

    def take(self, files: list[int]) -> bool:
        """Whether it has them now, beside the caller."""
        try:
            socket.send_fds(self._link, [b"."], files, socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def go_on(self) -> None:
        """The caller has closed what it had taken. Who hears of anything later knows that too."""
        try:
            self._link.send(b"c", socket.MSG_NOSIGNAL)
        except OSError:
            pass

    def leave(self) -> None:
        """It has nothing to do any more."""
        self._link.close()

    # As the owner of a child of the keeper's.

    def child_ended(self, _pid: int, _status: int) -> None:
        self._link.close()

    def child_reaped(self) -> None:
        pass


def _is_pipe(file: int) -> bool:
    """Told without asking the file system that the file is in, which may not answer."""
    try:
        return os.readlink(f"/proc/self/fd/{file}").startswith("pipe:[")
    except OSError:
        return False


def _serve(link: int, most_files: int) -> NoReturn:
    """What the process does, signals blocked. Does not return."""
    try:
        prctl.set_name(b"locald-closer")
        spawn.close_others([link], most_files)
        handed = socket.socket(fileno=link)
        held: list[int] = []
        while True:
            message, files, _, _ = socket.recv_fds(handed, 1, _MOST)
            for file in held:  # the keeper has closed its own by now
                _close_apart(file)
            held = files
            if not message:
                break
        os._exit(0)  # which waits for nobody: what is still being closed was given time
    finally:
        os._exit(1)


def _close_apart(file: int) -> None:
    try:
        _thread.start_new_thread(os.close, (file,))
    except RuntimeError:  # there are too many already
        os.close(file)
