"""From the text of a file to its tables, or to all that is wrong with it.

Three sieves, each finer than the one before. The parser of TOML stops at the first line that it cannot read;
`rest` reads on behind it where that is possible. Then the tables take what they know, and voluptuous
collects what they do not; the rules between keys are asked at the same time, so that one look shows every
mistake. voluptuous' errors are translated here, and only here: they never reach a person.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from voluptuous import Invalid, MultipleInvalid, RequiredFieldInvalid

from locald.domain.project.config import (
    domains,
    layers,
    misplaced,
    remains,
    rest,
    rules,
    syntax,
    unknown,
)
from locald.domain.project.config.checks import CHECKS, CheckTable, with_its_type
from locald.domain.project.config.keys import FileTable, ProjectTable, ServiceTable
from locald.domain.project.config.shapes import Wrong
from locald.domain.project.config.table import Table, Unknown, docs
from locald.domain.project.config.watching import WatchTable
from locald.domain.project.file import FILE, LOCAL
from locald.domain.project.understood import Understood
from locald.domain.values import toml
from locald.domain.values.faults import Fault, in_order
from locald.domain.values.lines import Path, Places
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.domain.project.texts import Texts


def read(texts: Texts, where: str) -> FileTable:
    """The tables of a file. Raises Refused with every problem of it, from top to bottom."""
    raw, places = both(texts, where)
    table, faults = _sift(raw)
    faults += _in_the_wrong_file(raw, places)
    if faults or table is None:
        raise Refused(*in_order(faults, places))
    return table


def understand(texts: Texts, where: str = FILE) -> Understood:
    """The file as far as it can be understood. Raises Refused when it is not TOML."""
    raw, places = both(texts, where)
    table, faults = _sift(raw)
    faults += _in_the_wrong_file(raw, places)
    spec = (table or remains.sound(raw, faults, _validated)).spec()
    return Understood(places, faults, remains.with_names(spec, raw))


def _sift(raw: dict[str, Any]) -> tuple[FileTable | None, list[Fault]]:
    """The tables if nothing is wrong with them, and what is."""
    broken = list(rules.check(raw))
    table, faults = _validated(raw)
    return (None if broken else table), broken + faults


def _validated(raw: dict[str, Any]) -> tuple[FileTable | None, list[Fault]]:
    """A check that does not say what it is, is judged again as what it was meant to be, so that its other
    mistakes come to light too."""
    table, faults = _judged(raw)
    if table is None and (meant := _with_types(raw)) != raw:
        faults += [fault for fault in _judged(meant)[1] if fault not in faults]
    return table, faults


def _with_types(raw: dict[str, Any]) -> dict[str, Any]:
    services = raw.get("services")
    if not isinstance(services, dict):
        return raw
    return {**raw, "services": {name: _with_type(each) for name, each in services.items()}}


def _with_type(service: Any) -> Any:
    check = service.get("health_check") if isinstance(service, dict) else None
    return {**service, "health_check": with_its_type(check)} if isinstance(check, dict) else service


def _judged(raw: dict[str, Any]) -> tuple[FileTable | None, list[Fault]]:
    try:
        return FileTable.read(raw), []
    except MultipleInvalid as many:
        faults = [_fault(each, raw) for each in many.errors]
        return None, [fault for fault in faults if not _follows(fault, raw)]


def _follows(fault: Fault, raw: dict[str, Any]) -> bool:
    """Whether a fault is only there because of another one, which says more: a name above [project]."""
    return not fault.path and "name" in raw


def both(texts: Texts, where: str) -> tuple[dict[str, Any], Places]:
    """The raw tables of both files, one over the other, and where they stand. Raises Refused when one of them
    is not TOML, with what is wrong with either."""
    if texts.local is None:
        return tables(texts.main, where)
    found: list[tuple[dict[str, Any], Places]] = []
    problems: list[Problem] = []
    for text, name in ((texts.main, where), (texts.local, LOCAL)):
        try:
            found.append(tables(text, name))
        except Refused as refused:
            problems += refused.problems
    if problems:
        raise Refused(*problems)
    (raw, places), (over, others) = found
    return layers.over(raw, over), replace(places, over=others)


def _in_the_wrong_file(raw: dict[str, Any], places: Places) -> list[Fault]:
    """What one person may set and a project may not."""
    faults = list(domains.in_the_wrong_file(raw, places))
    for key, why in (("instance", "each folder has its own"), ("engine", "each user has their own")):
        path = ("project", key)
        if path in places.lines:
            faults.append(Fault(path, f"belongs in {LOCAL}", f"{why}: write it there"))
    return faults


def tables(text: str, where: str) -> tuple[dict[str, Any], Places]:
    """The raw tables, and where they stand. Raises Refused when it is not TOML."""
    try:
        return tomllib.loads(text), Places.of(where, text)
    except tomllib.TOMLDecodeError:
        raise Refused(*_not_toml(text, where)) from None
    # More brackets or digits than Python follows: nobody writes that, but nobody should see a traceback.
    except RecursionError:
        hint = "is a bracket left open? no key needs so many"
        raise Refused(Problem("values are nested too deeply", where, hint)) from None
    except ValueError:
        raise Refused(Problem("a number is too long", where, "no key takes so large a number")) from None


def _not_toml(text: str, where: str) -> list[Problem]:
    """What is wrong with a text that is not TOML: the lines that cannot be read, and the rest of it."""
    found: list[Problem] = []
    while stopped := rest.error(text):
        line, message = stopped
        problem = syntax.problem(message, text, where)
        if found and rest.comes_of(text, found[-1], problem, line):
            return found
        found.append(problem)
        readable = rest.without(text, problem, line)
        if readable is None or len(found) == rest.MOST:
            return found
        text = readable
    try:
        raw, places = tables(text, where)
    except Refused as refused:
        return [*found, *refused.problems]
    return sorted([*found, *in_order(_certain(raw, places, found, text), places)], key=rest.line_of)


def _certain(raw: dict[str, Any], places: Places, found: list[Problem], text: str) -> list[Fault]:
    """The faults that are not there because of a line that was passed over."""
    passed = {rest.line_of(problem) for problem in found}
    faults = _sift(raw)[1]
    kept = [fault for fault in faults if places.line(fault.path) not in passed]
    is_guess = len(kept) < len(faults) or any(rest.is_comment(text, line) for line in passed)
    return [fault for fault in kept if not is_guess or rest.is_certain(fault)]


def _fault(error: Invalid, file: Mapping[str, Any]) -> Fault:
    """One error of voluptuous' in our words. There are three: values are judged by `kinds`."""
    path = tuple(part if isinstance(part, int) else str(part) for part in error.path)
    if isinstance(error, Unknown):
        return Fault(path, "unknown key", _unknown_key(path, _check_at(path, file), file))
    if isinstance(error, RequiredFieldInvalid):
        return _missing(path)
    if path[:1] == ("services",) and len(path) == 2 and path[1] in ServiceTable.keys:
        return Fault(path, f"{path[1]} is a key of a service", misplaced.without_a_service(path, file))
    assert isinstance(error, Wrong), f"no words for {error!r} at {path}"
    bad = error.bad
    instead = f"write {toml.key(str(path[-1]))} = {bad.instead}" if bad.instead else ""
    hint = instead or bad.hint or _like(path, _check_at(path, file))
    return Fault((*path, *bad.below), bad.what, hint)


