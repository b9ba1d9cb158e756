"""A plain command line: a frequent command, services, switches and little else. Everything else is left to
`command_line`, which reads the same from it.

To import argparse, and to have it make the parser of a command, takes a fifth of the time of a `locald
status`. So what a plain line of these commands means is stated here once more; a test holds both together.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    Fields = dict[str, Any]

_JSON = {"--json": "json"}
_DETACH = {"-d": "detach", "--detach": "detach"}
_WAITING = {"timeout": None, "json": False}
COMMANDS: Mapping[str, tuple[Fields, dict[str, str], dict[str, str]]] = {
    "status": (
        {"services": [], "all": False, "watch": False, "bell": False, "json": False},
        {**_JSON, "-a": "all", "--all": "all"},
        {},
    ),
    "up": (
        {
            **{"services": [], "detach": False, "attach": False, "on": None, "image": [], "context": None},
            **_WAITING,
        },
        {**_JSON, **_DETACH},
        {},
    ),
    "restart": ({"services": [], "detach": False, **_WAITING}, {**_JSON, **_DETACH}, {}),
    "wait": ({"services": [], **_WAITING}, _JSON, {}),
    "stop": ({"services": [], "json": False}, _JSON, {}),
    "logs": (
        {
            **{"services": [], "n": None, "follow": False, "since": None, "until": None, "grep": None},
            **{"level": None, "of_run": None, "timestamps": False, "json": False},
        },
        {**_JSON, "-f": "follow", "--follow": "follow", "-t": "timestamps", "--timestamps": "timestamps"},
        {"-n": "n", "--lines": "n"},
    ),
}
"""Of each: its fields and what they hold by themselves; the switches that set one; and the options whose
value is a number."""
_MANY_DIGITS = 10


class Given:
    """What argparse calls a namespace."""

    def __init__(self, fields: Fields) -> None:
        self.__dict__.update(fields)


def read(arguments: Sequence[str]) -> tuple[str, Given] | None:
    """The command of a plain line and its arguments; None where it is not plain."""
    words = iter(arguments)
    directory, command = None, next(words, "")
    if command == "-C":
        directory, command = next(words, ""), next(words, "")
    if command not in COMMANDS or directory == "" or (directory or "").startswith("-"):
        return None
    defaults, switches, numbers = COMMANDS[command]
    fields: Fields = {"directory": directory, **defaults, "services": []}
    for word in words:
        if not _take(word, words, fields, switches, numbers):
            return None
    return command, Given(fields)


def _take(
    word: str, words: Iterator[str], fields: Fields, switches: dict[str, str], numbers: dict[str, str]
) -> bool:
    """Put one word, and the value behind it, into the fields. False where that is not plain."""
    if word in switches:
        fields[switches[word]] = True
    elif word in numbers:
        value = next(words, "")
        if not (value.isascii() and value.isdecimal() and len(value) < _MANY_DIGITS):
            return False
        fields[numbers[word]] = int(value)
    elif word.startswith("-") or not word:
        return False
    else:
        fields["services"].append(word)
    return True
