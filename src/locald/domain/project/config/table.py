"""What a table of `locald.toml` is: a closed set of keys, each with what a person reads about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

NOT_GIVEN: Any = Field(default_factory=lambda: None)
"""What a key holds that was not written; nobody reads it. Made by a factory so that no schema shows it."""


@dataclass(frozen=True, eq=False)
class Doc:
    """What a person reads about a key."""

    meaning: str
    example: str
    """a line of TOML"""
    default: object = None
    """as it would be written in the file; None when there is none, or when it cannot be written"""
    otherwise: str = ""
    """what happens without the key, where that is more than a default value"""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        otherwise = f" Default: {self.otherwise}." if self.otherwise else ""
        default = {} if self.default is None else {"default": self.default}
        return {**handler(core), "description": self.meaning + otherwise, **default}


class Table(BaseModel):
    """A table with these keys and no others."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    def given(self) -> dict[str, Any]:
        """The keys that were written, with their values."""
        return {key: getattr(self, key) for key in type(self).model_fields if key in self.model_fields_set}


def docs(table: type[Table]) -> dict[str, Doc]:
    """What a person reads about each key of a table."""
    return {
        key: next(each for each in field.metadata if isinstance(each, Doc))
        for key, field in table.model_fields.items()
    }
