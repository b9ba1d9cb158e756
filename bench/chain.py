"""A chain of dependencies: what locald adds between one being ready and the next being started."""

from __future__ import annotations

from statistics import median

from bench.checks import CHECKS, service
from bench.instance import Instance
from bench.table import Measure

LENGTH = 8
EACH = 0.2
"""seconds from spawn until ready"""
TIMES = 3


def measure() -> list[Measure]:
    """`up` of a chain of 8 services, each ready 200 ms after its spawn, over the 1.6 s that they need"""
    return [
        Measure(f"chain of {LENGTH} by {how}: wall over critical path", _ratio(how), "x", 1.25)
        for how in CHECKS
    ]


def _ratio(how: str) -> float:
    with Instance() as instance:
        tables = {}
        for number in range(LENGTH):
            needs = {"depends_on": [f"s{number - 1}"]} if number else {}
            tables[f"s{number}"] = {**service(how, EACH), **needs}
        instance.project(tables)
        walls = []
        for _ in range(TIMES):
            walls.append(instance.up())
            instance.locald("down")
        return median(walls) / (LENGTH * EACH)
