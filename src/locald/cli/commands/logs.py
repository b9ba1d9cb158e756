"""`locald logs`: the output of services, printed and, with `-f`, followed.

History is printed, then the command ends; with `-f` the stream goes on. A daemon that is restarted
meanwhile ends the stream, but not the following: the new one is asked from a little before the newest line
on, and what was printed already is passed over, so no line is lost and none comes twice. That works because
the times of one stream of one service never go back.
"""

from __future__ import annotations

import json
import re
import sys

from locald.cli.shared import say
from locald.cli.shared.printed import Printer
from locald.cli.shared.values import seconds, wrong
from locald.client import daemon
from locald.client.http import Ended, Unreachable, denied
from locald.client.target import choose
from locald.domain.values import digits
from locald.domain.values.problem import Problem, Refused
from locald.faces.when import seconds_of
from locald.faces.words import project
from locald.wire.home import Home
from locald.wire.now import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

    from locald.client.http import Api, Lines
    from locald.client.target import Target

    Entry = dict[str, Any]

ABOUT = """\
Print the last lines of output of the services, also of earlier runs, and exit, or
with -f keep following. Lines of several services start with the service. On a terminal `!`
marks standard error. Of progress that was drawn over and over the last state is printed.
Without a terminal there are no colours and no escape sequences.
"""
DEFAULT_LINES = 100
ALL_LINES = "all"
LEVELS = ("error", "warn", "info", "debug")
"""as `domain.knowledge.level` has them, which takes longer to import than a short log to print"""
OVERLAP = 10.0
"""seconds before the newest line from which a new daemon is asked: streams are not in step to the last bit"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("logs", description=ABOUT)
    parser.add_argument("services", metavar="SERVICE", nargs="*", help="only these services")
    parser.add_argument(
        "-n",
        "--lines",
        metavar="N",
        dest="n",
        type=_count,
        help="last N lines (default: 100, with --since all), 0 for none",
    )
    parser.add_argument("-f", "--follow", action="store_true", help="follow new lines until Ctrl-C")
    parser.add_argument("--since", metavar="D", type=seconds, help="only lines of the last 30s, 5m, 1h…")
    parser.add_argument("--until", metavar="D", type=seconds, help="only lines older than 30s, 5m, 1h…")
    parser.add_argument(
        "--grep", metavar="RE", type=_pattern, help="only lines that match this regular expression"
    )
    parser.add_argument(
        "--level",
        metavar="LEVEL",
        choices=LEVELS,
        help="only lines that name error, warn, info or debug, or worse",
    )
    parser.add_argument("--run", metavar="N", type=_run, dest="of_run", help="only lines of this run")
    parser.add_argument("-t", "--timestamps", action="store_true", help="begin each line with its time (UTC)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.follow and args.until is not None:
        hint = "leave one of them out"
        raise Refused(Problem("--follow goes on, and --until ends before now", hint=hint))
    target = choose(args.services, args.directory)
    home = Home.find()
    api = daemon.look(home)
    printer = Printer(lambda: _names(api, target), with_times=args.timestamps)
    query = [*target.query, *_fields(args)]
    lines = api.lines("/v1/logs", query)
    seen = _Seen(now())
    while True:
        try:
            _copy(lines, seen, printer, _write_json if args.json else printer.line)
        except Ended:
            sys.stdout.flush()
        if not args.follow or (again := _reopen(home, query, seen)) is None:
            return 0
        lines = again


def _fields(args: argparse.Namespace) -> list[tuple[str, str]]:
    """What is asked for, as fields of the query."""
    count = args.n if args.n is not None else DEFAULT_LINES if args.since is None else ALL_LINES
    fields = [("n", str(count)), ("follow", "1" if args.follow else "0")]
    fields.append(("plain", "0" if not args.json and say.has_colour(sys.stdout) else "1"))
    if not args.json and not args.follow and not args.timestamps:
        fields.append(("format", "text"))  # a daemon that does not know it sends objects
    fields.append(("fold", "1"))
    if args.since is not None:
        fields.append(("since", f"-{args.since}"))
    if args.until is not None:
        fields.append(("until", f"-{args.until}"))
    if args.grep is not None:
        fields.append(("grep", args.grep))
    if args.of_run is not None:
        fields.append(("run", str(args.of_run)))
    if args.level is not None:
        fields.append(("level", args.level))
    return fields


def _copy(lines: Lines, seen: _Seen, printer: Printer, write: Callable[[Entry], None]) -> None:
    """Print what comes until the stream ends (Ended); what is there is shown before it waits."""
    try:
        while True:
            line = lines.next()
            entry = json.loads(line) if line else {}  # a heartbeat
            if "bytes" in entry:
                data = lines.take(entry["bytes"])
                del data[data.rfind(b"\n") + 1 :]  # it may have ended within a line
                if data:
                    printer.lines(entry, data)
            elif "services" in entry:
                printer.tell_names(entry["services"])
            elif entry:
                _take(entry, seen, write)
            if not lines.waiting:
                sys.stdout.flush()
    finally:
        lines.close()


def _take(entry: Entry, seen: _Seen, write: Callable[[Entry], None]) -> None:
    """Raises Denied for a last line that says why there are no others."""
    if "problems" in entry:
        raise denied(entry)
    if seen.is_new(entry):
        write(entry)


def _reopen(home: Home, query: list[tuple[str, str]], seen: _Seen) -> Lines | None:
    """The stream of the next daemon, or None when there is nothing more to follow."""
    seen.begin_anew()
    kept = [field for field in query if field[0] not in ("n", "since")]
    fields = [*kept, ("n", ALL_LINES), ("since", f"{max(seen.newest - OVERLAP, 0.0):.3f}")]
    try:
        return daemon.again(home, lambda api: api.lines("/v1/logs", fields), begin=daemon.look)
    except Unreachable:
        say.note("daemon stopped")
        return None


class _Seen:
    """Which lines were printed: of each stream of a service the newest time, and how many lines had it."""

    def __init__(self, began: float) -> None:
        self._oldest = self._newest = began
        self._last: dict[tuple[str, str, str], tuple[float, int]] = {}
        self._passed_over: dict[tuple[str, str, str], tuple[float, int]] | None = None

    @property
    def newest(self) -> float:
        """Seconds: the time of the newest line, or of the question when there was none."""
        return self._newest

    def begin_anew(self) -> None:
        """From now on lines may come that have been printed."""
        self._passed_over = dict(self._last)

    def is_new(self, entry: Entry) -> bool:
        """Whether the line was not printed yet; it counts as printed then."""
        stream = (project(entry), entry["service"], entry["stream"])
        at = seconds_of(entry["at"]) or 0.0
        if self._was_printed(stream, at):
            return False
        if not self._last:
            self._oldest = self._newest = at
        last, count = self._last.get(stream, (at, 0))
        self._last[stream] = (at, count + 1 if at == last else 1)
        self._newest = max(self._newest, at)
        return True

    def _was_printed(self, stream: tuple[str, str, str], at: float) -> bool:
        """Of a stream of which nothing was printed, what is older than the oldest line was not asked for."""
        if self._passed_over is None:
            return False
        last, left = self._passed_over.get(stream, (self._oldest, 0))
        if at == last and left:
            self._passed_over[stream] = (last, left - 1)
            return True
        return at < last


def _write_json(entry: Entry) -> None:
    sys.stdout.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _names(api: Api, target: Target) -> list[str]:
    """Of the services that lines may be of."""
    if len(target.services) == 1:
        return target.services
    return [row["name"] for row in api.get("/v1/status", target.query)["services"]]


def _count(text: str) -> int:
    found = digits.number(text, sys.maxsize)
    if found is None:
        raise wrong(f'"{text}" is not a number of lines')
    return found


def _run(text: str) -> int:
    found = digits.number(text, sys.maxsize)
    if not found:
        raise wrong(f'"{text}" is not the number of a run: see `locald timeline --all`')
    return found


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise wrong(f'"{text}" is not a regular expression: {error}') from None
    return text
