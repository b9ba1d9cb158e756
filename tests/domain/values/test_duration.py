"""Durations and sizes mean what a person would say they mean, and nothing else is taken for one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.knowledge import signals
from locald.domain.values import duration, sizes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2),
        ("1m30s", 90),
        ("1h", 3600),
        ("1.5s", 1.5),
        ("1d2h3m4s5ms", 93784.005),
        ("0h1s", 1),
    ],
)
def test_a_duration_is_so_many_seconds(text: str, seconds: float) -> None:
    assert duration.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0s",
        "0",
        "10",
        "-1s",
        "s",
        "1 s",
        "1s1m",
        "1s2s",
        "2S",
        "1e3s",
        "1s\n",
        " 1s",
        "١s",
        ".5s",
        "99999999999d",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        duration.parse(text)


def test_what_is_too_long_is_told_from_what_is_no_duration() -> None:
    with pytest.raises(duration.TooLong, match="longer than 317 years"):
        duration.from_argument("99999999999")
    assert duration.parse("115740d") == 115740 * 86400


def test_on_the_command_line_a_bare_number_is_seconds() -> None:
    assert duration.from_argument("30") == 30
    assert duration.from_argument("1.5") == 1.5
    assert duration.from_argument("2m") == 120
    with pytest.raises(ValueError, match="duration"):
        duration.from_argument("0")


@given(st.integers(1, 10**12))
def test_what_is_shown_is_read_back(milliseconds: int) -> None:
    assert round(duration.parse(duration.show(milliseconds / 1000)) * 1000) == milliseconds


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (0.0002, "0.2ms"),
        (0.4, "400ms"),
        (2.5, "2s500ms"),
        (90, "1m30s"),
        (86400, "1d"),
        (59.9996, "1m"),
        (-2, "-2s"),
    ],
)
def test_it_is_shown_as_short_as_can_be(seconds: float, shown: str) -> None:
    assert duration.show(seconds) == shown


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("50MB", 50_000_000),
        ("512KB", 512_000),
        ("1GiB", 2**30),
        ("1.5 KiB", 1536),
        ("7B", 7),
        ("0.5TB", 5 * 10**11),
    ],
)
def test_a_size_is_so_many_bytes(text: str, size: int) -> None:
    assert sizes.parse(text) == size


@pytest.mark.parametrize(
    "text", ["", "0MB", "50", "50mb", "MB", "-1MB", "1 000MB", "0.1B", "1MB\n", "9" * 30 + "TB"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        sizes.parse(text)


@given(st.integers(1, sizes.LARGEST))
def test_a_size_that_is_shown_is_read_back(size: int) -> None:
    assert sizes.parse(sizes.show(size)) == size


def test_signals_have_the_names_and_numbers_of_this_system() -> None:
    import signal

    ours = {name: number for name, number in signals.NUMBERS.items() if hasattr(signal, name)}
    assert ours == {name: getattr(signal, name) for name in ours}
    assert len(ours) > 30


def test_a_signal_is_known_with_and_without_sig() -> None:
    assert signals.canonical("TERM") == signals.canonical("SIGTERM") == "SIGTERM"
    assert signals.canonical("RTMIN+3") == "SIGRTMIN+3"
    assert signals.canonical("term") is None
    assert signals.name(9) == "SIGKILL"
    assert signals.name(99) == "signal 99"


def test_the_pattern_of_real_time_signals_is_their_names() -> None:
    names = {name for name in signals.NUMBERS if name not in signals.STANDARD}

    assert names == {f"SIG{end}" for end in real_time() if re.fullmatch(signals.REAL_TIME, end)}


def real_time() -> list[str]:
    return [f"{base}{step}" for base in ("RTMIN+", "RTMAX-") for step in range(20)] + ["RTMIN", "RTMAX"]
