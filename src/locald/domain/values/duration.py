"""Lengths of time as people write them: `500ms`, `2s`, `1m30s`, `1h`. Inside locald they are seconds.

A duration is one or more whole or decimal numbers, each with its unit, the larger unit first.
"""

from __future__ import annotations

import re

LONGEST = 1e10
"""seconds: what is longer is a mistake, and would overflow the clocks that it is added to"""
TOO_LONG = "317 years"
"""the same for people"""

PATTERN = (
    r"^(?=[0-9])(?=.*[1-9])([0-9]+(\.[0-9]+)?d)?([0-9]+(\.[0-9]+)?h)?"
    r"([0-9]+(\.[0-9]+)?m(?!s))?([0-9]+(\.[0-9]+)?s)?([0-9]+(\.[0-9]+)?ms)?$(?!\n)"
)
"""What is accepted, as a regular expression that Python and JSON Schema read alike."""

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[dhms])")
_MICROSECONDS = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000}


class TooLong(ValueError):
    """A duration, but of more than LONGEST."""


def parse(text: str) -> float:
    """Seconds. Raises ValueError for what is not a duration, for zero, and for what is absurdly long."""
    if not re.match(PATTERN, text):
        raise ValueError(f"{text!r} is not a duration")
    seconds = sum(float(number) * _MICROSECONDS[unit] for number, unit in _PART.findall(text)) / 1_000_000
    if seconds > LONGEST:
        raise TooLong(f"{text!r} is longer than {TOO_LONG}")
    if seconds <= 0:
        raise ValueError(f"{text!r} is too short")
    return seconds


def from_argument(text: str) -> float:
    """Seconds from the command line, where a number without a unit is seconds too. Raises ValueError."""
    try:
        return parse(f"{text}s" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else text)
    except TooLong:
        raise TooLong(f"{text!r} is longer than {TOO_LONG}") from None
    except ValueError:
        raise ValueError(f"{text!r} is not a duration of more than 0 seconds") from None


def show(seconds: float) -> str:
    """The shortest exact way to write it, to the millisecond: `1m30s`, `2s500ms`; `0s` for nothing.

    `parse` reads it back to the same number of milliseconds. What is shorter than a millisecond is
    shown as a fraction of one.
    """
    if abs(seconds) < 0.001:
        return f"{seconds * 1000:.6f}".rstrip("0").rstrip(".") + "ms" if seconds else "0s"
    rest, shown = round(abs(seconds) * 1000), ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        shown += f"{count}{unit}" if count else ""
    return f"-{shown}" if seconds < 0 else shown
