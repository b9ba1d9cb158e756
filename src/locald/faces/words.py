"""A service's row in words: the same on every screen.

One word says how it is: its health while it runs, else its state. A row comes from the daemon, perhaps
of another version: what is missing reads as unknown, and never fails.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

COLOURS = {
    "healthy": ("green",),
    "completed": ("green",),
    "unhealthy": ("red",),
    "failed": ("red",),
    "blocked": ("red",),
    "backoff": ("yellow",),
    "starting": ("yellow",),
    "preparing": ("yellow",),
    "waiting": ("yellow",),
    "stopping": ("yellow",),
    "running": ("green",),
}
"""Of a state or a health; the others have none."""

SIGNS = {
    "healthy": "●",
    "running": "●",
    "completed": "✓",
    "unhealthy": "▲",
    "failed": "✗",
    "blocked": "⊘",
    "backoff": "↻",
    "starting": "◐",
    "preparing": "◐",
    "stopping": "◑",
    "stopped": "○",
}
"""Shapes, so that a word is told from the others without its colour; the others share one."""

DOWN = ("unhealthy", "failed", "backoff")
"""Words for a service that went down by itself."""
_OF_NAMES = ("cyan", "yellow", "green", "magenta", "blue")


def key(row: Mapping[str, Any]) -> tuple[str, str]:
    """What a row is about: its project and service."""
    return row.get("project", ""), row.get("name", "")


def is_ready(row: Mapping[str, Any]) -> bool:
    """What `up` and `wait` wait for."""
    return row.get("health") == "healthy" or row.get("state") == "completed"


def word(row: Mapping[str, Any]) -> str:
    """How the service is: `healthy`, `unhealthy` or `starting` while it runs, else its state."""
    state: str = row.get("state", "unknown")
    health: str = row.get("health", "unknown")
    return health if state == "running" and health != "unknown" else state


def colours(word: str) -> tuple[str, ...]:
    return COLOURS.get(word, ())


def phrase(word: str) -> str:
    """`is healthy`, `has failed`, `is in backoff`."""
    return {"failed": "has failed", "backoff": "is in backoff"}.get(word, f"is {word}")


def sign(word: str) -> str:
    """The shape that stands before the word on screens."""
    return SIGNS.get(word, "◌")


def source(row: Mapping[str, Any]) -> str:
    """What the health rests on: `notify`, `explicit (http)`, `tcp (fallback)`; empty for nothing."""
    name: str = row.get("source") or "none"
    if name == "none":
        return ""
    remark = row.get("check") if name == "explicit" else "fallback" if row.get("fallback") else ""
    return f"{name} ({remark})" if remark else name


def because(row: Mapping[str, Any]) -> str:
    return row.get("because") or "no reason given"


def name_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each service, in turn, for its name before its lines."""
    return {name: _OF_NAMES[index % len(_OF_NAMES)] for index, name in enumerate(names)}


def counted(number: int, noun: str) -> str:
    """`1 service`, `3 services`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: list[str]) -> str:
    """`db`, `db and api`, `db, api and web`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
