"""Numbers that somebody else has written: only ASCII digits count, and there is a largest one.

Python's `int` reads the digits of every script, and refuses texts of more than 4,300 with an error of its
own.
"""

from __future__ import annotations

HIGHEST_PORT = 65535


def number(text: str, most: int) -> int | None:
    """The number that is written there; None for anything else, and for one that is larger."""
    if not (text.isascii() and text.isdecimal()):
        return None
    digits = text.lstrip("0") or "0"
    found = int(digits) if len(digits) <= len(str(most)) else most + 1
    return found if found <= most else None


def port(text: str) -> int:
    """The port that is written there; 0 for what is none."""
    return number(text, HIGHEST_PORT) or 0
