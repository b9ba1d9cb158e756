"""The log lines in memory: bounded, filtered by stream, level and text, each with its place on the screen.

A service may print faster than anybody reads. So only the newest `LIMIT` lines are kept, and of a line only
what is needed to filter it and to know how many rows it fills; its look is worked out when it is drawn. Rows
are counted from the first line ever shown, so a line keeps its row when older ones are dropped, and the
visible ones are found by bisection.

While somebody reads (`held`) nothing moves: new lines wait, bounded too, until `release`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, chop_cells

from locald.faces.words import project as project_of
from locald.monitor import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIMIT = 20_000
FAR = 2_000
"""how far back one looks for a line that was drawn over, where others print in between"""
LEVELS = ("debug", "info", "warn", "error")
STREAMS = ("stdout", "stderr", "locald")


@dataclass(frozen=True, slots=True)
class Line:
    """`text`: with colours; `plain`: without."""

    at: str
    project: str
    service: str
    stream: str
    level: str | None
    text: str
    plain: str
    run: int = 0
    over: int = 0
    """so many lines of its stream and run, the last before it, do not stand any more"""

    @property
    def width(self) -> int:
        """Columns of the screen."""
        return len(self.plain) if self.plain.isascii() else cell_len(self.plain)

    def rows(self, width: int) -> int:
        """How many rows of so many columns it fills; a wide character is never cut in two."""
        if self.plain.isascii() or self.width <= width:
            return max(-(-self.width // width), 1)
        return len(chop_cells(self.plain, width))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which lines are shown: of this stream, of at least this level, with these words in it."""

    stream: str = ""
    level: str = ""
    words: str = ""

    def holds(self, line: Line) -> bool:
        if self.stream and line.stream != self.stream:
            return False
        if self.level and _rank(line.level) < _rank(self.level):
            return False
        return not self.words or contains(line.plain, self.words)


def contains(text: str, words: str) -> bool:
    """Lower case finds both cases. A bar separates alternatives: `error|refused`."""
    if words == words.lower():
        text = text.lower()
    return any(each in text for each in words.split("|") if each)


def places(text: str, words: str) -> list[tuple[int, int]]:
    """Where the words stand in the text, beginning and end."""
    if words == words.lower():
        text = text.lower()
    found = []
    for each in (each for each in words.split("|") if each):
        start = text.find(each)
        while start >= 0:
            found.append((start, start + len(each)))
            start = text.find(each, start + len(each))
    return found


def line_of(entry: Any) -> Line | None:
    """A line of `logs --json`; None for what is none."""
    if not isinstance(entry, dict) or not isinstance(entry.get("line"), str):
        return None
    shown = entry.get("shown")
    text = safe.output(shown if isinstance(shown, str) else entry["line"])
    level = entry.get("level")
    at, service, stream = (safe.line(str(entry.get(name) or "")) for name in ("at", "service", "stream"))
    project = safe.line(str(project_of(entry)))
    run, over = (entry[name] if isinstance(entry.get(name), int) else 0 for name in ("run", "over"))
    known = level if level in LEVELS else None
    return Line(at, project, service, stream, known, text, safe.uncoloured(text), run, over)


