"""`locald why`: the explanation of one service, as the daemon knows it.

What is blocking it is drawn as a tree, from the service down to the root cause; then come the evidence, the
last output and the next steps. `--line` has all of it in one line.
"""

from __future__ import annotations

import json
import sys

from locald.cli.shared import say
from locald.cli.shared.output import last_entries
from locald.client import daemon
from locald.client.target import choose
from locald.faces import states, words
from locald.faces.text import plain
from locald.faces.when import age
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from locald.client.http import Api
    from locald.client.target import Target

    Document = dict[str, Any]
    Rows = Mapping[str, Document]

ABOUT = """\
Explain a service: why it is not ready, or how its readiness was determined. Shows
what is blocking it down to the root cause, the evidence (newest first), its last
output and the next steps. Exits 0 whatever the health.
"""
LAST_LINES = 8
NARROWEST = 20
"""columns that text is never wrapped into fewer of"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("why", description=ABOUT)
    parser.add_argument("service", metavar="SERVICE", help="the service")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--line", action="store_true", help="print a one-line summary, to share")
    how.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    target = choose([args.service], args.directory)
    api = daemon.look(Home.find())
    document = api.get("/v1/why", target.query)
    if args.json:
        print(json.dumps(document, indent=2))
        return 0
    if args.line:
        print(plain(document.get("summary") or words.because(document)))
        return 0
    rows = {row["name"]: row for row in api.get("/v1/status", target.where)["services"]}
    _Page(rows, target).show(document, _output(api, document, LAST_LINES))
    return 0


def _root(document: Document) -> str:
    """The service that is the root cause."""
    name: str = (document.get("blockers") or [document])[-1]["service"]
    return name


def _output(api: Api, document: Document, count: int) -> list[Document]:
    """What the root cause printed last; of a service that is ready it is of no interest."""
    if words.is_ready(document):
        return []
    cause = [("project", words.project(document)), ("service", _root(document))]
    return last_entries(api, cause, count)


class _Page:
    """Printed. On a terminal it is coloured and wrapped; elsewhere a sentence is a line."""

    def __init__(self, rows: Rows, target: Target) -> None:
        """`rows`: those of the project, by name."""
        self._rows, self._target = rows, target
        self._colour = say.has_colour(sys.stdout)
        self._is_drawn = say.is_terminal(sys.stdout)
        self._width = say.width(sys.stdout) if self._is_drawn else None

    def show(self, document: Document, output: Sequence[Document]) -> None:
        shown = {**self._rows.get(document["service"], {}), **document}
        name = self._bold(self._target.spelled(document["service"]))
        print(f"{self._sign(shown)}{name} {self._is(shown)}{words.by_source(shown)}")
        self._wrapped("  ", words.because(document))
        if document.get("cause"):
            self._wrapped("  ", f"restarted: {document['cause']}")
        self._blockers(document)
        self._evidence(document.get("evidence") or (), shown.get("run"))
        self._printed(_root(document), output)
        hints = document.get("hints") or ()
        if hints:
            print()
        for hint in hints:
            hint = self._target.reached(hint, words.project(document))
            self._wrapped(say.paint("hint:", "bold", "cyan", on=self._colour) + " ", hint, 6)

    # What is blocking it.

    def _blockers(self, document: Document) -> None:
        blockers = {each["service"]: each for each in document.get("blockers") or ()}
        if not blockers:
            return
        holds_up = document.get("state") in ("waiting", "blocked")  # else it runs, as it did before
        print(f"\n{self._bold('Blocked by' if holds_up else 'Running without')}")
        left = dict(blockers)
        self._branches(self._under(document["service"], left), left, _root(document), "  ")
        self._branches(list(left.values()), {}, _root(document), "  ")  # of a row that is not known

    def _under(self, name: str, left: dict[str, Document]) -> list[Document]:
        """What this service waits for, of what is not shown yet."""
        waits = self._rows.get(name, {}).get("waiting_on") or ()
        return [left.pop(each) for each in waits if each in left]

    def _branches(self, blockers: list[Document], left: dict[str, Document], cause: str, indent: str) -> None:
        for place, blocker in enumerate(blockers):
            last = place == len(blockers) - 1
            branch, rest = ("└─ ", "   ") if last else ("├─ ", "│  ")
            if not self._is_drawn:
                branch = rest = "  "
            name = blocker["service"]
            head = f"{self._sign(blocker)}{self._bold(name)} {self._is(blocker)}"
            mark = "root cause: " if name == cause else ""
            below = self._under(name, left)
            print(f"{indent}{branch}{head}")
            beside = "│  " if below and self._is_drawn else "   " if self._is_drawn else "  "
            self._wrapped(f"{indent}{rest}{beside}", f"{mark}{words.because(blocker)}")
            self._branches(below, left, cause, indent + rest)

    # Evidence.

    def _evidence(self, evidence: Sequence[Document], run: int | None) -> None:
        """Of the latest run, which may be over by now."""
        if not evidence:
            return
        print(f"\n{self._bold(f'Evidence of run {run}, newest first' if run else 'Evidence, newest first')}")
        ages = [f"{age(each['at'])} ago" for each in evidence]
        kinds = [words.source({**each, "fallback": False}) for each in evidence]
        wide = max(map(len, ages)), max(map(len, kinds))
        for each, when, kind in zip(evidence, ages, kinds, strict=True):
            ok = bool(each["ok"])
            result = say.paint("✓ pass" if ok else "✗ fail", "green" if ok else "red", on=self._colour)
            head = f"  {when:>{wide[0]}}  {result}  {plain(kind):<{wide[1]}}  "
            self._wrapped(head, each["detail"], 2 + wide[0] + 2 + 6 + 2 + wide[1] + 2)

    def _printed(self, name: str, output: Sequence[Document]) -> None:
        if not output:
            return
        run = output[-1].get("run")
        print(f"\n{self._bold(f'Last output of {name}, run {run}')}")
        for entry in output:
            text = plain(str(entry.get("line") or ""))
            from_us = entry.get("stream") == "locald"
            print(self._bar(entry) + say.paint(text, *(["dim"] if from_us else []), on=self._colour))

    def _bar(self, entry: Document) -> str:
        stream = entry.get("stream")
        colour = {"stderr": "red", "locald": "dim"}.get(str(stream))
        bar = say.paint("│" if self._is_drawn else "|", *([colour] if colour else []), on=self._colour)
        return f"  {bar} {'locald: ' if stream == 'locald' else ''}"

    # Words.

    def _bold(self, text: str) -> str:
        return say.paint(plain(text), "bold", on=self._colour)

    def _is(self, row: Document) -> str:
        """`is healthy`, `has failed`."""
        word = words.word(row)
        verb, _, said = words.phrase(word).rpartition(" ")
        return f"{verb} {say.paint(said, *states.colours(word), on=self._colour)}"

    def _sign(self, row: Document) -> str:
        """A shape, on a terminal; in a file it would only hinder a search."""
        word = words.word(row)
        return (
            say.paint(states.sign(word), *states.colours(word), on=self._colour) + " "
            if self._is_drawn
            else ""
        )

    def _wrapped(self, head: str, text: str, indent: int | None = None) -> None:
        """The text behind `head`, and under itself; `indent`: the columns of `head`, where it is coloured."""
        indent = len(head) if indent is None else indent
        lines = list(
            _lines(plain(text), None if self._width is None else max(self._width - indent, NARROWEST))
        )
        print(head + lines[0])
        rest = head if head.isspace() or "│" in head else " " * indent
        for line in lines[1:]:
            print(rest + line)


def _lines(text: str, width: int | None) -> Iterator[str]:
    if width is None or len(text) <= width:
        yield text
        return
    from textwrap import wrap

    yield from wrap(text, width) or [""]
