"""`locald status`: one row a service, and why it is not healthy where it is not.

The most frequent command, also in prompts and loops: one request, and nothing imported that it does
not need.
"""

from __future__ import annotations

import sys

from locald.cli.shared import say, whereabouts
from locald.client import daemon
from locald.client.target import choose
from locald.domain.values.problem import Problem, Refused
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from locald.client.http import Api
    from locald.client.target import Target

ABOUT = """\
Show the services of the project: state, health, and the source of the health. Below
the table is the reason for each service that is not healthy. `(fallback)` marks a
source that is used because there is no better one. Exits 0 whatever the health.

Of one service that is named, its latest runs are listed too. `locald logs SERVICE --run N`
prints what one of them printed.

With --watch the table is updated until Ctrl-C. Without a terminal it is printed again
at each change.
"""

LATEST = 5
"""runs that are listed"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("status", description=ABOUT)
    parser.add_argument("services", metavar="SERVICE", nargs="*", help="only these services")
    parser.add_argument("-a", "--all", action="store_true", help="show the services of all projects")
    parser.add_argument("-w", "--watch", action="store_true", help="keep updating until Ctrl-C")
    parser.add_argument("--bell", action="store_true", help="with --watch: ring when a service goes down")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document, or with --watch one per line at each change",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    target = None if args.all else choose(args.services, args.directory)
    query = _query(args, target)
    if args.watch:
        from locald.cli.shared import watch

        return watch.run(args, query)
    if args.bell:
        raise Refused(Problem("--bell needs --watch", hint="run `locald status --watch --bell`"))
    api = daemon.look(Home.find())
    document = api.get("/v1/status", query)
    say.about(document.get("daemon") or {})
    if target and document["services"]:
        whereabouts.tell(target, document.get("moved_from"))
    runs = _runs(api, target, document["services"])
    if args.json:
        if runs is not None:
            document["runs"] = runs
        import json

        print(json.dumps(document, indent=2))
    else:
        _show(document["services"], args.all)
        _show_runs(runs or [])
    return 0


def _runs(api: Api, target: Target | None, rows: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The latest runs of the one service that was named; None where none was, or it never ran."""
    if target is None or len(target.services) != 1 or len(rows) != 1 or not rows[0]["run"]:
        return None
    found: list[dict[str, Any]] = api.get("/v1/runs", target.query)["runs"]
    return found


def _query(args: argparse.Namespace, target: Target | None) -> list[tuple[str, str]]:
    if target:
        return target.query
    if args.services:
        raise Refused(Problem("--all takes no service", hint="run `locald status --all`"))
    return []


def _show(rows: list[dict[str, Any]], everywhere: bool) -> None:
    if not rows:
        say.note("no services" if everywhere else "project has no services")
        return
    from locald.cli.shared import overview

    width = say.width(sys.stdout) if say.is_terminal(sys.stdout) else None
    print("\n".join(overview.whole(rows, everywhere, width)))


def _show_runs(runs: list[dict[str, Any]]) -> None:
    if not runs:
        return
    from locald.cli.shared import history

    width = say.width(sys.stdout) if say.is_terminal(sys.stdout) else None
    print("\n".join(["", *history.listed(runs[:LATEST], width, named=False)]))
    if len(runs) > LATEST:
        say.note(f"{len(runs) - LATEST} earlier runs: run `locald timeline --all`")
