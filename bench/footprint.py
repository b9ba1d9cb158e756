"""What locald takes for itself while services run: memory, and work when nothing happens."""

from __future__ import annotations

import time

from bench.checks import service
from bench.instance import Instance, cpu, memory
from bench.many import WORKER
from bench.table import Measure

IDLE = 20.0
"""seconds over which work is measured"""


def measure() -> list[Measure]:
    """memory of daemon and keeper, and their work with 100 idle healthy services over 20 s"""
    return [*_small(), *_large()]


def _small() -> list[Measure]:
    with Instance() as instance:
        instance.project({f"s{number}": service("tcp", 0) for number in range(10)})
        instance.up()
        return [
            Measure("memory of the daemon, 10 services", memory(instance.daemon), "MB", 90),
            Measure("memory of the keeper, 10 services", memory(instance.keeper), "MB", 15),
        ]


def _large() -> list[Measure]:
    with Instance() as instance:
        kinds = [service("tcp", 0), service("notify", 0), service("http", 0), WORKER]
        instance.project({f"s{number}": kinds[number % 4] for number in range(100)})
        instance.up()
        helpers = sum(memory(pid, "Pss") for pid in instance.helpers)
        time.sleep(2)
        daemon, keeper = instance.daemon, instance.keeper
        before, began = cpu(daemon, keeper), time.monotonic()
        time.sleep(IDLE)
        share = (cpu(daemon, keeper) - before) / (time.monotonic() - began)
        return [
            Measure("work with 100 idle healthy services", 100 * share, "% of a core", 1),
            Measure("memory of the daemon, 100 services", memory(daemon), "MB"),
            Measure("memory of the keeper, 100 services", memory(keeper), "MB"),
            Measure("memory of helpers of one run", helpers / 100, "MB"),
        ]
