"""Measures what locald promises about time and memory, and prints it beside its goals.

    bench/run [--save] [chain] [lag] [containers] [many] [moving] [status] [swarm] [order] [footprint]
              [page] [watched] [crowded] [growth] [proxy] [attach] [changes] [monitor] [flood] [worktrees]
    bench/run race …    beside other tools; its own options: --help

Each measurement runs in a locald of its own (a temporary LOCALD_HOME), with real services, and ends it
afterwards. Nothing is written into the checkout but, with `--save`, the tables of what was measured in
docs/explanation/performance.md.
Numbers depend on the machine and on what else it does; the ratios depend on it less, so they come first.
"""

from __future__ import annotations

import argparse
import sys

from bench import (
    attach,
    chain,
    changes,
    containers,
    crowded,
    flood,
    footprint,
    growth,
    lag,
    many,
    monitor,
    moving,
    order,
    page,
    proxy,
    race,
    status,
    swarm,
    watched,
    worktrees,
)
from bench.table import Measure, save, show

ALL = {
    "chain": chain.measure,
    "lag": lag.measure,
    "containers": containers.measure,
    "many": many.measure,
    "moving": moving.measure,
    "status": status.measure,
    "swarm": swarm.measure,
    "order": order.measure,
    "footprint": footprint.measure,
    "page": page.measure,
    "watched": watched.measure,
    "crowded": crowded.measure,
    "growth": growth.measure,
    "proxy": proxy.measure,
    "attach": attach.measure,
    "changes": changes.measure,
    "monitor": monitor.measure,
    "flood": flood.measure,
    "worktrees": worktrees.measure,
}


def main() -> int:
    if sys.argv[1:2] == ["race"]:
        return race.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)} (none: all)")
    parser.add_argument("--save", action="store_true", help="write these tables of the documentation")
    options = parser.parse_args()
    unknown = set(options.names) - set(ALL)
    if unknown:
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    found: dict[str, list[Measure]] = {}
    for name in options.names or ALL:
        print(f"{name}: {ALL[name].__doc__}", file=sys.stderr)
        found[name] = ALL[name]()
        print(show(found[name]), end="\n\n", flush=True)
    if options.save:
        save(found)
    return 0 if all(row.is_good for rows in found.values() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
