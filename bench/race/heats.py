"""What is raced. Each heat is run by one racer at a time and gives numbers, less being better."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import many
from bench.instance import cpu, memory
from bench.race import goals
from bench.race.racers import Bare, Before, Dekit, Locald, Raced, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.race.racers import Racer

Numbers = dict[str, float]
"""by what was measured, with its unit at the end"""

CHAIN, EACH = 8, 0.2
"""services, and the seconds that each needs until it is ready"""
PAIRS, TOGETHER = 20, 1.0
"""pairs, and after how many seconds the first of each is ready"""
TIMES = 5
"""commands that are timed one after the other"""
MARK = "of a thousand times a thousand"
"""in every line that the program prints"""


@dataclass(frozen=True, slots=True)
class Sizes:
    workers: tuple[int, ...] = (50, 200, 500)
    lines: int = 1_000_000
    tree: int = 200
    few: int = 200
    many: int = 2000


SMALL = Sizes((10, 20), 20_000, 20, 10, 20)


@dataclass(frozen=True, slots=True)
class Ground:
    """`program`: as program.c tells. `notes`: a folder for what it writes down."""

    program: str
    notes: Path
    sizes: Sizes

    def raced(self, name: str, *words: object, needs: tuple[str, ...] = (), note: bool = True) -> Raced:
        file = [str(self.notes / name)] if note else []
        return Raced(name, (self.program, *map(str, words), *file), needs, keeps="400MB")

    def moments(self, name: str) -> tuple[float, float]:
        """What the program noted, which it may be about to."""
        for _ in range(1000):
            with contextlib.suppress(OSError, ValueError):
                one, other = (self.notes / name).read_text().split()
                return float(one), float(other)
            time.sleep(0.01)
        raise SystemExit(f"{name} noted nothing")

    def fresh(self) -> None:
        for file in self.notes.iterdir():
            file.unlink()


def chain(racer: Racer, ground: Ground) -> Numbers:
    needs = [(f"s{each - 1}",) if each else () for each in range(CHAIN)]
    racer.write([ground.raced(f"s{i}", "chain", EACH, needs=needs[i]) for i in range(CHAIN)])
    wall, work = _up(racer)
    seen = [ground.moments(f"s{each}") for each in range(CHAIN)]
    hops = [later[0] - earlier[1] for earlier, later in pairwise(seen)]
    racer.stop()
    return {
        goals.CHAIN: wall / (CHAIN * EACH),
        goals.HOP: 1000 * median(hops),
        goals.CHAIN_WORK: 1000 * work,
    }


def pairs(racer: Racer, ground: Ground) -> Numbers:
    first = [ground.raced(f"a{each}", "chain", TOGETHER) for each in range(PAIRS)]
    then = [ground.raced(f"b{each}", "chain", 0, needs=(f"a{each}",)) for each in range(PAIRS)]
    racer.write([*first, *then])
    _, work = _up(racer)
    hops = [ground.moments(f"b{each}")[0] - ground.moments(f"a{each}")[1] for each in range(PAIRS)]
    racer.stop()
    return {
        goals.PAIRS: 1000 * median(hops),
        f"{PAIRS} pairs at once: work of the tool, CPU ms": 1000 * work,
    }


def workers(racer: Racer, ground: Ground) -> Numbers:
    found: Numbers = {}
    for count in ground.sizes.workers:
        racer.write([Raced(f"w{each}", ("sleep", "100000"), notifies=False) for each in range(count)])
        wall, work = _up(racer)
        found[goals.workers(count)] = 1000 * wall
        found[f"{count} workers: work of the tool, CPU ms"] = 1000 * work
        shares = [memory(pid, "Pss") for pid in racer.tools()]  # what is forked has most in common
        found[goals.memory_with(count)] = sum(shares)
        found[f"{count} workers: stopped, ms"] = 1000 * _wall(racer.stop)
    return found


def commands(racer: Racer, ground: Ground) -> Numbers:
    """The first `up` of all, one with the daemon there, and `status`; beside a Python that does nothing."""
    if isinstance(racer, Bare):
        nothing = 1000 * median(_wall(racer.status) for _ in range(TIMES))
        return {goals.WARM: nothing, goals.STATUS: nothing}
    racer.write([ground.raced("one", "chain", 0)])
    racer.end()
    cold = _wall(racer.up)
    racer.stop()
    racer.begin()
    warm = _wall(racer.up)
    status = median(_wall(racer.status) for _ in range(TIMES))
    racer.stop()
    return {goals.COLD: 1000 * cold, goals.WARM: 1000 * warm, goals.STATUS: 1000 * status}


def lines(racer: Racer, ground: Ground) -> Numbers:
    """Taken in, and asked for; that of a bare driver is in a file, for `tail`, `grep` and `cat`."""
    count = ground.sizes.lines
    racer.write([ground.raced("talker", "lines", count)])
    _, work = _up(racer)
    began, ended = ground.moments("talker")
    found = {goals.taken_in(count): 1000 * (ended - began), goals.work_of_taking_in(count): 1000 * work}
    last = [timed(racer.logs("talker", last=100), racer.environment)[0] for _ in range(TIMES)]
    searched, _ = timed(racer.logs("talker", pattern="needle"), racer.environment)
    printed, output = timed(racer.logs("talker"), racer.environment)
    found |= {goals.LAST: 1000 * median(last), goals.GREP: 1000 * searched, goals.ALL: 1000 * printed}
    found[goals.lost(count)] = count - output.count(MARK)
    racer.stop()
    return found


def busy(racer: Racer, ground: Ground) -> Numbers:
    """Lines taken in while every core has something else to do."""
    count = ground.sizes.lines
    racer.write([ground.raced("talker", "lines", count)])
    others = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() or 1)]
    try:
        _up(racer)
    finally:
        for other in others:
            other.kill()
            other.wait()
    began, ended = ground.moments("talker")
    racer.stop()
    return {goals.taken_in_busy(count): 1000 * (ended - began)}


def growth(racer: Racer, ground: Ground) -> Numbers:
    """What one of many costs over one of few. Of this build alone: an earlier one may take minutes."""
    if isinstance(racer, Before):
        return {}
    few, more = (many.costs(number) for number in (ground.sizes.few, ground.sizes.many))
    found = {
        goals.growth(of, ground.sizes.few, ground.sizes.many): after.wall / before.wall
        for of, before, after in zip(("`up`", "`status`", "`down`"), few[:3], more[:3], strict=True)
    }
    return found | {goals.growth("state", ground.sizes.few, ground.sizes.many): more.state / few.state}


def tree(racer: Racer, ground: Ground) -> Numbers:
    count, mark = ground.sizes.tree, uuid.uuid4().hex
    hostile = Raced("hostile", (ground.program, "tree", str(count), mark))
    racer.write([hostile])
    _up(racer)
    took = _wall(racer.stop)
    return {f"a tree of {count} that hides: stopped, ms": 1000 * took, "… left of it": _end_all(mark)}


def _end_all(mark: str) -> int:
    """End what has this word in its command line, and say how many they were."""
    left = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if mark.encode() in Path("/proc", entry, "cmdline").read_bytes().split(b"\0"):
                os.kill(int(entry), signal.SIGKILL)
                left += 1
    return left


def _up(racer: Racer) -> tuple[float, float]:
    """Seconds that `up` took, and those of a processor that the racer's own processes had."""
    racer.begin()
    before = cpu(*racer.tools())
    wall = _wall(racer.up)
    return wall, cpu(*racer.tools()) - before


def _wall(deed: Callable[[], None]) -> float:
    began = time.perf_counter()
    deed()
    return time.perf_counter() - began


ALL: dict[str, tuple[tuple[type[Racer], ...], Callable[[Racer, Ground], Numbers]]] = {
    "commands": ((Locald, Dekit, Bare), commands),
    "chain": ((Locald, Dekit, Bare), chain),
    "pairs": ((Locald, Dekit), pairs),
    "workers": ((Locald, Dekit), workers),
    "lines": ((Locald, Dekit, Bare), lines),
    "busy": ((Locald,), busy),
    "tree": ((Locald, Dekit), tree),
    "growth": ((Locald,), growth),
}
ONCE = ("growth",)
"""heats that are long, and the same each time"""


def compiled(folder: Path) -> str:
    program = folder / "program"
    source = Path(__file__).with_name("program.c")
    subprocess.run(["cc", "-O1", "-o", str(program), str(source)], check=True)
    return str(program)
