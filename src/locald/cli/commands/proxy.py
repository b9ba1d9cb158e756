"""`locald proxy`: where services are reached by name, who trusts its certificates, which ports it has."""

from __future__ import annotations

import json
import os
import sys

from locald.cli.shared import say
from locald.cli.shared.actions import actions_of
from locald.cli.shared.table import Cell, table
from locald.client import daemon, trust
from locald.domain.values.problem import Problem, Refused
from locald.faces import words
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from typing import Any

ABOUT = """\
Manage the proxy, which makes services reachable by name: https://web.shop.localhost:7443/.
It starts by itself with the first service that has a name, and needs Caddy
(`pip install 'locald[proxy]'`). It listens on 127.0.0.1 and ::1 only.
"""
HEAD = ("NAME", "SERVICE", "OPEN", "ADDRESS")
FILE = "/etc/sysctl.d/60-locald.conf"
SETTING = "net.ipv4.ip_unprivileged_port_start"
USUAL = 1024
"""what the kernel has by itself"""
PORTS = {"LOCALD_PROXY_HTTPS_PORT": 443, "LOCALD_PROXY_HTTP_PORT": 80}


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("proxy", description=ABOUT)
    action = actions_of(parser)
    shown = action("status", status, "show the proxy, its ports and names")
    shown.add_argument("--json", action="store_true", help="print one JSON document")
    action("trust", trusted, "let this system, Chromium and Firefox trust its certificates")
    action("untrust", untrusted, "take that back")
    install = action("install", installed, "show how it can have the ports 443 and 80")
    install.add_argument("--run", dest="does_it", action="store_true", help="do it (as root)")


def status(args: argparse.Namespace) -> int:
    told = _told()
    told["trusted"] = bool(told["ca"]) and trust.is_trusted(trust.Certificate(told["ca"]))
    if args.json:
        print(json.dumps(told, indent=2))
        return 0
    _show(told)
    return 0


def _told() -> dict[str, Any]:
    """What the daemon knows, started if it is not there."""
    found: dict[str, Any] = daemon.start(Home.find()).get("/v1/proxy")
    return found


def _show(told: dict[str, Any]) -> None:
    if told["running"]:
        ports = f"https port {told['https_port']}, http port {told['http_port']}"
        say.note(f"running: {ports}, Caddy {told['caddy']}")
        say.note(f"dashboard: {told['dashboard']}")
        _show_trust(told)
    elif told["trouble"]:
        say.warning(f"not running: {told['trouble']}", told["hint"] or "")
    else:
        say.note("not running (starts with the first service that has a name)")
    for each in told["notes"]:
        say.warning(each)
    for each in told["lost"]:
        owner = each["owner"] or "the dashboard"
        say.warning(f"{each['name']} is a name of {owner}, not of {':'.join(words.key(_row(each)))}")
    if told["routes"]:
        width = say.width(sys.stdout) if say.is_terminal(sys.stdout) else None
        rows = [_cells(each) for each in told["routes"]]
        print("\n".join(table(HEAD, rows, colour=say.has_colour(sys.stdout), width=width)))


def _show_trust(told: dict[str, Any]) -> None:
    if told["trusted"]:
        say.note(f"certificate authority: {told['ca']} (trusted by this system)")
    elif told["ca"]:
        say.warning(f"this system does not trust {told['ca']}", "run `locald proxy trust`")


def _cells(route: dict[str, Any]) -> list[Cell]:
    opened = route["open"]
    return [
        Cell(route["name"]),
        Cell(":".join(words.key(_row(route)))),
        Cell("yes" if opened else "no", "green" if opened else "dim"),
        Cell(route["address"]),
    ]


def _row(route: dict[str, Any]) -> dict[str, Any]:
    return {"project": route["project"], "instance": route["instance"], "name": route["service"]}


# Trust.


def trusted(args: argparse.Namespace) -> int:
    return _report(trust.trust(_certificate(), os.path.expanduser("~")))


def untrusted(args: argparse.Namespace) -> int:
    return _report(trust.untrust(_certificate(), os.path.expanduser("~")))


def _certificate() -> trust.Certificate:
    told = _told()
    if not told["ca"]:
        hint = told["hint"] or "run `locald up` with a service that has a port, the proxy makes one then"
        raise Refused(Problem("there is no certificate authority yet", hint=hint))
    return trust.Certificate(told["ca"])


def _report(outcomes: Iterable[trust.Outcome]) -> int:
    code = 0
    for each in outcomes:
        if each.level == "failed":
            say.error(each.told, each.hint)
            code = 1
        else:
            say.note(each.told)
    return code


# Ports.


def installed(args: argparse.Namespace) -> int:
    """Ports below 1024 are root's, unless the kernel is told otherwise."""
    setting = f"{SETTING}=80"
    if args.does_it:
        _allow(setting)
        say.note(f"wrote {FILE}: every program of this machine may listen on ports from 80 on")
    else:
        say.note("as root, let programs listen on ports from 80 on:")
        print(f"echo {setting} > {FILE} && sysctl -p {FILE}", flush=True)
        say.note("or run `locald proxy install --run` as root to do it")
    say.note("then have the proxy use them, in the shell that starts the daemon:")
    print("export " + " ".join(f"{name}={port}" for name, port in PORTS.items()), flush=True)
    say.note("run `locald server stop` and `locald up` to apply it")
    if args.does_it:
        say.note("to take it back, as root:")
        print(f"rm {FILE} && sysctl {SETTING}={USUAL}", flush=True)
    return 0


def _allow(setting: str) -> None:
    import subprocess

    if os.geteuid() != 0:
        raise Refused(Problem("only root can do this", hint="run `sudo locald proxy install --run`"))
    try:
        with open(FILE, "w", encoding="ascii") as file:
            file.write(f"{setting}\n")
        subprocess.run(["/sbin/sysctl", "-p", FILE], check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Refused(Problem(f"{FILE}: {error}", hint="run the printed commands yourself")) from None
