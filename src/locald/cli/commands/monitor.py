"""`locald monitor`: the services on a screen of their own, live.

The screen is in `locald.monitor`, imported only when it is about to be shown: what can be refused before
(no terminal, no project, no daemon) is refused at once. The first picture is shown before the library that
draws the others is imported.
"""

from __future__ import annotations

import gc
import sys

from locald.cli.shared import say
from locald.client import daemon
from locald.client.target import here
from locald.domain.values.problem import Problem, Refused
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Show the services live: state and reason, the last start, the output. Start, stop and
restart them. Press `?` for the keys. Shows the project of this folder, with --all the
services of all projects. Works over ssh and on 80 columns.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("monitor", description=ABOUT)
    parser.add_argument("-a", "--all", action="store_true", help="show the services of all projects")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if not (say.is_terminal(sys.stdin) and say.is_terminal(sys.stdout)):
        hint = "run `locald status` or `locald logs -f` instead"
        raise Refused(Problem("monitor needs a terminal", hint=hint))
    directory = None if args.all else here(args.directory)
    home = Home.find()
    api = daemon.look(home)
    where = [] if directory is None else [("directory", directory)]
    rows = api.get("/v1/status", where)["services"]

    gc.disable()  # until the first frame: all that is made is still needed
    from locald.monitor.opening import opened
    from locald.monitor.subject import subject

    about = subject(directory, rows)
    with opened(about) as screen:
        from locald.client.caller import caller
        from locald.monitor.start import start

        return start(home, about, caller, screen)
