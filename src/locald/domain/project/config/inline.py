"""Inline tables that go over several lines, or end with a comma: what most other languages allow.

TOML 1.0 has `{ … }` on one line, without a comma at its end. Who writes it otherwise is shown the same table
on one line, or as a table of its own.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from msgspec import Struct

_TOKEN = re.compile(
    r"(?P<string>\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\\\.|[^\"\\\\\n])*\"|'[^'\n]*')"
    r"|(?P<gap>(?:\s|\#[^\n]*)+)|(?P<sign>[{}\[\],])|(?P<word>[^\s{}\[\],\"'\#]+)",
    re.DOTALL,
)
LONGEST = 90
"""signs of a table that is shown on one line"""


class Broken(Struct, frozen=True):
    line: int
    what: str
    hint: str


def broken(text: str, line: int, column: int) -> Broken | None:
    """The inline table that the parser stopped in, if that is why it stopped at this place."""
    lines = text.split("\n")
    before = "\n".join([*lines[: line - 1], lines[line - 1][: column - 1] if column else lines[line - 1]])
    opened = _opened(before)
    if opened is None:
        return None
    rest = text[len(before) :].split("\n", 1)[0].strip()
    has_comma = rest.startswith("}") and before.rstrip().endswith(",")
    if rest[:1] not in ("", "#") and not has_comma:
        return None
    rule = "not end with a comma" if has_comma else "be on one line"
    what = f"an inline table must {rule} (TOML 1.0)"
    return Broken(text.count("\n", 0, opened) + 1, what, _hint(text, opened))


def _opened(before: str) -> int | None:
    """Where the outermost inline table begins that is not closed in this part of a text."""
    open_at: list[int] = []
    for token in _TOKEN.finditer(before):
        if token.group() == "{":
            open_at.append(token.start())
        elif token.group() == "}" and open_at:
            open_at.pop()
    return open_at[0] if open_at else None


def _hint(text: str, opened: int) -> str:
    start = text.rfind("\n", 0, opened) + 1
    key = re.match(r"\s*([\w.\"'-]+)\s*=\s*$", text[start:opened])
    if key is None:
        return "write all of { … } on one line"
    table = f"[{'.'.join(filter(None, (_table_at(text[:start]), key[1])))}]"
    one_line = f"{key[1]} = {_joined(text, opened)}"
    as_table = f"a table {table} with each key on its own line"
    found = _read(one_line)
    if found and not _are_variables(found):
        return f"write it on one line, or as {as_table}, where each value must be a string"
    is_right = len(one_line) <= LONGEST and found
    return f"write {one_line}, or {as_table}" if is_right else f"write it on one line, or as {as_table}"


def _are_variables(table: dict[str, Any]) -> bool:
    """Whether each env in it could be one: what is shown should be right in the end."""
    for key, value in table.items():
        if isinstance(value, dict):
            is_right = _are_strings(value) if key == "env" else _are_variables(value)
            if not is_right:
                return False
    return True


def _are_strings(table: dict[str, Any]) -> bool:
    return all(isinstance(value, str) for value in table.values())


def _table_at(above: str) -> str:
    """The table that the last header opens."""
    headers = re.findall(r"^\s*\[\s*([^\[\]\n]+?)\s*\]", above, re.MULTILINE)
    return headers[-1] if headers else ""


def _joined(text: str, begin: int) -> str:
    """The table that begins here, on one line, without comments and a last comma."""
    words: list[str] = []
    depth = 0
    for token in _TOKEN.finditer(text, begin):
        sign = token.group()
        if token["gap"]:
            continue
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(sign, 0) if token["sign"] else 0
        if sign in "}]" and words[-1:] == [","]:
            words.pop()
        words.append(sign)
        if depth == 0:
            break
    return _spaced(words)


def _spaced(words: list[str]) -> str:
    text = ""
    for before, word in zip(["", *words], words, strict=False):
        glued = word in (",", "]") or before in ("", "[")
        text += word if glued else f" {word}"
    return text


def _read(line: str) -> dict[str, Any]:
    try:
        return tomllib.loads(line)
    except ValueError:
        return {}
