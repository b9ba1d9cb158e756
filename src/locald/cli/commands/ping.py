"""`locald ping`: does the daemon answer? Never starts it."""

from __future__ import annotations

import json
import time

from locald.cli.shared import say
from locald.client import daemon
from locald.domain.values.amounts import length
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Check whether the daemon answers. Exits 0 when it does and 3 when it does not, and never
starts it.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("ping", description=ABOUT)
    parser.add_argument("--json", action="store_true", help="print its pid and version as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    home = Home.find()
    api = daemon.find(home)
    if api is None:
        raise daemon.missing(home)
    asked = time.monotonic()
    answer = api.get("/v1/ping", timeout=3.0)
    took = time.monotonic() - asked
    say.about(answer)
    if args.json:
        print(json.dumps(answer))
    else:
        print(f"daemon answered in {length(took)} (pid {answer['pid']})")
    return 0
