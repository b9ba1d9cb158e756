"""A process whose end is told besides the leader's: the one that the run named by MAINPID=.

It need not be our child, so a pidfd tells its end.
"""

from __future__ import annotations

import os

from locald.linux import pidfd


class Followed:
    __slots__ = ("file", "pid")

    def __init__(self, pid: int) -> None:
        """Raises OSError when there is no such process."""
        self.pid = pid
        self.file = os.pidfd_open(pid)

    def exit_status(self) -> int | None:
        """How it ended, as far as anybody can tell."""
        return pidfd.exit_status(self.file, self.pid)

    def close(self) -> None:
        os.close(self.file)


def shown(status: int | None) -> dict[str, int | None]:
    """A wait status as `exited` tells it: a code, a signal, or neither where nobody knows."""
    if status is None:
        return {"code": None, "signal": None}
    if os.WIFSIGNALED(status):
        return {"code": None, "signal": os.WTERMSIG(status)}
    return {"code": os.WEXITSTATUS(status), "signal": None}
