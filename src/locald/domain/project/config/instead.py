"""What a value of the wrong shape would be in the right one: a string that should have been a list.

None where it cannot be known; then the key's example has to do.
"""

from __future__ import annotations

import re


def names(value: object) -> list[str] | None:
    """`"db, cache"` as a list."""
    found = re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else []
    return found if all(found) and found else None


def list_of_one(value: object) -> list[str] | None:
    return [value] if isinstance(value, str) and value.strip() else None


def numbers(value: object) -> list[int] | None:
    """`200` or `"200"` as a list."""
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}", str(value)):
        return None
    return [int(str(value))]


def variables(value: object) -> dict[str, str] | None:
    """`["A=1"]` or `"A=1"` as a table."""
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list) or not lines:
        return None
    pairs = [each.partition("=") for each in lines if isinstance(each, str)]
    if len(pairs) < len(lines) or not all(name.strip() and sign for name, sign, _ in pairs):
        return None
    return {name.strip(): text for name, _, text in pairs}
