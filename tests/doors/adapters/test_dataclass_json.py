"""Dataclasses as JSON: what goes comes back, defaults cost nothing, and what does not fit is named."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.wire.dataclass_json import Unfit, codec


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(NamedTuple):
    shelf: str
    row: int


TOP = Place("top", 1)


@dataclass(frozen=True)
class Book:
    title: str
    pages: int = 100
    kind: Literal["book"] = "book"


@dataclass(frozen=True)
class Box:
    holds: tuple[Book, ...] = ()
    kind: Literal["box"] = "box"


@dataclass(frozen=True)
class Paper:
    """One class of several kinds."""

    kind: Literal["map"] | Literal["letter", "card"]
    sheets: int = 1


@dataclass(frozen=True)
class Label:
    text: str


@dataclass(frozen=True)
class Item:
    what: Book | Box | Paper | None
    where: Place = TOP
    size: tuple[int, float] = (1, 1.5)
    colours: dict[Colour, int] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    note: str | tuple[str, ...] | None = None
    state: Literal["new", 7] | Literal["old"] = "new"
    label: Label | None = None
    weight: float = 0.0
    lent: bool = False


books = st.builds(Book, st.text(), st.integers())
items = st.builds(
    Item,
    what=st.none()
    | books
    | st.builds(Paper, st.sampled_from(["map", "letter", "card"]))
    | st.builds(Box, st.lists(books, max_size=3).map(tuple)),
    where=st.builds(Place, st.text(), st.integers()),
    size=st.tuples(st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    colours=st.dictionaries(st.sampled_from(Colour), st.integers()),
    tags=st.frozensets(st.text(), max_size=3),
    note=st.none() | st.text() | st.lists(st.text(), max_size=3).map(tuple),
    state=st.sampled_from(["new", 7, "old"]),
    label=st.none() | st.builds(Label, st.text()),
    weight=st.floats(allow_nan=False, allow_infinity=False),
    lent=st.booleans(),
)


@given(items)
def test_what_goes_comes_back(item: Item) -> None:
    assert codec(Item).load(json.loads(json.dumps(codec(Item).dump(item)))) == item


def test_what_is_as_by_default_is_not_written() -> None:
    assert codec(Item).dump(Item(None)) == {"what": None}
    assert codec(Item).dump(Item(Book("x"), lent=True)) == {
        "what": {"title": "x", "kind": "book"},
        "lent": True,
    }


def test_a_field_that_is_not_known_is_passed_over() -> None:
    """A version that had it wrote it."""
    assert codec(Item).load({"what": None, "smell": "old"}) == Item(None)


BOX = {"kind": "box", "holds": [{"title": "x"}, {"title": 5}]}
UNFIT: dict[str, tuple[Any, str]] = {
    "no object": ([], "an object expected"),
    "nothing of what is needed": ({}, "what: missing"),
    "no number": ({"weight": "heavy"}, "weight: a finite number expected"),
    "no finite number": ({"weight": float("inf")}, "weight: a finite number expected"),
    "a number for a truth": ({"lent": 1}, "lent: true or false expected"),
    "a truth for a number": ({"size": [True, 1.0]}, "size.0: a whole number expected"),
    "an unknown member": ({"colours": {"green": 1}}, "colours: one of red, blue expected"),
    "a row too short": ({"where": ["top"]}, "where: 2 values expected"),
    "deep inside": ({"what": BOX}, "what.holds.1.title: a text expected"),
    "an unknown kind": (
        {"what": {"kind": "lamp"}},
        "what.kind: one of book, box, map, letter, card expected",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_is_named(case: str) -> None:
    value, told = UNFIT[case]
    if value:
        value = {"what": None} | value
    with pytest.raises(Unfit) as raised:
        codec(Item).load(value)
    assert str(raised.value) == told


def test_a_type_that_is_not_known_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="no codec for"):
        codec(object)
