"""`locald down`: stop everything of a project, and forget it.

It takes a folder, or the name of a project or instance. Any other word is taken for a service, and `locald
stop` is pointed out.
"""

from __future__ import annotations

import os

from locald.cli.shared import stopping
from locald.client import daemon
from locald.client.target import Target, choose
from locald.domain.project.file import FILE
from locald.domain.values.problem import Problem, Refused
from locald.faces import words
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Stop all services of the project, dependents first, independent ones in parallel, and
forget the project: its ports and its logs. Returns when every process is gone. To stop
some services, use `locald stop`.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "down", usage="locald down [-h] [-C DIR] [--json] [PROJECT]", description=ABOUT
    )
    parser.add_argument(
        "words", metavar="PROJECT", nargs="*", help="a folder as with -C, or a name such as shop or shop@feat"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document: what stopped")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    home = Home.find()
    word = args.words[0] if len(args.words) == 1 else ""
    if word and not _is_folder(home, word) and _is_project(home, word):
        return stopping.down(Target(project=word, elsewhere=True), as_json=args.json)
    if len(args.words) > 1 or not all(_is_folder(home, word) for word in args.words):
        import shlex

        hint = f"run `{shlex.join(['locald', 'stop', *args.words])}`"
        raise Refused(Problem("down takes no service", hint=hint))
    return stopping.down(_target(home, next(iter(args.words), None), args.directory), as_json=args.json)


def _is_folder(home: Home, word: str) -> bool:
    """Whether the word names a folder that can be meant, not a service."""
    is_project = os.path.isfile(os.path.join(word, FILE))
    return "/" in word or word in (".", "..") or is_project or stopping.is_kept(home, os.path.realpath(word))


def _is_project(home: Home, word: str) -> bool:
    """Whether the daemon knows a project or an instance of this name."""
    if "@" in word:
        return True
    if not os.path.exists(home.wanted) and daemon.find(home) is None:
        return False
    rows = daemon.start(home).get("/v1/status")["services"]
    return any(words.project(row) == word for row in rows)


def _target(home: Home, folder: str | None, directory: str | None) -> Target:
    """The project of the folder. One that was deleted can still be removed, and one that has lost its file,
    for another branch is checked out: the daemon knows its path."""
    meant = folder or directory
    if meant and not os.path.exists(meant):
        return Target(directory=os.path.abspath(meant))
    try:
        return choose([os.path.join(folder, "")] if folder else [], directory)
    except Refused:
        left = os.path.realpath(meant or ".")
        if stopping.is_kept(home, left):
            return Target(directory=left)
        raise
