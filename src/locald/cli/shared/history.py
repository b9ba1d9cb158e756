"""The runs of services as a table, the newest first: `timeline --all`, and below `status SERVICE`."""

from __future__ import annotations

import sys

from locald.cli.shared import say
from locald.cli.shared.table import Cell, table
from locald.faces import runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

HEAD = ("SERVICE", "RUN", "STARTED", "READY AFTER", "LASTED", "END", "CAUSE", "SAID")
SPARE = ("STARTED", "READY AFTER", "CAUSE", "LASTED")
"""columns that a narrow terminal does without, the first of them first"""


def listed(found: Sequence[dict[str, Any]], width: int | None, *, named: bool = True) -> list[str]:
    """The lines. `width`: of the terminal, or None; `named`: they are of several services."""
    first = 0 if named else 1
    cells = [_cells(run)[first:] for run in found]
    return table(HEAD[first:], cells, colour=say.has_colour(sys.stdout), width=width, spare=SPARE)


def _cells(run: dict[str, Any]) -> list[Cell]:
    times = run["started_at"], runs.ready_after(run), runs.lasted(run)
    return [
        Cell(told) for told in (run["service"], run["run"], *times, runs.end(run), run["cause"], run["said"])
    ]
