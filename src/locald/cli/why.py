"""`locald why`: the explanation of one service, as the daemon knows it."""

from __future__ import annotations

import json
import sys

from locald.cli import say
from locald.cli.table import Cell, table
from locald.client import daemon
from locald.client.target import choose
from locald.faces import words
from locald.faces.text import plain
from locald.faces.when import age
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    Document = dict[str, Any]

ABOUT = """\
Explain a service: why it is not ready, or what its health rests on. Shows what
blocks it down to the root cause, the evidence that was seen (newest first), and what
can be done. Exits 0 whatever the health.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("why", description=ABOUT)
    parser.add_argument("service", metavar="SERVICE", help="the service")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    target = choose([args.service], args.directory)
    document = daemon.look(Home.find()).get("/v1/why", target.query)
    if args.json:
        print(json.dumps(document, indent=2))
    else:
        _show(document, target.spelled(document["service"]))
    return 0


def _show(document: Document, name: str) -> None:
    colour = say.has_colour(sys.stdout)
    word = words.word(document)
    by = f" by {source}" if (source := words.source(document)) else ""
    print(f"{plain(name)} is {say.paint(word, *words.colours(word), on=colour)}{by}")
    print(f"  {plain(words.because(document))}")
    _block(("BLOCKED BY", "STATE", "HEALTH", "BECAUSE"), map(_blocker, document.get("blockers") or ()))
    _block(("EVIDENCE", "OK", "AGO", "DETAIL"), map(_evidence, document.get("evidence") or ()))
    hints = document.get("hints") or ()
    if hints:
        print()
    for hint in hints:
        print(f"{say.paint('hint:', 'bold', 'cyan', on=colour)} {plain(hint)}")


def _block(head: tuple[str, ...], rows: Any) -> None:
    cells = list(rows)
    if cells:
        print()
        for line in table(head, cells, colour=say.has_colour(sys.stdout), width=None):
            print(line)


def _blocker(blocker: Document) -> list[Cell]:
    state, health = blocker["state"], blocker["health"]
    return [
        Cell(blocker["service"]),
        Cell(state, *words.colours(state)),
        Cell(health, *words.colours(health)),
        Cell(blocker["because"]),
    ]


def _evidence(evidence: Document) -> list[Cell]:
    kind = f" ({evidence['check']})" if evidence.get("check") else ""
    ok = bool(evidence["ok"])
    return [
        Cell(f"{evidence['source']}{kind}"),
        Cell("yes" if ok else "no", "green" if ok else "red"),
        Cell(age(evidence["at"])),
        Cell(evidence["detail"]),
    ]
