"""The terminal of a run that reads one (`stdin = "terminal"`), and those who are attached to it.

All who are attached see what the run prints, first the last of what it printed before; one of them types: who
came first, or took over, and when that one leaves, who came next. The terminal has the size of the one who
types. Nobody holds up the run: who reads more slowly than it prints gets, as soon as he has read what he had,
the newest instead of the rest. Keys that the run does not read are held to a limit, then their typist waits.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios

from locald.keeper.wire import attachment
from locald.keeper.wire.attachment import Malformed, Pieces, piece
from locald.keeper.wire.nonblocking import Nonblocking

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    import socket

    from locald.keeper.loop import Loop

REMEMBERED = 32 * 1024
"""bytes of output that who attaches is shown first: some hundred lines"""
MOST_WAITING = 256 * 1024
"""bytes of output that may wait for one who is attached"""
MOST_TYPED = 64 * 1024
"""bytes that the run has not read yet, beyond what the kernel holds"""
LAST_WORDS = 5.0
"""seconds that who is attached has to read the end of it"""
_READ = 16 * 1024


class Terminal:
    """`file`: the keeper's end, whose other user reads it; it is not closed here."""

    __slots__ = ("_file", "_is_cut", "_loop", "_shown", "_typed", "_typist", "_viewers", "_waits")

    def __init__(self, loop: Loop, file: int) -> None:
        """Raises OSError."""
        self._loop = loop
        self._file = os.dup(file)  # to wait for one thing while the other user waits for another
        os.set_inheritable(self._file, False)
        self._shown = bytearray()
        self._is_cut = False
        """Not all that was ever printed is there."""
        self._typed = bytearray()
        self._viewers: list[Viewer] = []
        self._typist: Viewer | None = None
        self._waits = False
        """Keys are there that the run has no room for."""

    def printed(self, data: bytes) -> None:
        """Show this to all, and remember it."""
        self._shown += data
        if len(self._shown) > 2 * REMEMBERED:
            del self._shown[:-REMEMBERED]
            self._is_cut = True
        for viewer in tuple(self._viewers):
            viewer.show(data)

    def last(self) -> bytes:
        """What was printed last, from the beginning of a line where something is left out."""
        last = bytes(self._shown[-REMEMBERED:])
        is_cut = self._is_cut or len(last) < len(self._shown)
        return last[last.find(b"\n") + 1 :] if is_cut else last

    def attach(self, connection: socket.socket, answer: bytes, *, looks: bool, takes: bool) -> None:
        """Talk to this one from now on, `answer` first. `looks`: it never types; `takes`: it does at once."""
        viewer = Viewer(self, self._loop, connection, looks=looks)
        self._viewers.append(viewer)
        viewer.send(answer)
        viewer.send_output(self.last())
        if viewer not in self._viewers:  # it has gone already
            return
        if not looks and (takes or self._typist is None):
            self._give_turn(viewer)
        else:
            viewer.send(piece(attachment.TURN, attachment.OTHERS))

    def typed(self, viewer: Viewer, keys: bytes) -> None:
        if viewer is self._typist:
            self._typed += keys
            self._write()

    def resized(self, viewer: Viewer) -> None:
        if viewer is self._typist and viewer.window is not None:
            rows, columns = viewer.window
            try:
                fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            except OSError:  # nobody holds its other end any more
                pass

    def left(self, viewer: Viewer) -> None:
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        if viewer is self._typist:
            self._typist = None
            if following := next((each for each in self._viewers if not each.looks), None):
                self._give_turn(following)

    def close(self) -> None:
        """Nothing is left of the run: tell it to all."""
        for viewer in tuple(self._viewers):
            viewer.end()
        self._viewers.clear()
        self._typist = None
        self._loop.unwatch(self._file)
        os.close(self._file)

    def _give_turn(self, viewer: Viewer) -> None:
        before, self._typist = self._typist, viewer
        if before is not None and before is not viewer:
            before.listen()
            before.send(piece(attachment.TURN, attachment.OTHERS))
        viewer.send(piece(attachment.TURN, attachment.MINE))
        self.resized(viewer)

    def _write(self) -> None:
        try:
            while self._typed:
                del self._typed[: os.write(self._file, self._typed)]
        except BlockingIOError:
            pass
        except OSError:  # nobody reads it any more
            self._typed.clear()
        self._wait()
        if self._typist is not None:
            self._typist.listen(len(self._typed) < MOST_TYPED)

    def _wait(self) -> None:
        """Only where there is need: a terminal that nobody holds any more would have news for ever."""
        waits = bool(self._typed)
        if waits and not self._waits:
            self._loop.watch(self._file, select.EPOLLOUT, self._write)
        elif self._waits and not waits:
            self._loop.unwatch(self._file)
        self._waits = waits


class Viewer:
    """One who is attached. `window`: rows and columns there, when they are known."""

    __slots__ = (
        "_behind",
        "_ending",
        "_loop",
        "_pieces",
        "_terminal",
        "_wire",
        "looks",
        "window",
    )

    def __init__(self, terminal: Terminal, loop: Loop, connection: socket.socket, *, looks: bool) -> None:
        self.looks = looks
        self.window: tuple[int, int] | None = None
        self._terminal = terminal
        self._loop = loop
        self._pieces = Pieces()
        self._behind = False
        """Output was left out, since too much waits already."""
        self._ending = False
        self._wire = Nonblocking(loop, connection, self._ready)

    def show(self, data: bytes) -> None:
        if self._wire.waiting > MOST_WAITING:
            self._behind = True
        if not self._behind:
            self.send_output(data)

    def send_output(self, data: bytes) -> None:
        if data:
            self.send(piece(attachment.OUTPUT, data))

    def send(self, data: bytes) -> None:
        self._wire.add(data)
        self._flush()

    def listen(self, hears: bool = True) -> None:
        """Whether what comes from there is read."""
        self._wire.listen(hears)

    def end(self) -> None:
        if self._behind:
            self._catch_up()
        self._ending = True
        self._loop.after(LAST_WORDS, self._close)
        self.send(piece(attachment.ENDED))

    def _ready(self) -> None:
        self._flush()
        if self._wire.is_open and self._wire.hears:
            self._receive()

    def _flush(self) -> None:
        is_there = self._wire.flush()
        while is_there and self._behind and not self._wire.waiting:
            self._catch_up()
            is_there = self._wire.flush()
        if not is_there or (self._ending and not self._wire.waiting):
            self._close()

    def _catch_up(self) -> None:
        self._behind = False
        self._wire.add(piece(attachment.SKIPPED) + piece(attachment.OUTPUT, self._terminal.last()))

    def _receive(self) -> None:
        data = self._wire.receive(_READ)
        if data is None:
            return
        try:
            for kind, told in self._pieces.take(data):
                self._take(kind, told)
        except Malformed:
            data = b""
        if not data:
            self._close()

    def _take(self, kind: bytes, told: bytes) -> None:
        if kind == attachment.KEYS:
            self._terminal.typed(self, told)
        elif kind == attachment.SIZE and len(told) == attachment.WINDOW.size:
            self.window = attachment.WINDOW.unpack(told)
            self._terminal.resized(self)

    def _close(self) -> None:
        if self._wire.is_open:
            self._wire.close()
            self._terminal.left(self)
