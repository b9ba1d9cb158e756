"""The one clock: seconds since the epoch that never jump.

It is the time since boot plus an offset that is fixed once per boot and kept in the saved state. So times
compare across restarts of the daemon, deadlines do not move when somebody sets the wall clock, and what is
shown needs no conversion.

While the machine sleeps this clock goes on, as those of people do; the event loop's stands still, and so does
everything that is timed.

Source: clock_gettime(2): CLOCK_BOOTTIME, CLOCK_MONOTONIC.
"""

from __future__ import annotations

import time


class Clock:
    """`epoch`: what to add to the time since boot, seconds."""

    __slots__ = ("epoch",)

    def __init__(self, epoch: float) -> None:
        self.epoch = epoch

    @classmethod
    def new(cls) -> Clock:
        return cls(time.time() - since_boot())

    def now(self) -> float:
        return self.at(since_boot())

    def at(self, since: float) -> float:
        """The moment so many seconds after the boot."""
        return since + self.epoch

    def of_wall(self, moment: float | None) -> float:
        """The same moment on this clock, of one on the wall clock: now, where there is none. Exact unless the
        wall clock was set between then and now; never later than now."""
        now = self.now()
        return now if moment is None else min(now, now - (time.time() - moment))

    def monotonic(self, at: float) -> float:
        """The same moment on the event loop's clock, unless the machine sleeps until then."""
        return at - self.epoch - self.asleep()

    def asleep(self) -> float:
        """Seconds that the machine has slept since boot, more or less: two clocks are read one after the
        other."""
        return since_boot() - time.monotonic()


def since_boot() -> float:
    """Seconds, those included in which the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
