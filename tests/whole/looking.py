"""What tests look for in rows and explanations."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from locald.domain.lifecycle.false_starts import WITHIN

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]


def is_healthy(row: Row) -> bool:
    return bool(row["health"] == "healthy")


def is_unhealthy(row: Row) -> bool:
    return bool(row["health"] == "unhealthy")


def is_there(row: Row) -> bool:
    """It has a process."""
    return row["pid"] is not None


def is_in(*states: str) -> Callable[[Row], bool]:
    return lambda row: row["state"] in states


def details(why: Row) -> str:
    """All evidence, one piece a line, newest first."""
    return "\n".join(each["detail"] for each in why["evidence"])


def hints(why: Row) -> str:
    return "\n".join(why["hints"])


def at(time: str) -> float:
    """A time of a document in epoch seconds."""
    return datetime.fromisoformat(time).timestamp()


def is_settled(row: Row) -> bool:
    """It has been ready for so long that to lose health is to become unhealthy: before, it starts again."""
    return bool(row["ready_at"]) and time.time() - at(row["ready_at"]) > WITHIN


def seconds_until_ready(row: Row) -> float:
    """From its spawn on. Documents tell milliseconds; the difference of two as floats would be a hair off."""
    return round(at(row["ready_at"]) - at(row["started_at"]), 3)
