"""What reaches a screen: text without what steers it, aligned tables, times as people read them."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.cli.shared.table import Cell, table
from locald.domain.values.problem import Problem
from locald.faces.text import colours_only, plain, shorten
from locald.faces.when import age, seconds_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as it is: grün ✓", "as it is: grün ✓"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x1b]52;c;Y2xpcA==\x1b\\rest", "rest"),
        ("\x1bP+q544e\x1b\\rest", "rest"),
        ("\x1b]never ended", ""),
        ("two\r\nlines\tand tabs", "two lines and tabs"),
        ("\x1b(Bcharset\x1b7saved\x1bc", "charsetsaved"),
        ("bell\x07 back\x08space \x7f", "bell backspace "),
        ("right\u202eto left", "rightto left"),
    ],
)
def test_nothing_that_steers_a_terminal_is_left_in_a_sentence(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[32mgreen\x1b[0m!", "\x1b[32mgreen\x1b[0m!\x1b[0m"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b[32\x1b[2Jm", "m"),
        ("a\tb", "a\tb"),
        ("10%\r20%\r", "20%"),
        ("\r", ""),
    ],
)
def test_of_a_line_on_a_terminal_only_colours_stay(text: str, expected: str) -> None:
    assert colours_only(text) == expected


steering = st.text(st.sampled_from([*"\x1b\x9b\x9d[]();0123m\\JH?\x07\r\n\x08 ", *string.ascii_letters]))


@given(steering)
def test_whatever_comes_no_control_character_reaches_a_sentence(text: str) -> None:
    assert not [char for char in plain(text) if ord(char) < 32 or 127 <= ord(char) < 160]


@given(steering)
def test_whatever_comes_only_colours_reach_a_terminal(text: str) -> None:
    shown = colours_only(text)

    without = [piece.partition("m") for piece in shown.split("\x1b")[1:]]
    assert all(code.lstrip("[").replace(";", "").isdigit() or code == "[" for code, _, _ in without)
    assert "\x9b" not in shown
    assert "\r" not in shown


def test_columns_are_aligned_and_empty_fields_are_dashes() -> None:
    rows = [[Cell("web"), Cell(None), Cell("last")], [Cell("worker"), Cell(24001), Cell("")]]

    assert table(("NAME", "PORT", "X"), rows, colour=False, width=None) == [
        "NAME    PORT   X",
        "web     -      last",
        "worker  24001  -",
    ]


@given(st.lists(st.text(string.ascii_letters, max_size=60), min_size=1, max_size=5), st.integers(60, 120))
def test_a_table_fits_the_terminal(words: list[str], width: int) -> None:
    told = table(words, [[Cell(word * 2) for word in words]], colour=False, width=width)

    assert max(map(len, told)) <= width


def test_a_table_that_cannot_fit_is_cut_no_further_than_can_be_read() -> None:
    told = table(["x" * 20] * 3, [], colour=False, width=5)

    assert told == ["xxxxxxx…  xxxxxxx…  xxxxxxx…"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(26, "26s"), (61, "1m01s"), (7265, "2h01m"), (273_600, "3d04h")]
)
def test_an_age_is_told_like_every_length_of_time(seconds: float, shown: str) -> None:
    then = datetime.now(UTC) - timedelta(seconds=seconds)
    assert age(then.isoformat()) == shown


def test_a_time_that_is_none_is_no_error() -> None:
    assert seconds_of("2026-03-01T12:00:00.250Z") == 1772366400.25
    assert [seconds_of(stamp) for stamp in ("", None, "soon", 42)] == [None] * 4
    assert age(None) == ""


def test_what_is_cut_off_is_marked() -> None:
    assert (shorten("abcdef", 4), shorten("abcd", 4)) == ("abc…", "abcd")


def test_a_problem_is_a_value() -> None:
    problem = Problem("unknown key", "locald.toml:1", "remove it")

    assert problem == Problem("unknown key", where="locald.toml:1", hint="remove it")
    assert len({problem, Problem("unknown key", "locald.toml:1", "remove it")}) == 1
    assert str(problem) == "locald.toml:1: unknown key\nhint: remove it"
    with pytest.raises(AttributeError):
        problem.what = "another"  # type: ignore[misc, unused-ignore]
