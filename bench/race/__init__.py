"""locald beside its peers, in turns, in one run: on a machine that others use too only ratios tell anything.

    bench/run race [--small] [--rounds N] [--build PATH] [--save] [HEAT …]

`--build`: another checkout of locald races too, its environment made. dekit is installed into the user's
cache. Every heat is run by one racer after the other, and in the next round again, the order turned.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.instance import ROOT
from bench.race import heats, peers
from bench.race.racers import Bare, Dekit, Locald, Racer
from bench.race.result import Result, save, show


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench/run race", description=__doc__.partition("\n")[0])
    parser.add_argument("heats", nargs="*", metavar="HEAT", help=f"of {', '.join(heats.ALL)} (none: all)")
    parser.add_argument("--small", action="store_true", help="small numbers, for a look that takes a minute")
    parser.add_argument("--rounds", type=int, default=0, help="how often each heat is run (default: 3, or 1)")
    parser.add_argument("--build", type=Path, metavar="PATH", help="another checkout of locald races too")
    parser.add_argument("--save", action="store_true", help="write the table of the documentation")
    options = parser.parse_args(arguments)
    if unknown := set(options.heats) - set(heats.ALL):
        parser.error(f"no heat is called {', '.join(sorted(unknown))}; there are {', '.join(heats.ALL)}")
    racers = _racers(options.build)
    sizes = heats.SMALL if options.small else heats.Sizes()
    result = Result([racer.name for racer in racers])
    try:
        for name in options.heats or heats.ALL:
            print(f"{name} …", file=sys.stderr)
            _run(name, racers, sizes, options.rounds or (1 if options.small else 3), result)
    finally:
        for racer in racers:
            racer.close()
    print(show(result))
    if options.save:
        save(result)
    return 0


def _racers(build: Path | None) -> list[Racer]:
    racers: list[Racer] = [Locald("locald", ROOT)]
    if build:
        racers.append(Locald("build", build.resolve()))
    if program := peers.dekit():
        racers.append(Dekit(program))
    return [*racers, Bare()]


def _run(name: str, racers: list[Racer], sizes: heats.Sizes, rounds: int, result: Result) -> None:
    who, heat = heats.ALL[name]
    run = [racer for racer in racers if isinstance(racer, who)]
    with tempfile.TemporaryDirectory(prefix="ldr") as folder:
        notes = Path(folder, "notes")
        notes.mkdir()
        ground = heats.Ground(heats.compiled(Path(folder)), notes, sizes)
        for turn in range(rounds):
            first = turn % len(run)
            for racer in (*run[first:], *run[:first]):
                ground.fresh()
                result.add(racer.name, heat(racer, ground))
                racer.end()
