"""`locald dashboard`: the page in the browser, signed in.

The address has a ticket in it that lets one browser in, once, soon. It is always printed, for those who
have the browser somewhere else.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from locald.cli.shared import say
from locald.client import daemon
from locald.faces import browser
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Open the dashboard in the browser, signed in, and print its address. The address works
once, within five minutes. The browser then stays signed in. Starts the daemon if it
is not running. It also has a name where the proxy runs: https://locald.localhost:7443/.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("dashboard", description=ABOUT)
    parser.add_argument(
        "--no-open", "--url", dest="no_open", action="store_true", help="only print the address"
    )
    parser.add_argument("--by-name", action="store_true", help="open it at its name, by way of the proxy")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    waits = "starting the daemon"
    api = daemon.start(Home.find(), on_wait=lambda: say.note(waits))
    url = api.post("/v1/dashboard", {"by_name": True} if args.by_name else {})["url"]
    print(url, flush=True)
    if args.no_open:
        return 0
    if browser.show(url):
        say.note("opened in the browser (the address works once, within five minutes)")
    else:
        _tell_the_way(urlsplit(url).port)
    return 0


def _tell_the_way(port: int | None) -> None:
    """The browser is somewhere else, perhaps at the other end of an ssh connection."""
    say.note("no browser found: open the address yourself (it works once, within five minutes)")
    if os.environ.get("SSH_CONNECTION"):
        say.hinted(f"on your own machine, first run `ssh -L {port}:127.0.0.1:{port} {_here()}`")


def _here() -> str:
    return f"{os.environ.get('USER') or os.environ.get('LOGNAME') or 'you'}@{os.uname().nodename}"
