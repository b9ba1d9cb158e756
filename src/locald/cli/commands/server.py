"""`locald server`: the daemon itself. Services outlive a restart of it; they do not outlive its stop."""

from __future__ import annotations

import json
import os
import sys

from locald.cli.shared import say, stopping
from locald.cli.shared.actions import actions_of
from locald.client import daemon
from locald.client.follow import Following
from locald.client.http import Unreachable
from locald.faces import words
from locald.faces.text import plain
from locald.faces.when import age
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Manage the daemon, which runs the services. Commands start it when they need it.
Services are not its children: they keep running when it restarts, and their output
is kept.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("server", description=ABOUT)
    action = actions_of(parser)
    action("start", start, "start the daemon and restore the requested services")
    action("stop", stop, "stop all services of all projects, then the daemon")
    action("restart", restart, "restart the daemon, while services keep running")
    status_parser = action(
        "status", status, "show whether and where the daemon is running, without starting it"
    )
    status_parser.add_argument("--json", action="store_true", help="print one JSON document")
    action("run", run, "run the daemon in the foreground of this terminal")


def start(args: argparse.Namespace) -> int:
    home = Home.find()
    already = daemon.find(home)
    api = already or daemon.start(home)
    answer = api.get("/v1/ping")
    say.about(answer)
    say.note(f"{'daemon is already running' if already else 'started the daemon'}: pid {answer['pid']}")
    return 0


def stop(args: argparse.Namespace) -> int:
    home = Home.find()
    api = daemon.find(home)
    if api is None and not os.path.exists(home.wanted):
        say.note("daemon is not running")
        return 0
    api = api or daemon.start(home)  # services of a daemon that died may be running
    pid = api.get("/v1/ping")["pid"]
    api.post("/v1/server/stop", {})
    everything = Following(home, api, [], "down", revive=False)
    try:
        if not stopping.until_gone(everything, lambda row: f"{row['project']}:{row['name']}"):
            return 130
    except Unreachable:
        pass  # nothing ran: it has ended before we could watch
    daemon.outlive(pid)
    say.note("stopped the daemon and all services")
    return 0


def restart(args: argparse.Namespace) -> int:
    home = Home.find()
    if api := daemon.find(home):
        pid = api.get("/v1/ping")["pid"]
        api.post("/v1/server/restart", {})
        daemon.outlive(pid)
    answer = daemon.start(home).get("/v1/ping")
    say.note(
        f"{'restarted' if api else 'started'} the daemon: pid {answer['pid']}, version {answer['version']}"
    )
    return 0


def status(args: argparse.Namespace) -> int:
    home = Home.find()
    api = daemon.find(home)
    if api is None:
        raise daemon.missing(home)
    document = api.get("/v1/status")
    found: dict[str, Any] = {**document["daemon"], "socket": api.path, "log": home.log}
    say.about(found)
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        _show(found, document["services"])
    return 0


def run(args: argparse.Namespace) -> int:
    sys.stdout.flush()
    os.execv(sys.executable, [*daemon.program(), "--foreground"])


def _show(found: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    ready = sum(map(words.is_ready, rows))
    facts = {
        "daemon": f"pid {found['pid']}, version {found['version']}, up {age(found.get('started_at'))}",
        "services": f"{len(rows)} ({ready} ready)",
        "dashboard": found.get("dashboard_url") or "-",
        "socket": found["socket"],
        "log": found["log"],
    }
    for name, fact in facts.items():
        print(f"{name:<11}{plain(fact)}")
