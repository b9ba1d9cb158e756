"""Services at a glance: a table, and below it one line for each that is not healthy.

`status` prints it, and with `--watch` goes on showing it.
"""

from __future__ import annotations

import sys

from locald.cli.shared import say
from locald.cli.shared.table import Cell, table
from locald.faces import states, words
from locald.faces.text import plain
from locald.faces.when import age

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.client.follow import Row

HEAD = ("SERVICE", "STATE", "HEALTH", "SOURCE", "PORT", "PID", "UPTIME", "URL")


SPARE = ("UPTIME", "PID", "SOURCE", "PORT", "HEALTH", "STATE")
"""columns that a narrow terminal does without, the first of them first"""


def whole(rows: Sequence[Row], everywhere: bool, width: int | None) -> list[str]:
    """All lines. `width`: of the terminal, or None where lines may be of any length."""
    shown, reasons = parts(rows, everywhere, width)
    return [*shown, *([""] if reasons else []), *reasons]


def parts(rows: Sequence[Row], everywhere: bool, width: int | None) -> tuple[list[str], list[str]]:
    """The lines of the table, and those below it."""
    names = [":".join(words.key(row)) if everywhere else row["name"] for row in rows]
    cells = [_cells(words.marked(name, row), row) for name, row in zip(names, rows, strict=True)]
    named = list(zip(names, rows, strict=True))
    late = [(name, row) for name, row in named if not (words.is_ready(row) or _waits(row))]
    lines = table(HEAD, cells, colour=say.has_colour(sys.stdout), width=width, spare=SPARE)
    return lines, [f"{plain(name)}: {plain(words.reason(row))}" for name, row in late]


def _waits(row: Row) -> bool:
    """For the first request."""
    return bool(row.get("on_demand")) and row["state"] == "stopped"


def _cells(name: str, row: Row) -> list[Cell]:
    state, health = row["state"], row["health"]
    return [
        Cell(name),
        Cell(f"{state} (on demand)" if _waits(row) else state, *states.colours(state)),
        Cell("" if health == state else health, *states.colours(health)),  # `starting` is both
        Cell(words.source(row)),
        Cell(row.get("port")),
        Cell(row.get("pid") or (row.get("container") or "")[:12]),
        Cell(age(row.get("started_at")) if row.get("pid") or row.get("container") else ""),
        Cell(words.url(row)),
    ]
