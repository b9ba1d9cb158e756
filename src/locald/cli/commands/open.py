"""`locald open`: a service in the browser, by its name where there is a proxy that the system trusts."""

from __future__ import annotations

from locald.cli.shared import say
from locald.client import daemon, trust
from locald.client.target import choose
from locald.domain.values.problem import Problem, Refused
from locald.faces import browser
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from locald.client.http import Api

ABOUT = """\
Open a service in the browser and print its address: without a name `web`, or the only
one with a URL. It is opened by name if the proxy runs and this system trusts its
certificates (`locald proxy trust`), else by its port.
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
    row = _chosen(api.get("/v1/status", target.query)["services"])
    named = row.get("name_url") if _is_trusted(api) else None
    url = named or row["url"]
    print(url, flush=True)
    if not args.no_open and not browser.show(url):
        say.note("no browser found: open the address yourself")
    return 0


def _chosen(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found = [row for row in rows if row.get("url")]
    by_name = {row["name"]: row for row in found}
    if len(found) == 1:
        return found[0]
    if "web" in by_name:
        return by_name["web"]
    if not found:
        names = ", ".join(row["name"] for row in rows)
        raise Refused(Problem(f"no URL: {names}", hint="run `locald status` for their addresses"))
    raise Refused(Problem("several services have a URL", hint=f"name one: {', '.join(by_name)}"))


def _is_trusted(api: Api) -> bool:
    root = api.get("/v1/proxy").get("ca")
    return bool(root) and trust.is_trusted(trust.Certificate(root))
