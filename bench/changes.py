"""What `watch` takes: from the change of a file to the next run, and a tree of 10,000 files at rest."""

from __future__ import annotations

import statistics
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bench.instance import Instance, cpu, memory
from bench.table import Measure

if TYPE_CHECKING:
    from pathlib import Path

DEBOUNCE = 0.2
"""seconds; the default"""
TIMES = 15
FOLDERS, FILES = 100, 100
SETTLE, IDLE = 10.0, 30.0
"""seconds until the daemon rests, and over which its work is measured"""
WITHIN = 20.0
WORKER: dict[str, Any] = {"type": "worker", "command": ["sleep", "100000"]}


def measure() -> list[Measure]:
    """a changed file to the next spawn beyond the debounce; memory and work of 10,000 watched files"""
    return [*_lag(), *_tree()]


def _lag() -> list[Measure]:
    with Instance() as instance:
        source = instance.folder / "src"
        source.mkdir()
        instance.project({"s": {**WORKER, "watch": ["src/**/*.py"]}})
        instance.up()
        took = [_restart(instance, source, run) for run in range(2, 2 + TIMES)]
    more = [1000 * (each - DEBOUNCE) for each in took]
    what = "change of a file to the new run's spawn, beyond the debounce"
    return [
        Measure(f"{what}, median of {TIMES}", statistics.median(more), "ms", 30),
        Measure(f"{what}, the worst", max(more), "ms"),
    ]


def _restart(instance: Instance, source: Path, run: int) -> float:
    """Seconds from the change to the spawn. Each time another file: one that changes just after each start is
    taken for a service's own output."""
    time.sleep(0.3)
    at = time.time()
    source.joinpath(f"m{run}.py").touch()
    deadline = time.monotonic() + WITHIN
    while (row := instance.rows()[0])["run"] < run or not row["pid"]:
        if time.monotonic() > deadline:
            raise SystemExit(f"no restart within {WITHIN:g} s: {row}")
    return datetime.fromisoformat(row["started_at"]).timestamp() - at


def _tree() -> list[Measure]:
    with Instance() as instance:
        for folder in range(FOLDERS):
            made = instance.folder / "src" / f"f{folder}"
            made.mkdir(parents=True)
            for file in range(FILES):
                made.joinpath(f"m{file}.py").touch()
        instance.project({"s": WORKER})
        instance.up()
        daemon = instance.daemon
        time.sleep(SETTLE)
        before = memory(daemon)
        instance.project({"s": {**WORKER, "watch": ["src/**/*.py"]}})
        instance.up()
        time.sleep(SETTLE)
        more = memory(daemon) - before
        worked, began = cpu(daemon), time.monotonic()
        time.sleep(IDLE)
        work = 100 * (cpu(daemon) - worked) / (time.monotonic() - began)
    count = f"{FOLDERS * FILES:,} watched files"
    return [
        Measure(f"memory that {count} take", more, "MB", 15),
        Measure(f"work of the idle daemon with {count}", work, "% of a core", 0.1),
    ]
