"""Which line of a TOML file a key stands on.

TOML parsers say where a syntax error is, but nothing about the keys of a file that they accept, and
"line 12" is what a person needs to fix one. So the text is read a second time, here, by a scanner
that knows just enough of TOML to follow keys: headers, dotted and quoted keys, inline tables, arrays,
and strings well enough to skip them. It may lean on one fact: the text has already been accepted by
`tomllib`, so nothing is checked again.

A place is named by its path, a tuple of keys and list positions: `("services", "web", "volumes", 0)`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping

from msgspec import Struct, field

from locald.domain.values import toml

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BETWEEN = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_STRING = re.compile(
    r'"""(?:\\.|[^"\\]|"{1,2}(?!"))*"{3,5}'  # up to two quotes may stand before the closing three
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
# The one scalar with a space in it is a date and a time.
_SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^,\]}\s#]*|[^,\]}\s#]+")


def locate(text: str) -> dict[Path, int]:
    """The line, from 1, of every key and list item of a valid TOML text.

    A table that several headers build up stands where its own header is, else at its first mention.
    Raises RecursionError for values that are nested too deeply, as `tomllib` does.
    """
    return _Scanner(text).scan()


def dotted(path: Path) -> str:
    """A path as it would be written in the file: `services.web.volumes[0]`, quoted where TOML asks for it."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            shown += ("." if shown else "") + toml.key(part)
    return shown


class Places(Struct, frozen=True):
    """Names the places of one file for problems: `locald.toml:12: services.web.comand`."""

    where: str
    lines: Mapping[Path, int]
    over: Places | None = None
    """those of a second file, whose keys go over those of this one"""

    @classmethod
    def of(cls, where: str, text: str) -> Places:
        return cls(where, locate(text))

    def line(self, path: Path) -> int | None:
        """The line of the path, or of the nearest thing around it; None when nothing of it is in the file."""
        return self.lines.get(self.nearest(path))

    def nearest(self, path: Path) -> Path:
        while path and path not in self.lines:
            path = path[:-1]
        return path

    def has(self, path: Path) -> bool:
        """Whether it is written in one of the files."""
        return path in self.lines or bool(self.over and self.over.has(path))

    def order(self, path: Path) -> tuple[bool, int, int]:
        """Sorts paths as they stand in the file, also those on one line; what has no line comes first, the
        second file last."""
        if self.over and self._is_over(path):
            return True, *self.over.order(path)[1:]
        nearest = self.nearest(path)
        return False, self.lines.get(nearest, 0), list(self.lines).index(nearest) if nearest else 0

    def file(self, path: Path) -> str:
        """`locald.toml:12`, or `locald.toml` for what has no line."""
        if self.over and self._is_over(path):
            return self.over.file(path)
        line = self.line(path)
        return self.where if line is None else f"{self.where}:{line}"

    def name(self, path: Path) -> str:
        """`locald.toml:12: services.web.comand`."""
        return f"{self.file(path)}: {dotted(path)}" if path else self.where

    def _is_over(self, path: Path) -> bool:
        """Whether the second file says more of it: a table that is in both is that of the first."""
        if self.over is None:
            return False
        here, there = self.nearest(path), self.over.nearest(path)
        is_table = any(len(known) > len(there) and known[: len(there)] == there for known in self.over.lines)
        return len(there) > len(here) or (bool(there) and there == here and not is_table)


class _Scanner(Struct):
    text: str
    at: int = 0
    found: dict[Path, int] = field(default_factory=dict)
    table: Path = ()
    sizes: dict[Path, int] = field(default_factory=dict)
    """how many tables each array of tables has so far"""
    newlines: list[int] = field(default_factory=list)

    def scan(self) -> dict[Path, int]:
        self.newlines = [match.start() for match in re.finditer("\n", self.text)]
        self.skip(_BETWEEN)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                self.header()
            else:
                self.pair(self.table)
            self.skip(_BETWEEN)
        return self.found

    def header(self) -> None:
        """`[a.b]` or `[[a.b]]`. TOML allows no space inside the doubled brackets."""
        start, many = self.at, self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        path = self.inside(self.key())
        self.at += 2 if many else 1
        if many:
            self.sizes[path] = self.sizes.get(path, 0) + 1
            self.found.setdefault(path, self.line(start))
            path = (*path, self.sizes[path] - 1)
        self.mark(path, start)
        self.table = path

    def inside(self, key: list[str]) -> Path:
        """The path that a header names: an array of tables on the way means its last table."""
        path: Path = ()
        for part in key[:-1]:
            path = (*path, part)
            if path in self.sizes:
                path = (*path, self.sizes[path] - 1)
        return (*path, key[-1])

    def pair(self, table: Path) -> None:
        start = self.at
        path = (*table, *self.key())
        self.mark(path, start)
        self.at = self.text.index("=", self.at) + 1
        self.skip(_BETWEEN)
        self.value(path)

    def key(self) -> list[str]:
        self.skip(_BETWEEN)
        parts = [self.part()]
        while _DOT.match(self.text, self.at):
            self.skip(_DOT)
            parts.append(self.part())
        self.skip(_BETWEEN)
        return parts

    def part(self) -> str:
        if self.text[self.at] in "\"'":
            import tomllib  # few keys are quoted

            decoded = tomllib.loads("key = " + self.take(_STRING))["key"]
            assert isinstance(decoded, str)
            return decoded
        return self.take(_BARE)

    def value(self, path: Path) -> None:
        match self.text[self.at]:
            case "[":
                self.array(path)
            case "{":
                self.inline_table(path)
            case '"' | "'":
                self.skip(_STRING)
            case _:
                self.skip(_SCALAR)

    def array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self.another("]"):
            item = (*path, index)
            self.mark(item, self.at)
            self.value(item)
            index += 1

    def inline_table(self, path: Path) -> None:
        self.at += 1
        while self.another("}"):
            self.pair(path)

    def another(self, end: str) -> bool:
        """Step over a comma: whether another item follows. When the bracket follows, step over that."""
        self.skip(_BETWEEN)
        if self.text[self.at] == ",":
            self.at += 1
            self.skip(_BETWEEN)
        if self.text[self.at] != end:
            return True
        self.at += 1
        return False

    def mark(self, path: Path, at: int) -> None:
        line = self.line(at)
        for length in range(1, len(path)):
            self.found.setdefault(path[:length], line)
        self.found[path] = line

    def line(self, at: int) -> int:
        return bisect_left(self.newlines, at) + 1

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match is not None, "the text was accepted by tomllib"
        self.at = match.end()
        return match.group()

    def skip(self, pattern: re.Pattern[str]) -> None:
        self.take(pattern)
