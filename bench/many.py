"""Many services: one must not cost more because there are others."""

from __future__ import annotations

from typing import NamedTuple

from bench.instance import Instance, cpu
from bench.table import Measure

FEW, MANY = 50, 500
WORKER = {"type": "worker", "command": ["sleep", "100000"], "stop_timeout": "30s"}


class Cost(NamedTuple):
    """Of one service, in milliseconds."""

    wall: float
    work: float
    """on a processor, daemon and keeper together"""


def measure() -> list[Measure]:
    """`up` of 50 and of 500 workers that only sleep: the cost of one service with many, over that with few"""
    few, many = _cost(FEW), _cost(MANY)
    return [
        Measure(f"one of {MANY} over one of {FEW}: wall", many.wall / few.wall, "x", 1.5),
        Measure(f"one of {MANY} over one of {FEW}: work", many.work / few.work, "x", 1.5),
        Measure(f"one of {MANY}: wall", many.wall, "ms"),
        Measure(f"one of {MANY}: work of daemon and keeper", many.work, "ms"),
    ]


def _cost(number: int) -> Cost:
    with Instance() as instance:
        instance.project({f"s{each}": WORKER for each in range(number)})
        before = cpu(instance.daemon)
        wall = instance.up()
        work = cpu(instance.daemon) - before + cpu(instance.keeper)
        return Cost(1000 * wall / number, 1000 * work / number)
