"""`locald attach`: sit at the terminal of a service."""

from __future__ import annotations

from locald.client import daemon
from locald.client.target import choose
from locald.domain.values.problem import Problem, Refused
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Make this terminal the service's own: its last output is shown, then all that it prints;
every key goes to it, Ctrl-C too, and it gets the size of this terminal. Ctrl-\\ leaves
it, and it keeps running. When the service is restarted you are attached to its next run.

The service needs stdin = "terminal" in locald.toml. Several people can be attached; the
first one types, the others look. Exits 0 when you leave or the service stops, 1 when it
fails.

    locald attach web
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("attach", description=ABOUT)
    parser.add_argument("service", metavar="SERVICE", help="the service to attach to")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--look", action="store_true", help="only look, without typing")
    how.add_argument("--take", action="store_true", help="type here, and let the other terminal look")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from locald.cli.shared import attaching

    attaching.require_terminal()
    target = choose([args.service], args.directory)
    if len(target.services) != 1:
        raise Refused(Problem("attach needs one service", hint="name it: web, or shop:web from anywhere"))
    home = Home.find()
    return attaching.attach(home, daemon.look(home), target, looks=args.look, takes=args.take)
