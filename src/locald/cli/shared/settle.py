"""Wait until services are ready, and end as `up`, `wait` and `restart` promise to.

They differ in what they ask for first; how they wait, what they say and the exit code are the same:
0 when all are ready, 1 when one cannot become so, 124 when the time ran out, 130 at Ctrl-C.
"""

from __future__ import annotations

import json
import time

from locald.cli.shared import live, report, say
from locald.cli.shared.follow import Following, TimedOut
from locald.client import daemon
from locald.client.caller import caller
from locald.client.http import Denied
from locald.client.target import choose, with_folder
from locald.domain.values import duration
from locald.faces import words
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from locald.cli.shared.follow import Board
    from locald.client.http import Api
    from locald.client.target import Target

    Row = dict[str, Any]


def seconds(text: str) -> float:
    """A duration on the command line; of a ValueError argparse would keep no word."""
    import argparse

    try:
        return duration.from_argument(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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


def carry_out(path: str, args: argparse.Namespace, *, needs_folder: bool) -> int:
    """Ask the daemon for what `path` does to the services, started if need be; then wait, or not (`-d`)."""
    began = time.monotonic()
    target = choose(args.services, args.directory)
    home = Home.find()
    try:
        api = daemon.start(home, on_wait=lambda: say.note("starting the daemon"))
        target = with_folder(target, api) if needs_folder else target
        answer = api.post(path, {**target.body, "caller": caller()})
    except KeyboardInterrupt:
        return _interrupted()
    say.warnings(answer.get("warnings") or ())
    target = target.only(answer["services"])
    if args.detach:
        return _detached(api, target, args)
    try:
        return until_ready(home, api, target, args, began)
    except Denied as denied:
        if denied.exit != 2:
            raise
        report.gone(target, target.services)  # a moment ago the daemon itself had named them
        return 1


def until_ready(home: Home, api: Api, target: Target, args: argparse.Namespace, began: float) -> int:
    """Wait for the services of `target`. `began`: seconds of `time.monotonic` that a timeout counts from."""
    following = Following(home, api, target.query, "ready")
    deadline = None if args.timeout is None else began + args.timeout
    try:
        board = following.run(live.starting(lambda row: target.spelled(row["name"])), deadline)
    except TimedOut as late:
        _print(late.board, args.json)
        _sum_up(late.board.rows, args.timeout)
        report.not_ready(target, late.board.rows, after=duration.show(args.timeout))
        return 124
    except KeyboardInterrupt:
        return _interrupted()
    _print(board, args.json)
    say.about(board.daemon)
    rows = board.rows if target.services else _asked_for(board.rows)
    # Who waits for a whole project waits for what there is of it.
    gone = board.gone if target.services or not rows else []
    if rows or not gone:
        _sum_up(rows, time.monotonic() - began)
    if all(map(words.is_ready, rows)) and not gone:
        return 0
    report.failures(following.api, target, rows)
    report.gone(target, gone)
    return 1


def _asked_for(rows: list[Row]) -> list[Row]:
    """Of the rows of a whole project those that were requested: `up web` leaves the others alone."""
    return [row for row in rows if row["state"] != "stopped" or row["run"]] or rows


def _detached(api: Api, target: Target, args: argparse.Namespace) -> int:
    """Do not wait: say what is under way."""
    if args.json:
        print(json.dumps(api.get("/v1/status", target.query), indent=2))
    if target.services:
        names = [target.spelled(name) for name in target.services]
        say.note(f"starting {words.listed(names)}")
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
        say.note("no services to wait for")
    elif ready == len(rows):
        say.note(f"{words.counted(ready, 'service')} ready after {length(took)}")
    else:
        say.note(f"{ready} of {len(rows)} services ready after {length(took)}")


def _print(board: Board, as_json: bool) -> None:
    if as_json:
        print(json.dumps(board.document, indent=2))
