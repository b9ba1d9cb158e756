"""Reads a service's history back as blocks of lines, onward from any place.

A history is the row of all segments of a service's folder; a `Position` is a place in it. Frames hold bytes
as they came, so a position also carries the lines that were begun before it and not ended yet, one for each
stream: reading on from there neither loses nor doubles anything. A line is reported when its end has been
read, at the time of the frame that ended it, so times never go back within a run. What a stream left unended
is reported when the stream ends. What a run that was cut short left unended is reported when the next run
begins, or by `finish`, for a caller who knows that the run is over.

The writer may append, and delete the oldest segments, at any time. A torn last frame is not there yet.
Nothing here keeps a file open, holds more than a piece of one in memory, or writes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from locald.capture import frames
from locald.capture.block import Block, Line

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


LONGEST = 1024 * 1024
"""bytes of one line; what is longer comes in pieces"""
PIECE = 256 * 1024
"""bytes of a segment that are read at once, or one frame if that is longer"""

GLANCE = 8 * 1024
"""bytes that are read where only headers are looked at: what is printed much is in large frames"""

Name = tuple[int, int]
"""of a segment: run number, number within the run (from 1)"""


@dataclass(frozen=True, slots=True)
class Begun:
    """A line whose end has not been read; `at` is when its newest part was."""

    at: float
    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a history: just before the frame at `offset` bytes of this segment.

    `Position(3)` is the beginning of run 3, `Position()` that of everything.
    """

    run_number: int = 0
    segment: int = 0
    offset: int = 0
    begun: tuple[Begun, ...] = ()


class CaptureReader:
    """A place that moves. Its methods take as long as the disk does, and never raise OSError."""

    def __init__(
        self, folder: Path, position: Position | None = None, within: Collection[int] = frozenset()
    ) -> None:
        """`within`: streams of which a line may have begun before; what is left of it is not told."""
        position = position or Position()
        self._folder = folder
        self._name: Name = (position.run_number, position.segment)
        self._offset = position.offset
        self._begun = {begun.stream: _Unended.of(begun) for begun in position.begun}
        self._within = set(within)
        self._is_cut = False
        self.cut_at: tuple[int, int, int] | None = None
        """the place behind the blocks among which the end of such a line would be"""

    @property
    def position(self) -> Position:
        begun = (unended.begun(stream) for stream, unended in sorted(self._begun.items()))
        return Position(*self._name, self._offset, tuple(begun))

    @property
    def place(self) -> tuple[int, int, int]:
        """Run, segment, offset in it."""
        return *self._name, self._offset

    @property
    def within(self) -> frozenset[int]:
        """Streams of which a line may have begun before what was read, and has not ended."""
        return frozenset(self._within)

    @property
    def is_whole(self) -> bool:
        """No line that had begun before what was read is still to end: it would be told in part, or not."""
        return not self._within

    def read(self) -> list[Line]:
        """The next lines, as many as a few hundred kilobytes hold; none when there are no more now."""
        return [line for block in self.read_blocks() for line in block.lines()]

    def read_blocks(self) -> list[Block]:
        """The same in blocks."""
        told: list[Block] = []
        while not told:
            # Looked up before reading on: once there is a next segment, this one has got its last frame.
            following = min((name for name in segments(self._folder) if name > self._name), default=None)
            told = self._read_on()
            if not told and following is None:
                break
            if not told and following is not None:
                told = self._go_to(following)
        return told

    def finish(self) -> list[Block]:
        """The run is over: the lines that it began and never ended."""
        left, self._begun = self._begun, {}
        begun = sorted((unended.at, stream, unended.data + b"\n") for stream, unended in left.items())
        return [Block(self._name[0], stream, data, [at], [len(data)]) for at, stream, data in begun]

    def _read_on(self) -> list[Block]:
        gathered = _Gathered(self._name[0])
        while not gathered.blocks and (data := whole_frames(self._folder, self._name, self._offset)):
            start = self._offset
            for at, stream, payload, end in frames.decode(data):
                self._feed(gathered, at, stream, payload)
                self._offset = start + end
            gathered.close()
        if self._is_cut:
            self._is_cut, self.cut_at = False, self.place
        return gathered.blocks

    def _feed(self, gathered: _Gathered, at: float, stream: int, payload: bytes) -> None:
        if stream in self._within:
            payload = self._behind_the_first(stream, payload)
        if not payload and stream in self._begun:
            payload = b"\n"  # the stream has ended, and so has its line
        end = payload.rfind(b"\n") + 1
        ended = payload[:end]
        if ended and stream in self._begun:
            ended = self._begun.pop(stream).data + ended
        if len(ended) > LONGEST:
            ended = b"".join(part + b"\n" for line in ended[:-1].split(b"\n") for part in _parts(line))
        if end < len(payload):
            unended = self._begun.setdefault(stream, _Unended(at))
            ended += b"".join([piece + b"\n" for piece in unended.add(at, payload[end:])])
        if ended:
            gathered.add(at, stream, ended)

    def _behind_the_first(self, stream: int, payload: bytes) -> bytes:
        """What stands behind the end of the line that had begun before we did."""
        _, ended, rest = payload.partition(b"\n")
        if ended or not payload:  # nothing: its stream has ended
            self._within.discard(stream)
            self._is_cut = True
        return rest

    def _go_to(self, name: Name) -> list[Block]:
        """Begin another segment. Where it does not continue this one, nothing can end the lines begun."""
        told: list[Block] = []
        if name != (self._name[0], self._name[1] + 1):
            told = self.finish()
            self._within = set()
        self._name, self._offset = name, 0
        return told


