"""Who says READY=1 and STOPPING=1 for a run, and that they have ended.

What a process says of being ready is true for as long as it is there, and one that is gone at once spoke for
the process above it. So with such a word the daemon is told the *line*: the sender and those above it, up to
the run's main process, which is not among them; and the end of each of them from then on. None of them need
be our child, so pidfds tell.
"""

from __future__ import annotations

import os
import select

from locald.linux import procfs
from locald.linux.listening import listens

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.loop import Loop

    Line = list[tuple[int, str, bool]]

_LONGEST = 8
MOST = 64
"""processes of a run that are watched; of what more there are, the first words are told without their end"""


class Senders:
    """`member`: whether a process belongs to the run. `is_main`: whether it is the run's main process.
    `ended`: called with the pid of one that has ended, after which it is no longer watched.
    """

    __slots__ = ("_ended", "_files", "_is_main", "_lines", "_loop", "_member")

    def __init__(
        self,
        loop: Loop,
        member: Callable[[int], bool],
        is_main: Callable[[int], bool],
        ended: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._member = member
        self._is_main = is_main
        self._ended = ended
        self._files: dict[int, int] = {}
        """The pidfd of each that is watched."""
        self._lines: dict[int, Line] = {}
        """Of those that have spoken."""

    def line(self, pid: int, is_there: bool) -> Line:
        """From this sender up: pid, program and whether it listens. Empty for the main process, and for one
        that is no more and of which nothing is known."""
        if self._is_main(pid):
            return []
        if pid not in self._lines:
            line = self._climb(pid) if is_there else []
            for each, _, _ in line:
                self._watch(each)
            if pid in self._files:
                self._lines[pid] = line
            return line
        return self._lines[pid]

    def _climb(self, pid: int) -> Line:
        line: Line = []
        while len(line) < _LONGEST and not self._is_main(pid) and self._member(pid):
            stat = procfs.stat(pid)
            if stat is None:
                break
            line.append((pid, stat.program, listens(pid)))
            pid = stat.ppid
        return line

    def _watch(self, pid: int) -> None:
        if pid in self._files or len(self._files) >= MOST:
            return
        try:
            file = os.pidfd_open(pid)
        except OSError:
            return
        if not self._member(pid):  # asked after the pidfd was opened: it is not another process's
            os.close(file)
            return
        self._files[pid] = file
        self._loop.watch(file, select.EPOLLIN, lambda: self._over(pid))

    def _over(self, pid: int) -> None:
        if pid in self._files:
            self._ended(pid)
            self._forget(pid)

    def _forget(self, pid: int) -> None:
        file = self._files.pop(pid, None)
        self._lines.pop(pid, None)
        if file is not None:
            self._loop.unwatch(file)
            os.close(file)

    def close(self) -> None:
        for pid in tuple(self._files):
            self._forget(pid)
