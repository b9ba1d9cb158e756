"""Reading on in a text that is not TOML, to find what else is wrong with it.

The parser stops at the first line that it cannot read. Where that line is one key with its value, nothing
that follows depends on it: the line that was probably meant is put in its place, or a comment where nobody
knows, and the parser reads on. So mistakes in several lines come to light in one go, and so do typos.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from locald.domain.values.faults import Fault
    from locald.domain.values.problem import Problem

MOST = 20
"""lines that are passed over"""
LONGEST = 20_000
"""signs of a text that is read again and again without anybody having to wait"""

_ONE_KEY = re.compile(r"\s*[\w.\"'-]+\s*=")
_OPEN = re.compile(r"[\[{,]\s*(#.*)?$|\"\"\"|'''")
_COMMENT = "#"


def error(text: str) -> tuple[int, str] | None:
    """The line where the parser stops, 0 at the end of the text, and what it says; None for TOML."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as stopped:
        place = re.search(r"at line (\d+)", str(stopped))
        return int(place[1]) if place else 0, str(stopped)
    except (ValueError, RecursionError):
        pass  # it is read to its end, and holds what Python cannot: that is told elsewhere
    return None


def without(text: str, problem: Problem, line: int) -> str | None:
    """The text without the mistake of this line, where the parser stopped; None where it cannot read on."""
    lines = text.split("\n")
    is_here = problem.where.endswith(f":{line}") and 0 < line <= len(lines)
    if len(text) > LONGEST or not is_here or not _is_one_key(lines[line - 1]):
        return None
    lines[line - 1] = _meant(problem.hint)
    return "\n".join(lines)


def comes_of(text: str, before: Problem, now: Problem, line: int) -> bool:
    """Whether the parser stops here only because of the line before: its value goes on in this one, or it is
    blamed again."""
    is_own = _is_one_key(text.split("\n")[line - 1]) and "illegal character" not in before.what
    goes_on = line_of(before) == line - 1 and not is_own
    return goes_on or line_of(now) <= line_of(before)


def line_of(problem: Problem) -> int:
    place = re.search(r":(\d+)(:|$)", problem.where)
    return int(place[1]) if place else 0


def is_certain(fault: Fault) -> bool:
    """Whether a fault has nothing to do with a line that nobody understood, which may have had the `image` or
    the `type` that others go by."""
    return fault.what == "unknown key" or fault.what.startswith("must be ")


def is_comment(text: str, line: int) -> bool:
    """Whether nobody knew what this line was meant to be."""
    return text.split("\n")[line - 1] == _COMMENT


def _meant(hint: str) -> str:
    """The line that a hint shows, if it shows one."""
    line = hint.removeprefix("write ")
    return line if line != hint and "\n" not in line and error(line) is None else _COMMENT


def _is_one_key(line: str) -> bool:
    closed = all(line.count(begin) == line.count(end) for begin, end in ("[]", "{}"))
    return closed and bool(_ONE_KEY.match(line)) and not _OPEN.search(line)
