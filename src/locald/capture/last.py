"""The end of a service's history, without reading all of it; or all of it, without holding it.

Frames can only be read onward, and so can segments; but a segment is an eighth of a history at most. So
reading begins with the newest segment, and again with twice as many as long as that is not enough.
A segment may begin in the middle of a line: the first line of each stream is then left out, until enough
are known without it.

The end is where it was when reading began: a service may print faster than anybody reads, for ever.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from locald.capture import frames
from locald.capture.reader import CaptureReader, Line, Name, Position, segments, whole_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


Place = tuple[int, int, int]
"""run, segment, offset in it"""


def read_last(
    folder: Path,
    count: int,
    since: float | None = None,
    wanted: Callable[[Line], bool] = lambda _: True,
) -> tuple[list[Line], CaptureReader]:
    """The last `count` lines that are wanted and not older than `since`, and where they end.

    Begins with the newest segment, and goes back twice as far as long as that is not enough.
    """
    names = segments(folder)
    end = _end(folder, names)
    earliest = 0 if since is None else _first_since(folder, names, since)
    back = 1
    while True:
        start = max(earliest, len(names) - back)
        reader, unsure = _start_at(folder, names, start)
        kept: deque[Line] = deque(maxlen=count)
        kept.extend(
            line
            for line in _sure(reader, unsure, end)
            if (since is None or line.at >= since) and wanted(line)
        )
        enough = len(kept) == count and not unsure.intersection(
            begun.stream for begun in reader.position.begun
        )
        if enough or start == earliest:
            return list(kept), reader
        back *= 2


def read_all(folder: Path, since: float | None = None) -> tuple[CaptureReader, Iterator[Line]]:
    """The lines that are not older than `since`, read when they are asked for, and where they end then."""
    names = segments(folder)
    end = _end(folder, names)
    reader, unsure = _start_at(folder, names, 0 if since is None else _first_since(folder, names, since))
    return reader, (line for line in _sure(reader, unsure, end) if since is None or line.at >= since)


def _start_at(folder: Path, names: list[Name], start: int) -> tuple[CaptureReader, set[int]]:
    """A reader at a segment, and the streams of which it may begin in the middle of a line."""
    if start <= 0 or not names:
        return CaptureReader(folder), set()
    run, segment = names[start]
    continues = names[start - 1] == (run, segment - 1)
    streams = {frames.STDOUT, frames.STDERR, frames.LOCALD}
    return CaptureReader(folder, Position(run, segment)), streams if continues else set()


def _end(folder: Path, names: list[Name]) -> Place:
    """Where the history ends now."""
    if not names:
        return 0, 0, 0
    try:
        size = os.stat(folder / frames.segment_name(*names[-1])).st_size
    except OSError:
        size = 0
    return *names[-1], size


def _sure(reader: CaptureReader, unsure: set[int], end: Place) -> Iterator[Line]:
    """All lines up to `end`, without what may be only the end of one. Takes streams out of `unsure`."""
    first_run = reader.position.run_number
    while _place(reader) < end and (lines := reader.read()):
        for line in lines:
            if unsure and line.run_number != first_run:
                unsure.clear()
            if line.stream in unsure:
                unsure.discard(line.stream)
            else:
                yield line


def _place(reader: CaptureReader) -> Place:
    position = reader.position
    return position.run_number, position.segment, position.offset


def _first_since(folder: Path, names: list[Name], since: float) -> int:
    """The index of a segment from which on is everything since then: one before the first that may have some.

    (A line that ends after `since` may have begun in the segment before.)
    """
    for index in reversed(range(len(names))):
        began = next((at for at, *_ in frames.decode(whole_frames(folder, names[index], 0))), None)
        if began is not None and began < since:
            return max(index - 1, 0)
    return 0
