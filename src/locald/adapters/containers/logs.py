"""What a container prints, from the engine's log into our captures: every message once, whatever restarts.

The engine keeps the messages of a container in order, each with a time, and sends all since a time that we
name, then new ones. Its times alone do not name a message: the pieces of a long line share the time of the
first, and the two streams may be kept a little out of order. So our place is a *time and a count*: "of what
there is since then, this many are ours". The time moves on when no earlier message can come any more.

The place is kept in a small file beside the capture, after the messages. If we are killed between the two,
the capture has frames behind the place that it should have had; one message is one frame, so counting
them puts it right.

All work on disk is done in one thread, in order; what is asked for first is done first.

Source: docs.docker.com/reference/api/engine (ContainerLogs, ContainerAttach: the format of the stream).
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from locald.adapters.containers.streams import STDERR, STDIN, STDOUT, Demultiplexer
from locald.adapters.containers.translate import nanoseconds
from locald.capture import frames
from locald.capture.reader import segments_surely, whole_frames_surely
from locald.capture.writer import CaptureWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.linux.clock import Clock

_STREAMS = {STDIN: frames.STDOUT, STDOUT: frames.STDOUT, STDERR: frames.STDERR}
SETTLED = 2_000_000_000
"""nanoseconds after which nothing earlier is kept any more by an engine, but pieces of a line"""


class Message(Struct, frozen=True):
    """`moment`: nanoseconds on the engine's clock; 0 when it said none. `stream`: as in `frames`."""

    moment: int
    stream: int
    data: bytes


def message(stream: int, data: bytes) -> Message | None:
    """Each begins with its time and a space. What the engine itself says has none, and is not the run's."""
    if stream not in _STREAMS:
        return None
    moment, space, text = data.partition(b" ")
    known = nanoseconds(moment.decode("ascii", "replace")) if space else None
    return Message(0, _STREAMS[stream], data) if known is None else Message(known, _STREAMS[stream], text)


# The place up to which messages are ours.


class Place(Struct, frozen=True):
    """Of the messages since `since` (nanoseconds) the first `count` are ours, the newest being of `newest`.

    The next two are the same from a later moment on, which takes over when it is safe: no message from
    before it can come any more. `segment` and `offset`: where the capture ended then.
    """

    since: int = 0
    count: int = 0
    newest: int = 0
    later: int = 0
    later_count: int = 0
    segment: int = 0
    offset: int = 0

    FORMAT = struct.Struct("<7Q")

    def pack(self) -> bytes:
        return self.FORMAT.pack(
            self.since, self.count, self.newest, self.later, self.later_count, self.segment, self.offset
        )

    @classmethod
    def unpack(cls, data: bytes) -> Place:
        return cls(*cls.FORMAT.unpack(data)) if len(data) == cls.FORMAT.size else cls()

    def after(self, moment: int, open_since: int | None) -> Place:
        """One message further. `open_since`: the moment of the oldest line that is not complete yet."""
        counted = replace(
            self,
            count=self.count + (moment >= self.since),
            later_count=self.later_count + (moment >= self.later > 0),
            newest=max(self.newest, moment),
        )
        if counted.later == 0:
            return replace(counted, later=counted.newest + 1, later_count=0)
        settled = counted.newest - SETTLED
        if counted.later < settled and (open_since is None or open_since >= counted.later):
            moved = replace(counted, since=counted.later, count=counted.later_count)
            return replace(moved, later=counted.newest + 1, later_count=0)
        return counted


