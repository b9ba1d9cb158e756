"""The sd_notify protocol: what a datagram says, row by row, and that no datagram can do harm."""

from __future__ import annotations

from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.story import Story, service
from locald.domain.lifecycle.messages import Process, Sender, Standing
from locald.domain.lifecycle.sd_notify import KNOWN, LONGEST, Notification, clean, introduce, parse, refusal


def words(datagram: bytes) -> Notification:
    found = parse(datagram)
    assert found is not None, "dropped"
    return found


# Transport.


@pytest.mark.parametrize(
    ("datagram", "why"),
    [
        (b"READY=1\0STATUS=x", "an embedded NUL"),
        (b"\0READY=1", "a leading NUL"),
        (b"READY=1\0\0", "only one trailing NUL is fine"),
        (b"X=" + b"x" * LONGEST, "too long"),
    ],
)
def test_what_is_malformed_is_dropped_whole(datagram: bytes, why: str) -> None:
    assert parse(datagram) is None, why


@pytest.mark.parametrize("datagram", [b"READY=1\0", b"READY=1\n", b"\nREADY=1", b"READY=1\n\0"])
def test_one_trailing_nul_and_empty_lines_are_fine(datagram: bytes) -> None:
    assert words(datagram).has("READY", b"1")


def test_the_longest_message_is_read() -> None:
    datagram = b"READY=1\nX=" + b"x" * (LONGEST - 10)

    assert len(datagram) == LONGEST
    assert words(datagram).has("READY", b"1")


# Tokens.


@pytest.mark.parametrize(
    "datagram",
    [b"READY=10", b"XREADY=1", b"READY=0", b"READY=", b"READY", b"READY =1", b" READY=1", b"ready=1", b""],
)
def test_tokens_are_exact(datagram: bytes) -> None:
    assert not words(datagram).has("READY", b"1")


def test_the_first_occurrence_of_a_key_wins() -> None:
    assert words(b"READY=1\nREADY=0").has("READY", b"1")
    assert not words(b"READY=0\nREADY=1").has("READY", b"1")


def test_a_value_may_hold_anything_but_a_line_feed() -> None:
    assert words(b"STATUS=a=b\nREADY=1").text("STATUS") == "a=b"


def test_unknown_keys_are_ignored() -> None:
    said = words(b"X_MINE=1\nREADY=1\n\xff=2\nlonely")

    assert said.has("READY", b"1")
    assert said.are_known
    assert not words(b"X_MINE=1").are_known


# Numbers.


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"0", 0),
        (b"42", 42),
        (b"9999999999999999999", 9999999999999999999),
        (b"", None),
        (b"-1", None),
        (b"+1", None),
        (b" 1", None),
        (b"1 ", None),
        (b"1.5", None),
        (b"0x10", None),
        (b"1_000", None),
        (b"99999999999999999999", None),
        ("٣".encode(), None),
    ],
)
def test_numbers_are_decimal_and_nothing_else(value: bytes, number: int | None) -> None:
    assert words(b"ERRNO=" + value).number("ERRNO") == number


def test_a_missing_number_is_none() -> None:
    assert words(b"READY=1").number("ERRNO") is None
    assert words(b"READY=1").seconds("WATCHDOG_USEC") is None


def test_microseconds_are_seconds_and_no_more_than_a_calendar_can_take() -> None:
    assert words(b"WATCHDOG_USEC=1500000").seconds("WATCHDOG_USEC") == 1.5
    assert words(b"WATCHDOG_USEC=9999999999999999999").seconds("WATCHDOG_USEC") == 1e10


# Text.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"", ""),
        ("größe 日本 🎉".encode(), "größe 日本 🎉"),
        (b"a\tb\x1b[31mc", "a bc"),
        (b"\x07 beep \x7f", "beep"),
        ("left\u202eright".encode(), "left right"),
        ("a\u0085b\u2028c".encode(), "a b c"),
    ],
)
def test_text_can_be_shown_anywhere(value: bytes, text: str) -> None:
    assert words(b"STATUS=" + value).text("STATUS") == text


def test_invalid_utf8_is_ignored() -> None:
    assert words(b"STATUS=\xff\xfe").text("STATUS") is None
    assert words(b"READY=1").text("STATUS") is None


