"""Whether and when a run that ended is followed by another.

The delay starts at 100 ms and doubles up to 30 s; ten seconds of health bring it back to 100 ms. More than
`max_restarts` within one minute is a crash loop: the service has failed.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from locald.domain.project.spec import RestartPolicy

FIRST_DELAY = 0.1
LONGEST_DELAY = 30.0
WINDOW = 60.0
"""seconds within which restarts are counted"""
CALM = 10.0
"""seconds of health after which the delay starts again"""


class Restarts(Struct, frozen=True):
    """What is remembered of restarts, since somebody last asked for the service."""

    total: int = 0
    recent: tuple[float, ...] = ()
    """when they were, within the window"""
    streak: int = 0
    """how often the delay has doubled"""

    @property
    def delay(self) -> float:
        """Seconds that the next will wait."""
        return _delay(self.streak)

    @property
    def latest_delay(self) -> float:
        """Seconds that the latest waited."""
        return _delay(max(self.streak - 1, 0))

    def calmed(self) -> Restarts:
        return replace(self, streak=0)

    def within(self, now: float) -> int:
        """How many there were within the last minute."""
        return sum(1 for at in self.recent if at > now - WINDOW)

    def undone(self) -> Restarts:
        """The latest did not count after all."""
        return Restarts(max(self.total - 1, 0), self.recent[:-1], max(self.streak - 1, 0))

    def another(self, now: float) -> Restarts:
        recent = (*(at for at in self.recent if at > now - WINDOW), now)
        return Restarts(self.total + 1, recent, self.streak + 1)


def wants_another(policy: RestartPolicy, *, failed: bool) -> bool:
    """Whether the policy asks for another run after one that ended so."""
    match policy:
        case RestartPolicy.NO:
            return False
        case RestartPolicy.ON_FAILURE:
            return failed
        case RestartPolicy.ALWAYS:
            return True


def _delay(doublings: int) -> float:
    return min(FIRST_DELAY * 2.0 ** min(doublings, 20), LONGEST_DELAY)
