"""YAML as people write it, with comments. Texts that could be read as anything else are in quotes.

A comment stands in a table under the key `Comment(n)`, so that it stays beside what it is about.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./@%+-]*(?::[A-Za-z0-9_./@%+-]+)*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".nan", ".inf"}


class Comment(NamedTuple):
    """A key of a table that is a comment; its value is the text."""

    number: int


def text(value: Any) -> str:
    return "\n".join(_block(value, "")) + "\n"


def commented(table: Mapping[str, Any], comments: Iterable[tuple[str, str]]) -> dict[Any, Any]:
    """The table with each comment before the key that it is about, or at the end; a pair is of a key and of
    the text."""
    left = list(comments)
    found: dict[Any, Any] = {}
    for key, value in table.items():
        for about, said in [each for each in left if each[0] == key]:
            found[Comment(len(found))] = f"{about}: {said}"
        left = [each for each in left if each[0] != key]
        found[key] = value
    for about, said in left:
        found[Comment(len(found))] = f"{about}: {said}"
    return found


def _block(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _entry(key, each, indent)
    else:
        for each in value:
            yield from _item(each, indent)


def _entry(key: Any, value: Any, indent: str) -> Iterator[str]:
    if isinstance(key, Comment):
        yield f"{indent}# {value}"
    elif isinstance(value, dict | list) and value:
        yield f"{indent}{scalar(key)}:"
        yield from _block(value, f"{indent}  ")
    else:
        yield f"{indent}{scalar(key)}: {_small(value)}"


def _item(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        first, *rest = _block(value, f"{indent}  ")
        yield f"{indent}- {first[len(indent) + 2 :]}"
        yield from rest
    else:
        yield f"{indent}- {_small(value)}"


def _small(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else scalar(value)


def scalar(value: Any) -> str:
    """A text in quotes unless it is surely read as one. JSON's strings are YAML's, when they are ASCII."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value).replace("\x7f", "\\x7f")
