"""Wait until services are ready, and end as `up`, `wait` and `restart` promise to.

They differ in what they ask for first; how they wait, what they say and the exit code are the same:
0 when all are ready, 1 when one cannot become so, 124 when the time ran out, 130 at Ctrl-C.
"""

from __future__ import annotations

import json
import time
from types import MappingProxyType

from locald.cli.shared import live, report, say, stopping
from locald.cli.shared.begun import NOTHING, Begun, all_already, already
from locald.cli.shared.values import seconds
from locald.client import daemon, patience
from locald.client.caller import caller
from locald.client.follow import FIRST_NEWS, Following, TimedOut
from locald.client.http import Denied
from locald.client.target import choose, with_folder
from locald.domain.values import duration
from locald.faces import documents, words
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from locald.client.follow import Display
    from locald.client.http import Api
    from locald.client.target import Target
    from locald.domain.values.problem import Problem

    Row = dict[str, Any]


NO_WISH: Mapping[str, Any] = MappingProxyType({})
NO_SERVICES = "locald.toml has no services"


def add_waiting(parser: argparse.ArgumentParser) -> None:
    """The options of a command that waits."""
    parser.add_argument(
        "--timeout",
        metavar="D",
        type=seconds,
        help="stop waiting after this time, such as 30s or 2m (exit code 124), while services keep starting",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the document of `status --json` at the end"
    )


def carry_out(
    path: str, args: argparse.Namespace, *, applies_file: bool, wish: Mapping[str, Any] = NO_WISH
) -> int:
    """Ask the daemon for what `path` does to the services, started if need be; then wait, or not (`-d`), or
    attach to the one that is named. `wish`: further fields of the request, among them `attach`."""
    try:
        return _carry_out(path, args, wish, applies_file=applies_file)
    except KeyboardInterrupt:
        return _interrupted()


def _carry_out(path: str, args: argparse.Namespace, wish: Mapping[str, Any], *, applies_file: bool) -> int:
    began = time.monotonic()
    patience.limit(began + FIRST_NEWS, args.timeout)
    target = choose(args.services, args.directory)
    home, read = Home.find(), _Reading(target.directory if applies_file else "")
    waits = lambda: say.note("starting the daemon")  # noqa: E731
    api = daemon.start(home, on_wait=waits, meanwhile=read.begin)
    target = with_folder(target, api) if applies_file else target
    answer = api.post(path, {**target.body, **read.found, **wish, "caller": caller()})
    say.warnings(answer.get("warnings") or ())
    begun, named = Begun(answer, applies_file=applies_file), target
    target = target.only(answer["services"])
    _tell_restarts(target, begun)
    for name in answer.get("on_demand", ()):
        say.note(f"{target.spelled(name)}: stopped (on demand)")
    if begun.removed and (code := _remove(home, api, target, args, began, begun)):
        return code
    if not target.services:
        return _without_services(api, target, args)
    if args.detach:
        return _detached(api, target, begun, args)
    if wish.get("attach"):
        return _in_front(home, api, target, named, args, began, begun)
    return _settled(home, api, target, args, began, begun)


def _in_front(
    home: Home, api: Api, target: Target, named: Target, args: argparse.Namespace, began: float, begun: Begun
) -> int:
    """Attach to the service that is `named` as soon as it has begun; else end as the waiting does."""
    from locald.cli.shared import attaching  # for who types alone

    try:
        shown = lambda display: attaching.UntilBegun(display, named.services[0])  # noqa: E731
        return until_ready(home, api, target, args, began, begun, shown)
    except attaching.Begun:
        patience.limit(began, None)
        return attaching.attach(home, api, named)


