"""A terminal is given back as it was, whatever a program has set on it, and however that came."""

from __future__ import annotations

import pytest

from locald.faces.modes import Modes, without_questions

PLAIN = b"\x1b[0m"


@pytest.mark.parametrize(
    ("sent", "undone"),
    [
        (b"", PLAIN),
        (b"text\n", PLAIN),
        (b"$ ", PLAIN + b"\r\n"),
        (b"\x1b[?25l\n", b"\x1b[?25h" + PLAIN),
        (b"\x1b[?25l\x1b[?25h\n", PLAIN),
        (b"\x1b[?1049h\x1b[?25l\n", b"\x1b[?25h\x1b[?1049l" + PLAIN),
        (b"\x1b[?1000;1006h\n", b"\x1b[?1006l\x1b[?1000l" + PLAIN),
        (b"\x1b[?1049h\x1b[?1049l\n", PLAIN),
        (b"\x1b[?1049h\x1bc\n", PLAIN),
        (b"\x1b[>1u\x1b[>5u\x1b[<u\n", b"\x1b[<1u" + PLAIN),
        (b"\x1b[?u\x1b[6n\x1b[31m\n", PLAIN),
    ],
)
def test_what_was_set_is_undone_the_last_first(sent: bytes, undone: bytes) -> None:
    at_once, in_pieces = Modes(), Modes()
    at_once.read(sent)
    for byte in sent:
        in_pieces.read(bytes([byte]))
    assert at_once.undo() == in_pieces.undo() == undone


def test_a_sequence_without_an_end_is_not_kept_for_ever() -> None:
    modes = Modes()
    modes.read(b"\x1b[?" + b"1;" * 100_000)
    modes.read(b"h" + b"x" * 100_000 + b"\n")
    assert modes.undo() == PLAIN


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"\x1b[6nprompt", b"prompt"),
        (b"\x1b[6nprompt\x1b[6n", b"prompt\x1b[6n"),
        (b"\x1b]11;?\x07\x1b]4;1;?\x1b\\\x1b[c\x1b[>c\x1b[?2026$p\x1b[18t\x1bP+q544e\x1b\\\x1b[?u.", b"."),
        (b"\x1b[31mred\x1b[0m\x1b[2J\x1b]0;title\x07", b"\x1b[31mred\x1b[0m\x1b[2J\x1b]0;title\x07"),
    ],
)
def test_what_was_asked_before_is_not_asked_again(printed: bytes, shown: bytes) -> None:
    """But a question at the end, which may still wait for its answer."""
    assert without_questions(printed) == shown
