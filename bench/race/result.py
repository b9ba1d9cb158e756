"""What the race came to, as a table: how locald compares first, then the medians, and how far they spread."""

from __future__ import annotations

import datetime
import os
import platform
import re
from statistics import median
from typing import TYPE_CHECKING

from bench.race.goals import GOALS, MET, OURS
from bench.table import PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGIN, END = "<!-- race:begin -->", "<!-- race:end -->"


class Result:
    def __init__(self, racers: Sequence[str]) -> None:
        self.racers = list(racers)
        self.found: dict[str, dict[str, list[float]]] = {}
        """the numbers, by what was measured and who ran"""

    def add(self, racer: str, numbers: dict[str, float]) -> None:
        for what, number in numbers.items():
            self.found.setdefault(what, {}).setdefault(racer, []).append(number)

    @property
    def head(self) -> list[str]:
        others = [name for name in self.racers if name != OURS]
        return ["measured", "goal", *(f"of {name}" for name in others), *self.racers]

    def rows(self) -> list[list[str]]:
        return [self._row(what, by) for what, by in self.found.items()]

    def _row(self, what: str, by: dict[str, list[float]]) -> list[str]:
        others = [name for name in self.racers if name != OURS]
        medians = _medians(by)
        told = ", ".join(goal.told(medians) for goal in GOALS if goal.what == what)
        ratios = [_ratio(medians, name) for name in others]
        return [what, told, *ratios, *(_spread(by.get(name)) for name in self.racers)]

    @property
    def unmet(self) -> list[str]:
        """The goals that were missed, or could not be measured."""
        by_row = {what: _medians(by) for what, by in self.found.items()}
        told = [(goal.what, goal.told(by_row.get(goal.what, {}))) for goal in GOALS]
        return [f"{what}: {how}" for what, how in told if not how.endswith(MET)]


def _medians(by: dict[str, list[float]]) -> dict[str, float]:
    return {name: median(numbers) for name, numbers in by.items()}


def _ratio(medians: dict[str, float], other: str) -> str:
    if OURS not in medians or not medians.get(other):
        return ""
    return f"{medians[OURS] / medians[other]:.2f} x"


def _spread(numbers: list[float] | None) -> str:
    """The median, and the least and the most where there were several."""
    if not numbers:
        return ""
    if len(numbers) == 1 or min(numbers) == max(numbers):
        return _shown(median(numbers))
    return f"{_shown(median(numbers))} ({_shown(min(numbers))}–{_shown(max(numbers))})"


def _shown(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"


def show(result: Result) -> str:
    """For a terminal."""
    lines = [result.head, *result.rows()]
    widths = [max(len(line[each]) for line in lines) for each in range(len(result.head))]
    return "\n".join(
        "  ".join([f"{line[0]:<{widths[0]}}", *map(str.rjust, line[1:], widths[1:])]) for line in lines
    )


def save(result: Result) -> None:
    """For the page: the same as Markdown, between its markers."""
    lines = [f"| {' | '.join(result.head)} |", f"|---|---|{'---:|' * (len(result.head) - 2)}"]
    lines += [f"| {' | '.join(row)} |" for row in result.rows()]
    day = datetime.datetime.now(datetime.UTC).date()
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}, Linux {platform.release()}"
    block = f"{BEGIN}\n" + "\n".join(lines) + f"\n\nRaced on {day} ({machine}).\n{END}"
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: block, PAGE.read_text(), flags=re.DOTALL))
