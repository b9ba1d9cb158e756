"""What steers a terminal is removed from a line, and its text never is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.values.plain import plain, plain_lines, steers


@pytest.mark.parametrize(
    "printed",
    [
        "\x1b[32mready\x1b[0m",
        "\x1b[1;38;2;255;100;0mready\x1b[m",
        "\x1b[38:2::255:100:0mready\x1b[39;49m",
        "\x1b[?25l\x1b[2K\x1b[1Gready\x1b[?25h",
        "\x1b[0 qready",
        "\x9b32mready\x9b0m",
        "\x1b]0;a title\x07ready",
        "\x1b]8;;http://x.test/\x1b\\ready\x1b]8;;\x1b\\",
        "\x9d0;a title\x9cready",
        "\x1bP1$r0m\x1b\\ready",
        "\x1b_secret\x1b\\re\x1b^private\x1b\\ady\x1bXstring\x1b\\",
        "\x1b(Bready\x1b)0\x1b%G\x1b#8",
        "\x1b7\x1b=re\x1b>ady\x1b8\x1bc",
        "\x07r\x00e\x08a\x0bd\x0cy\x7f\x85",
        "ready\x1b",
        "ready\x1b[",
    ],
)
def test_what_steers_a_terminal_is_removed(printed: str) -> None:
    assert plain(printed).removesuffix("[") == "ready"


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("\x1b]0;title without an end, ready", "0;title without an end, ready"),
        ("\x1b[12", "12"),
        ("50%\r100%", "50%\r100%"),
        ("a\tb", "a\tb"),
        ("größe → 日本 🎉", "größe → 日本 🎉"),
        ("", ""),
        ("[32m is no sequence", "[32m is no sequence"),
    ],
)
def test_text_stays(printed: str, text: str) -> None:
    assert plain(printed) == text


@given(st.text(alphabet="\x1b\x9b\x9d\x90\x07\x9c\\[]();0123456789mKPX_^ \t\rab"))
def test_nothing_that_steers_is_left_of_anything(printed: str) -> None:
    left = plain(printed)
    assert not any(ord(char) < 32 and char not in "\t\r" for char in left)
    assert not any(127 <= ord(char) < 160 for char in left)


@given(st.text(alphabet="\x1b\x9b\x9d\x90\x07\x9c\\[]();0123456789mKPX_^ \t\r\n\n\x00abü"))
def test_many_lines_are_made_plain_as_each_alone(printed: str) -> None:
    assert plain_lines(printed) == "\n".join(map(plain, printed.split("\n")))
    if not steers(printed.encode()):
        assert plain_lines(printed) == printed


@pytest.mark.parametrize("printed", ["\x1b[1m", "a\x00", "\x7f", "é\x9b1m", "\x85"])
def test_what_may_steer_is_seen_at_a_glance(printed: str) -> None:
    assert steers(printed.encode())
    assert not steers("größe → 日本 🎉 Â\ta\r\nb".encode())


@pytest.mark.parametrize(
    "part", ["\x1b]", "\x1b[", "\x1b[1;", "\x1bP", "\x9d", "\x9d\x90", "\x9b", "\x1b(", "\x1b[ ", "\x1b[1 "]
)
def test_hostile_text_takes_time_in_proportion_to_its_length(part: str) -> None:
    began = time.process_time()
    plain(part * 100_000)
    plain(part + "1" * 200_000)
    assert time.process_time() - began < 1
