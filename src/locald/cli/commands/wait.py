"""`locald wait`: until services are healthy, however they were started."""

from __future__ import annotations

import time

from locald.cli.shared import say, settle
from locald.client import daemon, patience
from locald.client.follow import FIRST_NEWS
from locald.client.http import Denied, Unreachable
from locald.client.project import has_no_services
from locald.client.target import choose
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Wait until the services are healthy (default: all of the project that were ever
started). An unhealthy service is waited for. Exits 1 at once when a service can no
longer become healthy: it has failed, is stopped or is blocked.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("wait", description=ABOUT)
    parser.add_argument("services", metavar="SERVICE", nargs="*", help="only these services")
    settle.add_waiting(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    began = time.monotonic()
    patience.limit(began + FIRST_NEWS, args.timeout)
    target = choose(args.services, args.directory)
    home = Home.find()
    try:
        return settle.until_ready(home, daemon.look(home), target, args, began)
    except (Denied, Unreachable):
        if target.services or not has_no_services(target.directory):
            raise
    say.note(settle.NO_SERVICES)  # and `up`, to which the hint would lead, has nothing to start
    return 0
