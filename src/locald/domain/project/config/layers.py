"""One file over another: `locald.local.toml` over `locald.toml`, table by table, key by key."""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]


def over(below: Raw, above: Raw) -> Raw:
    """The tables of both. Only a table goes into a table; any other value replaces what was there. So does a
    check that says of which type it is: keys of another type would make no sense in it."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        is_other_check = key == "health_check" and isinstance(value, dict) and "type" in value
        if isinstance(known, dict) and isinstance(value, dict) and not is_other_check:
            merged[key] = over(known, value)
        else:
            merged[key] = value
    return merged
