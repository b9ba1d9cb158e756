"""What is left of blocks in which something was drawn again and again, also over the ends of blocks.

A spinner's states come in many blocks: each time that another stream prints in between, or that a follower is
told what is new. So the newest blocks are held back, as many as a cursor may move up over; what climbs higher
than that drew over lines that somebody has been told already, and `over` says how many.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from locald.domain.values.redrawn import MOST, is_own_request, redraws, standing

if TYPE_CHECKING:
    from locald.capture.block import Block

Stream = tuple[int, int]
"""the number of a run, and one of the streams in `frames`"""
MOST_HELD = 256
"""blocks"""


class Folding:
    """The blocks of one service, in their order. `take` and `rest` give back those that are done with."""

    __slots__ = ("_asked", "_held", "_lines", "over")

    def __init__(self) -> None:
        self._held: deque[tuple[Block, Stream, int]] = deque()
        """with the number of lines, which takes a while to count"""
        self._lines: defaultdict[Stream, int] = defaultdict(int)
        """held, of each stream"""
        self._asked: dict[Stream, str] = {}
        """the last line of a stream, where that is a request of locald's own"""
        self.over: defaultdict[Stream, int] = defaultdict(int)
        """lines that were given back already, the last of their stream, and that do not stand any more"""

    def take(self, block: Block) -> list[Block]:
        stream = block.run_number, block.stream
        last = self._asked.pop(stream, "") if self._asked else ""
        if redraws(block.data):
            block = self._folded(block, stream, last)
        count = block.count
        self._held.append((block, stream, count))
        self._lines[stream] += count
        return self._done()

    def rest(self) -> list[Block]:
        """Those that are held, to be told now."""
        held = [block for block, _, count in self._held if count]
        self._held.clear()
        self._lines.clear()
        return held

    def _folded(self, block: Block, stream: Stream, last: str) -> Block:
        lines = [line.text for line in block.lines()]
        numbers, above = standing(lines, last)
        if above and (missing := self._drop(stream, above)):
            self.over[stream] += missing
        if numbers and is_own_request(lines[numbers[-1]]):
            self._asked[stream] = lines[numbers[-1]]
        return block if len(numbers) == len(lines) else block.numbered(numbers)

    def _done(self) -> list[Block]:
        done = []
        while self._held:
            block, stream, count = self._held[0]
            behind = self._lines[stream] - count
            if behind < MOST and len(self._held) <= MOST_HELD:
                break
            self._lines[stream] = behind
            self._held.popleft()
            done.append(block)
        return done

    def _drop(self, stream: Stream, count: int) -> int:
        """The last lines of a stream do not stand any more. How many of them are not held."""
        for place in range(len(self._held) - 1, -1, -1):
            if not count:
                break
            block, its, lines = self._held[place]
            if its == stream:
                gone = min(count, lines)
                left = block.numbered(list(range(lines - gone)))
                self._held[place] = left, stream, lines - gone
                self._lines[stream] -= gone
                count -= gone
        return count


class Through:
    """Where nothing is to be folded."""

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over: dict[Stream, int] = {}

    def take(self, block: Block) -> list[Block]:
        return [block]

    def rest(self) -> list[Block]:
        return []
