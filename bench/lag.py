"""How long after a program is ready locald knows it: from the program's own note to its `ready_at`."""

from __future__ import annotations

from datetime import datetime
from statistics import median

from bench.checks import service
from bench.instance import Instance
from bench.table import Measure

TOGETHER = 20
AFTER = 1.0
"""seconds: when all are ready, long after the last was spawned"""
CUT = 0.5
"""milliseconds that `ready_at` is too early on average, since it is cut to whole ones"""
GOALS = {"notify": 10.0, "tcp": 30.0, "log": 30.0, "http": 60.0}
"""milliseconds"""


def measure() -> list[Measure]:
    """from a program's own ready moment to `ready_at`, 20 services that start together"""
    found = []
    for how, goal in GOALS.items():
        lags = sorted(_lags(how))
        found.append(Measure(f"lag of {how}, median of {TOGETHER}", median(lags), "ms", goal))
        found.append(Measure(f"lag of {how}, the worst", lags[-1], "ms"))
    return found


def _lags(how: str) -> list[float]:
    with Instance() as instance:
        notes = {f"s{number}": instance.folder / f"s{number}.ready" for number in range(TOGETHER)}
        instance.project({name: service(how, AFTER, str(file)) for name, file in notes.items()})
        instance.up()
        known = {row["name"]: epoch(row["ready_at"]) for row in instance.rows()}
        return [1000 * (known[name] - float(file.read_text())) + CUT for name, file in notes.items()]


def epoch(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
