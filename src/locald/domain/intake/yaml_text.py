"""YAML as tools written in Go read it, with the line of every key.

PyYAML cuts the text into events; what they mean is decided here, for PyYAML follows YAML 1.1, in which
`22:22` is the number 1342 and `no` is false, and the tools whose files are read follow 1.2. Tables know the
line of each of their keys, merge keys (`<<`) are filled in, `!reset` and `!override` are kept for who
merges files. An alias is the very value that it stands for and not a copy, so that no file is larger here
than on disk.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml
from msgspec import Struct
from yaml import events

from locald.domain.intake.plan import Line
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 60
"""levels of a file: what is deeper was not written by a person"""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?\d+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?")
_LONGEST_NUMBER = 30


class Table(dict[str, Any]):
    """A mapping. `lines`: where each key stands; `line`: where the mapping begins."""

    def __init__(self, line: int = 0) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}

    def put(self, key: str, value: Any, line: int) -> None:
        self[key] = value
        self.lines[key] = line


class Items(list[Any]):
    """A sequence. `lines`: where each item stands."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


class Tagged(Struct, frozen=True):
    """A value with a tag of its own: `!reset`, `!override`."""

    tag: str
    value: Any


def load(text: str, where: str) -> Any:
    """What the first document holds; None for an empty one. Raises Refused with the line."""
    try:
        return _Builder(iter(yaml.parse(text, Loader=_LOADER)), where).document()
    except yaml.YAMLError as error:
        raise _refused(error, where) from None


def table(text: str, where: str) -> Table:
    """The same of a file that has to be a mapping; an empty one is an empty mapping."""
    found = load(text, where)
    if found is None:
        return Table(1)
    if not isinstance(found, Table):
        raise Refused(Problem("must be a mapping", f"{where}:1", "check that it is the file that you mean"))
    return found


def _refused(error: yaml.YAMLError, where: str) -> Refused:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    place = f"{where}:{mark.line + 1}" if mark else where
    return Refused(Problem(f"is not valid YAML: {what}", place, "fix the file, then run the command again"))


class _Builder:
    """Values out of events. Each is told its line by the event that begins it."""

    def __init__(self, stream: Iterator[Any], where: str) -> None:
        self._stream, self._where = stream, where
        self._anchors: dict[str, Any] = {}
        self._depth = 0

    def document(self) -> Any:
        for event in self._stream:
            if isinstance(event, events.DocumentStartEvent):
                return self._value(next(self._stream))
        return None

    def _value(self, event: Any) -> Any:
        if isinstance(event, events.AliasEvent):
            if event.anchor not in self._anchors:
                raise self._bad(event, f"undefined alias: {event.anchor}")
            return self._anchors[event.anchor]
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._bad(event, f"is nested more than {DEEPEST} levels deep")
        value = self._tagged(event, self._bare(event))
        self._depth -= 1
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _bare(self, event: Any) -> Any:
        if isinstance(event, events.ScalarEvent):
            if "\0" in event.value:
                raise self._bad(event, "a text contains a NUL character")
            return _scalar(event.value) if event.implicit[0] and not event.tag else event.value
        if isinstance(event, events.SequenceStartEvent):
            return self._items()
        return self._table(event)

    def _items(self) -> Items:
        items = Items()
        while not isinstance(event := next(self._stream), events.SequenceEndEvent):
            items.lines.append(self._line(event))
            items.append(self._value(event))
        return items

    def _table(self, start: Any) -> Table:
        found, merged = Table(self._line(start)), []
        while not isinstance(event := next(self._stream), events.MappingEndEvent):
            line = self._line(event)
            key = self._value(event)
            value = self._value(next(self._stream))
            if key == "<<" and isinstance(event, events.ScalarEvent) and event.implicit[0]:
                merged += self._merged(event, value)
                continue
            name = written(key)
            if name in found:
                raise self._bad(event, f'"{name}" is there already, on line {found.lines[name]}')
            found.put(name, value, line)
        for other in merged:
            for name, value in other.items():
                if name not in found:
                    found.put(name, value, other.lines[name])
        return found

    def _merged(self, event: Any, value: Any) -> list[Table]:
        tables = value if isinstance(value, Items) else [value]
        if not all(isinstance(each, Table) for each in tables):
            raise self._bad(event, "a merge key needs a mapping, or several")
        return list(tables)

    def _tagged(self, event: Any, value: Any) -> Any:
        tag = event.tag or ""
        if tag in ("!reset", "!override"):
            return Tagged(tag[1:], value)
        if tag == "tag:yaml.org,2002:int" or tag == "tag:yaml.org,2002:float":
            return _scalar(str(value))
        return value

    def _line(self, event: Any) -> Line:
        return Line(event.start_mark.line + 1, self._where)

    def _bad(self, event: Any, what: str) -> Refused:
        place = f"{self._where}:{self._line(event)}"
        return Refused(
            Problem(f"is not valid YAML: {what}", place, "fix the file, then run the command again")
        )


def _scalar(text: str) -> Any:
    """A plain scalar by YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _LONGEST_NUMBER:
        if _INTEGER.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


def is_yes(value: Any) -> bool:
    """Whether a key that holds true or false holds true, for programs to which `yes` and `on` mean that."""
    return value is True or (isinstance(value, str) and value.lower() in ("yes", "on", "y"))


def written(value: Any) -> str:
    """A scalar as text, as Go prints it: 1.0 is `1`, true is `true`, nothing is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return str(value) if not isinstance(value, Table | Items | Tagged) else ""
