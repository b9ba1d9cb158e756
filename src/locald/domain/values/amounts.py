"""Measured amounts as people read them: lengths of time, sizes of data, shares of the processor.

Two or three figures, no spaces: `84ms`, `1.6s`, `3m05s`; `512B`, `4.2MB`; `0.4%`, `250%`. The rule is one for
every face; the page has its twin in `dashboard/src/facts/format.ts`, and both are tested with
`tests/amounts.json`. Rounding is half up in whole numbers, because Python's and JavaScript's own ways differ.
What somebody configured is not measured: `duration.show` and `sizes.show` write that exactly.
"""

from __future__ import annotations

UNITS = ("B", "KB", "MB", "GB", "TB")
"""decimal, each a thousand of the one before"""


def length(seconds: float) -> str:
    """A length of time: `84ms`, `1.6s`, `26s`, `3m05s`, `2h10m`, `4d03h`; never less than nothing."""
    milliseconds = _rounded(max(seconds, 0) * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    if milliseconds < 9950:
        return f"{_rounded(milliseconds / 100) / 10:.1f}s"
    return _whole(_rounded(milliseconds / 1000))


def _whole(seconds: int) -> str:
    """In the two largest units."""
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 86400}d{seconds % 86400 // 3600:02}h"


def size(count: float) -> str:
    """Bytes: `512B`, `4.2MB`, `310MB`, `1.2GB`."""
    value = float(count)
    for unit in UNITS:
        if value < 999.5 or unit == UNITS[-1]:
            break
        value /= 1000
    return f"{_rounded(value) if unit == 'B' else _figures(value)}{unit}"


def percent(cores: float) -> str:
    """Processor time as a share of one core: `0%`, `0.4%`, `12%`, `250%`."""
    value = cores * 100
    return f"{_figures(value) if value >= 0.05 else 0}%"


def _figures(value: float) -> str:
    """One decimal below ten, none above."""
    return f"{_rounded(value * 10) / 10:.1f}" if value < 9.95 else str(_rounded(value))


def _rounded(value: float) -> int:
    return int(value + 0.5)
