"""A service's row in words: the same on every screen.

One word says how it is: its health while it runs, else its state. A row comes from the daemon, perhaps
of another version: what is missing reads as unknown, and never fails.
"""

from __future__ import annotations

from locald.domain.values.sentence import listed as listed
from locald.domain.values.sentence import with_word
from locald.wire.named import key as key
from locald.wire.named import project as project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_OF_NAMES = ("cyan", "yellow", "green", "magenta", "blue")


def is_ready(row: Mapping[str, Any]) -> bool:
    """What `up` and `wait` wait for."""
    return row.get("health") == "healthy" or row.get("state") == "completed"


def word(row: Mapping[str, Any]) -> str:
    """How the service is: its health while it runs, else its state. It is `unknown` while a new daemon looks
    for what the one before has left."""
    state: str = row.get("state", "unknown")
    health: str = row.get("health", "unknown")
    return health if state == "running" else state


def phrase(word: str) -> str:
    """`is healthy`, `has failed`, `is in backoff`."""
    return {"failed": "has failed", "backoff": "is in backoff"}.get(word, f"is {word}")


def source(row: Mapping[str, Any]) -> str:
    """What the health rests on, like `protocol (redis)`, `notify` or `tcp (fallback)`; empty for nothing.
    Where it is not this machine that runs it, the engine is named: `explicit (http, swarm)`."""
    name: str = row.get("source") or "none"
    if name == "none":
        return ""
    remark = (
        row.get("check") if name in ("explicit", "protocol") else "fallback" if row.get("fallback") else ""
    )
    engine = row.get("engine")
    elsewhere = engine if engine not in (None, "local", name) else ""
    remarks = ", ".join(each for each in (remark, elsewhere) if each)
    return f"{name} ({remarks})" if remarks else name


def by_source(row: Mapping[str, Any]) -> str:
    """The source behind a word within a sentence: ` (tcp, fallback)`; empty for nothing."""
    basis = source(row).replace(" (", ", ").removesuffix(")")
    return f" ({basis})" if basis else ""


def judged(row: Mapping[str, Any]) -> str:
    """The word and its source within a sentence: `is healthy (tcp, fallback)`, `has failed`."""
    return f"{phrase(word(row))}{by_source(row)}"


def because(row: Mapping[str, Any]) -> str:
    return row.get("because") or "no reason given"


def reason(row: Mapping[str, Any]) -> str:
    """Why, for screens: what its program said of its exit, where that is known, in place of the exit code."""
    return row.get("reason") or because(row)


def told(row: Mapping[str, Any]) -> str:
    """How it is and why, no word twice: `failed: exited with code 1`, `blocked by db: …`."""
    return with_word(word(row), because(row))


def beside(row: Mapping[str, Any]) -> str:
    """Why, to stand beside the word: `requested by user` beside `stopping`, `by db: …` beside `blocked`."""
    why, said = reason(row), word(row)
    says_it = why != said and with_word(said, why) == why
    return why.removeprefix(said).lstrip(" ,:") if says_it else why


def marked(name: str, row: Mapping[str, Any]) -> str:
    """A name, with a mark on what all instances of a project share."""
    return f"{name} (shared)" if row.get("shared") else name


def name_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each service, in turn, for its name before its lines."""
    return {name: _OF_NAMES[index % len(_OF_NAMES)] for index, name in enumerate(names)}


def counted(number: int, noun: str) -> str:
    """`1 service`, `3 services`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def url(row: Mapping[str, Any]) -> str:
    """Where a browser finds it, by name if it has one; may be empty."""
    return row.get("name_url") or row.get("url") or ""
