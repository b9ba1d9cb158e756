"""`locald instances`: the folders of all projects, which instance each is, and what of it runs."""

from __future__ import annotations

import json
import os
import sys

from locald.cli.shared import say
from locald.cli.shared.table import Cell, table
from locald.cli.shared.values import seconds
from locald.client import daemon
from locald.domain.values.amounts import size
from locald.faces import words
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

ABOUT = """\
List the folders that are known: of each its project or instance (`shop@feat`), what
runs, the disk space of its logs and volumes, and the branch that git has checked out
there. What instances share has a line of its own (`shop@_`), with the folder in which
it runs. `+ ?`: not all volumes are known, and a line below says why.

`locald instances prune` stops and forgets those whose folders are gone.
"""
HEAD = ("INSTANCE", "RUNNING", "DISK", "BRANCH", "FOLDER")


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("instances", description=ABOUT)
    parser.add_argument(
        "action",
        metavar="ACTION",
        nargs="?",
        choices=("list", "prune"),
        default="list",
        help="list (default), or prune: stop and forget those whose folders are gone",
    )
    parser.add_argument(
        "--timeout",
        metavar="D",
        type=seconds,
        help="wait this long for the container engine to measure volumes (default: 1s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    home = Home.find()
    api = daemon.find(home)
    if api is None and not os.path.exists(home.state_file):
        return _say([], args, "no instances")
    api = api or daemon.start(home)
    if args.action == "prune":
        removed = api.post("/v1/instances/prune", {})["removed"]
        return _say(removed, args, "nothing to prune: every folder is there", "removed")
    query = [] if args.timeout is None else [("timeout", str(args.timeout))]
    return _say(api.get("/v1/instances", query)["instances"], args, "no instances")


def _say(found: Sequence[dict[str, Any]], args: argparse.Namespace, nothing: str, removed: str = "") -> int:
    if args.json:
        print(json.dumps({removed or "instances": found}, indent=2))
    elif not found:
        say.note(nothing)
    elif removed:
        say.note(f"removed {words.listed([words.project(each) for each in found])} (folder is gone)")
    else:
        width = say.width(sys.stdout) if say.is_terminal(sys.stdout) else None
        rows = [_cells(each) for each in found]
        print("\n".join(table(HEAD, rows, colour=say.has_colour(sys.stdout), width=width, spare=("DISK",))))
        _say_unknown(found)
    return 0


def _say_unknown(found: Sequence[dict[str, Any]]) -> None:
    """Why not all that is on disk is counted, once for each reason."""
    for reason in dict.fromkeys(each["disk_unknown"] for each in found if each["disk_unknown"]):
        of = [words.project(each) for each in found if each["disk_unknown"] == reason]
        say.note(f"not all volumes of {words.listed(of)} are counted: {reason}")


def _cells(found: dict[str, Any]) -> list[Cell]:
    gone = "" if found["exists"] else " (gone)"
    running = f"{found['running']}/{found['services']}" if found["services"] else ""
    return [
        Cell(words.marked(words.project(found), found)),
        Cell(running, *(["green"] if found["running"] else [])),
        Cell(f"{size(found['disk_bytes'])}{' + ?' if found['disk_unknown'] else ''}"),
        Cell(found["branch"]),
        Cell(f"{found['directory']}{gone}", *(["yellow"] if gone else [])),
    ]
