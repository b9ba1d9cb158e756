"""How a log line is drawn: its service, its stream, and its text in its own colours.

A line that is too long continues in the next row, under its own beginning. Search matches are marked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import chop_cells
from rich.text import Text

from locald.faces.when import seconds_of
from locald.monitor.lines import places

if TYPE_CHECKING:
    from locald.monitor.lines import Line

BARS = {"stdout": ("│ ", "dim"), "stderr": ("┃ ", ""), "locald": ("◇ ", "cyan")}
TINTS = {"error": "red", "warn": "yellow", "debug": "dim"}
TIMED = 100
"""columns from which on each line has its time"""
LONGEST_NAME = 16
FOUND = "black on yellow"


@dataclass(slots=True)
class Look:
    """What stands before each line. `names`: of services, several of which are shown together."""

    width: int = 80
    names: Mapping[str, str] = field(default_factory=dict)
    """how each is called here, with its colour"""
    words: str = ""
    """what is searched for"""

    @property
    def timed(self) -> bool:
        return self.width >= TIMED

    @property
    def margin(self) -> int:
        return (13 if self.timed else 0) + (self._name_width + 1 if self.names else 0) + 2

    @property
    def room(self) -> int:
        """Columns that are left for the text."""
        return max(self.width - self.margin, 10)

    @property
    def _name_width(self) -> int:
        return min(max(map(len, self.names), default=0), LONGEST_NAME)

    def row(self, line: Line, part: int) -> Text:
        """One row of the screen: part 0 is the line's beginning."""
        text = self._head(line) if part == 0 else Text(" " * (self.margin - 2))
        bar, style = BARS.get(line.stream, BARS["stdout"])
        text.append(bar if part == 0 or line.stream != "locald" else " " * len(bar), style)
        pieces = self.pieces(line)
        return text.append_text(pieces[part]) if part < len(pieces) else text

    def pieces(self, line: Line) -> list[Text]:
        """The text in rows."""
        text = self._text(line)
        if line.width <= self.room:
            return [text]
        if line.plain.isascii():
            return list(text.divide(range(self.room, len(line.plain), self.room)))
        ends, end = [], 0
        for piece in chop_cells(line.plain, self.room):
            end += len(piece)
            ends.append(end)
        return list(text.divide(ends[:-1]))

    def _text(self, line: Line) -> Text:
        tint = "cyan" if line.stream == "locald" else TINTS.get(line.level or "", "")
        text = Text(line.plain, tint, no_wrap=True, end="")
        if "\x1b" in line.text:
            painted = Text.from_ansi(line.text, no_wrap=True, end="")
            text = painted if painted.plain == line.plain else text
        for start, end in places(line.plain, self.words) if self.words else ():
            text.stylize(FOUND, start, end)
        return text

    def _head(self, line: Line) -> Text:
        text = Text()
        if self.timed:
            text.append(f"{_clock(line.at)} ", "dim")
        if self.names:
            width = self._name_width
            text.append(f"{line.service[:width]:<{width}} ", self.names.get(line.service, "blue"))
        return text


def _clock(stamp: str) -> str:
    """The local time of day with milliseconds."""
    at = seconds_of(stamp)
    return " " * 12 if at is None else datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S.%f")[:12]