def test_a_status_that_cannot_be_read_leaves_the_one_before() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1"), s.says("web#1", "STATUS=fine")

    s.says_bytes("web#1", b"STATUS=\xff")
    assert "(status: fine)" in s.because("web")


def test_a_message_in_words_is_one_line_that_is_not_endless() -> None:
    assert str(words(b"ERRNO=2\nX=a\x1b[2Jb\xff")) == "ERRNO=2 X=ab\N{REPLACEMENT CHARACTER}"
    assert len(str(words(b"STATUS=" + b"x" * 1000))) == 200


def test_a_status_is_part_of_a_message_in_words_only_when_it_is_all() -> None:
    """Beside others it is shown by itself already."""
    assert str(words(b"STATUS=busy")) == "STATUS=busy"
    assert str(words(b"READY=1\nSTATUS=busy")) == "READY=1"


# Senders.


@pytest.mark.parametrize("standing", ["member", "exited", "spawner"])
def test_they_may_speak(standing: Standing) -> None:
    assert refusal(Sender(Process(7, "sh"), 0, standing)) is None


def test_a_stranger_may_not() -> None:
    assert refusal(Sender(Process(7, "sh"), 0, "outside")) == "pid 7 (sh), a process outside the service"


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        ("member", "pid 7 (sh)"),
        ("outside", "pid 7 (sh)"),
        ("exited", "pid 7 (sh), which had already exited,"),
        ("spawner", "pid 7 (sh), run as root,"),
    ],
)
def test_what_is_uncertain_about_a_sender_is_said(standing: Standing, said: str) -> None:
    assert introduce(Sender(Process(7, "sh"), 0, standing)) == said


# Any datagram at all.

likely = st.sampled_from(sorted(KNOWN)).flatmap(
    lambda key: st.sampled_from(
        [b"1", b"0", b"", b"trigger", b"99999999999999999999", b"\xff", b"5\x1b"]
    ).map(lambda value: key.encode() + b"=" + value)
)
datagrams = st.binary(max_size=40) | st.lists(likely | st.binary(max_size=10), max_size=6).map(b"\n".join)


@given(datagrams)
@example(b"=")
@example(b"\0")
@example(b"READY=1\nSTOPPING=1\nRELOADING=1\nWATCHDOG=trigger")
def test_any_datagram_is_read_or_dropped(datagram: bytes) -> None:
    said = parse(datagram)

    if b"\0" in datagram.removesuffix(b"\0"):
        assert said is None
    elif said is not None:
        assert said.has("READY", b"1") == (
            next((line for line in _lines(datagram) if line.startswith(b"READY=")), b"") == b"READY=1"
        )
        assert _steers_nothing(str(said))


def _steers_nothing(text: str) -> bool:
    """No control character, no end of a line. What is merely unknown (a font's own signs) may be shown."""
    return not {category(char) for char in text} & {"Cc", "Cs", "Zl", "Zp"}


def _lines(datagram: bytes) -> list[bytes]:
    return datagram.removesuffix(b"\0").split(b"\n")


@given(st.lists(datagrams, min_size=1, max_size=8))
@example(["=\ue000\nERRNO=".encode()])
def test_no_row_of_datagrams_does_harm(row: list[bytes]) -> None:
    """Whatever a program says: every view can be made, and its words reach no other service."""
    s = Story(service("web", watchdog=2.0), service("other"))
    s.up(), s.healthy("other#1"), s.spawned("web#1")
    other = s.service("other")
    for datagram in row:
        s.says_bytes("web#1", datagram)
        s.wait(0.5)
        assert _steers_nothing(s.because("web"))
        s.why("web")

    assert s.service("other") is other


@given(st.text())
def test_clean_text_is_printable_and_cleaning_it_again_changes_nothing(text: str) -> None:
    cleaned = clean(text)

    assert clean(cleaned) == cleaned
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in cleaned)


def test_a_status_keeps_its_words_and_loses_what_steers_a_terminal() -> None:
    said = parse("STATUS=\x1b[31mloading\x1b[0m\x1b]0;title\x07 3 of 5\u202e".encode())
    assert said is not None
    assert said.text("STATUS") == "loading 3 of 5"