def _check_at(path: Path, file: Mapping[str, Any]) -> type[CheckTable] | None:
    """The kind of check that a place is inside of, if it is."""
    if len(path) < 4 or (path[0], path[2]) != ("services", "health_check"):
        return None
    return CHECKS[file["services"][path[1]]["health_check"]["type"]]


def _missing(path: Path) -> Fault:
    table, key = path[:-1], path[-1]
    if path == ("project",):
        return Fault((), "[project] is missing", 'begin the file with [project] and name = "shop"')
    return Fault(table, f"{key} is missing", _EXAMPLES.get(str(key), ""))


_EXAMPLES = {
    "name": 'add name = "shop"',
    "command": 'like command = "pg_isready"',
    "paths": 'add paths = ["src"]',
    "pattern": "add pattern = '…', a regular expression",
}


def _unknown_key(path: Path, check: type[CheckTable] | None, file: Mapping[str, Any]) -> str:
    key = str(path[-1])
    if check:
        owner = next((name for name, table in CHECKS.items() if key in table.keys), None)
        if owner and not unknown.meant(key, check.keys):
            return f'{key} belongs to type = "{owner}"'
        return unknown.hint(key, check.keys)
    return misplaced.hint(path, file) or unknown.hint(key, _key_of(path)[0].keys)


def _like(path: Path, check: type[CheckTable] | None = None) -> str:
    """What the key looks like when it is right, for a reader who knows only that it is wrong."""
    table, key = _key_of(path, check)
    return f"like {docs(table)[key].example}" if key in table.keys else ""


def _key_of(path: Path, check: type[CheckTable] | None = None) -> tuple[type[Table], str]:
    """The table and the key in it that a path leads to or into. `check`: that it is inside of."""
    match path:
        case ("project", key, *_):
            return ProjectTable, str(key)
        case ("services", _, "watch", str(key), *_):
            return WatchTable, key
        case ("services", _, "health_check", key, *_) if check:
            return check, str(key)
        case ("services", _, key, *_):
            return ServiceTable, str(key)
        case _:
            return FileTable, str(path[0])
