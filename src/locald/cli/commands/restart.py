"""`locald restart`: stop, then start, of just these services."""

from __future__ import annotations

from locald.cli.shared import settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Stop the services (default: all of the project), start them again with the environment
of this shell, and wait until they are healthy. Their dependents keep running.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("restart", description=ABOUT)
    parser.add_argument("services", metavar="SERVICE", nargs="*", help="only these services")
    parser.add_argument("-d", "--detach", action="store_true", help="return at once, without waiting")
    settle.add_waiting(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    return settle.carry_out("/v1/restart", args, applies_file=False)