class Capture:
    """A run's messages on disk. Everything here waits for the disk: call it in the thread for that.

    What cannot be written raises nothing: it is counted by the writer, as everywhere.
    """

    def __init__(self, folder: str, run: int, log_size: int, clock: Clock) -> None:
        self._folder, self._run, self._clock = folder, run, clock
        self._writer = CaptureWriter(folder, run, log_size)
        self._path = os.path.join(folder, f"{run:08d}.place")
        self._place: Place | None = None
        self._ours = 0
        """messages still to come in the stream that our place counts"""
        self._unplaced = 0
        """and after those, messages that the capture has and our place does not count"""
        self._demultiplexer = Demultiplexer()
        self._open: dict[int, int] = {}
        """by stream, when a line was begun that has no end yet"""
        self._at = 0.0

    def begin(self) -> str:
        """Make ready for a stream from our place on; what to ask for as `since`, or nothing. Raises OSError
        where nobody can tell what is ours: without descriptors, say."""
        place, lost = self._known()
        self._demultiplexer = Demultiplexer()
        self._ours, self._unplaced = place.count, lost
        return f"{place.since // 10**9}.{place.since % 10**9:09d}" if place.since else ""

    def _known(self) -> tuple[Place, int]:
        """Our place, and how many messages of the capture lie behind it."""
        if self._place is not None:
            return self._place, 0
        place = _read(self._path)
        lost = _frames_behind(Path(self._folder), self._run, place)
        self._place = place
        return place, lost

    def feed(self, data: bytes) -> bool:
        """Keep what came of the stream; whether there was anything new."""
        parts = self._demultiplexer.feed(data)
        return self.take(found for stream, part in parts if (found := message(stream, part)))

    def take(self, said: Iterable[Message]) -> bool:
        """Keep what is new of these; whether anything is."""
        new = [each for each in said if not self._is_known(each)]
        for each in new:
            self._keep(each)
        if new:
            self._save()
        return bool(new)

    def end(self) -> bool:
        """The container prints no more: lines that it did not end are whole. Whether there were any."""
        begun = sorted(self._open)
        for stream in begun:
            self._writer.write(self._at, stream, b"")
        self._open.clear()
        if begun:
            self._save()
        return bool(begun)

    def _is_known(self, message: Message) -> bool:
        """Whether it is ours already. One from after the newest that we counted is not among those counted,
        even when some of them did not come: the engine has thrown them away."""
        if message.moment > (self._place or Place()).newest:
            self._ours = 0
        if self._ours:
            self._ours -= 1
            return True
        if self._unplaced:
            self._unplaced -= 1
            self._advance(message)
            return True
        return False

    def _keep(self, message: Message) -> None:
        at = self._clock.of_wall(message.moment / 1e9 if message.moment else None)
        self._at = max(self._at, at)
        self._writer.write(self._at, message.stream, message.data)
        self._advance(message)

    def _advance(self, message: Message) -> None:
        if message.data.endswith(b"\n"):
            self._open.pop(message.stream, None)
        else:
            self._open.setdefault(message.stream, message.moment)
        self._place = (self._place or Place()).after(message.moment, min(self._open.values(), default=None))

    def _save(self) -> None:
        place, (segment, offset) = self._place or Place(), self._writer.place
        if segment:  # else nothing could be written
            place = replace(place, segment=segment, offset=offset)
        self._place = place
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(file, place.pack(), 0)
            finally:
                os.close(file)
        except OSError:
            pass  # the disk is full: the writer says so where people look

    def note(self, line: str) -> None:
        """A line of locald's own."""
        self._writer.write(self._clock.now(), frames.LOCALD, line.encode() + b"\n")

    def close(self) -> None:
        self._writer.close()

    def discard_place(self) -> None:
        """The run is over, and everything of it is here."""
        try:
            os.unlink(self._path)
        except OSError:
            pass


def _read(path: str) -> Place:
    try:
        with open(path, "rb") as file:
            return Place.unpack(file.read())
    except FileNotFoundError:
        return Place()


def _frames_behind(folder: Path, run: int, place: Place) -> int:
    """How many messages of the run are in its capture behind a place."""
    count = 0
    for name in segments_surely(folder):
        if name[0] != run or name[1] < place.segment:
            continue
        offset = place.offset if name[1] == place.segment else 0
        while data := whole_frames_surely(folder, name, offset):
            found = list(frames.decode(data))
            count += sum(stream != frames.LOCALD and bool(payload) for _, stream, payload, _ in found)
            offset += found[-1][-1]
    return count
