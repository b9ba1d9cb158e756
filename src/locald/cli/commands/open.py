"""`locald open`: a service in the browser, by its name where there is a proxy that the system trusts."""

from __future__ import annotations

from locald.cli.shared import say
from locald.client import daemon, trust
from locald.client.target import choose
from locald.domain.values.problem import Problem, Refused
from locald.faces import browser, words
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

    Row = Mapping[str, Any]

ABOUT = """\
Open a service in the browser and print its address: without a name that which the
project's domain leads to (`[project] default`, else `web`), or the only one with a URL.
It is opened by name if the proxy runs and this system trusts its certificates
(`locald proxy trust`), else by its port.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("open", description=ABOUT)
    parser.add_argument("service", metavar="SERVICE", nargs="?", help="the service")
    parser.add_argument(
        "--no-open", "--url", dest="no_open", action="store_true", help="only print the address"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    target = choose([args.service] if args.service else [], args.directory)
    api = daemon.look(Home.find())
    rows = api.get("/v1/status", target.query)["services"]
    proxy = api.get("/v1/proxy")
    row = _chosen(rows, proxy.get("routes") or [])
    url = _address(row, proxy)
    if not words.is_ready(row):
        say.note(f"{row['name']} {words.told(row)}")
    print(url, flush=True)
    if not args.no_open and not browser.show(url):
        say.note("no browser found: open the address yourself")
    return 0


def _chosen(rows: list[Row], routes: list[Row]) -> Row:
    found = {row["name"]: row for row in rows if words.url(row)}
    if len(found) == 1:
        return next(iter(found.values()))
    for name in (*_of_domains(rows, routes), "web"):
        if name in found:
            return found[name]
    if not found:
        names = ", ".join(row["name"] for row in rows)
        raise Refused(Problem(f"no URL: {names}", hint="run `locald status` for their addresses"))
    raise Refused(Problem("several services have a URL", hint=f"name one: {', '.join(found)}"))


def _of_domains(rows: list[Row], routes: list[Row]) -> list[str]:
    """The service that the domain of the project leads to: it has a name of its own below that."""
    projects = {words.project(row) for row in rows}
    names = {each["name"]: each["service"] for each in routes if words.project(each) in projects}
    return [service for name, service in names.items() if names.get(f"{service}.{name}") == service]


def _address(row: Row, proxy: Row) -> str:
    """By name also before it runs: the proxy holds a request, starts what is on demand, or says why not."""
    named, url = row.get("name_url"), row["url"]
    waits = bool(row.get("on_demand")) and row["state"] == "stopped"
    root = proxy.get("ca")
    if named and root and trust.is_trusted(trust.Certificate(root)):
        return str(named)
    if named and (waits or not url):
        say.note("the browser will warn of its certificate: run `locald proxy trust`")
        return str(named)
    if not (row.get("pid") or row.get("container")):
        name = row["name"]
        raise Refused(Problem(f"{name} is not running", hint=f"run `locald up {name}` to start it"))
    return str(url)
