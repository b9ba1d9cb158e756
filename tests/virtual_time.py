"""Time that passes when nobody has anything to do: an hour of waiting takes no time, and is exact.

The loop's clock stands still while something is ready, and jumps to the next timer when nothing is. A thread
is nothing that the loop knows of: time would jump over it, so what uses threads is not for these tests.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from selectors import SelectorKey

EPOCH = 1024.0
"""of the clock below; a power of two, so that adding and subtracting it is exact"""


class _Jumping(selectors.DefaultSelector):
    """Looks at files without waiting; waits only when there is no timer to jump to."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        ready: list[tuple[SelectorKey, int]] = super().select(None if timeout is None else 0)
        if not ready:
            self.now += timeout or 0
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """What the daemon's own clock is, of the running loop."""

    epoch = EPOCH
    slept = 0.0
    """seconds that the machine has slept, while the loop's clock stood still"""

    def now(self) -> float:
        return asyncio.get_running_loop().time() + EPOCH + self.slept

    def monotonic(self, at: float) -> float:
        return at - EPOCH - self.slept

    def asleep(self) -> float:
        return self.slept


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs in a loop of this kind."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(test(*args, **kwargs))

    return run