@dataclass(slots=True)
class Lines:
    """All lines at hand, and those of them that are shown."""

    width: int = 80
    """columns that a line may fill before it goes on in the next row"""
    limit: int = LIMIT
    choice: Choice = Choice()
    held: bool = False
    waiting: deque[Line] = field(default_factory=lambda: deque(maxlen=LIMIT))
    shown: list[Line] = field(default_factory=list)
    _all: list[Line] = field(default_factory=list)
    _rows: list[int] = field(default_factory=lambda: [0])
    """of each line shown its first row, and at the end the row after the last"""

    @property
    def first_row(self) -> int:
        return self._rows[0]

    @property
    def height(self) -> int:
        """Rows of all that is shown."""
        return self._rows[-1] - self._rows[0]

    @property
    def kept(self) -> int:
        return len(self._all)

    def add(self, lines: Iterable[Line]) -> None:
        if self.held:
            self.waiting.extend(lines)
        else:
            self._take(lines)

    def add_before(self, lines: Sequence[Line]) -> int:
        """Lines from before the first one. How many rows they fill: by so many the others move down."""
        self._all[:0] = lines
        chosen = [line for line in lines if self.choice.holds(line)]
        heights = [line.rows(self.width) for line in chosen]
        before = sum(heights)
        self.shown[:0] = chosen
        self._rows[:0] = accumulate(heights[:-1], initial=self.first_row - before) if chosen else ()
        return before

    @property
    def oldest(self) -> tuple[str, int]:
        """The time of the first line, and how many lines at the beginning have it."""
        at = self._all[0].at if self._all else ""
        return at, sum(1 for _ in takewhile(lambda line: line.at == at, self._all))

    def release(self) -> None:
        """Show what came meanwhile, and what comes from now on."""
        self.held = False
        self._take(self.waiting)
        self.waiting.clear()

    def clear(self) -> None:
        self._all.clear()
        self.waiting.clear()
        self._show_again()

    def choose(self, choice: Choice) -> None:
        self.choice = choice
        self._show_again()

    def fit(self, width: int) -> None:
        """The screen is this wide now."""
        if width > 0 and width != self.width:
            self.width = width
            self._show_again()

    def at_row(self, row: int) -> tuple[Line, int, int] | None:
        """The line at a row (counted from the first shown), its number, and which of its rows that is."""
        absolute = row + self._rows[0]
        index = bisect_right(self._rows, absolute) - 1
        if row < 0 or index >= len(self.shown):
            return None
        return self.shown[index], index, absolute - self._rows[index]

    def row_of(self, index: int) -> int:
        """The first row of a line, counted from the first shown."""
        return self._rows[index] - self._rows[0]

    def find(self, words: str, start: int, step: int) -> int | None:
        """The number of the next line from `start` in this direction that has the words; None for none."""
        return self._seek(start, step, lambda line: contains(line.plain, words))

    def find_event(self, start: int, step: int) -> int | None:
        """The same for what locald itself says: started, healthy, exited."""
        return self._seek(start, step, lambda line: line.stream == "locald")

    def _seek(self, start: int, step: int, fits: Any) -> int | None:
        beyond = len(self.shown) if step > 0 else -1
        return next((i for i in range(start, beyond, step) if fits(self.shown[i])), None)

    def _take(self, lines: Iterable[Line]) -> None:
        new = list(lines)[-self.limit :]
        start = 0
        for place in (place for place, line in enumerate(new) if line.over):
            self._extend(new[start:place])
            self._draw_over(new[place])
            start = place
        self._extend(new[start:])
        self._let_go()

    def _extend(self, lines: Sequence[Line]) -> None:
        self._all.extend(lines)
        self._append(line for line in lines if self.choice.holds(line))

    def _draw_over(self, line: Line) -> None:
        """The last lines of its stream do not stand any more."""
        whose = line.project, line.service, line.run, line.stream
        gone: list[Line] = []
        place = len(self._all)
        least = max(place - FAR, 0)
        while place > least and len(gone) < line.over:
            place -= 1
            each = self._all[place]
            if (each.project, each.service, each.run, each.stream) == whose:
                gone.append(each)
        if not gone:
            return
        left = {id(each) for each in gone}
        first = len(self.shown) - sum(map(self.choice.holds, self._all[place:]))
        self._all[place:] = [each for each in self._all[place:] if id(each) not in left]
        tail = [each for each in self.shown[first:] if id(each) not in left]
        del self.shown[first:], self._rows[first + 1 :]
        self._append(tail)

    def _append(self, lines: Iterable[Line]) -> None:
        row = self._rows[-1]
        for line in lines:
            self.shown.append(line)
            row += line.rows(self.width)
            self._rows.append(row)

    def _let_go(self) -> None:
        excess = len(self._all) - self.limit
        if excess <= 0:
            return
        gone = sum(self.choice.holds(line) for line in self._all[:excess])
        del self._all[:excess], self.shown[:gone], self._rows[:gone]

    def _show_again(self) -> None:
        self.shown.clear()
        self._rows[:] = [0]
        self._append(line for line in self._all if self.choice.holds(line))


def _rank(level: str | None) -> int:
    """What names no level counts as information."""
    return LEVELS.index(level) if level in LEVELS else 1
