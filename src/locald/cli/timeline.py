"""`locald timeline`: the last start, so that one sees what it really waited for."""

from __future__ import annotations

import json
import os
import sys

from locald.cli import say
from locald.cli.table import Cell, table
from locald.client import daemon
from locald.client.target import choose
from locald.faces.when import length, seconds_of
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    Row = dict[str, Any]

ABOUT = """\
Show the last start of the project: for each service when it was wanted, spawned,
listening and ready (seconds since the beginning), which dependencies it really had to
wait for, and the critical path, the chain that decided how long it took.
"""
HEAD = ("SERVICE", "WANTED", "SPAWNED", "LISTENING", "READY", "SOURCE", "WAITED FOR")
CHART = 30
"""characters of the picture, which only a terminal gets, and only a wide one"""
WIDE = 110


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("timeline", description=ABOUT)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    target = choose([], args.directory)
    document = daemon.look(Home.find()).get("/v1/timeline", target.where)
    if args.json:
        print(json.dumps(document, indent=2))
    elif document["services"]:
        _show(document)
    else:
        say.note("nothing has been started yet")
    return 0


def _show(document: dict[str, Any]) -> None:
    rows: list[Row] = document["services"]
    critical: list[str] = document.get("critical_path") or []
    origin = min((at for row in rows if (at := seconds_of(row["queued_at"])) is not None), default=0.0)
    head = list(HEAD)
    cells = [_cells(row, origin, critical) for row in rows]
    if say.is_terminal(sys.stdout) and os.get_terminal_size(sys.stdout.fileno()).columns >= WIDE:
        end = max((at for row in rows for at in _moments(row) if at is not None), default=origin)
        head.append("")
        cells = [[*line, Cell(_bar(row, origin, end), "dim")] for line, row in zip(cells, rows, strict=True)]
    for line in table(head, cells, colour=say.has_colour(sys.stdout), width=None):
        print(line)
    _conclude(critical, document.get("total_ms"))


def _conclude(critical: list[str], total: float | None) -> None:
    print()
    if critical:
        print(f"critical path: {' → '.join(critical)}")
    print(f"in all: {length(total / 1000)}" if total is not None else "not all services are ready yet")


def _moments(row: Row) -> list[float | None]:
    return [seconds_of(row.get(name)) for name in ("queued_at", "spawned_at", "listening_at", "ready_at")]


def _cells(row: Row, origin: float, critical: list[str]) -> list[Cell]:
    moments = [Cell("" if at is None else f"+{at - origin:.2f}s") for at in _moments(row)]
    name = Cell(row["name"], *(["bold"] if row["name"] in critical else []))
    return [name, *moments, Cell(row.get("source")), Cell(", ".join(row.get("waited_for") or ()))]


def _bar(row: Row, origin: float, end: float) -> str:
    """`···░░░███`: waiting, starting, ready until the end of the start."""
    queued, spawned, _, ready = _moments(row)
    scale = CHART / max(end - origin, 0.001)
    marks = [end if at is None else at for at in (queued, spawned, ready)]
    first, second, third = (min(round((at - origin) * scale), CHART) for at in marks)
    return " " * first + "·" * (second - first) + "░" * (third - second) + "█" * max(CHART - third, 1)
