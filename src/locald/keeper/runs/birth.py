"""The time between fork and exec, seen from the keeper: a pipe through which the child says how it went.

It ends when the program was executed, for the child's end is close-on-exec, or when something failed.
"""

from __future__ import annotations

import os
import select

from locald.keeper.runs import spawn

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.loop import Loop


class Birth:
    """`theirs`: the child's end, to be closed by the caller. `over`: called once, at the end of the pipe."""

    __slots__ = ("_file", "_loop", "_over", "_said", "theirs")

    def __init__(self, loop: Loop, over: Callable[[spawn.Report], None], theirs: list[int]) -> None:
        """Appends the child's end to `theirs`. Raises OSError."""
        self._loop = loop
        self._over = over
        self._said = b""
        self._file, self.theirs = os.pipe()
        theirs.append(self.theirs)
        os.set_blocking(self._file, False)
        loop.watch(self._file, select.EPOLLIN, self.pump)

    def pump(self, executed: bool = False) -> None:
        """Take in what the child has said: call `over` if that is all.

        `executed`: the program was seen at work, so that is all, although its parent may hold the
        pipe open still.
        """
        while self._file >= 0:
            try:
                said = os.read(self._file, 4096)
            except BlockingIOError:
                if not executed or not self._said:
                    return
                said = b""
            self._said += said
            if not said:
                self.close()
                self._over(spawn.Report(self._said))

    def child_ended(self, pid: int) -> None:
        """The same when a child has ended: if it was the leader, that is all, whoever holds the pipe open."""
        self.pump()
        if self._file >= 0 and spawn.Report(self._said).leader == pid:
            self.pump(executed=True)

    def close(self) -> None:
        if self._file >= 0:
            self._loop.unwatch(self._file)
            os.close(self._file)
            self._file = -1
