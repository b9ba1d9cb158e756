"""What is chosen of many lines at once, and told as text, is what would be chosen and told line by line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from locald.adapters.histories import Choice
from locald.adapters.patterns import Pattern
from locald.capture import frames
from locald.capture.block import Block
from locald.domain.project.names import Key
from locald.domain.values.plain import plain

if TYPE_CHECKING:
    import pytest

WEB, API = Key("shop", "web"), Key("shop", "api")
PRINTED = st.lists(
    st.sampled_from([b"ready", b"re\x1b[1mady", b"gr\xc3\xbcn", b"\xff", b"x\r", b"\xc2\x9b1m", b"\n", b" "])
).map(lambda parts: b"".join(parts) + b"\n")


def block(data: bytes, stream: int = frames.STDOUT) -> Block:
    return Block(1, stream, data, [1.0], [len(data)])


def text(choice: Choice, *blocks: Block) -> bytes:
    found = ((WEB, each) for each in blocks)
    return b"".join(part for packets in choice.packed(found) for packet in packets for part in packet.data)


@given(PRINTED, st.sampled_from(["ready", "^ready", "r.*y$", "(?i)READY|n", "\\s"]))
def test_the_lines_that_match_are_chosen(data: bytes, pattern: str) -> None:
    choice = Choice(grep=Pattern(pattern, 1))
    expected = block(data).only(lambda line: Pattern(pattern, 1).found_in(plain(line.text)))
    assert choice.of(block(data)).lines() == expected.lines()


@given(PRINTED, st.booleans())
def test_text_is_what_the_lines_hold(data: bytes, is_plain: bool) -> None:
    choice = Choice(plain=is_plain)
    shown = choice.shown([(WEB, block(data))])
    assert text(choice, block(data)) == "".join(f"{line.line}\n" for line in shown).encode()


def test_lines_of_one_stream_share_a_packet_and_packets_a_list_until_it_is_heavy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("locald.adapters.histories.PACKET", 10)
    out, err = block(b"one\n"), block(b"oops\n", frames.STDERR)
    found = [(WEB, out), (WEB, out), (WEB, err), (API, err), (WEB, block(b""))]
    told = [
        [(each.key.service, each.stream, b"".join(each.data)) for each in packets]
        for packets in Choice().packed(found)
    ]
    assert told == [
        [("web", "stdout", b"one\none\n"), ("web", "stderr", b"oops\n")],
        [("api", "stderr", b"oops\n")],
    ]
    assert list(Choice().packed([])) == [[]]


def test_the_lines_of_one_run_are_chosen() -> None:
    first, second = block(b"of the first\n"), replace(block(b"of the second\n"), run_number=2)
    assert text(Choice(run=2), *map(Choice(run=2).of, (first, second))) == b"of the second\n"
