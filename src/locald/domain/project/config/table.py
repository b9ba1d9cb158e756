"""What a table of `locald.toml` is: a closed set of keys, each with what it takes, and what a person reads.

A table is a class with a `Key` for each of its keys. What judges it is made when the first such table is
read: most files have a few of them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct
from voluptuous import Extra, Invalid, Optional, Required, Schema

from locald.domain.project.config.shapes import Value, Wrong
from locald.domain.values.faults import Bad, wrong_type

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from locald.domain.project.config.shapes import Described, Refer


class Unknown(Invalid):
    """A key that the table does not have."""


class Doc(Struct, frozen=True, eq=False):
    """What a person reads about a key."""

    meaning: str
    example: str
    """a line of TOML"""
    default: object = None
    """as it would be written in the file; None when there is none, or when it cannot be written"""
    otherwise: str = ""
    """what happens without the key, where that is more than a default value"""

    def described(self) -> Described:
        otherwise = f" Default: {self.otherwise}." if self.otherwise else ""
        default = {} if self.default is None else {"default": self.default}
        return {"description": self.meaning + otherwise, **default}


class Key(Struct, frozen=True, eq=False):
    """One key of a table."""

    takes: Value
    doc: Doc
    required: bool = False


class Table:
    """A table with these keys and no others: what was written in it, each value as locald uses it."""

    keys: ClassVar[Mapping[str, Key]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: each for name, each in vars(cls).items() if isinstance(each, Key)}
        cls.keys = {**cls.keys, **own}

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Self:
        """Raises Invalid, with all that is wrong in it."""
        return cls(_schema(cls)(raw))  # type: ignore[arg-type]  # a class is hashable

    def given(self) -> dict[str, Any]:
        """The keys that were written, with their values."""
        return {key: self._values[key] for key in type(self).keys if key in self._values}


@cache
def _schema(table: type[Table]) -> Schema:
    keys: dict[Any, Any] = {Extra: _unknown}
    for name, key in table.keys.items():
        keys[Required(name) if key.required else Optional(name)] = key.takes
    return Schema(keys)


def _unknown(value: object) -> None:
    raise Unknown("unknown key")


class TableOf(Value):
    """A table whose keys are known."""

    words = "a table"

    def __init__(self, table: type[Table]) -> None:
        self._table = table

    def __call__(self, value: Any) -> Table:
        if not isinstance(value, dict):
            raise Wrong(Bad(wrong_type(self.words, value)))
        return self._table.read(value)

    def described(self, refer: Refer) -> Described:
        return refer(self._table)


def docs(table: type[Table]) -> dict[str, Doc]:
    """What a person reads about each key of a table."""
    return {name: key.doc for name, key in table.keys.items()}
