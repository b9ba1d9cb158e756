"""A process whose end is reported besides the leader's: the one that the run named by MAINPID=.

It need not be our child, so a pidfd tells its end.
"""

from __future__ import annotations

import os
import select

from locald.linux import pidfd

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.loop import Loop


class Follower:
    """`pid`: of the process that is followed now, or None. `ended`: called when it has."""

    __slots__ = ("_ended", "_file", "_loop", "pid")

    def __init__(self, loop: Loop, ended: Callable[[], None]) -> None:
        self._loop = loop
        self._ended = ended
        self._file = -1
        self.pid: int | None = None

    def turn_to(self, pid: int, member: Callable[[int], bool]) -> bool:
        """Follow this one, alive or a zombie, and no other. False, and no change, for a process outside."""
        try:
            file = os.pidfd_open(pid)
        except OSError:
            return False
        if not member(pid):
            os.close(file)
            return False
        self.stop()
        self.pid, self._file = pid, file
        self._loop.watch(file, select.EPOLLIN, self._ended)
        return True

    def exit_status(self) -> int | None:
        """How it ended, as far as anybody can tell."""
        return pidfd.exit_status(self._file, self.pid) if self.pid is not None else None

    def stop(self) -> None:
        if self.pid is not None:
            self._loop.unwatch(self._file)
            os.close(self._file)
            self.pid = None


def shown(status: int | None) -> dict[str, int | None]:
    """A wait status as `exited` tells it: a code, a signal, or neither where nobody knows."""
    if status is None:
        return {"code": None, "signal": None}
    if os.WIFSIGNALED(status):
        return {"code": None, "signal": os.WTERMSIG(status)}
    return {"code": os.WEXITSTATUS(status), "signal": None}
