"""How locald talks: to standard error, in plain sentences, complete without colour.

    error: where: what happened
    hint: the next command

Standard output is for data alone. Colour is only on a terminal and not with `NO_COLOR`. A stream that
nobody reads any more is no reason to fail: talk is dropped.
"""

from __future__ import annotations

import os
import sys

from locald.faces.text import plain
from locald.wire.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TextIO

    from locald.domain.values.problem import Problem

COLOURS = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "bold": "1",
    "bright_blue": "94",
    "dim": "2",
}


def is_terminal(stream: TextIO | None) -> bool:
    """The stream is a terminal on which a cursor can be moved."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def width(stream: TextIO) -> int:
    """Columns of a terminal; 80 where it does not say."""
    return os.get_terminal_size(stream.fileno()).columns or 80


def has_colour(stream: TextIO | None) -> bool:
    """https://no-color.org: any value but the empty one forbids colour."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def paint(text: str, *colours: str, on: bool) -> str:
    """The text in these colours if they are `on`."""
    if not on or not colours or not text:
        return text
    return f"\x1b[{';'.join(COLOURS[colour] for colour in colours)}m{text}\x1b[0m"


def line(text: str = "") -> None:
    """One line of talk, as it is."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BlockingIOError:
        pass  # somebody may listen again
    except OSError:
        _talk_to_nobody()
    except ValueError:
        pass  # it is closed


def _talk_to_nobody() -> None:
    """What is still buffered would make the interpreter end with a code of its own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)


def note(text: str) -> None:
    """Something worth knowing."""
    line(plain(text))


def error(what: str, hint: str = "") -> None:
    _headed("error", "red", what)
    if hint:
        hinted(hint)


def warning(what: str, hint: str = "") -> None:
    _headed("warning", "yellow", what)
    if hint:
        hinted(hint)


def hinted(hint: str) -> None:
    _headed("hint", "cyan", hint)


def problems(found: Iterable[Problem]) -> None:
    """Every problem as an error or a warning, with its hint."""
    for problem in found:
        (warning if problem.is_warning else error)(problem.head, problem.hint)


def warnings(found: Iterable[Mapping[str, Any]]) -> None:
    """Problems of an answer that did not stop anything."""
    for each in found:
        where = f"{each['where']}: " if each.get("where") else ""
        warning(f"{where}{each['what']}", each.get("hint") or "")


def about(daemon: Mapping[str, Any]) -> None:
    """What is to be known about the daemon that answered: it is an old one, or lost what it had saved."""
    if (theirs := daemon.get("version", __version__)) != __version__:
        warning(
            f"daemon is version {theirs}, this command is {__version__}: "
            "run `locald server restart` (services keep running)"
        )
    if trouble := daemon.get("trouble"):
        warning(trouble)


def _headed(word: str, colour: str, text: str) -> None:
    head = paint(f"{word}:", "bold", colour, on=has_colour(sys.stderr))
    line(f"{head} {plain(text)}")
