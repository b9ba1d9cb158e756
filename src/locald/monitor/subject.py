"""What a monitor is about: a project or all, and the rows that the command was told of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from locald.faces import words
from locald.monitor import safe
from locald.monitor.board import Board, Row, Scope, row_of


@dataclass(frozen=True, slots=True)
class Subject:
    """`written`: rows that are shown until the daemon has told its own."""

    name: str
    scope: Scope
    written: tuple[Row, ...]

    def board(self) -> Board:
        return Board(self.scope, written=list(self.written))


def subject(directory: str | None, rows: list[Any]) -> Subject:
    """Of the project in this directory; None: of all."""
    written = tuple(row for raw in rows if (row := row_of(safe.harmless(raw))))
    if directory is None:
        return Subject("all projects", Scope(), written)
    folders = {str(row.get("directory")) for row in written} | {directory}
    name = words.project(written[0]) if written else safe.line(os.path.basename(directory))
    return Subject(name, Scope(frozenset(folders)), written)