class _Reading:
    """The file, read while the daemon starts; not where one runs already, which reads it by itself."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.found: dict[str, Any] = {}

    def begin(self) -> None:
        from locald.cli.shared import reading  # takes as long as a daemon takes to start

        if self._directory and (read := reading.read(self._directory)):
            self.found = {"read": read}


def _settled(
    home: Home, api: Api, target: Target, args: argparse.Namespace, began: float, begun: Begun
) -> int:
    try:
        return until_ready(home, api, target, args, began, begun)
    except Denied as denied:
        if denied.exit != 2:
            raise
        told = report.gone(target, target.services)  # a moment ago the daemon itself had named them
        _print({"services": []}, args.json, told, 1)
        return 1


def _tell_restarts(target: Target, begun: Begun) -> None:
    if names := begun.restarted():
        told = (target.spelled(name) + begun.reason(name) for name in names)
        say.note(f"restarting: {', '.join(told)}")


def _remove(
    home: Home, api: Api, target: Target, args: argparse.Namespace, began: float, begun: Begun
) -> int:
    """Tell of services that the file does not have any more, when they have stopped. Not 0 to end with it."""
    running = [name for name in begun.removed if name in begun.ends]
    never = [name for name in begun.removed if name not in begun.ends]
    if not args.detach:
        deadline = None if args.timeout is None else began + args.timeout
        try:
            if not all(_is_gone(home, api, target.only([name]), deadline) for name in running):
                return 130
        except TimedOut as late:
            told = report.still_stopping(target, late.board.rows, after=duration.show(args.timeout))
            _print(late.board.document, args.json, told, 124)
            return 124
    _tell_removal(target, "stopping" if args.detach else "stopped", running)
    _tell_removal(target, "removed", never)
    return 0


def _is_gone(home: Home, api: Api, one: Target, deadline: float | None) -> bool:
    """One by one, for who is gone cannot be asked about together with others. False when interrupted."""
    following = Following(home, api, one.query, "down")
    return stopping.until_gone(following, lambda row: one.spelled(row["name"]), deadline)


def _tell_removal(target: Target, verb: str, names: list[str]) -> None:
    if names:
        told = words.listed([target.spelled(name) for name in names])
        say.note(f"{verb} {told} (no longer in locald.toml)")


def _without_services(api: Api, target: Target, args: argparse.Namespace) -> int:
    if args.json:
        print(json.dumps({"daemon": api.get("/v1/status")["daemon"], "services": []}, indent=2))
    rows = api.get("/v1/status", target.where)["services"]
    if not rows:
        say.note(NO_SERVICES)
        return 0
    say.note("no service starts by itself: each has autostart = false or on_demand = true")
    say.hinted(f"run `locald up {target.spelled(rows[0]['name'])}` to start one")
    return 0


def until_ready(
    home: Home,
    api: Api,
    target: Target,
    args: argparse.Namespace,
    began: float,
    begun: Begun = NOTHING,
    shown: Callable[[Display], Display] = lambda display: display,
) -> int:
    """Wait for the services of `target`. `began`: seconds of `time.monotonic` that a timeout counts from;
    `shown`: what is made of the display."""
    following = Following(home, api, target.query, "ready")
    deadline = None if args.timeout is None else began + args.timeout
    said: set[str] = set()
    try:
        display = live.starting(lambda row: target.spelled(row["name"]), begun, said)
        board = following.run(shown(display), deadline)
    except TimedOut as late:
        patience.limit(began, None)
        _sum_up(late.board.rows, args.timeout)
        told = report.not_ready(target, late.board.rows, after=duration.show(args.timeout))
        _print(late.board.document, args.json, told, 124)
        return 124
    except KeyboardInterrupt:
        return _interrupted()
    patience.limit(began, None)
    told = _conclude(following, target, time.monotonic() - began, begun, said)
    _print(board.document, args.json, told, 1)
    say.about(board.daemon)
    return 1 if told else 0


def _conclude(
    following: Following, target: Target, took: float, begun: Begun, said: set[str]
) -> list[Problem]:
    """Every service has settled: say how, but for the hints that were said already. Returns what is wrong."""
    board = following.board
    rows = board.rows if target.services else _asked_for(board.rows)
    # Who waits for a whole project waits for what there is of it.
    gone = board.gone if target.services or not rows else []
    all_ready = all(map(words.is_ready, rows)) and not gone
    before = {row["name"] for row in begun.left_alone(board.at_first)}
    if rows and all_ready and all(row["name"] in before for row in rows):
        say.note(all_already(rows))
    elif rows or not gone:
        _sum_up(rows, took)
    if all_ready:
        return []
    return report.failures(following.api, target, rows, said) + report.gone(target, gone)


def _asked_for(rows: list[Row]) -> list[Row]:
    """Of the rows of a whole project those that were requested: `up web` leaves the others alone."""
    return [row for row in rows if row["state"] != "stopped" or _was_stopped(row)] or rows


def _was_stopped(row: Row) -> bool:
    """It ran, and not only while it was asked for by name."""
    return bool(row["run"]) and not row.get("on_demand")


def _detached(api: Api, target: Target, begun: Begun, args: argparse.Namespace) -> int:
    """Do not wait: say what is under way."""
    document = api.get("/v1/status", target.query)
    if args.json:
        print(json.dumps(document, indent=2))
    rows = document["services"]
    alone = begun.left_alone(rows)
    if len(alone) == len(rows):
        say.note(all_already(rows))
        return 0
    for line in already(alone, lambda row: target.spelled(row["name"])):
        say.note(line)
    coming = [row["name"] for row in rows if row not in alone and row["name"] not in begun.ends]
    if coming:
        say.note(f"starting: {', '.join(map(target.spelled, coming))}")
    say.hinted("run `locald wait` to wait until they are healthy")
    return 0


def _interrupted() -> int:
    say.note("interrupted: services keep running (run `locald stop` to stop them)")
    return 130


def _sum_up(rows: list[Row], took: float) -> None:
    """How many are ready, after how many seconds."""
    from locald.domain.values.amounts import length

    ready = sum(map(words.is_ready, rows))
    if not rows:
        say.note(NO_SERVICES)
    elif ready == len(rows):
        say.note(f"{words.counted(ready, 'service')} ready after {length(took)}")
    else:
        say.note(f"{ready} of {len(rows)} services ready after {length(took)}")


def _print(document: Row, as_json: bool, problems: Sequence[Problem], code: int) -> None:
    """The document, and what is wrong, if anything is."""
    if not as_json:
        return
    if problems:
        document = documents.failure(problems, code) | document
    print(json.dumps(document, indent=2))
