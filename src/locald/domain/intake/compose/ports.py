"""The ports of a compose service, in every notation.

"80"  "8080:80"  "127.0.0.1:8080:80"  "[::1]:8080:80"  "9000-9005:9000-9005"  "53:53/udp"  "8080-8090:80"
{ target = 80, published = "8080", host_ip = …, protocol = … }
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from locald.domain.intake.yaml_text import Table, written
from locald.domain.values.faults import Bad

_SHORT = re.compile(
    r"(?:(?P<ip>\[[0-9a-fA-F:.]+\]|[^:\[\]]+|(?:[0-9a-fA-F]*:){2,}[0-9a-fA-F.]*):(?=[^:]*:))?"
    r"(?:(?P<published>\d*(?:-\d+)?):)?(?P<target>\d+(?:-\d+)?)(?:/(?P<protocol>\w+))?"
)


class Published(NamedTuple):
    """One port of a container. `published`: on the machine, None: any free one."""

    target: int
    published: int | None = None
    protocol: str = "tcp"
    host_ip: str = ""
    others: int = 0
    """how many more a range has"""


def read(entry: Any) -> Published:
    """One entry of `ports` or `expose`, variables filled in already. Raises Bad."""
    if isinstance(entry, Table):
        return _long(entry)
    text = written(entry).strip()
    found = _SHORT.fullmatch(text)
    if not found:
        raise Bad(f'"{text}" is not a port')
    target, others = _first(found["target"])
    # A range on the machine for one port inside means any of them.
    published, _ = _first(found["published"]) if found["published"] else (None, 0)
    ip = (found["ip"] or "").strip("[]")
    return Published(target, published, (found["protocol"] or "tcp").lower(), ip, others)


def _long(entry: Table) -> Published:
    target, others = _first(written(entry.get("target")))
    said = written(entry.get("published"))
    published, _ = _first(said) if said else (None, 0)
    protocol = written(entry.get("protocol")) or "tcp"
    return Published(target, published, protocol.lower(), written(entry.get("host_ip")), others)


def _first(text: str) -> tuple[int, int]:
    """The first port of a range, and how many follow."""
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text)
    if not found or not 0 < int(found[1]) < 65536:
        raise Bad(f'"{text}" is not a port')
    return int(found[1]), max(0, int(found[2] or found[1]) - int(found[1]))
