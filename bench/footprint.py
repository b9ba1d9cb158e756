"""What locald takes for itself while services run: memory, and work when nothing happens."""

from __future__ import annotations

import time
from typing import Any

from bench.checks import service
from bench.instance import Instance, cpu, memory
from bench.many import WORKER
from bench.table import Measure

MANY = 100
IDLE = 20.0
"""seconds over which work is measured"""
SETTLE = 2.0
"""seconds before that: what a start leaves to be done"""


def measure() -> list[Measure]:
    """memory of daemon and keeper, and their work with 100 idle healthy services over 20 s"""
    quiet = [service("tcp", 0), service("notify", 0), WORKER]
    asked = [service("http", 0)]
    return [
        *_small(),
        _helper(),
        *_idle(quiet, "idle", 1),
        *_idle(asked, "idle, each with an http check every 5 s"),
    ]


def _small() -> list[Measure]:
    with Instance() as instance:
        instance.project({f"s{number}": service("tcp", 0) for number in range(10)})
        instance.up()
        return [
            Measure("memory of the daemon, 10 services", memory(instance.daemon), "MB", 90),
            Measure("memory of the keeper, 10 services", memory(instance.keeper), "MB", 15),
        ]


def _helper() -> Measure:
    """Where no cgroup can be made, each run has a process of the keeper's beside it."""
    with Instance(LOCALD_TREE="reaper") as instance:
        instance.project({f"s{number}": WORKER for number in range(10)})
        instance.up()
        own = [memory(pid, "Private_Dirty") for pid in instance.helpers]  # and that of what forks them
        return Measure("memory of the helper of one run, without cgroups", sum(own) / 10, "MB", 1)


def _idle(kinds: list[dict[str, Any]], what: str, goal: float | None = None) -> list[Measure]:
    with Instance() as instance:
        instance.project({f"s{number}": kinds[number % len(kinds)] for number in range(MANY)})
        instance.up()
        daemon, keeper, helpers = instance.daemon, instance.keeper, instance.helpers
        time.sleep(SETTLE)
        before, began = cpu(daemon, keeper, *helpers), time.monotonic()
        time.sleep(IDLE)
        share = (cpu(daemon, keeper, *helpers) - before) / (time.monotonic() - began)
        return [
            Measure(f"work with {MANY} services, {what}", 100 * share, "% of a core", goal),
            Measure(f"memory of the daemon with these {MANY}", memory(daemon), "MB"),
            Measure(f"memory of the keeper with these {MANY}", memory(keeper), "MB"),
        ]
