"""The end of a service's history, without reading all of it; or all of it, without holding it.

Frames can only be read onward, for each tells where the next one begins. But to go from one to the next
takes next to no time where what is in them is not looked at. So reading begins a little before the end, at
the beginning of a frame, and again eight times as far back as long as that is not enough.
Such a place may be in the middle of a line, one of each stream: what is left of that is not told, and if one
of the lines that are asked for may be that one, it is not enough either.

The end is where it was when reading began: a service may print faster than anybody reads, for ever.
"""

from __future__ import annotations

import os
from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeVar

from locald.capture import frames
from locald.capture.block import last_of
from locald.capture.reader import CaptureReader, Position, frame_at, segments, whole_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from locald.capture.block import Block
    from locald.capture.reader import Name


Place = tuple[int, int, int]
"""run, segment, offset in it"""
NEAR, FURTHER = 64 * 1024, 8
"""bytes before the end where reading begins at first, and how many times as far each time after that"""
USUAL = 100
"""bytes of a line: where so many lines are asked for that they need more, reading begins further back"""
_PRINTED = frozenset({frames.STDOUT, frames.STDERR})
"""streams of which a frame may end within a line"""


class Stage(Protocol):
    """Takes one block after the other, and gives some of them back when it is done with them."""

    def take(self, block: Block, /) -> Sequence[Block]: ...

    def rest(self) -> Sequence[Block]:
        """All that it still has."""
        ...


S = TypeVar("S", bound=Stage)


def read_last(
    folder: Path,
    count: int,
    begin: Callable[[], S],
    since: float | None = None,
    chosen: Callable[[Block], Block] = lambda block: block,
) -> tuple[list[Block], CaptureReader, S]:
    """The last `count` lines of those that are chosen and not older than `since`, and where they end: the
    reader, and the stage that `begin` has made, which all blocks went through before they were chosen.
    """
    names = segments(folder)
    end = _end(folder, names)
    earliest = 0 if since is None else _first_since(folder, names, since)
    back = max(NEAR, count * USUAL)
    while True:
        reader, is_all = _start_before(folder, names, earliest, back)
        kept, stage = _Last(count), begin()
        for block in _up_to(reader, end, since):
            for each in stage.take(block):
                kept.add(chosen(each))
            if reader.cut_at == reader.place:
                kept.add_all(map(chosen, stage.rest()))
                kept.miss_one()
        kept.add_all(map(chosen, stage.rest()))
        if is_all or (kept.is_full and reader.is_whole):
            return kept.lines, reader, stage
        back *= FURTHER


def read_all(folder: Path, since: float | None = None) -> tuple[CaptureReader, Iterator[Block]]:
    """The lines that are not older than `since`, read when they are asked for, and where they end then."""
    names = segments(folder)
    end = _end(folder, names)
    first = 0 if since is None else _first_since(folder, names, since)
    reader = _start_at(folder, names, first)
    return reader, _up_to(reader, end, since)


class _Last:
    """The last `count` lines of all that were added, and few more."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._held = self._whole = 0
        self._blocks: deque[tuple[Block, int]] = deque()

    def add(self, block: Block) -> None:
        self._blocks.append((block, block.count))
        self._held += block.count
        self._whole += block.count
        while self._blocks and self._held - self._blocks[0][1] >= self._count:
            self._held -= self._blocks.popleft()[1]

    def add_all(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            self.add(block)

    def miss_one(self) -> None:
        """A line before this may be missing."""
        self._whole = 0

    @property
    def is_full(self) -> bool:
        """And nothing is missing between the lines."""
        return self._whole >= self._count

    @property
    def lines(self) -> list[Block]:
        return last_of([block for block, _ in self._blocks], self._count)


def _start_before(folder: Path, names: list[Name], earliest: int, back: int) -> tuple[CaptureReader, bool]:
    """A reader about `back` bytes before the end, and whether that is all there is from a segment on."""
    for index in range(len(names) - 1, earliest - 1, -1):
        size = _size(folder, names[index])
        if size > back:
            offset, unended = frame_at(folder, names[index], size - back)
            return _start_at(folder, names, index, offset, unended), not offset and index == earliest
        back -= size
    return _start_at(folder, names, earliest), True


def _start_at(
    folder: Path,
    names: list[Name],
    index: int,
    offset: int = 0,
    unended: Mapping[int, bool] = MappingProxyType({}),
) -> CaptureReader:
    """`unended`: of the streams with frames before this place in its segment, whether a line goes on here."""
    if not names or (index <= 0 and not offset):
        return CaptureReader(folder)
    begun = _begun_before(folder, names, index, dict(unended))
    return CaptureReader(folder, Position(*names[index], offset), begun)


def _begun_before(folder: Path, names: list[Name], index: int, unended: dict[int, bool]) -> set[int]:
    """The streams of which a line has begun before, and goes on. One that has no frame in this segment may
    have its newest in any before."""
    while index and not unended.keys() >= _PRINTED and _continues(names, index):
        index -= 1
        unended = frame_at(folder, names[index], _size(folder, names[index]))[1] | unended
    return {stream for stream, goes_on in unended.items() if goes_on}


def _continues(names: list[Name], index: int) -> bool:
    run, segment = names[index]
    return names[index - 1] == (run, segment - 1)


def end_of(folder: Path) -> Place:
    """Where the history ends now."""
    return _end(folder, segments(folder))


def _end(folder: Path, names: list[Name]) -> Place:
    return (*names[-1], _size(folder, names[-1])) if names else (0, 0, 0)


def _size(folder: Path, name: Name) -> int:
    try:
        return os.stat(folder / frames.segment_name(*name)).st_size
    except OSError:
        return 0


def _up_to(reader: CaptureReader, end: Place, since: float | None) -> Iterator[Block]:
    while reader.place < end and (blocks := reader.read_blocks()):
        yield from blocks if since is None else (block.since(since) for block in blocks)


def _first_since(folder: Path, names: list[Name], since: float) -> int:
    """The index of a segment from which on is everything since then: one before the first that may have some.

    (A line that ends after `since` may have begun in the segment before.)
    """
    for index in reversed(range(len(names))):
        began = next((at for at, *_ in frames.decode(whole_frames(folder, names[index], 0))), None)
        if began is not None and began < since:
            return max(index - 1, 0)
    return 0
