"""Lines that are likely meant in place of one that is not TOML.

Each guess is tried in the text: it counts when the parser then accepts all up to the end of that line, or
gets past it. So a hint that is given is one that works.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from locald.domain.project import labels
from locald.domain.values import toml

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 100_000
"""signs of a text that is tried again and again without anybody having to wait"""

_WORDS = {"True": "true", "False": "false", "yes": "true", "no": "false", "on": "true", "off": "false"}
_VALUE = re.compile(
    r"(?P<key>\s*[\w.\"'-]+\s*)(?P<sign>==|=|:(?=\s))\s*(?P<value>[^#]*?)(?P<end>\s*(?:#.*)?)"
)
_NULL = "(?:null|nil|None|~)"
_QUOTES = str.maketrans("“”„‟‘’‚", '""""\'\'\'')


def repaired(text: str, line: int) -> tuple[int, str] | None:
    """The line that is broken, from 1, and what to write there. `line`: where the parser stopped."""
    lines = text.replace("\r\n", "\n").split("\n")
    if len(text) > LONGEST:
        return None
    if hint := _without_a_guess(lines[line - 1]):
        return line, hint
    guesses = [
        (number, guess)
        for number in range(line, 0, -1)
        if number >= line - 1 or _is_open(lines[number - 1])
        for guess in _guesses(lines[number - 1], stopped_here=number == line)
        if guess != lines[number - 1]
    ]
    for fixes in (_all, _so_far, _a_step):
        for number, guess in guesses:
            if fixes(lines, number, line, guess):
                return number, _shown(guess)
    return None


def _without_a_guess(line: str) -> str:
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        return "a merge left both versions here: keep one, and remove the lines with <<<<, ==== and >>>>"
    if re.fullmatch(r"\s*[\w.-]+\s*=\s*(#.*)?", line):
        return "write a value after the ="
    if re.search(rf"[=:]\s*{_NULL}\s*([,}}#]|$)", line):
        return 'TOML has no null: leave the key out, or write "" for an empty string'
    return ""


def _shown(guess: str) -> str:
    parts = guess.strip().split("\n")
    return f"write {' and '.join(parts)}" + (", each on its own line" if parts[1:] else "")


def _is_open(line: str) -> bool:
    """Whether something may be missing at the end of a line that the parser went over."""
    return line.count('"') % 2 == 1 or line.count("'") % 2 == 1 or line.count("[") > line.count("]")


def _all(lines: list[str], number: int, stopped: int, guess: str) -> bool:
    """The guess makes the text TOML."""
    return _error([*lines[: number - 1], guess, *lines[number:]]) == 0


def _so_far(lines: list[str], number: int, stopped: int, guess: str) -> bool:
    """The text is TOML up to there, and has another mistake further on."""
    upto = [*lines[: number - 1], guess]
    return _error(upto) == 0 and _error([*upto, *lines[number:]]) > stopped


def _a_step(lines: list[str], number: int, stopped: int, guess: str) -> bool:
    """The parser gets further, in a value of several lines."""
    return number == stopped and _error([*lines[: number - 1], guess, *lines[number:]]) > stopped


def _error(lines: list[str]) -> int:
    """The line of the first error; 0 without one, 1 where the parser does not say."""
    try:
        tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        return int(place[1]) if place else 1
    except (ValueError, RecursionError):
        return 1
    return 0


# Guesses.


def _guesses(line: str, *, stopped_here: bool) -> Iterator[str]:
    """Most likely first."""
    if stopped_here:
        yield from _of_a_header(line)
    yield from _of_brackets_and_quotes(line)
    if stopped_here:
        yield from _of_signs(line)


def _of_signs(line: str) -> Iterator[str]:
    """Signs of other languages."""
    yield line.translate(_QUOTES)
    yield re.sub(r"^(\s*)(//|--|;)", r"\1#", line)
    yield re.sub(r"\s(//|--)\s", " # ", line)
    yield re.sub(r"\s*[;,]\s*$", "", line)
    yield re.sub(r"^(\s*\w+) (\w+\s*=)", r"\1_\2", line)
    if found := _VALUE.fullmatch(line):
        yield from _of_a_value(found)
    yield re.sub(r"(?<=[\[{,])(\s*(?:[\w-]+|\"[\w-]+\"))\s*:(?=\s)", r"\1 =", line)
    yield re.sub(
        r"=\s*([^\s\"',}{\[\]][^\"',}{\[\]]*?)(\s*)(?=[,}])",
        lambda bare: f"= {toml.value(bare[1])}{bare[2]}",
        line,
    )


def _of_brackets_and_quotes(line: str) -> Iterator[str]:
    for end in ('"', "'", "]", '"]', "']", "}", " }", '" }', '",', "',"):
        yield line.rstrip() + end
    yield re.sub(r"([\"'])\s+([\"'])", r"\1, \2", line)
    yield line.rstrip() + ","


def _of_a_header(line: str) -> Iterator[str]:
    """`[services.my api]`, `[services."web]`, `services.web:`, and a key right behind a header."""
    if found := re.fullmatch(r"\s*\[\[?\s*services\.([^\[\]]+)\]*\s*", line):
        yield f"[services.{labels.near(found[1])}]"
    if found := re.fullmatch(r"\s*((?:services|project)[\w.-]*):\s*", line):
        yield f"[{found[1]}]"
    yield re.sub(r"^(\s*\[[^\[\]]+\])\s*([\w-]+\s*=)", r"\1\n\2", line)
    yield re.sub(r"(?<=[\"'\d])\s*[,;]?\s+([\w-]+\s*=)", r"\n\1", line)


def _of_a_value(found: re.Match[str]) -> Iterator[str]:
    """`KEY = VALUE`, or with a colon as in YAML and JSON."""
    key, value, end = found["key"].strip().strip("\"'"), found["value"].rstrip(",;"), found["end"]
    head = f"{toml.key(key)} ="
    if value:
        yield f"{head} {_WORDS.get(value, value)}{end}"
    if re.fullmatch(r"0\d+", value):
        yield f"{head} {value.lstrip('0')}{end}"
    if value[:1] == '"' == value[-1:] and not re.search(r"'|\"\s*\+", value):
        yield f"{head} '{value[1:-1]}'{end}"
    if value[:1] == "'" == value[-1:]:
        yield f"{head} {toml.value(value[1:-1])}{end}"
    if value and value[0] not in "\"'[{|>":
        yield f"{head} {toml.value(value)}{end}"
