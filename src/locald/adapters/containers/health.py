"""What a HEALTHCHECK says, in one sentence.

An image with a HEALTHCHECK speaks through it from the beginning: until its first probe it says "not yet", so
that nothing weaker is believed meanwhile. A probe that failed while the container is still starting, or not
often enough to matter, is reported as well: it is what people want to read when they wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from locald.adapters.containers.refusals import shown
from locald.domain.values.duration import show

if TYPE_CHECKING:
    from locald.adapters.containers.translate import Health, Probe


class Word(NamedTuple):
    """`at`: seconds on the engine's clock when it was said; None: now."""

    ok: bool
    detail: str
    at: float | None = None


def word(health: Health) -> Word:
    """What to believe, and why."""
    if not health.probes:
        return Word(False, _silence(health))
    last = health.probes[-1]
    ok = health.status == "healthy"
    return Word(ok, f"{_outcome(health)}: {_told(last)}", last.at)


def _silence(health: Health) -> str:
    return f"the image's HEALTHCHECK has not run yet, interval {show(round(health.interval, 3))}"


def _outcome(health: Health) -> str:
    failing = health.probes[-1].code != 0
    match health.status:
        case "healthy" if failing:
            return "the container is healthy, though its last HEALTHCHECK failed"
        case "healthy":
            return "the image's HEALTHCHECK succeeded"
        case "unhealthy":
            if not failing:  # a paused container: the engine asks no more, and calls that unhealthy
                return "the container is unhealthy, though its last HEALTHCHECK succeeded"
            return f"the image's HEALTHCHECK failed {_times(health.streak)}"
        case _:
            return "the image's HEALTHCHECK has not succeeded yet"


def _times(count: int) -> str:
    return "once" if count <= 1 else f"{count} times in a row"


def _told(probe: Probe) -> str:
    """How the probe ended, and what it said last: the first lines are often only progress."""
    how = f"exit code {probe.code}" if probe.code >= 0 else "no exit code"
    lines = [line for part in probe.output.splitlines() if (line := shown(part))]
    return f"{how}, {lines[-1]}" if lines else how
