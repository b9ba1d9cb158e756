"""`locald up`: make the project what its file says, and wait until it is healthy."""

from __future__ import annotations

from locald.cli.shared import settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Read locald.toml and make it so: start the services and what they depend on, in
order, and wait until all are healthy. What runs unchanged is left alone, what has
changed is restarted, what is no longer in the file is stopped. Earlier failures
are forgotten.

Returns as soon as nothing can move any more: exit code 0 when all are healthy, 1
when one has failed; then the reason and its last lines are shown. Ctrl-C leaves
the services running.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("up", description=ABOUT)
    parser.add_argument("services", metavar="SERVICE", nargs="*", help="only these, and what they depend on")
    parser.add_argument("-d", "--detach", action="store_true", help="do not wait, return at once")
    settle.add_waiting(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    return settle.carry_out("/v1/up", args, needs_folder=True)
