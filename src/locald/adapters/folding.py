"""What is left of blocks in which something was drawn again and again, also over the ends of blocks.

A spinner's states come in many blocks: each time that another stream prints in between, or that a follower is
told what is new. So the newest blocks are held back, as many as a cursor may move up over; what climbs higher
than that drew over lines that somebody has been told already, and `over` says how many.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from locald.capture.block import joined
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
        self._held: deque[Block] = deque()
        self._lines: defaultdict[Stream, int] = defaultdict(int)
        """held, of each stream"""
        self._asked: dict[Stream, str] = {}
        """the last line of a stream, where that is a request of locald's own"""
        self.over: defaultdict[Stream, int] = defaultdict(int)
        """lines that were given back already, the last of their stream, and that do not stand any more"""

    def take(self, block: Block) -> list[Block]:
        stream = _stream(block)
        last = self._asked.pop(stream, "")
        if redraws(block.data):
            lines = [line.text for line in block.lines()]
            numbers, above = standing(lines, last)
            if missing := self._drop(stream, above):
                self.over[stream] += missing
            block = block.numbered(numbers)
            if numbers and is_own_request(lines[numbers[-1]]):
                self._asked[stream] = lines[numbers[-1]]
        self._held.append(block)
        self._lines[stream] += block.count
        return self._done()

    def rest(self) -> list[Block]:
        """Those that are held, to be told now."""
        held = [block for block in self._held if block.data]
        self._held.clear()
        self._lines.clear()
        return held

    def _done(self) -> list[Block]:
        done = []
        while self._held:
            first = self._held[0]
            behind = self._lines[_stream(first)] - first.count
            if behind < MOST and len(self._held) <= MOST_HELD:
                break
            self._lines[_stream(first)] = behind
            done.append(self._held.popleft())
        return done

    def _drop(self, stream: Stream, count: int) -> int:
        """The last lines of a stream do not stand any more. How many of them are not held."""
        for place in range(len(self._held) - 1, -1, -1):
            if not count:
                break
            block = self._held[place]
            if _stream(block) == stream:
                gone = min(count, block.count)
                left = block.count - gone
                self._held[place] = block.numbered(list(range(left))) if left else joined(block, [])
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


def _stream(block: Block) -> Stream:
    return block.run_number, block.stream
