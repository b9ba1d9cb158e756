"""Many services: one must not cost more because there are others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from bench.instance import Instance, cpu
from bench.table import Measure

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, MANY = 200, 2000
WORKER = {"type": "worker", "command": ["sleep", "100000"], "stop_timeout": "30s"}
TOLERATED = 1.1
"""times what it costs with few"""


class Cost(NamedTuple):
    """Of one service, in milliseconds."""

    wall: float
    work: float
    """on a processor, daemon and keeper together"""


class Costs(NamedTuple):
    up: Cost
    status: Cost
    down: Cost
    state: float
    """bytes of the state file for each service"""


def measure() -> list[Measure]:
    """`up`, `status`, `down` of 200 and of 2000 workers: the cost of one with many, over that with few"""
    few, many = costs(FEW), costs(MANY)
    found: list[Measure] = []
    for what, one, other in zip(("up", "status", "down"), few[:3], many[:3], strict=True):
        found += _compared(f"`{what}`: one of {MANY}", one, other)
    over = f"state: bytes of one of {MANY} over one of {FEW}"
    found.append(Measure(over, many.state / few.state, "x", TOLERATED))
    return [*found, Measure(f"state: bytes of one of {MANY}", many.state, "B")]


def _compared(what: str, one: Cost, other: Cost) -> list[Measure]:
    return [
        Measure(f"{what} over one of {FEW}: wall", other.wall / one.wall, "x", TOLERATED),
        Measure(f"{what} over one of {FEW}: work", other.work / one.work, "x", TOLERATED),
        Measure(f"{what}: wall", other.wall, "ms"),
        Measure(f"{what}: work of daemon and keeper", other.work, "ms"),
    ]


def costs(number: int) -> Costs:
    """Of `up`, `status` and `down` of so many workers."""
    with Instance() as instance:
        instance.project({f"s{each}": WORKER for each in range(number)})
        instance.locald("up", "s0")  # the keeper begins, which costs the same whatever the number
        up = _cost(instance, number, instance.up)
        status = _cost(instance, number, lambda: instance.locald("status"))
        state = instance.state_file.stat().st_size / number
        return Costs(up, status, _cost(instance, number, lambda: instance.locald("down")), state)


def _cost(instance: Instance, number: int, deed: Callable[[], object]) -> Cost:
    before = cpu(instance.daemon, *instance.keepers[:1])
    began = time.perf_counter()
    deed()
    wall = time.perf_counter() - began
    work = cpu(instance.daemon, *instance.keepers[:1]) - before
    return Cost(1000 * wall / number, 1000 * work / number)
