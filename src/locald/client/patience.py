"""How long a daemon is waited for: as long as its process lives and makes progress.

A machine may be so busy, or stand still for so long, that any fixed time is too short for a daemon that comes
after all. Progress is that its process got some of the processor's time; one that got none for a minute is
given up. Who set a `--timeout` waits no longer than that, and everybody is told after a while that he waits.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

STALLED = 60.0
"""seconds without any progress of the process that is waited for"""
QUIET = 5.0
"""seconds of waiting after which it is told"""

say: list[Callable[[str], None]] = [lambda _: None]
"""how it is told; the command line has its own way"""
_limit: list[float] = []
"""the moment (`time.monotonic`) at which this command's `--timeout` is over, and its length; or nothing"""


class OutOfTime(Exception):
    """The `--timeout` was over before the daemon answered. `after`: its length in seconds."""

    def __init__(self, after: float) -> None:
        super().__init__()
        self.after = after


def limit(began: float, seconds: float | None) -> None:
    """This command waits for the daemon until `seconds` after `began` at most."""
    _limit[:] = [] if seconds is None else [began + seconds, seconds]


def left(most: float) -> float:
    """Seconds that may be waited at once. Raises OutOfTime when there are none."""
    if not _limit:
        return most
    rest = _limit[0] - time.monotonic()
    if rest <= 0:
        raise OutOfTime(_limit[1])
    return min(rest, most)


class Patience:
    """With one wait for the daemon."""

    def __init__(self) -> None:
        self._began = self._moved = time.monotonic()
        self._seen: tuple[int, int] | None = None
        self._told = False

    def holds(self, pid: int | None) -> bool:
        """Whether to wait on for the process `pid` (None: one that is not known yet). Raises OutOfTime."""
        left(STALLED)
        now = time.monotonic()
        seen = None if pid is None else (pid, ticks(pid))
        if seen != self._seen:
            self._seen, self._moved = seen, now
        if pid is not None and now - self._began > QUIET and not self._told:
            self._told = True
            say[0](f"waiting for the daemon (pid {pid}), which has not answered yet")
        return now - self._moved < STALLED


def ticks(pid: int) -> int:
    """The processor's time that the process has had (proc_pid_stat(5): utime, stime); -1 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return -1
    return int(fields[11]) + int(fields[12])
