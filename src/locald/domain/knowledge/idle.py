"""Programs that only stay: scripts end with one to keep a server in the background company.

`tail -f LOG`, `sleep infinity`: they never end by themselves, or not before long, and do nothing for anybody.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG = 60.0
"""seconds: nobody waits that long for a server that is to be stopped"""
_FOLLOWS = re.compile(r"-[a-zA-Z]*[fF][a-zA-Z0-9]*|--follow(=.*)?|--retry")
_LENGTH = re.compile(r"(\d+\.?\d*|\.\d+)([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def only_stays(argv: Sequence[str]) -> bool:
    """Whether the program that was started with these arguments is one of them."""
    name = argv[0].rpartition("/")[2] if argv else ""
    if name in ("busybox", "toybox", "coreutils"):
        return only_stays(argv[1:])
    match name:
        case "tail" | "journalctl":
            return any(_FOLLOWS.fullmatch(each) for each in argv[1:])
        case "sleep":
            return sum(map(_seconds, argv[1:])) >= LONG
        case _:
            return False


def _seconds(text: str) -> float:
    """As sleep(1) reads it; 0 for what it would refuse."""
    if text.lower() in ("inf", "infinity"):
        return float("inf")
    found = _LENGTH.fullmatch(text)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0
