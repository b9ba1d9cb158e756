"""`locald stop`: returns when every process of the services is gone."""

from __future__ import annotations

from locald.cli.shared import ending
from locald.client.target import choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Stop the services (all of the project when none is named): the stop signal to every
process of theirs, SIGKILL to what is left when stop_timeout is over. What depends on
them is stopped first and stays wanted: it starts again with them. Returns when every
process is gone. `locald up` starts them again.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("stop", description=ABOUT)
    parser.add_argument("services", metavar="SERVICE", nargs="*", help="only these, and what depends on them")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    return ending.stop(choose(args.services, args.directory))
