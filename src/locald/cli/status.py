"""`locald status`: one row a service, and why it is not healthy where it is not.

The most frequent command, also in prompts and loops: one request, and nothing imported that it does
not need.
"""

from __future__ import annotations

import sys

from locald.cli import say
from locald.client import daemon
from locald.client.target import choose
from locald.domain.problem import Problem, Refused
from locald.faces import words
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from locald.cli.table import Cell

ABOUT = """\
Show the services of the project with state, health, and what the health rests on.
Below the table, for each that is not healthy, the reason. A source that locald fell
back to, for want of a better one, is marked. Exits 0 whatever the health.

With --watch the table stays and changes as the services do, until Ctrl-C; without a
terminal it is printed anew at each change.
"""
HEAD = ("SERVICE", "STATE", "HEALTH", "SOURCE", "PORT", "PID", "UPTIME", "URL")


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("status", description=ABOUT)
    parser.add_argument("services", metavar="SERVICE", nargs="*", help="only these")
    parser.add_argument("-a", "--all", action="store_true", help="the services of all projects")
    parser.add_argument("-w", "--watch", action="store_true", help="go on showing what changes, until Ctrl-C")
    parser.add_argument("--bell", action="store_true", help="with --watch: ring when a service goes down")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document; with --watch one a line at each change"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    query = _query(args)
    if args.watch:
        from locald.cli import watch

        return watch.run(args, query)
    if args.bell:
        raise Refused(Problem("--bell rings while somebody watches", hint="add --watch"))
    document = daemon.look(Home.find()).get("/v1/status", query)
    say.about(document.get("daemon") or {})
    if args.json:
        import json

        print(json.dumps(document, indent=2))
    else:
        _show(document["services"], args.all)
    return 0


def _query(args: argparse.Namespace) -> list[tuple[str, str]]:
    if not args.all:
        return choose(args.services, args.directory).query
    if args.services:
        raise Refused(
            Problem("--all shows every service: name none", hint="`shop:web` names one from anywhere")
        )
    return []


def _show(rows: list[dict[str, Any]], everywhere: bool) -> None:
    if not rows:
        say.note("no services" if everywhere else "this project has no services")
        return
    width = say.width(sys.stdout) if say.is_terminal(sys.stdout) else None
    shown, reasons = picture(rows, everywhere, width)
    for line in [*shown, *([""] if reasons else []), *reasons]:
        print(line)


def picture(rows: list[dict[str, Any]], everywhere: bool, width: int | None) -> tuple[list[str], list[str]]:
    """The lines of the table, and one for each service that is not healthy."""
    from locald.cli.table import table
    from locald.faces.text import plain

    names = [f"{row['project']}:{row['name']}" if everywhere else row["name"] for row in rows]
    cells = [_cells(name, row) for name, row in zip(names, rows, strict=True)]
    late = [(name, row) for name, row in zip(names, rows, strict=True) if not words.is_ready(row)]
    lines = table(HEAD, cells, colour=say.has_colour(sys.stdout), width=width)
    return lines, [f"{plain(name)}: {plain(words.because(row))}" for name, row in late]


def _cells(name: str, row: dict[str, Any]) -> list[Cell]:
    from locald.cli.table import Cell
    from locald.faces.when import age

    state, health = row["state"], row["health"]
    return [
        Cell(name),
        Cell(state, *words.colours(state)),
        Cell(health, *words.colours(health)),
        Cell(words.source(row)),
        Cell(row.get("port")),
        Cell(row.get("pid") or (row.get("container") or "")[:12]),
        Cell(age(row.get("started_at")) if row.get("pid") or row.get("container") else ""),
        Cell(row.get("url")),
    ]
