"""Numbers as they stand in a narrow column: processor, memory, time."""

from __future__ import annotations

import time
from typing import Any

from locald.faces.when import length, seconds_of


def processor(cores: float) -> str:
    """Of one core: `0%`, `37%`, `250%`."""
    return f"{cores * 100:.0f}%"


def memory(size: float) -> str:
    """`980K`, `24M`, `1.2G`."""
    for unit in ("K", "M", "G"):
        size /= 1024
        if size < 1000 or unit == "G":
            break
    return f"{size:.1f}{unit}" if size < 10 and unit == "G" else f"{size:.0f}{unit}"


def moment(stamp: Any) -> float | None:
    """Seconds since the epoch; None for what is no time."""
    return seconds_of(stamp) if isinstance(stamp, str) else None


def since(stamp: Any, now: float | None = None) -> str:
    """How long ago that was; empty for no time."""
    then = moment(stamp)
    return "" if then is None else length(max((now or time.time()) - then, 0.0))
