"""Log lines in pages, for who asks again and again: each page has a cursor, at which the next one begins.

The first page has the last lines; those that follow have the next ones, the oldest first, however they are
chosen. A page is limited in lines and in bytes, so that nobody gets more than he can hold, and says whether
there is more. Nothing is remembered for who asks: the cursor has a `Mark` in each history.

Everything here takes as long as the disk does, and is to be done in threads.
"""

from __future__ import annotations

import base64
import heapq
import json
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from locald.adapters import histories
from locald.adapters.histories import LogLine
from locald.capture.last import end_of
from locald.capture.mark import STREAMS, UNKNOWN, Mark, mark_of, reader_at
from locald.domain.project.names import Key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set
    from pathlib import Path

    from locald.adapters.histories import Choice
    from locald.capture.block import Block
    from locald.domain.project.names import Run

Marks = dict[Key, Mark]

FURTHEST = 1 << 40
"""bytes: no history is so long"""


class Limits(Struct, frozen=True):
    """`size`: bytes of the text of all lines together; of a line that alone has more, the end is cut off."""

    lines: int
    size: int


class Page(Struct, frozen=True):
    """`more`: there are others, before these on a first page, else behind them."""

    lines: list[LogLine]
    more: bool
    marks: Marks


class NoCursor(ValueError):
    """The text is no cursor."""


def first(
    folders: Mapping[Key, Path], limits: Limits, choice: Choice, live: Set[Run], known: int = 0
) -> Page:
    """The last lines, but for so many that are known."""
    sources, found = histories.read(dict(folders), limits.lines + 1 + known, choice, live)
    lines = list(choice.shown(found))
    del lines[max(len(lines) - known, 0) :]
    room = _Room(limits)
    kept = [fitting for line in reversed(lines) if (fitting := room.take(line))]
    marks = {key: mark_of(folders[key], source.reader) for key, source in sources.items()}
    return Page(kept[::-1], room.is_over, marks)


def following(
    folders: Mapping[Key, Path], marks: Marks, limits: Limits, choice: Choice, live: Set[Run]
) -> Page:
    """The next lines behind the marks. Of a service that has none, all are."""
    sources = [_Onward(key, folder, marks.get(key, Mark()), choice, live) for key, folder in folders.items()]
    room = _Room(limits)
    kept: list[LogLine] = []
    for line, mark, source in heapq.merge(*(each.lines() for each in sources), key=lambda each: each[0].at):
        fitting = room.take(line)
        if fitting is None:
            break
        kept.append(fitting)
        source.mark = mark
    else:
        for source in sources:
            source.mark = source.end
    return Page(kept, room.is_over, {source.key: source.mark for source in sources})


class _Room:
    """What is left of the limits. It is over with the first line that does not fit."""

    def __init__(self, limits: Limits) -> None:
        self._lines, self._size = limits.lines, limits.size
        self._most = limits.size
        self.is_over = False

    def take(self, line: LogLine) -> LogLine | None:
        """The line, if it fits."""
        data = line.line.encode("utf-8", "replace")
        is_first = self._size == self._most
        self.is_over = self.is_over or not self._lines or (len(data) > self._size and not is_first)
        if self.is_over:
            return None
        self._lines -= 1
        self._size -= len(data)
        if len(data) <= self._most:
            return line
        return structs.replace(line, line=data[: self._most].decode("utf-8", "ignore") + "…")


class _Onward:
    """The lines of one history behind a mark. `mark` is where those end that were taken."""

    def __init__(self, key: Key, folder: Path, mark: Mark, choice: Choice, live: Set[Run]) -> None:
        self.key, self.mark, self.end = key, mark, mark
        self._folder, self._choice, self._live = folder, choice, live
        self._reader = reader_at(folder, mark)
        self._told = mark.told if self._is_there(mark) else 0

    def _is_there(self, mark: Mark) -> bool:
        return self._reader.place == (mark.run_number, mark.segment, mark.offset)

    def lines(self) -> Iterator[tuple[LogLine, Mark, _Onward]]:
        """Each chosen line with the mark behind it, up to where the history ends now."""
        end, goes_on = end_of(self._folder), True
        while goes_on:
            before = mark_of(self._folder, self._reader)
            blocks = self._reader.read_blocks() if self._reader.place < end else []
            goes_on = bool(blocks)
            blocks = blocks or histories.finish(self.key, self._reader, self._live)
            number = 0
            for block in blocks:
                for place, line in self._chosen(block):
                    if number + place > self._told:
                        yield line, before._replace(told=number + place), self
                number += block.count
            self._told = max(self._told - number, 0)
        self.end = mark_of(self._folder, self._reader)

    def _chosen(self, block: Block) -> Iterator[tuple[int, LogLine]]:
        """The lines of the block that are wanted, each with its number in the block, from 1. Which these are
        depends on what they hold, so of lines that are alike all are, or none."""
        chosen = self._choice.of(block)
        shown = zip(chosen.lines(), self._choice.shown([(self.key, chosen)]), strict=True)
        wanted = next(shown, None)
        for place, line in enumerate(block.lines(), 1):
            if wanted and wanted[0] == line:
                if line.at >= (self._choice.since or 0.0):
                    yield place, wanted[1]
                wanted = next(shown, None)


def written(marks: Marks) -> str:
    """As text of letters, digits, `-` and `_`."""
    told = {str(key): tuple(mark) for key, mark in marks.items()}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


def understood(text: str) -> Marks:
    """The marks of a text that `written` made. Raises NoCursor."""
    try:
        told = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        return {Key.parse(key): _mark(*fields) for key, fields in told.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise NoCursor from None


def _mark(run_number: int, segment: int, offset: int, told: int, began: float, begun: list[int]) -> Mark:
    sizes = run_number, segment, offset, told, *begun
    if len(begun) != len(STREAMS) or not all(isinstance(size, int) for size in sizes):
        raise NoCursor
    if min(sizes) < UNKNOWN or max(sizes) > FURTHEST:
        raise NoCursor
    return Mark(run_number, segment, offset, told, float(began), tuple(begun))
