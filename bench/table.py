"""What was measured, as a table: how much of the goal was used first, then the number and the goal."""

from __future__ import annotations

import datetime
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
HEAD = ("measured", "of goal", "number", "goal")


@dataclass(frozen=True, slots=True)
class Measure:
    """A number, less is better, and what it should stay below. Without a goal it is there to be known."""

    what: str
    number: float
    unit: str
    goal: float | None = None

    @property
    def is_good(self) -> bool:
        return self.goal is None or self.number <= self.goal

    @property
    def cells(self) -> tuple[str, str, str, str]:
        number = f"{_shown(self.number)} {self.unit}"
        if self.goal is None:
            return self.what, "", number, ""
        return self.what, f"{self.number / self.goal:.2f}", number, f"{_shown(self.goal)} {self.unit}"


def _shown(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.0f}"


def show(rows: list[Measure]) -> str:
    """For a terminal."""
    cells = [HEAD, *(row.cells for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(4)]
    return "\n".join(
        f"{line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]:>{widths[3]}}"
        for line in cells
    )


def save(found: dict[str, list[Measure]]) -> None:
    """For the page: the same as Markdown, a table for each measurement, between markers of its own. What was
    not measured now keeps its table, with its day."""
    day = datetime.datetime.now(datetime.UTC).date()
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    page = PAGE.read_text()
    for name, rows in found.items():
        page = _with(page, name, section(name, [_row(each.cells) for each in rows], f"{day} ({machine})"))
    PAGE.write_text(page)


def section(name: str, rows: list[str], when: str) -> str:
    table = "\n".join([_row(HEAD), "|---|---:|---:|---:|", *rows])
    return f"{_marker(name)}\n{table}\n\n`bench/run {name}`, measured on {when}.\n\n"


def _with(page: str, name: str, text: str) -> str:
    """The page with this section in place of the one of before, or behind all others."""
    if _marker(name) in page:
        return re.sub(f"{_marker(name)}.*?(?=<!-- measured:)", lambda _: text, page, flags=re.DOTALL)
    return page.replace(END, text + END)


def _marker(name: str) -> str:
    return f"<!-- measured:{name} -->"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
