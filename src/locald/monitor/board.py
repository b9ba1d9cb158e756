"""What the monitor knows of services: the newest row of each, and its use of processor and memory.

Rows are those of `status --json`. The daemon may have another version, so a row without name or project is
ignored, and other missing fields read as unknown. The board holds all projects, its scope says which of them
are shown.

What is amiss stands first, the worst at the top, and stays there until it is well again or was stopped: a
service that crashes and is started again does not jump up and down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from locald.faces import states, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Row = dict[str, Any]
Key = tuple[str, str]
"""project and service"""

CALM = 99
"""the place of what is not amiss: behind all that is"""
TEXT = ("directory", "type", "state", "health", "source", "because", "reason")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a service uses: `cpu` in cores, `memory` in bytes."""

    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Which services are looked at: those of these folders, or all. `directories` None: all."""

    directories: frozenset[str] | None = None

    @property
    def is_everything(self) -> bool:
        return self.directories is None

    def holds(self, row: Row) -> bool:
        return self.directories is None or row.get("directory") in self.directories


@dataclass(slots=True)
class Board:
    scope: Scope
    daemon: Row = field(default_factory=dict)
    written: list[Row] = field(default_factory=list)
    """rows from the file of a project that is not running, shown while the daemon does not know it"""
    _rows: dict[Key, Row] = field(default_factory=dict)
    _usage: dict[Key, Usage] = field(default_factory=dict)
    _amiss: dict[Key, int] = field(default_factory=dict)
    """how bad each was last that is amiss, the worst has 0"""

    @property
    def rows(self) -> list[Row]:
        """Those in scope: what is amiss, then by project, and in it in the daemon's order."""
        known, holds = self._rows.values(), self.scope.holds
        own = {row["project"] for row in known if holds(row) and not row["shared_by"]}
        shown = [row for row in known if holds(row) or not own.isdisjoint(row["shared_by"])]
        return sorted(shown or self.written, key=self._place)

    @property
    def worst(self) -> Row | None:
        """What somebody has to look at, if there is such a service."""
        first = next(iter(self.rows), None)
        return first if first and self._place(first)[0] < CALM else None

    def _place(self, row: Row) -> tuple[int, str]:
        word = words.word(row)
        rank = states.rank(word) if word in states.AMISS else CALM
        return self._amiss.get(words.key(row), rank), str(row["project"])

    def get(self, key: Key | None) -> Row | None:
        if key is None:
            return None
        known = self._rows.get(key)
        return known or next((row for row in self.written if words.key(row) == key), None)

    def is_known(self, key: Key) -> bool:
        """Whether the daemon knows this service, and not only its file."""
        return key in self._rows

    def usage(self, key: Key) -> Usage | None:
        return self._usage.get(key)

    def of_project(self, project: str) -> list[Row]:
        """Its services, and those that it shares with other instances."""
        return [row for row in self.rows if row["project"] == project or project in row["shared_by"]]

    def begin(self, daemon: Row, rows: Iterable[Row]) -> None:
        """Replace all rows."""
        self.daemon = daemon
        if self.scope.is_everything:
            self.written = []  # it told the same
        self._rows = {words.key(row): row for row in rows}
        self._amiss = {key: rank for key, rank in self._amiss.items() if key in self._rows}
        self._look_at(self._rows.values())

    def change(self, rows: Iterable[Row], removed: Iterable[Key]) -> None:
        for key in removed:
            self._rows.pop(key, None)
            self._usage.pop(key, None)
            self._amiss.pop(key, None)
        new = {words.key(row): row for row in rows}
        self._rows.update(new)
        self._look_at(new.values())

    def _look_at(self, rows: Iterable[Row]) -> None:
        for row in rows:
            key, word = words.key(row), words.word(row)
            if word in states.AMISS:
                self._amiss[key] = states.rank(word)
            elif words.is_ready(row) or word == "stopped":
                self._amiss.pop(key, None)

    def measure(self, usage: Mapping[Key, Usage]) -> None:
        self._usage = dict(usage)


def row_of(raw: Any) -> Row | None:
    """A row with text where text belongs, its project named as it is everywhere; None for what is no row."""
    if not isinstance(raw, dict) or not all(isinstance(raw.get(name), str) for name in ("name", "project")):
        return None
    texts = {name: raw[name] for name in TEXT if isinstance(raw.get(name), str)}
    rest = {name: value for name, value in raw.items() if name not in TEXT}
    waiting = rest.get("waiting_on")
    rest["waiting_on"] = [str(name) for name in waiting] if isinstance(waiting, list) else []
    sharing = rest.get("shared_by")
    rest["shared_by"] = [str(name) for name in sharing] if isinstance(sharing, list) else []
    needs = rest.get("depends_on")
    rest["depends_on"] = needs if isinstance(needs, dict) else dict.fromkeys(rest["waiting_on"], "")
    return {**rest, **texts, "project": words.project(raw), "instance": None}


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """How many services there are of each word, the worst first."""
    found: dict[str, int] = {}
    for row in rows:
        word = words.word(row)
        found[word] = found.get(word, 0) + 1
    return dict(sorted(found.items(), key=lambda pair: states.rank(pair[0])))
