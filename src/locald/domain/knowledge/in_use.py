"""What programs print when the port that they want is taken, and which port that is.

The system says "Address already in use" (EADDRINUSE) and no port; most programs add the port in their own
way, in the same line or close to it: behind an address, or behind the word.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = 0
"""of a port that is not named"""
NEAR = 3
"""lines around the one that says it, in which its port may stand"""

_IN_USE = re.compile(
    r"address (?:is )?already in use|\bEADDRINUSE\b|\bAddrInUse\b|\bconnection in use\b"
    r"|\bport\b[^.]{0,40}\b(?:is|was) (?:already )?(?:in use|used|taken|allocated)\b"
    r"|\bport \d+ already in use\b",
    re.IGNORECASE,
)
_ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|localhost|\*|\[[0-9a-f:.]+\]|::1?|\btcp[46]? |::(?=:))"
_PORTS = (
    re.compile(rf"{_ADDRESS}['\"]?(?::|, ?)(\d{{1,5}})\b(?![.:]\d)", re.IGNORECASE),
    re.compile(r"\bport\b\W{0,3}(\d{1,5})\b(?!\.)", re.IGNORECASE),
)
"""how a port is written: behind an address, behind the word"""


def port_in_use(lines: Sequence[str]) -> int | None:
    """The port that was taken, by the last lines of a program, oldest first; UNKNOWN where they do not name
    it; None where nothing says that a port was in use."""
    said = [place for place, line in enumerate(lines) if _IN_USE.search(line)]
    if not said:
        return None
    near = sorted(range(len(lines)), key=lambda place: min(abs(place - each) for each in said))
    close = (place for place in near if min(abs(place - each) for each in said) <= NEAR)
    return next((port for place in close if (port := _port(lines[place]))), UNKNOWN)


def _port(line: str) -> int:
    found = (int(each) for pattern in _PORTS for each in pattern.findall(line))
    return next((port for port in found if 0 < port < 65536), UNKNOWN)
