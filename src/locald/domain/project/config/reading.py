"""From the text of a file to its tables, or to all that is wrong with it.

Three sieves, each finer than the one before. A text that is not TOML has one problem: its parser stops
at the first, and nothing can be said of the rest. Then the tables take what they know, and pydantic
collects what they do not; the rules between keys are asked at the same time, so that one look shows every
mistake. pydantic's errors are translated here, and only here: they never reach a person.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from locald.domain.project.config import rules, unknown
from locald.domain.project.config.checks import CHECKS
from locald.domain.project.config.file import FileTable, ProjectTable, ServiceTable
from locald.domain.project.config.tables import Table, docs
from locald.domain.values.faults import Bad, Fault, in_order
from locald.domain.values.lines import Path, Places
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SYNTAX_HINTS = (
    ("Invalid value", 'a string needs quotes: command = "npm start"'),
    ("Expected '=' after a key", "write NAME = VALUE, and a table as [services.web]"),
    ("Cannot (declare|overwrite|mutate|redefine)", "each table and each key may be written only once"),
    ("Illegal character|Unterminated string", 'is a quote left open? a string of several lines needs """'),
    (
        "Unescaped|Found invalid|escape",
        "double the backslash, or use 'single quotes', which keep it as it is",
    ),
    ("Unclosed|Expected newline", "is a comma or a closing bracket missing?"),
    ("Expected", "is a quote or a closing bracket missing?"),
    ("Invalid statement|Invalid initial", "write NAME = VALUE; a name with other signs needs quotes"),
)


def read(text: str, where: str) -> FileTable:
    """The tables of a file. Raises Refused with every problem of it, from top to bottom."""
    raw, places = tables(text, where)
    faults = list(rules.check(raw))
    found = None
    try:
        found = FileTable.model_validate(raw)
    except ValidationError as error:
        faults += [_fault(each) for each in error.errors(include_url=False)]
    if faults or found is None:
        raise Refused(*in_order(faults, places))
    return found


def tables(text: str, where: str) -> tuple[dict[str, Any], Places]:
    """The raw tables, and where they stand. Raises Refused when it is not TOML."""
    try:
        return tomllib.loads(text), Places.of(where, text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(_syntax(str(error), text, where)) from None
    # More brackets or digits than Python follows: nobody writes that, but nobody should see a traceback.
    except RecursionError:
        hint = "is a bracket left open? no key needs so many"
        raise Refused(Problem("values are nested too deeply", where, hint)) from None
    except ValueError:
        raise Refused(Problem("a number is too long", where, "no key takes so large a number")) from None


def _syntax(message: str, text: str, where: str) -> Problem:
    """`Invalid value (at line 3, column 5)`, as tomllib has it, in our shape."""
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    what = message[: place.start()] if place else message
    what = re.sub(r"\('(.*?)',?\)", lambda path: f"[{path[1].replace(chr(39), '').replace(', ', '.')}]", what)
    line = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1
    column = f" (column {place[2]})" if place and place[2] else ""
    hint = next((hint for pattern, hint in _SYNTAX_HINTS if re.search(pattern, what)), "")
    return Problem(f"not valid TOML: {what[:1].lower()}{what[1:]}{column}", f"{where}:{line}", hint)


def _fault(error: ErrorDetails) -> Fault:
    """One error of pydantic's in our words. There are few types: values are judged by `kinds`."""
    path, raw = _path(error["loc"]), error["input"]
    match error["type"]:
        case "extra_forbidden":
            return Fault(path, "unknown key", _unknown_key(path, _tag(error["loc"])))
        case "missing":
            return _missing(path)
        case "too_short":
            return Fault(path, "must not be empty", _WHERE_EMPTY.get(str(path[-1])) or _like(path))
        case _:
            bad = error.get("ctx", {}).get("error")
            assert isinstance(bad, Bad), f"no words for {error['type']} at {path}: {raw!r}"
            return Fault((*path, *bad.below), bad.what, bad.hint or _like(path, _tag(error["loc"])))


def _path(loc: tuple[int | str, ...]) -> Path:
    """Without pydantic's own marks: which alternative of a value was taken, and that a key was at fault."""
    return tuple(part for part in loc if not (isinstance(part, str) and re.fullmatch(r"<\w+>|\[key\]", part)))


def _tag(loc: tuple[int | str, ...]) -> str:
    """The type of check that an error is inside of, if it is."""
    return next((str(part)[1:-1] for part in loc if str(part)[1:-1] in CHECKS and str(part)[0] == "<"), "")


def _missing(path: Path) -> Fault:
    table, key = path[:-1], path[-1]
    if path == ("project",):
        return Fault((), "[project] is missing", 'begin the file with [project] and name = "shop"')
    return Fault(table, f"{key} is missing", _EXAMPLES.get(str(key), ""))


_EXAMPLES = {
    "name": 'add name = "shop"',
    "command": 'like command = "pg_isready"',
    "pattern": "add pattern = '…', a regular expression",
}
_WHERE_EMPTY = {"status": "leave it out for any 2xx or 3xx"}


def _unknown_key(path: Path, check: str) -> str:
    key = str(path[-1])
    if check:
        owner = next((name for name, table in CHECKS.items() if key in table.model_fields), None)
        allowed = CHECKS[check].model_fields
        if owner and not unknown.meant(key, allowed):
            return f'{key} belongs to type = "{owner}"'
        return unknown.hint(key, allowed)
    return unknown.hint(key, _key_of(path)[0].model_fields)


def _like(path: Path, check: str = "") -> str:
    """What the key looks like when it is right, for whoever hears only that it is wrong."""
    table, key = _key_of(path, check)
    return f"like {docs(table)[key].example}" if key in table.model_fields else ""


def _key_of(path: Path, check: str = "") -> tuple[type[Table], str]:
    """The table and the key in it that a path leads to or into. `check`: the type of check that it is in."""
    match path:
        case ("project", key, *_):
            return ProjectTable, str(key)
        case ("services", _, "health_check", key, *_) if check:
            return CHECKS[check], str(key)
        case ("services", _, key, *_):
            return ServiceTable, str(key)
        case _:
            return FileTable, str(path[0])
