"""Lines as they are read from a capture: many together, in the bytes that were printed.

To make an object of each line of a large history takes a hundred times as long as to read it. So what is read
are *blocks*: whole lines of one stream, one behind the other, with the times at which they ended. Most of
what is asked can be answered with a block as it is: how many lines, the last of them, those since a moment,
those that hold a word. `lines` makes the objects for who wants them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RETURNS = re.compile(rb"\r+(?=\n)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. `at`: epoch seconds. `stream`: one of those in `frames`."""

    at: float
    run_number: int
    stream: int
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, each with its end. The first ones, up to `ends[0]` bytes, ended at `ats[0]`, and so on."""

    run_number: int
    stream: int
    data: bytes
    ats: list[float]
    ends: list[int]

    @property
    def count(self) -> int:
        """How many lines."""
        return self.data.count(b"\n")

    @property
    def text(self) -> str:
        """As many lines as there are, as text. A terminal's line ends in CR and LF; only LF is kept."""
        data = _RETURNS.sub(b"", self.data) if b"\r" in self.data else self.data
        return data.decode("utf-8", "replace")

    def lines(self) -> list[Line]:
        told: list[Line] = []
        start = 0
        for at, end in zip(self.ats, self.ends, strict=True):
            parts = self.data[start : end - 1].split(b"\n")
            told += [Line(at, self.run_number, self.stream, _text(part)) for part in parts]
            start = end
        return told

    def parts(self) -> Iterator[Block]:
        """One block for each time."""
        if len(self.ats) == 1:
            yield self
            return
        start = 0
        for at, end in zip(self.ats, self.ends, strict=True):
            yield Block(self.run_number, self.stream, self.data[start:end], [at], [end - start])
            start = end

    def behind(self, start: int) -> Block:
        """The lines behind the first `start` bytes, which are whole lines too."""
        if not start:
            return self
        first = bisect_right(self.ends, start)
        ends = [end - start for end in self.ends[first:]]
        return Block(self.run_number, self.stream, self.data[start:], self.ats[first:], ends)

    def last(self, count: int) -> Block:
        """The last `count` lines, or all."""
        if count >= self.count:
            return self
        start = len(self.data)
        for _ in range(count + 1):
            start = self.data.rfind(b"\n", 0, start)
        return self.behind(start + 1)

    def since(self, at: float) -> Block:
        """The lines that ended then or later."""
        if min(self.ats, default=at) >= at:
            return self
        return joined(self, [part for part in self.parts() if part.ats[0] >= at])

    def until(self, at: float) -> Block:
        """The lines that ended then or earlier."""
        if max(self.ats, default=at) <= at:
            return self
        return joined(self, [part for part in self.parts() if part.ats[0] <= at])

    def only(self, wanted: Callable[[Line], bool]) -> Block:
        return self.numbered([number for number, line in enumerate(self.lines()) if wanted(line)])

    def numbered(self, numbers: list[int]) -> Block:
        """The lines with these numbers, which rise and begin with 0."""
        if not numbers:
            return joined(self, [])
        starts, start = [], 0
        for line in self.data.split(b"\n"):
            starts.append(start)
            start += len(line) + 1
        return self.within([(starts[number], starts[number + 1]) for number in numbers])

    def within(self, spans: list[tuple[int, int]]) -> Block:
        """The lines in these places, from where the line begins to where the next one does."""
        ats, ends, end = [], [], 0
        for start, stop in spans:
            end += stop - start
            ends.append(end)
            ats.append(self.ats[bisect_right(self.ends, start)])
        data = b"".join([self.data[start:stop] for start, stop in spans])
        return Block(self.run_number, self.stream, data, ats, ends)


def joined(like: Block, parts: list[Block]) -> Block:
    """Blocks of one stream of one run, that of `like`, as one."""
    ats: list[float] = []
    ends: list[int] = []
    start = 0
    for part in parts:
        ats += part.ats
        ends += [start + end for end in part.ends] if start else part.ends
        start += len(part.data)
    return Block(like.run_number, like.stream, b"".join([part.data for part in parts]), ats, ends)


def last_of(blocks: list[Block], count: int) -> list[Block]:
    """The last `count` lines of all."""
    kept: list[Block] = []
    for block in reversed(blocks):
        if count <= 0:
            break
        kept.append(block.last(count))
        count -= kept[-1].count
    return kept[::-1]


def _text(data: bytes) -> str:
    return data.rstrip(b"\r").decode("utf-8", "replace")
