"""`locald timeline`: the last start: how long each service took, and what it waited for.

On a terminal it is drawn, one bar a service, on one scale; elsewhere it is a table of the same times.
"""

from __future__ import annotations

import json
import sys

from locald.cli.shared import history, say
from locald.cli.shared.table import Cell, table
from locald.client import daemon
from locald.client.target import choose
from locald.domain.values.amounts import length
from locald.faces import states, words
from locald.faces.spans import LEGEND, LOOK, NOTHING_THERE, ON_PATH, Span, Start
from locald.faces.text import plain, shorten
from locald.wire.home import Home
from locald.wire.now import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Show the last start of the project, one bar per service: waiting for others, spawn to
listening, listening to ready. The critical path is marked: the chain of services that
determined the total time. Only making these faster makes the start faster. A service
that took notably longer than its median is marked too.

With --all, it lists the latest runs of each service instead, the newest first: when each
started, how long it took until it was ready, how it ended, and why it began.

Without a terminal it is a table of times, in seconds since the start began.
"""
HEAD = ("SERVICE", "REQUESTED", "SPAWNED", "LISTENING", "READY", "MEDIAN", "SOURCE", "WAITED FOR")

NARROWEST, WIDEST = 16, 100
"""columns of the bars"""
ROOMY = 100
"""columns of a terminal that has room for what each waited for"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("timeline", description=ABOUT)
    parser.add_argument("--all", action="store_true", help="list the latest runs of each service")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    target = choose([], args.directory)
    api = daemon.look(Home.find())
    if args.all:
        return _list_runs(api.get("/v1/runs", target.where), as_json=args.json)
    document = api.get("/v1/timeline", target.where)
    if args.json:
        print(json.dumps(document, indent=2))
        return 0
    if not document["services"]:
        say.note("nothing was started yet")
        return 0
    start = Start(document, api.get("/v1/status", target.where)["services"], now())
    lines = [*_picture(start), "", *_conclusion(start)]
    if before := start.before:
        ago = length(start.origin - before.origin)
        head = f"the start before, of {words.counted(len(before.spans), 'service')}, {ago} earlier:"
        lines += ["", head, "", *_picture(before), "", *_conclusion(before)]
    for line in lines:
        print(line)
    return 0


def _picture(start: Start) -> list[str]:
    return _drawn(start, say.width(sys.stdout)) if say.is_terminal(sys.stdout) else _listed(start)


def _list_runs(document: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(document, indent=2))
        return 0
    if not document["runs"]:
        say.note("nothing was started yet")
        return 0
    width = say.width(sys.stdout) if say.is_terminal(sys.stdout) else None
    for line in history.listed(document["runs"], width):
        print(line)
    return 0


def _conclusion(start: Start) -> list[str]:
    lines = [f"{span.name} restarted: {plain(span.cause)}" for span in start.spans if span.cause]
    lines += [plain(start.unready)] if start.unready else []
    if not start.has_path or start.total is None:
        return lines
    path = f"critical path: {' → '.join(map(plain, start.critical))}"
    return [*lines, path, f"total: {length(start.total)}"]


# As a table.


def _listed(start: Start) -> list[str]:
    rows = [_cells(span, start) for span in start.spans]
    rows += [[Cell(span.name), Cell("earlier"), *([Cell("")] * (len(HEAD) - 2))] for span in start.earlier]
    return table(HEAD, rows, colour=False, width=None)


def _cells(span: Span, start: Start) -> list[Cell]:
    moments = [
        Cell("" if at is None else f"+{length(at - start.origin)}")
        for at in (span.queued, span.spawned, span.listening, span.ready)
    ]
    median = Cell("" if span.median is None else length(span.median))
    return [Cell(span.name), *moments, median, Cell(span.source), Cell(", ".join(span.waited_for))]


# As bars.


def _drawn(start: Start, width: int) -> list[str]:
    colour = say.has_colour(sys.stdout)
    names = min(max(len(span.name) for span in [*start.spans, *start.earlier]), max(width // 4, 8))
    notes = [_note(span, width) for span in start.spans]
    room = width - names - max(map(len, notes), default=0) - 6
    room = max(min(room, WIDEST), NARROWEST)
    lines = [" " * (names + 4) + say.paint(start.marks(room), "dim", on=colour)]
    for span, note in zip(start.spans, notes, strict=True):
        label = _label(span.name, names, span.name in start.critical and start.is_over, colour)
        bar, length_ = _bar(span, start, room, colour)
        note = shorten(note, max(width - names - room - 6, 8))
        painted = say.paint(note, *_colours(span), on=colour)
        lines.append(f"{label}  {bar}{' ' * max(room - length_, 0)}  {painted}".rstrip())
    lines += [_before(span, start, names, colour) for span in start.earlier]
    return lines if start.before else [*lines, "", *_legend(width, colour)]


def _label(name: str, width: int, critical: bool, colour: bool) -> str:
    mark = say.paint(ON_PATH, "bold", "cyan", on=colour) if critical else " "
    text = f"{shorten(plain(name), width):<{width}}"
    return f"{mark} {say.paint(text, 'bold', on=colour) if critical else text}"


def _bar(span: Span, start: Start, room: int, colour: bool) -> tuple[str, int]:
    """The bar, and how many columns it takes."""
    begin, parts = start.bar(span, room)
    drawn = [say.paint(LOOK[part][0] * count, LOOK[part][1], on=colour) for part, count in parts]
    return " " * begin + "".join(drawn), begin + sum(count for _, count in parts)


def _note(span: Span, width: int) -> str:
    """`0.7s`, `9.1s, median 2.1s`, `◐ starting 3.0s`, `✗ failed`; with room, what it waited for."""
    took = span.so_far
    is_of_interest = took is not None and span.word not in NOTHING_THERE
    note = " ".join(part for part in (_sign(span), length(took or 0) if is_of_interest else "") if part)
    if span.is_slow and span.median is not None:
        note += f", median {length(span.median)}"
    if width >= ROOMY and span.waited_for:
        note += f"  after {words.listed(span.waited_for)}"
    return note


def _sign(span: Span) -> str:
    return f"{states.sign(span.word)} {span.word}" if span.word else ""


def _colours(span: Span) -> tuple[str, ...]:
    if span.word:
        return states.colours(span.word)
    return ("bold", "yellow") if span.is_slow else ()


def _before(span: Span, start: Start, names: int, colour: bool) -> str:
    """A service that was ready before this start."""
    ago = length(start.origin - span.end)
    told = _sign(span) or f"ready {ago} earlier"
    return f"{_label(span.name, names, False, colour)}  {say.paint(told, 'dim', on=colour)}"


def _legend(width: int, colour: bool) -> list[str]:
    """What the shapes mean, in as many lines as it takes."""
    shapes = {LEGEND[part]: (shape * 2, [hue]) for part, (shape, hue) in LOOK.items()}
    shapes["critical path"] = (ON_PATH, ["bold", "cyan"])
    lines: list[str] = []
    room = 0
    for meaning, (shape, hues) in shapes.items():
        length_ = len(shape) + 1 + len(meaning) + 3
        if length_ - 3 > room:
            lines.append("")
            room = width
        room -= length_
        lines[-1] += f"{say.paint(shape, *hues, on=colour)} {meaning}   "
    return [line.rstrip() for line in lines]