class _Gathered:
    """Lines on their way into blocks: those of one stream that come one behind the other share one."""

    __slots__ = ("_ats", "_ends", "_parts", "_run", "_size", "_stream", "blocks")

    def __init__(self, run_number: int) -> None:
        self.blocks: list[Block] = []
        self._run = run_number
        self._begin(0)

    def _begin(self, stream: int) -> None:
        self._stream = stream
        self._parts: list[bytes] = []
        self._ats: list[float] = []
        self._ends: list[int] = []
        self._size = 0

    def add(self, at: float, stream: int, ended: bytes) -> None:
        if stream != self._stream:
            self.close()
            self._begin(stream)
        self._size += len(ended)
        self._parts.append(ended)
        self._ats.append(at)
        self._ends.append(self._size)

    def close(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self.blocks.append(Block(self._run, self._stream, data, self._ats, self._ends))
            self._begin(self._stream)


class _Unended:
    """The beginning of a line, which may come in thousands of small parts."""

    __slots__ = ("_parts", "_size", "at")

    def __init__(self, at: float) -> None:
        self.at = at
        self._parts: list[bytes] = []
        self._size = 0

    @classmethod
    def of(cls, begun: Begun) -> _Unended:
        unended = cls(begun.at)
        unended.add(begun.at, begun.data)
        return unended

    @property
    def data(self) -> bytes:
        return b"".join(self._parts)

    def add(self, at: float, data: bytes) -> list[bytes]:
        """Take a further part; what it has grown too long by is handed back in pieces."""
        self.at = at
        self._parts.append(data)
        self._size += len(data)
        if self._size <= LONGEST:
            return []
        *pieces, rest = _parts(self.data)
        self._parts, self._size = [rest], len(rest)
        return pieces

    def begun(self, stream: int) -> Begun:
        return Begun(self.at, stream, self.data)


def segments(folder: Path) -> list[Name]:
    """The segments of a history, oldest first; none where they cannot be listed."""
    try:
        return segments_surely(folder)
    except OSError:
        return []


def segments_surely(folder: Path) -> list[Name]:
    """The same. Raises OSError where it cannot be known."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(name for name in map(frames.parse_name, names) if name is not None)


def whole_frames(folder: Path, name: Name, offset: int) -> bytes:
    """The whole frames at a place, as many as a piece holds, but at least one; empty when there is none, or
    they cannot be read."""
    try:
        return whole_frames_surely(folder, name, offset)
    except OSError:
        return b""


def whole_frames_surely(folder: Path, name: Name, offset: int) -> bytes:
    """The same. Raises OSError where it cannot be known."""
    try:
        file = os.open(folder / frames.segment_name(*name), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        data = os.pread(file, PIECE, offset)
        if len(data) == PIECE and not any(frames.decode(data)):
            _, _, length = frames.HEADER.unpack_from(data)
            data = _read_all(file, offset, min(frames.HEADER.size + length, os.fstat(file).st_size))
        return data if any(frames.decode(data)) else b""
    finally:
        os.close(file)


def frame_at(folder: Path, name: Name, target: int) -> tuple[int, dict[int, bool]]:
    """Where the frame begins in which the byte `target` of the segment is; and of each stream that has one
    before it, whether that has left a line unended."""
    start, newest = 0, dict[int, tuple[int, int]]()
    try:
        file = os.open(folder / frames.segment_name(*name), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return start, {}
    try:
        while data := os.pread(file, GLANCE, start):
            end = 0
            for stream, begin, end in frames.places(data):
                if start + end > target:
                    return start + begin, _unended(file, newest)
                newest[stream] = start + begin, start + end
            if not end:
                break
            start += end
        return start, _unended(file, newest)
    except OSError:
        return start, {}
    finally:
        os.close(file)


def _unended(file: int, newest: dict[int, tuple[int, int]]) -> dict[int, bool]:
    """Of these frames. One without bytes ends its stream, and so a line."""
    return {
        stream: end - begin > frames.HEADER.size and os.pread(file, 1, end - 1) != b"\n"
        for stream, (begin, end) in newest.items()
    }


def _read_all(file: int, offset: int, length: int) -> bytes:
    parts = []
    while length > 0 and (part := os.pread(file, length, offset)):
        parts.append(part)
        offset, length = offset + len(part), length - len(part)
    return b"".join(parts)


def _parts(line: bytes) -> list[bytes]:
    """A long line in pieces of at most LONGEST bytes, not cut inside a UTF-8 character."""
    pieces = []
    start = 0
    while len(line) - start > LONGEST:
        end = start + LONGEST
        while end > start + LONGEST - 4 and line[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(line[start:end])
        start = end
    pieces.append(line[start:])
    return pieces
