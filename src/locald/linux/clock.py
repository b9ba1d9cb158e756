"""The one clock: seconds since the epoch that never jump.

It is the system's monotonic clock plus an offset that is fixed once per boot and kept in the saved state. So
times compare across restarts of the daemon, deadlines do not move when somebody sets the wall clock, and
what is shown needs no conversion.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    epoch: float
    """what to add to the monotonic clock, seconds"""

    @classmethod
    def new(cls) -> Clock:
        return cls(time.time() - time.monotonic())

    def now(self) -> float:
        return time.monotonic() + self.epoch

    def monotonic(self, at: float) -> float:
        """The same moment on the event loop's clock."""
        return at - self.epoch
