"""Mistakes in a file, before it is known on which line they are.

A value that is wrong raises `Bad`, which knows what is wrong but not of which key; a `Fault` adds the
path. `Places` turns the path into a line at the very end, so nothing else has to carry lines around.
Every wording of "what was found, what is allowed" is made here, so that all keys speak alike.
"""

from __future__ import annotations

import json
from datetime import date, time
from typing import TYPE_CHECKING

from msgspec import Struct

from locald.domain.values.lines import Path
from locald.domain.values.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.domain.values.lines import Places


class Bad(ValueError):
    """What is wrong with a value, and what to write in its place; `below`: with which part of the value;
    `instead`: the value that was meant, as TOML."""

    def __init__(self, what: str, hint: str = "", below: Path = (), instead: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.below = below
        self.instead = instead


class Fault(Struct, frozen=True):
    """A mistake at a path of the file."""

    path: Path
    what: str
    hint: str = ""
    is_warning: bool = False

    def problem(self, places: Places) -> Problem:
        return Problem(self.what, places.name(self.path), self.hint, is_warning=self.is_warning)


def in_order(faults: Iterable[Fault], places: Places) -> tuple[Problem, ...]:
    """The problems from top to bottom, as one would go through the file; first those without a line."""
    return tuple(
        fault.problem(places) for fault in sorted(faults, key=lambda fault: places.order(fault.path))
    )


def near(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that was probably meant."""
    from difflib import get_close_matches  # only for what is wrong

    exact = {option.lower().replace("-", "_"): option for option in allowed}
    close = get_close_matches(name.lower().replace("-", "_"), exact, n=1, cutoff=0.6)
    return exact[close[0]] if close else None


def listed(names: Iterable[str]) -> str:
    """`"a", "b" or "c"`."""
    quoted = [f'"{name}"' for name in names]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else "".join(quoted)


def one_of(name: str, allowed: Iterable[str], all_of_them: str = "allowed") -> str:
    """A hint for a name that is not allowed: the near match, else all that are."""
    allowed = list(allowed)
    meant = near(name, allowed)
    return f'did you mean "{meant}"?' if meant else f"{all_of_them}: {listed(allowed)}"


def wrong_type(expected: str, value: object) -> str:
    """`must be a string or a list of strings, not a number`."""
    return f"must be {expected}, not {_kind(value)}"


def shown(value: object) -> str:
    """A value as it stands in the file, cut when it is long."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "such a large number"  # Python refuses to write out thousands of digits
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | int) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _kind(value: object) -> str:
    """What a person would call it. `bool` comes before `int`, of which it is a kind to Python only."""
    match value:
        case bool():
            return "a boolean"
        case int():
            return "a number"
        case float():
            return f"the number {value}"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a table"
        case date() | time():
            return "a date or time"
        case _:
            return f"a {type(value).__name__}"
