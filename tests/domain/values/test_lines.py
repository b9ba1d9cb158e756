"""Every key of a file that TOML accepts is found on the line that it stands on."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.values.lines import Path, Places, dotted, locate

if TYPE_CHECKING:
    from collections.abc import Iterator


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every path in what `tomllib` made of a text."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from paths(each, (*path, key))


TRICKY = '''\
# services.web.fake = 1
title = "a # b [x] = 1"
[project] # [no]
name = 'lit"eral'

[services.web]
command = """
[services.not]
key = "in a string" \\"""
"""
env = { A = "}", "B.C" = '''
TRICKY += """\'\'\'
[not] it's''
\'\'\', D.E = 1 }
volumes = [
  "a", # one
  # "b",
  'c]', [ 1,
  { x = 1, y = [2] } ],
]
"quoted key" . "with \\u00e9" = true
depends_on.db = "healthy"
depends_on.'ca"che' = "started"
when = 1979-05-27 07:32:00
other = 1979-05-27T07:32:00Z

[[fruit]]
name = "apple"
[fruit.physical]
color = "red"
[[fruit.variety]]
name = "x"
[[fruit.variety]]
name = "y"
[[fruit]]
[[fruit.variety]]
name = "z"
[ services . "web 2" . env ]
X = ""
"""

LINES = [
    (("title",), 2),
    (("project",), 3),
    (("project", "name"), 4),
    (("services", "web"), 6),
    (("services", "web", "command"), 7),
    (("services", "web", "env"), 11),
    (("services", "web", "env", "A"), 11),
    (("services", "web", "env", "B.C"), 11),
    (("services", "web", "env", "D", "E"), 13),
    (("services", "web", "volumes"), 14),
    (("services", "web", "volumes", 0), 15),
    (("services", "web", "volumes", 1), 17),
    (("services", "web", "volumes", 2, 1, "y", 0), 18),
    (("services", "web", "quoted key", "with é"), 20),
    (("services", "web", "depends_on"), 21),
    (("services", "web", "depends_on", "db"), 21),
    (("services", "web", "depends_on", 'ca"che'), 22),
    (("services", "web", "other"), 24),
    (("fruit", 0, "name"), 27),
    (("fruit", 0, "physical", "color"), 29),
    (("fruit", 0, "variety", 1, "name"), 33),
    (("fruit", 1), 34),
    (("fruit", 1, "variety", 0, "name"), 36),
    (("services", "web 2", "env", "X"), 38),
]


@pytest.mark.parametrize(("path", "line"), LINES, ids=[dotted(path) for path, _ in LINES])
def test_a_key_is_on_its_line_whatever_stands_around_it(path: Path, line: int) -> None:
    assert locate(TRICKY)[path] == line


def test_nothing_that_only_looks_like_a_key_is_found() -> None:
    assert set(locate(TRICKY)) == set(paths(tomllib.loads(TRICKY)))


def test_windows_line_ends_count_once() -> None:
    assert locate('[a]\r\nb = """x\r\ny"""\r\nc = 1\r\n')["a", "c"] == 4


def test_a_table_stands_at_its_own_header_not_where_another_mentions_it() -> None:
    assert locate("[a.b]\n\n[a]\nc = 1\n")["a",] == 3


# A writer of TOML that uses all the ways there are to say the same; the line of each leaf is its value.

KEYS = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(["a", "b-c", "1"])
SCALARS = st.one_of(
    st.integers(-(2**40), 2**40),
    st.booleans(),
    st.sampled_from(["", "a", "#", '"', "'", "[x]", "a = 1", "}", "\n[t]\n", '"""', "'''", "\\", "é,", "]"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


class Writer:
    """Writes a document with styles drawn by Hypothesis, and notes the line of every key as it goes."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.text = ""
        self.lines: dict[Path, int] = {}

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def table(self, path: Path, content: dict[str, Any]) -> None:
        below = {key: value for key, value in content.items() if isinstance(value, dict) and self.often()}
        for key, value in content.items():
            if key not in below:
                self.pair(path, key, value)
                self.put(self.draw(st.sampled_from(["\n", " # x = [\n", "\n\n", "\n# y = 1\n"])))
        for key, value in below.items():
            self.lines[*path, key] = self.line
            self.put("[" + ".".join(self.key(str(part)) for part in (*path, key)) + "]\n")
            self.table((*path, key), value)

    def pair(self, path: Path, key: str, value: Any) -> None:
        self.lines[*path, key] = self.line
        self.put(self.key(key) + self.draw(st.sampled_from(["=", " = ", "\t= "])))
        self.value((*path, key), value)

    def value(self, path: Path, value: Any) -> None:
        match value:
            case dict():
                self.items(path, list(value.items()), "{ ", ", ", " }")
            case list():
                around = st.sampled_from([("[", ",", "]"), ("[\n", ", # ]\n", "\n]"), ("[ ", " ,\n\n", ",]")])
                self.items(path, list(enumerate(value)), *(self.draw(around) if value else ("[", "", "]")))
            case str():
                self.put(self.string(value))
            case _:
                self.put(str(value).lower())

    def items(self, path: Path, items: list[tuple[Any, Any]], start: str, between: str, end: str) -> None:
        self.put(start)
        for place, (key, value) in enumerate(items):
            self.put(between if place else "")
            if isinstance(key, int):
                self.lines[*path, key] = self.line
                self.value((*path, key), value)
            else:
                self.pair(path, key, value)
        self.put(end)

    def string(self, text: str) -> str:
        if "'" not in text and "\n" not in text and self.often():
            return f"'{text}'"
        if "'''" not in text and not text.endswith("'") and self.often():
            return f"'''\n{text}'''"
        return f'"""{escaped(text)}"""' if self.often() else f'"{escaped(text)}"'

    def key(self, key: str) -> str:
        bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
        return key if bare and self.often() else f'"{escaped(key)}"'

    def often(self) -> bool:
        return self.draw(st.booleans())

    def put(self, text: str) -> None:
        self.text += text


def escaped(text: str) -> str:
    def plain(sign: str) -> bool:
        return sign not in '"\\' and sign.isprintable()

    return "".join(sign if plain(sign) else f"\\U{ord(sign):08x}" for sign in text)


@given(st.data(), st.dictionaries(KEYS, VALUES, max_size=4))
def test_of_any_document_every_key_is_found_on_its_line(
    data: st.DataObject, document: dict[str, Any]
) -> None:
    writer = Writer(data)
    writer.table((), document)
    assert tomllib.loads(writer.text) == document

    assert locate(writer.text) == writer.lines


def test_what_is_missing_is_placed_at_the_nearest_thing_around_it() -> None:
    places = Places.of("locald.toml", "\n[services.web]\nport = 1\n")

    assert places.name(("services", "web", "command")) == "locald.toml:2: services.web.command"
    assert places.name(("project",)) == "locald.toml: project"
    assert places.name(()) == "locald.toml"
