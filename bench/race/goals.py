"""What locald is to reach in the race: a number of its own, or one beside that of another racer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OURS, BUILD, DEKIT, BARE = "locald", "build", "dekit", "bare"
"""the racers, by the names of their columns"""
MET = "met"
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Goal:
    """`what`: the row. Ours may be `limit`, or so much "times" what `beside` has, or "more" than that."""

    what: str
    limit: float
    beside: str | None = None
    how: Literal["times", "more"] = "times"

    def told(self, medians: dict[str, float]) -> str:
        """As in `6 x of dekit: missed`. `medians`: of the row, by the name of each racer."""
        return f"{self._limit}: {self._met(medians)}"

    @property
    def _limit(self) -> str:
        if self.beside is None:
            return f"{self.limit:g}"
        how = "more than" if self.how == "more" else "x of"
        return f"{self.limit:g} {how} {self.beside}"

    def _met(self, medians: dict[str, float]) -> str:
        if OURS not in medians or (self.beside is not None and self.beside not in medians):
            return "not measured"
        other = medians[self.beside] if self.beside else 1.0
        most = other + self.limit if self.how == "more" else other * self.limit
        return MET if medians[OURS] <= most else "missed"


def workers(count: int) -> str:
    return f"{count} workers: `up`, ms"


def memory_with(count: int) -> str:
    return f"{count} workers: memory of the tool, MB"


def taken_in(count: int) -> str:
    return f"{count:,} lines taken in, ms"


def work_of_taking_in(count: int) -> str:
    return f"{count:,} lines taken in: work of the tool, CPU ms"


def taken_in_busy(count: int) -> str:
    return f"{count:,} lines taken in, every core busy, ms"


def lost(count: int) -> str:
    return f"{count:,} lines taken in: lost"


def growth(of: str, few: int, many: int) -> str:
    return f"{of}: one of {many:,} services over one of {few:,}, x"


COLD, WARM, STATUS = "cold `up`, ms", "warm `up`, ms", "`status`, ms"
CHAIN = "chain of 8: `up` over its critical path, x"
CHAIN_WORK = "chain of 8: work of the tool, CPU ms"
HOP = "hop: ready → main() of the next, ms"
PAIRS = "20 pairs at once: ready → main(), median, ms"
LAST, GREP, ALL = "`logs -n 100`, ms", "`logs --grep`, ms", "`logs`, all of it, ms"

GOALS = (
    Goal(COLD, 6, DEKIT),
    Goal(WARM, 4, BARE),
    Goal(STATUS, 2.5, BARE),
    Goal(CHAIN, 1.08),
    Goal(CHAIN, 0.05, BARE, "more"),
    Goal(HOP, 2.5, DEKIT),
    Goal(CHAIN_WORK, 0.35, BUILD),
    Goal(PAIRS, 3, DEKIT),
    Goal(workers(50), 3, DEKIT),
    Goal(workers(500), 1, DEKIT),
    Goal(memory_with(50), 0.75, BUILD),
    Goal(taken_in(MILLION), 1, BUILD),
    Goal(work_of_taking_in(MILLION), 0.6, BUILD),
    Goal(taken_in_busy(MILLION), 0.3, BUILD),
    Goal(lost(MILLION), 0),
    Goal(LAST, 0.5, BUILD),
    Goal(GREP, 0.15, BUILD),
    Goal(GREP, 8, BARE),
    Goal(ALL, 0.1, BUILD),
    *(Goal(growth(of, 200, 2000), 1.1) for of in ("`up`", "`status`", "`down`", "state")),
)
