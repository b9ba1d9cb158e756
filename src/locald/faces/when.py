"""Times as people read them: when something was, and how long ago."""

from __future__ import annotations

from locald.wire.now import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def seconds_of(stamp: Any) -> float | None:
    """Seconds since the epoch of a UTC time such as `2026-03-01T12:00:00.123Z`; None if it is none."""
    if not stamp or not isinstance(stamp, str):
        return None
    from datetime import datetime  # only where a time is shown

    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return None


def age(stamp: Any) -> str:
    """How long ago that was; empty for no time."""
    then = seconds_of(stamp)
    if then is None:
        return ""
    from locald.domain.values.amounts import length

    return length(now() - then)


def between(start: str | None, end: str | None) -> float | None:
    """Seconds from one time to another."""
    first, last = seconds_of(start), seconds_of(end)
    return None if first is None or last is None else last - first
