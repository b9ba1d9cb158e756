"""`locald stop`: returns when every process of the services is gone."""

from __future__ import annotations

from locald.cli.shared import stopping
from locald.client.target import choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Stop the services (default: all of the project). Every process gets the stop signal,
and SIGKILL if it is still running after stop_timeout. Dependents are stopped first,
and start again together with these services. Returns when every process is gone.
Run `locald up` to start them again.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("stop", description=ABOUT)
    parser.add_argument(
        "services", metavar="SERVICE", nargs="*", help="only these services and their dependents"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document: what stopped")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    return stopping.stop(choose(args.services, args.directory), as_json=args.json)
