"""Values as TOML. Python reads TOML but does not write it, and little is needed here."""

from __future__ import annotations

import json
import re

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def value(of: object) -> str:
    """A string, number, boolean, list or table on one line."""
    match of:
        case str():
            # JSON's strings are TOML's basic strings, but for the one control character that JSON lets pass.
            return json.dumps(of, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return "[" + ", ".join(value(each) for each in of) + "]"
        case dict():
            return (
                "{ " + ", ".join(f"{key(name)} = {value(each)}" for name, each in of.items()) + " }"
                if of
                else "{}"
            )
        case _:
            return json.dumps(of)


def key(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else value(name)
