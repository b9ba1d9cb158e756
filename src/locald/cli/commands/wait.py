"""`locald wait`: until services are healthy, however they were started."""

from __future__ import annotations

import time

from locald.cli.shared import settle
from locald.client import daemon
from locald.client.target import choose
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Wait until the services are healthy: when none is named all of the project but those
that nobody ever asked for. One that is unhealthy at the moment is waited for. Returns
at once with exit code 1 when one can no longer become healthy: it has failed, is
stopped, or is blocked.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("wait", description=ABOUT)
    parser.add_argument("services", metavar="SERVICE", nargs="*", help="only these")
    settle.add_waiting(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    began = time.monotonic()
    target = choose(args.services, args.directory)
    home = Home.find()
    return settle.until_ready(home, daemon.look(home), target, args, began)
