"""What is said of a text that is not TOML.

The parser stops at the first sign that it cannot read, and speaks of that sign. A person wants to know what
to write: so the most likely lines are tried in place of the broken one (`repair`), and the first that the
parser gets past becomes the hint. Where none does, the hint is about the kind of mistake.
"""

from __future__ import annotations

import re

from locald.domain.project.config import inline, repair
from locald.domain.values.problem import Problem

_HINTS = (
    ("Cannot (declare|overwrite|mutate|redefine)", "each table and each key may be written only once"),
    ("Illegal character|Unterminated string", 'is a quote left open? a string of several lines needs """'),
    (
        "Unescaped|Found invalid|escape|hex value",
        "double the backslash, or use 'single quotes', which keep it as it is",
    ),
    ("Invalid value", 'a string needs quotes: command = "npm start"'),
    ("Expected '=' after a key", "write NAME = VALUE, and a table as [services.web]"),
    ("Unclosed|Expected newline", "is a comma or a closing bracket missing?"),
    ("Expected", "is a quote or a closing bracket missing?"),
    ("Invalid statement|Invalid initial", "write NAME = VALUE; a name with other signs needs quotes"),
)
_IN_TOML = 'begin it with [project] and name = "shop", then [services.web] and command = "npm start"'


def problem(message: str, text: str, where: str) -> Problem:
    """`Invalid value (at line 3, column 5)`, as tomllib has it, in our shape."""
    if "\r" in text.strip() and "\n" not in text:
        return Problem("has the line ends of an old Mac (CR)", where, "save it with those of Unix (LF)")
    if other := _other_format(text):
        return Problem(f"is {other}, not TOML", f"{where}:{_first_line(text)}", _IN_TOML)
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    what = message[: place.start()] if place else message
    line = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1
    column = int(place[2]) if place and place[2] else 0
    if found := inline.broken(text, line, column):
        return Problem(found.what, f"{where}:{found.line}", found.hint)
    meant_line, hint = _meant(what, text, line)
    return Problem(_said(what, column if meant_line == line else 0), f"{where}:{meant_line}", hint)


def _meant(what: str, text: str, line: int) -> tuple[int, str]:
    """The line that is broken, and what to do about it."""
    if hint := _twice(what, text, line):
        return line, hint
    for quotes in ('"""', "'''"):
        if line >= text.rstrip().count("\n") + 1 and text.count(quotes) % 2:
            return text.count("\n", 0, text.rindex(quotes)) + 1, f"close the string with {quotes}"
    return repair.repaired(text, line) or (line, _hint(what))


def _said(what: str, column: int) -> str:
    tables = re.sub(
        r"\('(.*?)',?\)", lambda path: f"[{path[1].replace(chr(39), '').replace(', ', '.')}]", what
    )
    at = f" (column {column})" if column else ""
    return f"not valid TOML: {tables[:1].lower()}{tables[1:]}{at}"


def _hint(what: str) -> str:
    return next((hint for pattern, hint in _HINTS if re.search(pattern, what)), "")


# Another format altogether.


def _other_format(text: str) -> str:
    """What a text is that begins as no TOML does."""
    first = next((line.strip() for line in _lines(text) if _says_something(line)), "")
    if first.startswith("{"):
        return "JSON"
    return "YAML" if first == "---" or re.fullmatch(r"[\w-]+:(\s+#.*)?", first) else ""


def _first_line(text: str) -> int:
    return next(number for number, line in enumerate(_lines(text), 1) if _says_something(line))


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _lines(text: str) -> list[str]:
    return re.split("\r?\n|\r", text)


# Something that is there already.


def _twice(what: str, text: str, line: int) -> str:
    """Where a table or a key is written for the first time, when this line writes it again."""
    if not re.match("Cannot (declare|overwrite)", what):
        return ""
    lines = _lines(text)[:line]
    again = _head(lines[-1])
    above = range(len(lines) - 2, -1, -1)
    if again.startswith("["):
        first = next((place for place in above if _head(lines[place]) == again), None)
        return f"{again} begins on line {first + 1}: put the keys of both there" if first is not None else ""
    table = next((place for place in above if _head(lines[place]).startswith("[")), -1)
    first = next((place for place in above if place > table and _head(lines[place]) == again), None)
    return f"{again} is on line {first + 1} already: remove one of them" if first is not None else ""


def _head(line: str) -> str:
    """`[services.web]`, or the key of a line."""
    found = re.match(r"\s*(\[[^\]]*\]|[^=#\s]+)", line)
    return found[1] if found else ""
