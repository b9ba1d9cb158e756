"""`locald up`: apply `locald.toml`, and wait until the services are healthy."""

from __future__ import annotations

from locald.cli.shared import settle
from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

ABOUT = """\
Apply locald.toml: start the services and their dependencies in order, and wait until
all are healthy. Unchanged services keep running, changed ones are restarted, services
that are no longer in the file are stopped. Earlier failures are cleared.

--on swarm runs them as services of the swarm that the docker command would use, in the
same order; --on kubernetes as Deployments and Jobs of the cluster that kubectl would use,
or that of --context; --on systemd runs processes as units of your own systemd. `--on
local` brings them back. `engine` in locald.local.toml sets a default.

Returns as soon as every service has settled. Exits 0 when all are healthy, 1 when one
has failed, with the reason and its last lines. Ctrl-C leaves the services running.
"""


ENGINES = ("local", "swarm", "systemd", "kubernetes")
"""as `domain.project.spec.Engine` has them, whose import takes longer than what is to be completed"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("up", description=ABOUT)
    parser.add_argument(
        "services", metavar="SERVICE", nargs="*", help="only these services and their dependencies"
    )
    parser.add_argument("-d", "--detach", action="store_true", help="return at once, without waiting")
    parser.add_argument(
        "--attach", action="store_true", help="attach this terminal to the service as soon as it starts"
    )
    parser.add_argument(
        "--on",
        metavar="ENGINE",
        choices=ENGINES,
        help="where to run the services: local, swarm, systemd or kubernetes",
    )
    parser.add_argument(
        "--image",
        metavar="SERVICE=REF",
        action="append",
        default=[],
        help="the image of a process, elsewhere",
    )
    parser.add_argument(
        "--context", metavar="NAME", help="with --on kubernetes: the context of your KUBECONFIG"
    )
    settle.add_waiting(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.attach:
        return _in_front(args)
    return settle.carry_out("/v1/up", args, applies_file=True, wish=_where(args))


def _where(args: argparse.Namespace) -> dict[str, Any]:
    """On which engine, where that is said."""
    if not (args.on or args.image or args.context):
        return {}
    from locald.cli.shared.images import images

    told: dict[str, Any] = {"engine": args.on} if args.on else {}
    told |= {"context": args.context} if args.context else {}
    return told | ({"images": images(args.image)} if args.image else {})


def _in_front(args: argparse.Namespace) -> int:
    from locald.cli.shared import attaching  # for who types alone

    if args.detach or args.json:
        raise Refused(Problem("--attach does not go with --detach or --json", hint="use one of them"))
    if len(args.services) != 1:
        raise Refused(Problem("--attach needs exactly one service", hint="name it: `locald up web --attach`"))
    attaching.require_terminal()
    return settle.carry_out("/v1/up", args, applies_file=True, wish={"attach": True})
