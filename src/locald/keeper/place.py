"""The folder in which a keeper can be found, and how it comes back when somebody removes it.

A logout empties `$XDG_RUNTIME_DIR`, and who tidies up a temporary directory knows nothing of us. Services run
on, but the file of a socket cannot be had again once it is gone: no daemon could reach the keeper any more,
another keeper would be started beside it, and no service could say READY=1. So the keeper watches for losses
in its folder, and creates again what is missing, under the same names. Where that cannot be done yet (until
the next login there is no such directory) it tries again every few seconds, for there is no news of a
permission.

The lock is a file in the folder, too; it is ours as long as the file of that name is the one we hold.

A mount may cover or uncover the folder without a word from inotify, and the next login mounts a directory
over one that was there a moment earlier: so changes of the mounts are seen as well.

Source: inotify(7); poll of `/proc/PID/mountinfo`: proc_pid_mounts(5).
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import time

from locald.keeper.log import report
from locald.linux import inotify

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.loop import Loop, Timer

MOMENT = 0.1
"""seconds after a loss, in which the removal of the folder can finish"""
PAUSE = 2.0
"""seconds between attempts, and between looks where inotify cannot be had"""


class Place:
    """`folder`: absolute."""

    __slots__ = (
        "_deaf",
        "_listener",
        "_lock",
        "_loop",
        "_repair",
        "_timer",
        "_trouble",
        "folder",
        "has_notes",
    )

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lock = -1
        self._listener = _listener()
        self._deaf = False
        self._timer: Timer | None = None
        self._trouble = ""
        self.has_notes = False
        """Whether the folder of the notes was there when it was taken last."""

    @property
    def socket(self) -> str:
        return os.path.join(self.folder, "keeper.sock")

    @property
    def sockets(self) -> str:
        """Where the notify sockets of the runs are. The name is short, for a socket's path must be."""
        return os.path.join(self.folder, "n")

    @property
    def notes(self) -> str:
        """Where it is written down what a later keeper must know."""
        return os.path.join(self.folder, "runs")

    def take(self) -> None:
        """Make what is missing, and be the only keeper here.

        Raises BlockingIOError where there is another one, OSError where it cannot be.
        """
        self.has_notes = os.path.isdir(self.notes)
        for folder in (self.folder, self.sockets, self.notes):
            os.makedirs(folder, 0o700, exist_ok=True)
            _require_own(folder)
        self._hear_of_losses()  # before there is anything that could be lost
        if not self.stands():
            lock = _lock(self._lock_file)
            if self._lock >= 0:
                os.close(self._lock)
            self._lock = lock

    def _hear_of_losses(self) -> None:
        """What a user may listen to is limited. Where others have taken it all, we look now and then."""
        try:
            inotify.hear_of_losses(self._listener, self.folder)
        except OSError:
            self._deaf = True
        else:
            self._deaf = False

    def stands(self) -> bool:
        """Whether this is the folder that we took."""
        try:
            return self._lock >= 0 and os.path.samestat(os.stat(self._lock_file), os.fstat(self._lock))
        except OSError:
            return False

    def is_whole(self) -> bool:
        """Whether it is, and nothing is missing: what is empty, cleaners of old files remove."""
        return self.stands() and os.path.isdir(self.sockets) and os.path.isdir(self.notes)

    @property
    def _lock_file(self) -> str:
        return os.path.join(self.folder, "keeper.lock")

    def watch(self, loop: Loop, repair: Callable[[], None]) -> None:
        """Call `repair` soon after something may have been removed; again where it raises OSError."""
        self._loop = loop
        self._repair = repair
        mounts = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
        loop.watch(mounts, select.EPOLLPRI, self._news)
        if self._listener >= 0:
            loop.watch(self._listener, select.EPOLLIN, self._news)
        self.look()

    def _news(self) -> None:
        if self._listener >= 0:
            inotify.forget_news(self._listener)
        self._look_after(MOMENT)

    def look(self) -> None:
        """Repair what is missing, now."""
        self._cancel()
        try:
            self._repair()
        except OSError as error:
            self._tell(f"{error.filename or self.folder}: {error.strerror}")
        else:
            self._tell(f"{self.folder}: inotify is not available, polling instead" * self._deaf)
        if self._trouble:
            self._look_after(PAUSE)

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            report(trouble)
        self._trouble = trouble

    def _look_after(self, seconds: float) -> None:
        if self._timer is None or self._timer.when > time.monotonic() + seconds:
            self._cancel()
            self._timer = self._loop.after(seconds, self.look)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _listener() -> int:
    try:
        return inotify.listen()
    except OSError:
        return -1


def _require_own(folder: str) -> None:
    """In a shared temporary directory somebody else may have made it, or a link, before us."""
    if os.lstat(folder).st_uid != os.geteuid() or os.stat(folder).st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "belongs to another user", folder)


def _lock(path: str) -> int:
    """A file that is locked for as long as it is open. Raises BlockingIOError, OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise BlockingIOError(errno.EWOULDBLOCK, "locked by another keeper", path) from None
    return file
