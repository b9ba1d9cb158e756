"""What a run prints, on its way from two terminals (or pipes) into its capture.

It is read as soon as it is there, so a service never waits for its output to be taken, whatever the daemon
does. A stream that ended is closed, and where it ended within a line, the capture says so. `drain` takes
what is there at this moment: before an exit is reported, so that the last words of the process are in the
capture when somebody asks why it ended; a background process that goes on printing does not hold it up,
because what one stream may hold is limited.

What the disk does not take is lost to the capture, but the daemon may wait for just that line: the end of it
is held.
"""

from __future__ import annotations

import os
import select

from locald.capture import frames
from locald.capture.writer import CaptureWriter
from locald.keeper.runs.streams import Stream, open_pair, open_terminal
from locald.keeper.runs.terminal import Terminal

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.keeper.loop import Loop
    from locald.keeper.wire.protocol import Order

_CHUNKS_OF_A_DRAIN = 32
"""2 MB: more than a pipe or a terminal holds, unless somebody goes on printing"""
MOST_UNWRITTEN = 64 * 1024
"""bytes of what no disk has taken"""


class Output:
    """The streams and the capture of one run. `before` is called before something is read, with whether
    there is something; `grew` after frames were appended, with those bytes that could not be.

    `unwritten`: the last of these."""

    __slots__ = ("_before", "_capture", "_grew", "_loop", "_streams", "terminal", "unwritten")

    def __init__(
        self, loop: Loop, order: Order, before: Callable[[bool], None], grew: Callable[[bytes], None]
    ) -> None:
        self._loop = loop
        self._before = before
        self._grew = grew
        self._capture = CaptureWriter(order.logs, order.number, order.log_size)
        self._streams: list[Stream] = []
        self.unwritten = b""
        self.terminal: Terminal | None = None
        """where the run has one that somebody can attach to"""

    def open_terminal(self) -> int:
        """The run's end of a terminal for all that it reads and prints; to be closed by the caller.
        Raises OSError."""
        ours, theirs = open_terminal()
        self._add(ours, frames.STDOUT)
        try:
            self.terminal = Terminal(self._loop, ours)
        except OSError:
            os.close(theirs)
            raise
        return theirs

    def open(self, tty: bool) -> tuple[int, int]:
        """The run's ends of stdout and stderr; to be closed by the caller. Raises OSError."""
        out = self._open(tty, frames.STDOUT)
        try:
            return out, self._open(tty, frames.STDERR)
        except OSError:
            os.close(out)
            raise

    def _open(self, tty: bool, number: int) -> int:
        ours, theirs = open_pair(tty)
        self._add(ours, number)
        return theirs

    def _add(self, ours: int, number: int) -> None:
        stream = Stream(ours, number)
        self._streams.append(stream)
        self._loop.watch(ours, select.EPOLLIN, lambda: self._ready(stream))

    def _ready(self, stream: Stream) -> None:
        self._before(stream.has_data())
        if stream in self._streams:
            self._take(stream)

    def _take(self, stream: Stream) -> bool:
        """Capture what is there; whether there may be more at once."""
        data, ended = stream.read()
        if data:
            stream.unended = data[-1] != ord("\n")
            self._write(stream.number, data)
            if self.terminal is not None:
                self.terminal.printed(bytes(data))
        if ended:
            self._close(stream)
        return bool(data) and not ended

    def _write(self, number: int, data: bytes | memoryview) -> None:
        written = self._capture.write(self._loop.now(), number, data)
        lost = b"" if written or number == frames.LOCALD else bytes(data)
        self.unwritten = (self.unwritten + lost)[-MOST_UNWRITTEN:]
        self._grew(lost)

    def _close(self, stream: Stream) -> None:
        if stream in self._streams:
            self._streams.remove(stream)
            self._loop.unwatch(stream.file)
            os.close(stream.file)
            if stream.unended:
                self._write(stream.number, b"")

    def drain(self) -> None:
        for stream in tuple(self._streams):
            for _ in range(_CHUNKS_OF_A_DRAIN):
                if not self._take(stream):
                    break

    def note(self, line: str) -> None:
        """A line of locald's own. May come after `close`."""
        text = line if line.endswith("\n") else line + "\n"
        self._write(frames.LOCALD, text.encode("utf-8", "replace"))
        if not self._streams:
            self._capture.close()

    def close(self) -> None:
        """Take the last words and let go of everything."""
        self.drain()
        for stream in tuple(self._streams):
            self._close(stream)
        if self.terminal is not None:
            self.terminal.close()
            self.terminal = None
        self._capture.close()
