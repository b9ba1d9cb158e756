"""The histories of some services, read together: what somebody has chosen of them, by time.

Everything here takes as long as the disk does, and is to be done in threads. What is chosen stays in blocks
as long as possible (see `capture.block`); lines of several services are brought into order by the times of
the blocks' parts, for all lines of one part have the same. A pattern is looked for in a whole block at once.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from locald.adapters.folding import Folding, Through
from locald.adapters.patterns import Pattern
from locald.capture import frames
from locald.capture.block import last_of
from locald.capture.last import read_all, read_last
from locald.capture.reader import CaptureReader
from locald.domain.knowledge.level import Level, is_at_least
from locald.domain.project.names import Key, Run
from locald.domain.values.plain import plain, plain_lines, steers
from locald.domain.values.redrawn import kept, last_state, redraws

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence, Set
    from pathlib import Path

    from locald.capture.block import Block

BATCH = 10_000
"""lines of one service that are read before others have their turn"""
HEAVY = 16 << 20
"""bytes of all services together that are read at once, or a little of each if they are many"""
PACKET = 1 << 20
"""bytes that are told at once, where they need not be lines"""
ALMOST_A_MILLISECOND = 0.000_999_4
"""times are told in whole milliseconds, and known to a microsecond"""

_STREAMS = {frames.STDOUT: "stdout", frames.STDERR: "stderr", frames.LOCALD: "locald"}

Found = tuple[Key, "Block"]


class Choice(Struct, frozen=True):
    """Which lines somebody wants: since and until a moment (epoch seconds), matching (without escape
    sequences), whether escape sequences are left out, and whether of what was drawn again and again the last
    state is enough (`domain.values.redrawn`)."""

    since: float | None = None
    grep: Pattern | None = None
    plain: bool = False
    level: Level | None = None
    until: float | None = None
    folds: bool = False
    run: int | None = None
    """only lines of this run"""
    before: float | None = None
    """only lines that ended by this millisecond (epoch seconds), without what was drawn over since"""

    @property
    def is_picky(self) -> bool:
        """By what is in a line."""
        return self.grep is not None or self.level is not None

    def folding(self) -> Folding | Through:
        return Folding() if self.folds else Through()

    def of(self, block: Block) -> Block:
        """What is chosen of a block that is looked at by itself. Raises TooSlow."""
        if self.folds and redraws(block.data):
            block = block.numbered(kept([line.text for line in block.lines()]))
        return self.among(block)

    def among(self, block: Block) -> Block:
        """The lines of a block, folded already, that match, and are as grave as `level`. Raises TooSlow."""
        if self.run is not None and block.run_number != self.run:
            return block.numbered([])
        if self.until is not None:
            block = block.until(self.until)
        if self.before is not None:
            block = block.until(self.before + ALMOST_A_MILLISECOND)
        if (wanted := self.level) is not None:
            block = block.only(lambda line: is_at_least(line.text, wanted))
        if self.grep is None:
            return block
        is_plain = not steers(block.data)
        if is_plain and _is_exact(block.data):
            return block.within(list(self.grep.lines_in(block.data.decode("ascii"))))
        text = block.text if is_plain else plain_lines(block.text)
        return block.numbered(list(_numbers(text, self.grep.lines_in(text))))

    def shown(self, found: Iterable[Found]) -> Iterator[LogLine]:
        for key, block in found:
            stream = _STREAMS.get(block.stream, "locald")
            for line in block.lines():
                text = last_state(line.text) if self.folds else line.text
                yield LogLine(line.at, key, line.run_number, stream, plain(text) if self.plain else text)

    def packed(self, found: Iterable[Found]) -> Iterator[list[Packet]]:
        """In lists of about a megabyte; one list at least."""
        packets: list[Packet] = []
        weight = 0
        for key, block in found:
            data = self._text(block)
            weight += len(data)
            head = key, _STREAMS.get(block.stream, "locald")
            if packets and head == (packets[-1].key, packets[-1].stream):
                packets[-1].data.append(data)
            elif data:
                packets.append(Packet(*head, [data]))
            if weight >= PACKET:
                yield packets
                packets, weight = [], 0
        yield packets

    def _text(self, block: Block) -> bytes:
        if self.folds and redraws(block.data):
            lines = (last_state(line.text) for line in block.lines())
            return "".join(f"{plain(line) if self.plain else line}\n" for line in lines).encode()
        is_plain = not self.plain or not steers(block.data)
        if is_plain and _is_exact(block.data):
            return block.data
        return (block.text if is_plain else plain_lines(block.text)).encode()


EVERYTHING = Choice()


class LogLine(Struct, frozen=True):
    """`run` is the number of the run; `stream` is stdout, stderr or locald; `at` is in epoch seconds.

    `over`: so many lines of the same stream of this run, the last that were told, do not stand any more, for
    this was drawn over them.
    """

    at: float
    key: Key
    run: int
    stream: str
    line: str
    over: int = 0


class Packet(Struct, frozen=True):
    """Lines of one stream of a service, each with its end, in UTF-8."""

    key: Key
    stream: str
    data: list[bytes]


class Source(Struct, frozen=True):
    """One history, where somebody has got to in it, and what was drawn over before."""

    reader: CaptureReader
    folding: Folding | Through

    def rest(self, key: Key, live: Set[Run]) -> list[Block]:
        """What is held back, and what the run at the end of the history has left unended, if it is over."""
        left = [done for block in finish(key, self.reader, live) for done in self.folding.take(block)]
        return left + self.folding.rest()


def read(
    folders: dict[Key, Path], count: int | None, choice: Choice, live: Set[Run]
) -> tuple[dict[Key, Source], Iterator[Found]]:
    """The last lines of some services together, or all, and the places where they end when all are read."""
    if count is not None:
        sources, lines = _read_last(folders, count, choice, live)
        return sources, iter(lines)
    found = {key: read_all(folder, choice.since) for key, folder in folders.items()}
    sources = {key: Source(reader, choice.folding()) for key, (reader, _) in found.items()}
    merged = [_chosen(key, sources[key], blocks, choice, live) for key, (_, blocks) in found.items()]
    return sources, _merged(merged)


def _chosen(
    key: Key, source: Source, blocks: Iterator[Block], choice: Choice, live: Set[Run]
) -> Iterator[Found]:
    """Of a whole history what somebody wants."""
    for block in blocks:
        yield from ((key, choice.among(done)) for done in source.folding.take(block))
    yield from ((key, choice.among(done)) for done in source.rest(key, live))


def _read_last(
    folders: dict[Key, Path], count: int, choice: Choice, live: Set[Run]
) -> tuple[dict[Key, Source], list[Found]]:
    """The last lines of some services together, and the places where they end.

    Of many services with long histories no more is held at a time than of two.
    """
    sources: dict[Key, Source] = {}
    merged: list[Found] = []
    for key, folder in folders.items():
        blocks, reader, folding = read_last(folder, count, choice.folding, choice.since, choice.among)
        sources[key] = Source(reader, folding)
        blocks += map(choice.among, sources[key].rest(key, live))
        both = filter(None, [merged, [(key, block) for block in blocks]])
        merged = _last(list(_merged(list(both))), count)
    return sources, merged


def _last(found: list[Found], count: int) -> list[Found]:
    blocks = last_of([block for _, block in found], count)
    keys = [key for key, _ in found[len(found) - len(blocks) :]]
    return list(zip(keys, blocks, strict=True))


def read_on(sources: dict[Key, Source], live: Set[Run], choice: Choice) -> tuple[list[LogLine], set[Key]]:
    """The next lines of some services, and those of them that have more."""
    found: list[list[Found]] = []
    rest = set()
    share = HEAVY // max(len(sources), 1)
    for key, source in sources.items():
        source.folding.over.clear()
        blocks: list[Block] = []
        lines = weight = 0
        while (more := source.reader.read_blocks()) and lines < BATCH and weight < share:
            blocks += [done for block in more for done in source.folding.take(block)]
            lines += sum(block.count for block in more)
            weight += sum(len(block.data) for block in more)
        if more:
            blocks += [done for block in more for done in source.folding.take(block)]
            blocks += source.folding.rest()
            rest.add(key)
        else:
            blocks += source.rest(key, live)
        found.append([(key, choice.among(block)) for block in blocks])
    told = list(choice.shown(_merged(found)))
    return told if choice.is_picky else _with_over(told, sources), rest


def _with_over(told: list[LogLine], sources: dict[Key, Source]) -> list[LogLine]:
    """The first line of each stream says how many of those that were told before it was drawn over."""
    over = {
        (key, run, _STREAMS.get(stream, "locald")): count
        for key, source in sources.items()
        for (run, stream), count in source.folding.over.items()
    }
    for place, line in enumerate(told) if over else ():
        if count := over.pop((line.key, line.run, line.stream), 0):
            told[place] = replace(line, over=count)
    return told


def finish(key: Key, reader: CaptureReader, live: Set[Run]) -> list[Block]:
    """What the run at the end of the history has left unended, if it is over."""
    return [] if Run(key, reader.position.run_number) in live else reader.finish()


def _merged(sources: Sequence[Iterable[Found]]) -> Iterator[Found]:
    """By time; lines of one service stay in their order."""
    if len(sources) == 1:
        return iter(sources[0])
    parts = (((key, part) for key, block in source for part in block.parts()) for source in sources)
    return heapq.merge(*parts, key=lambda found: found[1].ats[0])


def in_batches(lines: Iterable[LogLine]) -> Iterator[list[LogLine]]:
    """One at least, which may be empty."""
    batch: list[LogLine] = []
    weight = 0
    for line in lines:
        batch.append(line)
        weight += len(line.line)
        if len(batch) == BATCH or weight >= HEAVY:
            yield batch
            batch, weight = [], 0
    yield batch


def _is_exact(data: bytes) -> bool:
    """As text it is what it is in bytes."""
    return data.isascii() and b"\r" not in data


def _numbers(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Which lines of the text these are, counted from 0."""
    number = begin = 0
    for start, _ in spans:
        number += text.count("\n", begin, start)
        begin = start
        yield number
