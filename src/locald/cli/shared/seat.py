"""This terminal as the terminal of a service: keys go there as they are, and what it prints comes here.

Ctrl-\\ leaves. While somebody sits here the terminal is raw: Ctrl-C and all other keys are the service's.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from contextlib import contextmanager

from locald.cli.shared import say
from locald.client.terminal import Attached, Over
from locald.faces.modes import Modes, without_questions
from locald.faces.text import plain
from locald.keeper.wire import attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

LEAVE = (b"\x1c", b"\x1b[92;5u")
"""Ctrl-\\, also as kitty's protocol reports it"""
_READ = 16 * 1024


class Seat:
    """One person's time with one run. `looks`: without typing."""

    def __init__(self, attached: Attached, *, looks: bool) -> None:
        self._attached = attached
        self._looks = looks
        self._modes = Modes()
        self._types: bool | None = None
        """not known before all was shown that had been printed already"""
        self._size: tuple[int, int] | None = None
        self._has_ended = False

    def sit(self) -> bool:
        """Until it is left (False), or nothing is left of the run (True)."""
        with _resizing() as resized, _raw():
            try:
                return self._talk(resized)
            finally:
                _write(self._modes.undo())

    def _talk(self, resized: int) -> bool:
        self._resize()
        self._show(self._attached.begun())
        poll = select.poll()
        for file in (sys.stdin.fileno(), self._attached.fileno(), resized):
            poll.register(file, select.POLLIN)
        while not self._has_ended:
            for file, _ in poll.poll():
                if file == resized:
                    os.read(resized, _READ)
                    self._resize()
                elif file == self._attached.fileno():
                    self._hear()
                elif not self._type():
                    return False
        return True

    def _hear(self) -> None:
        try:
            self._show(self._attached.hear())
        except Over:
            self._has_ended = True

    def _type(self) -> bool:
        """Pass the keys on. False when the person leaves."""
        keys = os.read(sys.stdin.fileno(), _READ)
        ends = [keys.find(leave) for leave in LEAVE if leave in keys]
        typed = keys[: min(ends)] if ends else keys
        if typed and not self._looks:
            self._attached.type(typed)
        return bool(keys) and not ends

    def _resize(self) -> None:
        size = os.get_terminal_size(sys.stdout.fileno())
        if size != self._size:
            self._size = size
            self._attached.resize(size.lines, size.columns)

    def _show(self, pieces: Iterable[tuple[bytes, bytes]]) -> None:
        for kind, data in pieces:
            if kind == attachment.OUTPUT:
                self._print(data if self._types is not None else without_questions(data))
            elif kind == attachment.SKIPPED:
                _write(b"\r\n" + _noted("output skipped, this terminal is slower than the service"))
            elif kind == attachment.TURN:
                self._turn(data == attachment.MINE)
            elif kind == attachment.ENDED:
                self._has_ended = True

    def _print(self, data: bytes) -> None:
        self._modes.read(data)
        _write(data)

    def _turn(self, mine: bool) -> None:
        before, self._types = self._types, mine
        if mine and before is False:
            _write(b"\r\n" + _noted("you type now"))
        elif not mine and not self._looks:
            _write(b"\r\n" + _noted("another terminal types, this one only looks (--take takes over)"))


def _noted(text: str) -> bytes:
    words = say.paint(f"[{plain(text)}]", "dim", on=say.has_colour(sys.stdout))
    return f"{words}\r\n".encode()


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]


@contextmanager
def _raw() -> Iterator[None]:
    """Every key as it is; afterwards as it was, also when we are told to end."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    told = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setraw(terminal, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)
        for number, handler in told.items():
            signal.signal(number, handler)


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _resizing() -> Iterator[int]:
    """A file that has something to read when the size of the terminal has changed."""
    listen, tell = os.pipe()
    os.set_blocking(tell, False)
    before = signal.signal(signal.SIGWINCH, lambda *_: None)
    waker = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    try:
        yield listen
    finally:
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGWINCH, before)
        os.close(listen)
        os.close(tell)
