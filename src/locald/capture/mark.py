"""A place between two lines of a history that can be handed out, and come back at any time later.

It is that of a reader, but small: of the lines that were begun before it only the lengths are kept, for what
they held is in the history. Lines that end in one frame have one place, so it also says how many of those
behind the place were told. And it says when its segment began: a history that was discarded begins anew, with
the same numbers, and is then told from its beginning.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from locald.capture import frames
from locald.capture.reader import LONGEST, Begun, CaptureReader, Position, segments, whole_frames

if TYPE_CHECKING:
    from pathlib import Path

    from locald.capture.reader import Name

STREAMS = (frames.STDOUT, frames.STDERR, frames.LOCALD)
UNKNOWN = -1
"""the length of a line of which nobody has looked for the beginning: back to the end of the one before"""


class Mark(NamedTuple):
    """`told`: lines behind the place. `began`: epoch seconds of the segment's first frame. `begun`: bytes of
    the unended line of each stream."""

    run_number: int = 0
    segment: int = 0
    offset: int = 0
    told: int = 0
    began: float = 0.0
    begun: tuple[int, ...] = (0, 0, 0)


def mark_of(folder: Path, reader: CaptureReader) -> Mark:
    """Where the reader is."""
    run_number, segment, offset = reader.place
    sizes = {begun.stream: len(begun.data) for begun in reader.position.begun}
    unknown = dict.fromkeys(reader.within, UNKNOWN)
    begun = tuple((sizes | unknown).get(stream, 0) for stream in STREAMS)
    return Mark(run_number, segment, offset, 0, _began(folder, (run_number, segment)), begun)


def reader_at(folder: Path, mark: Mark) -> CaptureReader:
    """A reader at the place, or as near as there is something left. It tells the lines that were told."""
    name = mark.run_number, mark.segment
    began = _began(folder, name)
    if began and mark.began in (0.0, began):
        found = (_unended(folder, mark, stream) for stream in STREAMS)
        return CaptureReader(folder, Position(*name, mark.offset, tuple(filter(None, found))))
    oldest = min(segments(folder), default=(0, 0))
    is_same = not began and oldest > name  # the oldest are deleted when there are too many
    return CaptureReader(folder, Position(*name) if is_same else None)


def _began(folder: Path, name: Name) -> float:
    """The time of the segment's first frame; 0.0 when there is none."""
    try:
        with open(folder / frames.segment_name(*name), "rb") as file:
            head = file.read(frames.HEADER.size)
    except OSError:
        return 0.0
    return float(frames.HEADER.unpack(head)[0]) if len(head) == frames.HEADER.size else 0.0


def _unended(folder: Path, mark: Mark, stream: int) -> Begun | None:
    """The line of a stream that had begun before the place and had not ended."""
    size, segment, end = mark.begun[stream], mark.segment, mark.offset
    newest, data = 0.0, b""
    while size and segment >= 0:
        at, part = _printed(folder, (mark.run_number, segment), stream, end)
        newest, data = newest or at, part + data
        if size == UNKNOWN and b"\n" in data:
            data = data[data.rfind(b"\n") + 1 :]
            break
        if size != UNKNOWN and len(data) >= size:
            data = data[-size:]
            break
        segment, end = segment - 1, -1
        if not os.path.exists(folder / frames.segment_name(mark.run_number, segment)):
            break
    return Begun(newest, stream, data[-LONGEST:]) if data else None


def _printed(folder: Path, name: Name, stream: int, end: int) -> tuple[float, bytes]:
    """What the frames of a stream hold up to `end` (-1: all), and the time of the last of them."""
    newest, parts, start = 0.0, [], 0
    while (end < 0 or start < end) and (data := whole_frames(folder, name, start)):
        begin = start
        for at, of, payload, behind in frames.decode(data):
            if end >= 0 and begin + behind > end:
                break
            if of == stream:
                newest = at
                parts.append(payload or b"\n")
            start = begin + behind
        if start == begin:
            break
    return newest, b"".join(parts)
