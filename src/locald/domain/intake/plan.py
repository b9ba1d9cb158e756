"""What a reader makes of a file: the services to be written, and a report of what became of each key.

Readers are pure: the text of a file comes in, a `Plan` goes out. A plan holds the keys of `locald.toml` as
they will be written, so that one writer serves all readers, and remarks on whatever is not exactly what the
file said. Nothing is dropped in silence: a key is carried, guessed or left.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from locald.domain.project import labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Outcome(StrEnum):
    """What became of a key."""

    CARRIED = "carried"
    """the same meaning, under another name or in another form"""
    GUESSED = "guessed"
    """what the file says was not enough, or means something slightly different"""
    LEFT = "left"
    """not in the new file"""


class Remark(Struct, frozen=True):
    """What became of one key of one service."""

    outcome: Outcome
    service: str
    """empty: of the whole file"""
    key: str
    because: str
    where: str
    """`compose.yaml:12`"""


class Planned(Struct, frozen=True):
    """A service as it will be written."""

    name: str
    keys: Mapping[str, object]
    """keys of `[services.NAME]`, with values as TOML has them"""
    about: str = ""
    """a comment above it"""
    missing: str = ""
    """why it cannot run as it is; then it is written as a comment"""


class Plan(Struct, frozen=True):
    """What will be written of all that was read."""

    sources: tuple[str, ...] = ()
    """the files, relative to the folder"""
    services: tuple[Planned, ...] = ()
    remarks: tuple[Remark, ...] = ()
    name: str = ""
    """the project's, where a file says it"""
    project: Mapping[str, object] = field(default_factory=dict)
    """more keys of `[project]`"""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def present(self) -> tuple[Planned, ...]:
        """The services that are written as such."""
        return tuple(each for each in self.services if not each.missing)


class Folder(Protocol):
    """The project's folder as readers see it. Paths are relative to it, with `/`."""

    def text(self, path: str) -> str | None:
        """A file's text; None when there is no such file, or it is none that could be read."""

    def names(self, path: str = ".") -> tuple[str, ...]:
        """What is in a folder, in order; nothing when there is none."""

    def env(self, name: str) -> str | None:
        """A variable of the caller's shell."""


class Line(int):
    """A line, and the file that it is a line of: several files may become one table."""

    file: str

    def __new__(cls, number: int, file: str) -> Line:
        made = super().__new__(cls, number)
        made.file = file
        return made


class Report:
    """Gathers the remarks on one file."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._remarks: dict[Remark, None] = {}

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """Each once, in their order."""
        return tuple(self._remarks)

    def add(self, remarks: Iterable[Remark]) -> None:
        self._remarks |= dict.fromkeys(remarks)

    def carried(self, service: str, key: str, because: str, line: int = 0) -> None:
        self._add(Outcome.CARRIED, service, key, because, line)

    def guessed(self, service: str, key: str, because: str, line: int = 0) -> None:
        self._add(Outcome.GUESSED, service, key, because, line)

    def left(self, service: str, key: str, because: str, line: int = 0) -> None:
        self._add(Outcome.LEFT, service, key, because, line)

    def _add(self, outcome: Outcome, service: str, key: str, because: str, line: int) -> None:
        source = line.file if isinstance(line, Line) else self.source
        where = f"{source}:{line}" if line else source
        self._remarks[Remark(outcome, service, key, because, where)] = None


def named(names: Iterable[str], report: Report) -> dict[str, str]:
    """For each name of a file the label that its service gets, each label once."""
    given: dict[str, str] = {}
    taken: set[str] = set()
    numbers: dict[str, Iterator[int]] = {}
    for name in names:
        base = label = labels.near(name) or "service"
        while label in taken:
            label = f"{base[:55].rstrip('-')}-{next(numbers.setdefault(base, itertools.count(2)))}"
        taken.add(label)
        given[name] = label
        if label != name:
            report.guessed(label, "name", f'"{name}" is not a DNS label')
    return given


def depends_on(conditions: Mapping[str, str]) -> list[str] | dict[str, str]:
    """A list where each condition is what a list means."""
    usual = all(each in ("healthy", "completed") for each in conditions.values())
    return list(conditions) if usual else dict(conditions)


_COMMENT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]+")


def line(text: str) -> str:
    """A text on one line, for a comment."""
    return _COMMENT.sub(" ", text).strip()
