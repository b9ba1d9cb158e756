"""locald beside its peers, in turns, in one run: on a machine that others use too only ratios tell anything.

    bench/run race [--small] [--rounds N] [--build PATH] [--save] [HEAT …]

Beside it race dekit and the build of before the work on speed, both made in the user's cache. `--build`:
another checkout of locald in place of that one, its environment made. Every heat is run by one racer after
the other, and in the next round again, the order turned. Who fails in a heat has no number there, and the
race goes on. It takes about ten minutes on two quiet cores. Exits with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.instance import ROOT
from bench.race import goals, heats, peers
from bench.race.racers import Bare, Before, Dekit, Locald, Racer
from bench.race.result import Result, save, show

FAILURES = (SystemExit, OSError, ValueError, LookupError, subprocess.SubprocessError)
"""what a racer can end a heat with"""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench/run race", description=__doc__.partition("\n")[0])
    parser.add_argument("heats", nargs="*", metavar="HEAT", help=f"of {', '.join(heats.ALL)} (none: all)")
    parser.add_argument("--small", action="store_true", help="small numbers, for a look that takes a minute")
    parser.add_argument("--rounds", type=int, default=0, help="how often each heat is run (default: 3, or 1)")
    parser.add_argument("--build", type=Path, metavar="PATH", help="another checkout than that of before")
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
    for goal in result.unmet:
        print(goal, file=sys.stderr)
    if options.save:
        save(result)
    return 1 if result.unmet else 0


def _racers(build: Path | None) -> list[Racer]:
    racers: list[Racer] = [Locald(goals.OURS, ROOT)]
    if other := build or peers.before():
        racers.append(Before(goals.BUILD, other.resolve()))
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
        for turn in range(1 if name in heats.ONCE else rounds):
            first = turn % len(run)
            for racer in (*run[first:], *run[:first]):
                ground.fresh()
                try:
                    result.add(racer.name, heat(racer, ground))
                except FAILURES as failure:
                    print(f"{racer.name} fails: {failure}", file=sys.stderr)
                with contextlib.suppress(*FAILURES):
                    racer.end()
