"""The bytes of a capture: what a run printed, as it came, in a row of small frames.

A run's history is a row of *segments*, files named `{run:08d}-{segment:04d}.cap` in the folder of its
service. A segment is a row of *frames*: a header (when the bytes were read, which stream, how many bytes)
and then the bytes exactly as read, so a frame may hold half a line or half a character; putting lines
together is the reader's work. A frame without bytes says that its stream has ended. Frames are only ever
appended, and one frame is written at once, so the only damage that a crash can do is a torn last
frame. Readers ignore it (it may still be growing); a writer that continues the file cuts it off.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Iterator

STDOUT = 0
STDERR = 1
LOCALD = 2
"""Streams: what the run printed, and lines of locald's own about it."""

HEADER = struct.Struct("<dBI")
"""Time in epoch seconds on the steady clock, stream, length of the payload in bytes."""

_STREAM_AND_LENGTH = struct.Struct("<8xBI")

SUFFIX = ".cap"
SMALLEST_SEGMENT = 64 * 1024


def encode(at: float, stream: int, payload: bytes) -> bytes:
    """One frame, ready to be appended."""
    return header(at, stream, len(payload)) + payload


def header(at: float, stream: int, length: int) -> bytes:
    """What precedes so many bytes."""
    return HEADER.pack(at, stream, length)


def decode(data: bytes, start: int = 0) -> Iterator[tuple[float, int, bytes, int]]:
    """Yield (at, stream, payload, end) of each whole frame from `start`; `end` is where the next one begins.

    Ends silently at a torn frame: the last `end` is the length of what is sound.
    """
    while start + HEADER.size <= len(data):
        at, stream, length = HEADER.unpack_from(data, start)
        begin = start + HEADER.size
        if begin + length > len(data):
            return
        start = begin + length
        yield at, stream, data[begin:start], start


def places(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (stream, begin, end) of each frame whose header is here; the last may end behind `data`."""
    begin = 0
    while begin + HEADER.size <= len(data):
        stream, length = _STREAM_AND_LENGTH.unpack_from(data, begin)
        end = begin + HEADER.size + length
        yield stream, begin, end
        begin = end


def segment_name(run_number: int, segment: int) -> str:
    """The file name of a segment; names sort as runs and segments do."""
    return f"{run_number:08d}-{segment:04d}{SUFFIX}"


def parse_name(name: str) -> tuple[int, int] | None:
    """(run number, segment) of a file name, or None when it is not a segment's."""
    run, dash, rest = name.partition("-")
    segment, dot, suffix = rest.partition(".")
    if not (dash and dot) or "." + suffix != SUFFIX or not (run.isdecimal() and segment.isdecimal()):
        return None
    return int(run), int(segment)


def segment_size(log_size: int) -> int:
    """How many bytes a segment may hold before the next one is begun."""
    return max(SMALLEST_SEGMENT, log_size // 8)
