"""Where a run's stdout and stderr come out, two terminals or two pipes, and what it reads.

Programs write to a terminal at once and to a pipe when they feel like it, so by default each of the two
streams is a pseudo-terminal of its own: output appears when it is written and the streams stay apart.
The terminals are 80x24, change nothing (no CRLF) and echo nothing. They are opened so that they never become
anybody's controlling terminal: a keeper that dies must not hang up its services. Where no terminal is to be
had, pipes do.

Reading a pseudo-terminal without blocking says EAGAIN only after all that was written has come through, and
EIO only when all of it was read and nobody holds the other end: so "read until EAGAIN" is a complete drain.

Its standard input has an end, at once, or none: then it is a pipe that nobody writes into, whose other end is
held as long as the run lives. Or all three are one terminal, which somebody can attach to: that one does all
that terminals do (echo, CRLF, Ctrl-C), but for Ctrl-S, which would stop a run while nobody looks.

Source: pty(7), termios(3).
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios

_WINDOW = struct.pack("HHHH", 24, 80, 0, 0)
_IUTF8 = 0o40000
"""the erase key takes a whole character away; Python's `termios` does not name it"""
CHUNK = 64 * 1024
"""bytes that are read before others get their turn, and the most that one frame holds"""
_HERE = memoryview(bytearray(CHUNK))
"""where everything is read to: memory that is asked for and given back each time comes to have holes"""


def open_pair(tty: bool) -> tuple[int, int]:
    """(our end, non-blocking; the run's end). Raises OSError."""
    ours, theirs = (_terminal() if tty else None) or os.pipe()
    os.set_blocking(ours, False)
    return ours, theirs


def open_input(stays_open: bool) -> tuple[int, int]:
    """(our end, or -1 where there is none; the run's end). Raises OSError."""
    if not stays_open:
        return -1, os.open(os.devnull, os.O_RDWR)
    theirs, ours = os.pipe()
    return ours, theirs


def open_terminal() -> tuple[int, int]:
    """(our end, non-blocking; the run's end) of a terminal to attach to. Raises OSError."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    settings = termios.tcgetattr(theirs)
    settings[0] = (settings[0] & ~termios.IXON) | _IUTF8
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, _WINDOW)
    return ours, theirs


def _terminal() -> tuple[int, int] | None:
    try:
        ours, theirs = os.openpty()
    except OSError:
        return None
    try:
        _make_raw(theirs)
    except OSError:
        os.close(ours)
        os.close(theirs)
        return None
    return ours, theirs


def _make_raw(terminal: int) -> None:
    settings = termios.tcgetattr(terminal)
    settings[0] = 0  # input: nothing is translated
    settings[1] &= ~termios.OPOST  # output: neither
    settings[3] = 0  # no echo, no signals from keys, no TOSTOP
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, _WINDOW)


class Stream:
    """Our end of one stream. `number`: as in the capture's frames."""

    __slots__ = ("file", "number", "unended")

    def __init__(self, file: int, number: int) -> None:
        self.file = file
        self.number = number
        self.unended = False
        """What was read last was not the end of a line."""

    def has_data(self) -> bool:
        """Whether somebody has written what is not read yet."""
        poll = select.poll()
        poll.register(self.file, select.POLLIN)
        return any(event & select.POLLIN for _, event in poll.poll(0))

    def read(self) -> tuple[memoryview, bool]:
        """(what is there, at most CHUNK bytes, until the next call of any stream; whether it has ended)."""
        length = 0
        while length < CHUNK:
            try:
                part = os.readv(self.file, [_HERE[length:]])
            except BlockingIOError:
                break
            except OSError:  # EIO: nobody holds the other end of the terminal
                part = 0
            if not part:
                return _HERE[:length], True
            length += part
        return _HERE[:length], False
