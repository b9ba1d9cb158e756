"""What was drawn over and over, as it stood at last."""

from __future__ import annotations

import pytest

from locald.domain.values.redrawn import is_own_request, kept, last_state, redraws


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("just text", "just text"),
        (" 10%\r 50%\r100%", "100%"),
        ("100%\r", "100%"),
        ("⠋ a\x1b[2K\x1b[1G⠙ b\x1b[2K\x1b[1G✔ done", "✔ done"),
        ("50%\r\x1b[2K", ""),
        ("\x1b[2K\x1b[32mok\x1b[0m", "\x1b[32mok\x1b[0m"),
        ("\x1b[31mred\x1b[0m stays", "\x1b[31mred\x1b[0m stays"),
        ("a\rb\r\x1b[0m", "b"),
        ("", ""),
    ],
)
def test_of_a_line_the_last_state_stays(written: str, left: str) -> None:
    assert last_state(written) == left


def standing(*lines: str) -> list[str]:
    return [lines[number] for number in kept(lines)]


def test_a_spinner_of_many_lines_is_its_last() -> None:
    frames = [f"\x1b[1A\x1b[2K{sign} building" for sign in "⠙⠹⠸"]
    assert standing("begin", "⠋ building", *frames, "\x1b[1A\x1b[2K✔ built", "end") == [
        "begin",
        "\x1b[1A\x1b[2K✔ built",
        "end",
    ]


def test_a_list_that_is_drawn_again_is_there_once() -> None:
    """As docker compose and listr draw theirs."""
    first = ["pulling db", "pulling web", "pulling api"]
    again = ["\x1b[3A\x1b[2Kpulled db", "\x1b[2Kpulled web", "\x1b[2Kpulled api"]
    assert standing("begin", *first, *again) == ["begin", *again]
    for far in ("9", "9" * 5000):
        assert standing("one", f"\x1b[{far}Atwo") == [f"\x1b[{far}Atwo"], "no farther than there are lines"


def test_blank_lines_around_a_cleared_screen_are_one() -> None:
    """As Vite scrolls the screen away before it clears it."""
    cleared = ["before", *[""] * 20, "\x1b[2J\x1b[3J\x1b[H", "", "after", "", "", "end"]
    assert standing(*cleared) == ["before", "", "after", "", "", "end"]


def test_ordinary_lines_all_stay() -> None:
    lines = ["a", "", "", "\x1b[31mb\x1b[0m", "c \x1b[2A in the middle", "a", "a"]
    assert standing(*lines) == lines


def test_requests_of_our_own_in_a_row_are_one() -> None:
    asked = '127.0.0.1 - - [30/Nov/2026:12:00:0{}] "GET /health HTTP/1.1" 200 2 "-" "locald"'
    others = '127.0.0.1 - - [30/Nov/2026:12:00:03] "GET /health HTTP/1.1" 200 2 "-" "curl/8.5"'
    lines = [asked.format(1), asked.format(2), others, asked.format(4), asked.format(5)]
    assert standing(*lines) == [lines[1], others, lines[4]]


@pytest.mark.parametrize(
    ("line", "is_ours"),
    [
        ('{"level":30,"req":{"url":"/","headers":{"user-agent":"locald"}}}', True),
        ('{"user_agent": "locald", "status": 200}', True),
        ('127.0.0.1 "GET / HTTP/1.1" 200 "locald"', True),
        ('GET /docs/locald HTTP/1.1" 200 "http://locald/" "Mozilla/5.0"', False),
        ("locald says hello", False),
        ('he said "locald" to me', False),
    ],
)
def test_our_requests_are_known_by_their_user_agent(line: str, is_ours: bool) -> None:
    assert is_own_request(line) is is_ours


def test_a_glance_tells_whether_there_is_anything_to_fold() -> None:
    assert not redraws(b"\x1b[32mgreen\x1b[0m\nplain\r\nmore\r\r\n")
    for data in (b"10%\r20%\n", b"\x1b[1Aup\n", b"\x1b[2Kgone\n", b'"GET / HTTP/1.1" 200 2 "-" "locald"\n'):
        assert redraws(data)
