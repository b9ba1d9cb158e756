"""Times as people read them: how long ago, how long it took."""

from __future__ import annotations

import time


def seconds_of(stamp: str | None) -> float | None:
    """Seconds since the epoch of a UTC time such as `2026-03-01T12:00:00.123Z`; None if it is none."""
    if not stamp:
        return None
    from datetime import datetime  # only where a time is shown

    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return None


def age(stamp: str | None) -> str:
    """How long ago that was, in the two largest units; empty for no time."""
    then = seconds_of(stamp)
    return "" if then is None else length(max(time.time() - then, 0.0))


def length(seconds: float) -> str:
    """A length of time, rounded to what matters: `0.4s`, `12s`, `3m05s`, `2h10m`, `4d03h`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def between(start: str | None, end: str | None) -> float | None:
    """Seconds from one time to another."""
    first, last = seconds_of(start), seconds_of(end)
    return None if first is None or last is None else last - first
