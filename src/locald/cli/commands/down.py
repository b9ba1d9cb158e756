"""`locald down`: stop everything of a project, and forget it."""

from __future__ import annotations

import os

from locald.cli.shared import ending
from locald.client.target import Target, choose
from locald.domain.values.problem import Refused
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Stop all services of the project, dependents first, independent ones in parallel, and
forget the project: its ports and its logs. Returns when every process is gone.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("down", description=ABOUT)
    parser.add_argument("folder", metavar="FOLDER", nargs="?", help="the project's folder, as with -C")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    return ending.down(_target(args.folder, args.directory))


def _target(folder: str | None, directory: str | None) -> Target:
    """The project of the folder. One that was deleted can still be forgotten, and one that has lost its file,
    for another branch is checked out: the daemon knows its path."""
    meant = folder or directory
    if meant and not os.path.exists(meant):
        return Target(directory=os.path.abspath(meant))
    try:
        return choose([os.path.join(folder, "")] if folder else [], directory)
    except Refused:
        left = os.path.realpath(meant or ".")
        if ending.is_kept(Home.find(), left):
            return Target(directory=left)
        raise
