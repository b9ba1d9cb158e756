"""What is done with many lines at once is what would be done with each: against lists of lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from locald.capture import frames
from locald.capture.block import Block, Line, last_of

PARTS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.lists(st.sampled_from([b"", b"a", b"bc\r", b"\xff\xc3"]), min_size=1, max_size=4),
    ),
    max_size=5,
)


def block(parts: list[tuple[int, list[bytes]]]) -> Block:
    data, ats, ends = b"", [], []
    for at, lines in parts:
        data += b"".join(line + b"\n" for line in lines)
        ats.append(float(at))
        ends.append(len(data))
    return Block(7, frames.STDERR, data, ats, ends)


def lines(*blocks: Block) -> list[Line]:
    return [line for each in blocks for line in each.lines()]


@given(PARTS)
def test_a_block_is_its_lines_as_objects_and_as_text(parts: list[tuple[int, list[bytes]]]) -> None:
    expected = [
        Line(float(at), 7, frames.STDERR, line.rstrip(b"\r").decode("utf-8", "replace"))
        for at, told in parts
        for line in told
    ]
    whole = block(parts)
    assert lines(whole) == expected
    assert whole.count == len(expected)
    assert whole.text == "".join(f"{line.text}\n" for line in expected)
    assert lines(*whole.parts()) == expected
    assert all(len({line.at for line in part.lines()}) == 1 for part in whole.parts())


@given(PARTS, st.integers(0, 20))
def test_the_last_lines_of_a_block_and_of_several(parts: list[tuple[int, list[bytes]]], count: int) -> None:
    whole = block(parts)
    expected = lines(whole)[max(whole.count - count, 0) :]
    assert lines(whole.last(count)) == expected
    assert lines(*last_of(list(whole.parts()), count)) == expected


@given(PARTS, st.integers(0, 6), st.sets(st.integers(0, 19)))
def test_lines_are_chosen_by_time_and_by_number(
    parts: list[tuple[int, list[bytes]]], since: int, numbers: set[int]
) -> None:
    whole = block(parts)
    told = lines(whole)
    chosen = sorted(number for number in numbers if number < len(told))
    assert lines(whole.since(since)) == [line for line in told if line.at >= since]
    assert lines(whole.numbered(chosen)) == [told[number] for number in chosen]
    assert lines(whole.only(lambda line: line.text == "a")) == [line for line in told if line.text == "a"]
