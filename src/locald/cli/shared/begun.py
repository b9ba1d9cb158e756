"""What a command has begun, as the daemon told when it took it in.

Who follows services sees what was so a moment ago first: a run that is about to end is healthy still. From
the daemon's answer it is known which runs these are, what starts, what is left alone, what was removed. So
news can be told from what is old, and what was running before is not said to have become ready.
"""

from __future__ import annotations

from locald.faces import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from locald.client.follow import Row

    Spell = Callable[[Row], str]

AFTERWARDS = ("waiting", "blocked", "failed")
"""states that are news also while the number of the run is that of the one that ended"""


class Begun:
    """`starts`, `removed`: names of services. `ends`: by name, the number of the run that ends."""

    def __init__(self, answer: Mapping[str, Any], *, applies_file: bool) -> None:
        """`answer` is the daemon's to `up` (which applies the file) or `restart`."""
        services: list[str] = answer.get("services") or []
        self.starts: list[str] = answer.get("starts", services)
        self.removed: list[str] = answer.get("removed") or []
        self.ends: dict[str, int] = answer.get("ends") or {}
        self._changed: list[str] = answer.get("changed") or []
        self._moved: dict[str, str] = answer.get("moved") or {}
        self._applies_file = applies_file

    def is_old(self, row: Row) -> bool:
        """The row is still about the run that ends."""
        is_before: bool = row.get("run", 0) <= self.ends.get(row["name"], 0)
        return is_before and row.get("state") not in AFTERWARDS

    def left_alone(self, rows: Iterable[Row]) -> list[Row]:
        """Of the rows that were told first those that were ready before, and stay as they are."""
        return [row for row in rows if words.is_ready(row) and not self._is_touched(row["name"])]

    def _is_touched(self, name: str) -> bool:
        return name in self.starts or name in self.ends

    def restarted(self) -> list[str]:
        return [name for name in self.ends if name not in self.removed]

    def reason(self, name: str) -> str:
        """Why `up` restarts it, in parentheses; empty for a restart that was asked for."""
        if not self._applies_file:
            return ""
        if where := self._moved.get(name):
            return f" (moves to {'this machine' if where == 'local' else where})"
        return " (changed in locald.toml)" if name in self._changed else " (environment changed)"


NOTHING = Begun({}, applies_file=False)
"""Of a command that only looks on"""


def already(rows: Iterable[Row], spell: Spell) -> Iterator[str]:
    """`already running: db, web`, and of tasks `already completed: seed`."""
    by_word: dict[str, list[str]] = {}
    for row in rows:
        by_word.setdefault(_is(row), []).append(spell(row))
    return (f"already {word}: {', '.join(names)}" for word, names in by_word.items())


def all_already(rows: list[Row]) -> str:
    """`2 services already running`."""
    states = dict.fromkeys(_is(row) for row in rows)
    return f"{words.counted(len(rows), 'service')} already {' or '.join(states)}"


def _is(row: Row) -> str:
    return "completed" if row.get("state") == "completed" else "running"
