"""A line that matches has one of the words: of many patterns, on lines that they match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.adapters.needed_words import words_of
from locald.adapters.patterns import Pattern


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"took \d+ms", {"took "}),
        (r"\d+ errors? in", {" error"}),
        (r"warn(ing)?: disk", {": disk"}),
        (r"warn|fatal", {"warn", "fatal"}),
        (r"^(?:GET|POST) /api", {" /api"}),
        (r"(listening on|ready at) \d", {"listening on", "ready at"}),
        (r"(?:refused){1,3}!", {"refused"}),
        (r"\[ERROR\]", {"[ERROR]"}),
        (r"a.*bc", {"bc"}),
    ],
)
def test_the_words_of_a_pattern(pattern: str, words: set[str]) -> None:
    found = words_of(pattern)
    assert found
    assert set(found.words) == words
    assert not found.any_case


@pytest.mark.parametrize(
    "pattern",
    [r"\d+", r"(error)?", r"(?:error)*", r"(?!error)", r"(?=error)x", r"error|\d", r"[ab]c", r"(a)\1", ""],
)
def test_of_some_patterns_nothing_is_needed(pattern: str) -> None:
    assert words_of(pattern) is None


@pytest.mark.parametrize("pattern", ["(?i)error: x", "(?mi)error: x", "(?i:error: x)"])
def test_case_does_not_count_where_the_pattern_says_so(pattern: str) -> None:
    found = words_of(pattern)
    assert found
    assert found.any_case


PATTERNS = st.recursive(
    st.sampled_from(
        [
            "ab",
            "b",
            "C",
            r"\w",
            ".",
            "^",
            "$",
            r"\b",
            "a?",
            "b+",
            "[ab]",
            "[^a]",
            "(?!b)",
            "(?<=a)",
            r"\s",
            "ü",
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda both: f"(?:{both[0]}|{both[1]})"),
        inner.map(lambda each: f"({each}){{1,2}}"),
        inner.map(lambda each: f"({each})?"),
        inner.map(lambda each: f"(?i:{each})"),
    ),
    max_leaves=6,
)


@given(PATTERNS, st.lists(st.text("abcABCü ", max_size=8), max_size=8))
def test_the_same_lines_are_found_whether_one_by_one_or_many_at_once(text: str, lines: list[str]) -> None:
    pattern = Pattern(text, 5)
    whole = "".join(f"{line}\n" for line in lines)
    found = [whole[start:end] for start, end in pattern.lines_in(whole)]
    assert found == [f"{line}\n" for line in lines if pattern.found_in(line)]
    assert found == [f"{line}\n" for line in lines if re.search(text, line)]


@pytest.mark.parametrize("text", ["b", "", "a\nb", "[b]"])
def test_no_match_reaches_into_the_next_line(text: str) -> None:
    pattern = Pattern(text, 5)
    lines = ["a", "b", "", "ab"]
    found = list(pattern.lines_in("a\nb\n\nab\n"))
    assert len(found) == len([line for line in lines if re.search(text, line)])


def test_lines_without_a_needed_word_are_not_tried() -> None:
    """Each try would run out of time."""
    pattern = Pattern("(a|aa)+$ never", 0.05)
    assert list(pattern.lines_in(("a" * 200 + "!\n") * 1_000)) == []
