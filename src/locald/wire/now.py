"""What time it is on the daemon's clock.

All times that the daemon tells are on its own clock, which nobody sets (see `linux.clock`). So what is
compared with them is the time on that clock, and never the wall clock: that may have been set since. The
daemon says with each answer what time it is; who reads answers passes it on to `told`, and whoever shows how
long ago something was asks `now`.
"""

from __future__ import annotations

import time

FIELD = "Locald-Now"
"""the field of each answer's head: epoch seconds"""


def _counted() -> float:
    """Seconds that go on evenly, also while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_ahead = [time.time() - _counted()]
"""the wall clock's, until the daemon has said"""


def told(at: float) -> None:
    """The daemon says what time it is: seconds since the epoch."""
    _ahead[0] = at - _counted()


def now() -> float:
    """Seconds since the epoch on the clock of the daemon's times."""
    return _counted() + _ahead[0]
