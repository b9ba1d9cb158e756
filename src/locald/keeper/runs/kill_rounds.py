"""SIGKILL, again and again, until nothing is left.

A process that is being forked may escape one round, and one that the kernel holds (a dead network disk)
ends when the kernel lets it. So rounds go on, ever slower; after two seconds the daemon is told who is
still there.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.loop import Loop, Timer

STUCK_AFTER = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2


class Killing:
    """`strike`: one round; whether nothing is left. `stuck`: called once."""

    __slots__ = ("_loop", "_pause", "_strike", "_stuck", "_stuck_at", "_timer")

    def __init__(self, loop: Loop, strike: Callable[[], bool], stuck: Callable[[], None]) -> None:
        self._loop = loop
        self._strike = strike
        self._stuck = stuck
        self._stuck_at = time.monotonic() + STUCK_AFTER
        self._pause = _FIRST_PAUSE
        self._timer: Timer | None = None

    def go_on(self) -> None:
        """One round, and the next after a pause."""
        if self._strike():
            return
        if time.monotonic() >= self._stuck_at:
            self._stuck_at = float("inf")
            self._stuck()
        self._timer = self._loop.after(min(self._pause, self._until_stuck()), self.go_on)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _until_stuck(self) -> float:
        return max(0.0, self._stuck_at - time.monotonic())
