"""The words without which a pattern cannot match: `(\\d+) errors? in` needs ` error`, `warn|fatal` either.

Looking for words in a megabyte takes less time than one try of a pattern in one line of it, so the lines
that have none of them need not be tried. Python's own parser reads the pattern; of what it finds only that
is used which every match has to go through: letters one after the other, in groups too, and repeated at
least once. Whatever else stands in a pattern only ends a word. Where there is a choice (`|`), each side has
to need a word of its own.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from msgspec import Struct

SHORTEST = 2
"""letters: single ones are in nearly every line"""
MOST = 50
"""words: with more, looking for them takes longer than it saves"""


class Words(Struct, frozen=True):
    """One of them is in every match, in the same case unless `any_case`."""

    words: tuple[str, ...]
    any_case: bool


def words_of(pattern: str) -> Words | None:
    """None where there are none, or where it cannot be told."""
    try:
        parsed = importlib.import_module("re._parser").parse(pattern)
        words = _needed(parsed)
    except (ImportError, AttributeError, TypeError, ValueError):  # another Python's parser is another one
        return None
    if not words or len(words) > MOST:
        return None
    return Words(tuple(sorted(words)), "(?" in pattern and _may_ignore_case(pattern))


def _may_ignore_case(pattern: str) -> bool:
    return re.search(r"\(\?[a-zA-Z-]*i", pattern) is not None


def _needed(parsed: Any) -> frozenset[str]:
    """The best of what each match goes through: one of these words, the shortest of which is long."""
    found: list[frozenset[str]] = []
    word = ""
    for op, argument in parsed:
        if str(op) == "LITERAL":
            word += chr(argument)
            continue
        found.append(frozenset({word}))
        word = ""
        found.append(_within(str(op), argument))
    found.append(frozenset({word}))
    return max(filter(_is_of_use, found), key=_worth, default=frozenset())


def _within(op: str, argument: Any) -> frozenset[str]:
    """What is needed by an element that is not a letter."""
    match op:
        case "SUBPATTERN":
            return _needed(argument[-1])
        case "ATOMIC_GROUP":
            return _needed(argument)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT" if argument[0] > 0:
            return _needed(argument[2])
        case "BRANCH":
            sides = [_needed(side) for side in argument[1]]
            return frozenset().union(*sides) if all(sides) else frozenset()
        case _:
            return frozenset()


def _is_of_use(words: frozenset[str]) -> bool:
    return bool(words) and min(map(len, words)) >= SHORTEST


def _worth(words: frozenset[str]) -> tuple[int, int]:
    return min(map(len, words)), -len(words)
