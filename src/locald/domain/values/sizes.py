"""Amounts of data as people write them: `50MB` (decimal), `1GiB` (binary). Inside locald they are bytes."""

from __future__ import annotations

import re

PATTERN = r"^(?=.*[1-9])[0-9]+(\.[0-9]+)? ?([KMGT]i?)?B$(?!\n)"
"""What is accepted, as a regular expression that Python and JSON Schema read alike."""

LARGEST = 2**63 - 1
"""bytes: as much as a file can hold"""

_UNITS = {
    "TB": 10**12,
    "GB": 10**9,
    "MB": 10**6,
    "KB": 10**3,
    "TiB": 2**40,
    "GiB": 2**30,
    "MiB": 2**20,
    "KiB": 2**10,
    "B": 1,
}


def parse(text: str) -> int:
    """Bytes, rounded down. Raises ValueError for what is not an amount, and for less than a byte."""
    if not re.match(PATTERN, text):
        raise ValueError(f"{text!r} is not an amount of data")
    number, unit = re.split(r" ?(?=[A-Z])", text, maxsplit=1)
    whole, _, fraction = number.partition(".")
    # Whole numbers, not floats: 10^15 bytes and a half must not become something else.
    size: int = int(whole + fraction) * _UNITS[unit] // 10 ** len(fraction)
    if not 0 < size <= LARGEST:
        raise ValueError(f"{text!r} is too {'small' if size <= 0 else 'large'}")
    return size


def show(size: int) -> str:
    """The exact amount in the largest unit that it is a whole number of; `parse` reads it back."""
    for unit, factor in _UNITS.items():
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"
