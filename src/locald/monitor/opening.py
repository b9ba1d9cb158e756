"""Has the screen and the keys before Textual does: shows the first picture, keeps what is typed meanwhile.

Keys wait in the terminal's buffer until Textual reads them. Whatever happens until Textual has taken over,
the terminal is left as it was.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.color import ColorSystem

from locald.monitor import first

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from locald.monitor.subject import Subject

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
NO_WRAP, WRAP = "\x1b[?7l", "\x1b[?7h"
ENDING = (signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Opened:
    """The screen is the monitor's."""

    modes: list[Any]
    """those of the terminal before"""
    is_taken: bool = False
    """Textual has it"""
    is_left: bool = False
    """and has left it"""


@contextmanager
def opened(subject: Subject) -> Iterator[Opened | None]:
    """Show the first picture; None where standard error, which Textual draws on, is no terminal."""
    try:
        modes, size = termios.tcgetattr(sys.stdin), os.get_terminal_size(sys.stderr.fileno())
    except (OSError, termios.error):
        yield None
        return
    screen = Opened(modes)
    before = {number: signal.signal(number, _end) for number in ENDING}
    try:
        _read_keys(modes)
        lines = first.picture(subject, size.columns or 80, size.lines or 24, _depth())
        placed = (f"\x1b[{number};1H{line}" for number, line in enumerate(lines, 1))
        _write(ENTER + HIDE + NO_WRAP + "".join(placed))
        yield screen
    finally:
        if not screen.is_left:
            _write(WRAP + LEAVE + SHOW)
        _restore(modes)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _restore(modes: list[Any]) -> None:
    try:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
    except termios.error:  # the terminal is gone
        pass


def _read_keys(modes: list[Any]) -> None:
    """Key by key, none of them shown, Enter as Enter; Ctrl-C ends the command as before."""
    ours = [*modes[:6], [*modes[6]]]
    ours[0] &= ~(termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR)
    ours[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
    ours[6][termios.VMIN] = 1
    termios.tcsetattr(sys.stdin, termios.TCSANOW, ours)  # flushes nothing


def _depth() -> ColorSystem | None:
    """How many colours the terminal has, judged as Rich does."""
    if os.environ.get("NO_COLOR"):
        return None
    if os.environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return ColorSystem.TRUECOLOR
    kind = os.environ.get("TERM", "")
    is_many = kind.endswith("256color") or kind.endswith("kitty")
    return ColorSystem.EIGHT_BIT if is_many else ColorSystem.STANDARD


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:  # the terminal is gone
        pass
