"""What a key may hold, by its shape: one value, a list, a table with names of one's own, or one of several.

`voluptuous` walks lists and tables and collects all mistakes in them, each with its place. Each single value
is judged by a `Kind`, for the words about it should be about the file. Here is also how each shape looks in
a JSON Schema.

A value that may be written in several shapes (a string or a list) is told apart by its shape before it is
looked at, so that one mistake is one problem and never one for each shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NoReturn

from msgspec import Struct
from voluptuous import Invalid, Schema

from locald.domain.values import toml
from locald.domain.values.faults import Bad, wrong_type

Described = dict[str, Any]
"""a part of a JSON Schema (draft 2020-12)"""
Refer = Callable[[type], Described]
"""how a schema speaks of a table, which it describes elsewhere"""


class Wrong(Invalid):
    """A value that is not accepted, at a place that voluptuous fills in."""

    def __init__(self, bad: Bad) -> None:
        super().__init__(bad.what)
        self.bad = bad


class Value:
    """Something that a key may hold."""

    words: str
    """what it is called: `a port from 1 to 65535`"""

    def __call__(self, value: Any) -> Any:
        """The value as locald uses it. Raises Invalid, with all that is wrong in it."""
        raise NotImplementedError

    def described(self, refer: Refer) -> Described:
        """As JSON Schema has it."""
        raise NotImplementedError


def judged(accept: Callable[[Any], object], value: Any) -> Any:
    """What `accept`, which raises Bad, makes of a value."""
    try:
        return accept(value)
    except Bad as bad:
        raise Wrong(bad) from None


class Kind(Struct, Value, frozen=True, eq=False):
    """One value, that is not looked into."""

    words: str
    accept: Callable[[Any], object]
    """the value as locald uses it; raises Bad"""
    schema: Described

    def __call__(self, value: Any) -> Any:
        return judged(self.accept, value)

    def described(self, refer: Refer) -> Described:
        return dict(self.schema)


class Items(Value):
    """A list, where it is known to be one. `least`: how many there are at least; `when_empty`: a hint."""

    def __init__(self, item: Kind, least: int = 0, when_empty: str = "") -> None:
        self._item = item
        self._least = least
        self._when_empty = when_empty

    @cached_property
    def _each(self) -> Schema:
        return Schema([self._item])

    def __call__(self, value: list[Any]) -> Any:
        if len(value) < self._least:
            raise Wrong(Bad("must not be empty", self._when_empty))
        return self._each(value)

    def described(self, refer: Refer) -> Described:
        least = {"minItems": self._least} if self._least else {}
        return {"type": "array", "items": self._item.described(refer), **least}


class Entries(Value):
    """A table with names of one's own, where it is known to be a table."""

    def __init__(self, name: Kind, each: Value) -> None:
        self._name = name
        self._each = each

    @cached_property
    def _all(self) -> Schema:
        return Schema({self._name: self._each})

    def __call__(self, value: dict[str, Any]) -> Any:
        return self._all(value)

    def described(self, refer: Refer) -> Described:
        named = {self._name.schema["pattern"]: self._each.described(refer)}
        return {"type": "object", "patternProperties": named, "additionalProperties": False}


def _same(value: Any) -> Any:
    return value


def _unknown(value: object) -> None:
    """What a value was meant to be cannot be told."""


class Shaped(Struct, Value, frozen=True, eq=False):
    """A value in one of these shapes. `made`: what locald makes of it when all inside is right."""

    words: str
    shapes: Mapping[type, Value]
    made: Callable[[Any], object] = _same
    instead: Callable[[Any], object] = _unknown
    """what a value of another shape would be in one of these; None when that cannot be known"""

    def __call__(self, value: Any) -> Any:
        inside = next((each for shape, each in self.shapes.items() if isinstance(value, shape)), None)
        if inside is None:
            self._refuse(value)
        return judged(self.made, inside(value))

    def _refuse(self, value: Any) -> NoReturn:
        meant = self.instead(value)
        raise Wrong(Bad(wrong_type(self.words, value), instead="" if meant is None else toml.value(meant)))

    def described(self, refer: Refer) -> Described:
        found = [each.described(refer) for each in self.shapes.values()]
        return found[0] if len(found) == 1 else {"oneOf": [one for each in found for one in _each_of(each)]}


def _each_of(described: Described) -> list[Described]:
    return described["oneOf"] if described.keys() == {"oneOf"} else [described]
