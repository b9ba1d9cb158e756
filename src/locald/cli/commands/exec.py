"""`locald exec`: a one-off command where and with what a service runs."""

from __future__ import annotations

import argparse
import os
import sys

from locald.cli.shared import child, say
from locald.client import daemon, oneoff
from locald.client.target import choose
from locald.domain.knowledge.pagers import PAGERS
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ABOUT = """\
Run a command in the folder and environment of a service: its env files, its env, its
PORT and the ports of the others. The command uses this terminal, and its exit code is
returned (128 + the number of the signal that killed it).

    locald exec web -- npm run migrate

The command of a container runs inside it, by the docker command:

    locald exec db -- psql -U postgres
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "exec", usage="locald exec [-h] [-C DIR] SERVICE -- CMD…", description=ABOUT
    )
    parser.add_argument("service", metavar="SERVICE", help="the service whose environment is used")
    parser.add_argument(
        "command", metavar="CMD", nargs=argparse.REMAINDER, help="the command and its arguments"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    command = child.given(args.command, "exec", f"locald exec {args.service} -- env")
    target = choose([args.service], args.directory)
    api = daemon.start(Home.find(), on_wait=lambda: say.note("starting the daemon"))
    answer = api.get("/v1/environment", target.query)
    if "container" in answer:
        return _inside(args.service, command, answer)
    return child.run(command, _environment(answer), answer["workdir"])


def _inside(service: str, command: list[str], answer: dict[str, Any]) -> int:
    """Run it in the service's container."""
    terminal = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    return child.run(*oneoff.inside(service, answer, command, ["-i", *terminal]))


def _environment(answer: dict[str, Any]) -> dict[str, str]:
    """The service's; the terminal is the one here."""
    left_out = _pagers(answer)
    environment = {name: value for name, value in oneoff.environment(answer).items() if name not in left_out}
    here = {name: os.environ[name] for name in ("TERM", "COLORTERM") if name in os.environ}
    return {**environment, **here}


def _pagers(answer: dict[str, Any]) -> list[str]:
    """What locald sets for who has no terminal: here somebody sits at one."""
    set_by = answer.get("origins") or {}
    return [name for name in PAGERS if set_by.get(name) == "locald" and say.is_terminal(sys.stdout)]
