"""A history reads back as the lines that were printed: none lost, none doubled, its end without the rest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from locald.adapters.folding import Through
from locald.capture import frames, last, reader
from locald.capture.block import Line
from locald.capture.last import read_all, read_last
from locald.capture.reader import CaptureReader, Position
from locald.capture.writer import CaptureWriter

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from locald.capture.block import Block
    from locald.capture.reader import Name

OUT, ERR, NOTE = frames.STDOUT, frames.STDERR, frames.LOCALD


def history(folder: Path, run: int, *printed: bytes, stream: int = OUT, size: int = 10**6) -> None:
    """One frame for each of `printed`, one second after the other."""
    writer = CaptureWriter(str(folder), run, size)
    for second, data in enumerate(printed):
        writer.write(float(second), stream, data)
    writer.close()


def everything(from_: CaptureReader) -> list[Line]:
    found = []
    while lines := from_.read():
        found += lines
    return found


def lines_of(blocks: Iterable[Block]) -> list[Line]:
    return [line for block in blocks for line in block.lines()]


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def last_texts(folder: Path, count: int | None, since: float | None = None) -> list[str]:
    if count is None:
        return texts(lines_of(read_all(folder, since)[1]))
    blocks, *_ = read_last(folder, count, Through, since)
    return texts(lines_of(blocks))


def test_a_line_is_put_together_from_frames_and_has_the_time_of_its_end(tmp_path: Path) -> None:
    history(tmp_path, 4, b"one\ntw", b"o", b"!\r\n\nthree\n")
    found = everything(CaptureReader(tmp_path))
    assert found == [
        Line(0.0, 4, OUT, "one"),
        Line(2.0, 4, OUT, "two!"),
        Line(2.0, 4, OUT, ""),
        Line(2.0, 4, OUT, "three"),
    ]


def test_streams_do_not_mix_within_a_line(tmp_path: Path) -> None:
    writer = CaptureWriter(str(tmp_path), 1, 10**6)
    for at, stream, data in ((1, OUT, b"out"), (2, ERR, b"err"), (3, OUT, b"put\n"), (4, ERR, b"or\n")):
        writer.write(at, stream, data)
    writer.write(5, NOTE, b"stopped\n")
    found = [(line.at, line.stream, line.text) for line in everything(CaptureReader(tmp_path))]
    assert found == [(3, OUT, "output"), (4, ERR, "error"), (5, NOTE, "stopped")]


def test_a_character_cut_by_a_frame_is_whole_and_a_broken_one_is_replaced(tmp_path: Path) -> None:
    history(tmp_path, 1, b"gr\xc3", b"\xbc\xc3\x9fe \xff\n")
    assert texts(everything(CaptureReader(tmp_path))) == ["grüße �"]


def test_reading_on_from_a_position_neither_loses_nor_doubles(tmp_path: Path) -> None:
    history(tmp_path, 1, b"one\nhalf a ")
    first = CaptureReader(tmp_path)
    assert texts(everything(first)) == ["one"]
    history(tmp_path, 1, b"line\ntwo\n")
    assert texts(everything(CaptureReader(tmp_path, first.position))) == ["half a line", "two"]
    assert texts(everything(first)) == ["half a line", "two"]


def test_a_line_begun_in_one_segment_ends_in_the_next(tmp_path: Path) -> None:
    history(tmp_path, 1, b"x" * 40_000, b"y" * 40_000 + b"\nz\n", size=200_000)
    assert len(reader.segments(tmp_path)) == 2
    assert texts(everything(CaptureReader(tmp_path))) == ["x" * 40_000 + "y" * 40_000, "z"]
    assert last_texts(tmp_path, 1) == ["z"]
    assert last_texts(tmp_path, 2) == ["x" * 40_000 + "y" * 40_000, "z"]


def test_an_unended_line_is_told_when_the_next_run_begins(tmp_path: Path) -> None:
    history(tmp_path, 1, b"its last words")
    history(tmp_path, 2, b"hello\n")
    assert [(line.run_number, line.text) for line in everything(CaptureReader(tmp_path))] == [
        (1, "its last words"),
        (2, "hello"),
    ]


def test_an_unended_line_is_told_once_the_run_is_known_to_be_over(tmp_path: Path) -> None:
    history(tmp_path, 1, b"password: ")
    over = CaptureReader(tmp_path)
    assert everything(over) == []
    assert lines_of(over.finish()) == [Line(0.0, 1, OUT, "password: ")]
    assert over.finish() == []
    assert over.position.begun == ()


def test_the_end_of_a_stream_ends_its_last_line(tmp_path: Path) -> None:
    history(tmp_path, 1, b"its last words", b"")
    ended = CaptureReader(tmp_path)
    assert everything(ended) == [Line(1.0, 1, OUT, "its last words")]
    assert ended.finish() == []
    assert last_texts(tmp_path, 1) == ["its last words"]


def test_a_torn_last_frame_is_not_there_yet(tmp_path: Path) -> None:
    history(tmp_path, 1, b"sound\n")
    file = tmp_path / frames.segment_name(1, 1)
    whole = frames.encode(9.0, OUT, b"still being written\n")
    with file.open("ab") as end:
        end.write(whole[:20])
        end.flush()
        growing = CaptureReader(tmp_path)
        assert texts(everything(growing)) == ["sound"]
        end.write(whole[20:])
        end.flush()
    assert texts(everything(growing)) == ["still being written"]


def test_lines_longer_than_a_mebibyte_come_in_pieces_cut_between_characters(tmp_path: Path) -> None:
    text = "a" + "ü" * reader.LONGEST
    data = text.encode()
    history(
        tmp_path, 1, *(data[at : at + 60_000] for at in range(0, len(data), 60_000)), b"\nend\n", size=10**8
    )
    *pieces, end = texts(everything(CaptureReader(tmp_path)))
    assert end == "end"
    assert "".join(pieces) == text
    assert len(pieces) == 3
    history(tmp_path, 2, data + b"\n", size=10**8)
    assert texts(everything(CaptureReader(tmp_path, Position(2)))) == pieces


def test_a_frame_larger_than_what_is_read_at_once_is_read_whole(tmp_path: Path) -> None:
    history(tmp_path, 1, b"x\n" * reader.PIECE, b"end\n", size=10**8)
    found = texts(everything(CaptureReader(tmp_path)))
    assert (len(found), found[-1]) == (reader.PIECE + 1, "end")


def test_what_was_deleted_meanwhile_is_passed_over(tmp_path: Path) -> None:
    history(tmp_path, 1, *[b"x" * 40_000 + b"\n"] * 4, size=10**6)
    behind = CaptureReader(tmp_path)
    behind.read()
    (tmp_path / frames.segment_name(1, 1)).unlink()
    history(tmp_path, 2, b"new\n")
    assert texts(everything(behind))[-1] == "new"


def test_a_folder_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    lines, end, _ = read_last(tmp_path / "nothing", 10, Through)
    assert (lines, end.position) == ([], Position())
    assert end.read() == []


def test_the_last_lines_are_the_last_ones_whatever_the_segments(tmp_path: Path) -> None:
    numbered = [b"line %d\n" % number + b"." * 9_000 + b"\n" for number in range(60)]
    history(tmp_path, 1, *numbered, size=10**6)
    assert len(reader.segments(tmp_path)) > 4
    whole = last_texts(tmp_path, None)
    assert len(whole) == 120
    for count in range(121):
        assert last_texts(tmp_path, count) == whole[len(whole) - count :]


def test_the_last_lines_that_are_wanted_are_looked_for_further_back(tmp_path: Path) -> None:
    numbered = [b"line %d\n" % number + b"." * 9_000 + b"\n" for number in range(60)]
    history(tmp_path, 1, *numbered, size=10**6)
    odd = ("line 3", "line 5", "line 7")
    found, end, _ = read_last(
        tmp_path, 2, Through, chosen=lambda block: block.only(lambda line: line.text in odd)
    )
    assert texts(lines_of(found)) == ["line 5", "line 7"]
    assert end.read() == []


def test_the_pieces_of_a_line_that_is_too_long_are_the_same_from_wherever_one_reads(tmp_path: Path) -> None:
    """Reading that begins within it would cut it elsewhere."""
    long = b"".join(b"%08d" % number for number in range(400_000))
    printed = b"before\n" + long + b"\nafter\n"
    history(tmp_path, 1, *(printed[at : at + 60_000] for at in range(0, len(printed), 60_000)), size=10**8)
    whole = last_texts(tmp_path, None)
    assert len(whole) == 6
    for count in range(7):
        assert last_texts(tmp_path, count) == whole[len(whole) - count :]


def test_lines_since_a_moment_and_none_before(tmp_path: Path) -> None:
    history(tmp_path, 1, *(b"line %d\n%s" % (number, b"x" * 9_000) for number in range(60)), size=10**6)
    heads = [text for text in last_texts(tmp_path, None, since=50.0) if not text.startswith("xxx")]
    found = lines_of(read_all(tmp_path, since=50.0)[1])
    assert {line.at for line in found} == {float(second) for second in range(50, 60)}
    assert len(found) == 10
    assert heads == []
    assert len(last_texts(tmp_path, 3, since=50.0)) == 3
    assert last_texts(tmp_path, 3, since=99.0) == []


def test_where_the_last_lines_end_reading_goes_on(tmp_path: Path) -> None:
    history(tmp_path, 1, b"one\ntwo\nthr")
    blocks, end, _ = read_last(tmp_path, 1, Through)
    history(tmp_path, 1, b"ee\nfour\n")
    assert texts(lines_of(blocks)) + texts(everything(end)) == ["two", "three", "four"]


def test_a_rare_line_is_among_the_last_ones_when_it_is_one_of_them(tmp_path: Path) -> None:
    """Reading begins within the many others: it is the first of its stream from there, and whole."""
    many = [b"%06d %s\n" % (number, b"x" * 90) for number in range(3000)]
    history(tmp_path, 1, *many[:2900])
    history(tmp_path, 1, b"oops\n", stream=ERR)
    history(tmp_path, 1, b"80 bytes of output lost here\n", stream=frames.LOCALD)
    history(tmp_path, 1, *many[2900:])
    for count in (102, 110, 500, 2000):
        assert [text for text in last_texts(tmp_path, count) if " x" not in text] == [
            "oops",
            "80 bytes of output lost here",
        ]


def test_a_line_that_began_long_before_the_last_ones_is_whole(tmp_path: Path) -> None:
    many = [b"%06d %s\n" % (number, b"x" * 90) for number in range(3000)]
    history(tmp_path, 1, b"begun ", stream=ERR)
    history(tmp_path, 1, *many[:2990])
    history(tmp_path, 1, b"and ended\n", stream=ERR)
    history(tmp_path, 1, *many[2990:])
    assert last_texts(tmp_path, 11)[0] == "begun and ended"


def test_none_of_the_last_lines_can_be_asked_for_too(tmp_path: Path) -> None:
    """`logs -f -n 0`: a line that is begun now is whole when it is told."""
    history(tmp_path, 1, b"x" * 9_000, *[b"\n" + b"x" * 9_000] * 20, size=1)
    lines, end, _ = read_last(tmp_path, 0, Through)
    history(tmp_path, 1, b"!\n", size=1)
    assert lines == []
    assert texts(everything(end)) == ["x" * 9_000 + "!"]


def test_the_last_lines_are_found_though_more_are_printed_all_the_while(tmp_path: Path) -> None:
    """A service may print faster than a history can be read."""
    history(tmp_path, 1, *(b"early %d\n" % number for number in range(50)))
    writer = CaptureWriter(str(tmp_path), 1, 10**6)
    printed = 0

    def print_more(block: Block) -> Block:
        nonlocal printed
        printed += 1
        assert printed < 10
        writer.write(100.0 + printed, OUT, b"late\n" * 10_000)
        return block

    blocks, end, _ = read_last(tmp_path, 2, Through, chosen=print_more)
    writer.close()
    assert texts(lines_of(blocks))[-1].startswith(("early", "late"))
    assert texts(everything(end))[-1] == "late"


def test_the_end_of_a_large_history_is_found_quickly(tmp_path: Path) -> None:
    writer = CaptureWriter(str(tmp_path), 1, 50_000_000)
    lines = b"".join(
        b"line %d of a story that says nothing in particular\n" % number for number in range(1000)
    )
    for second in range(800):
        writer.write(second, OUT, lines)
    writer.close()
    began = time.process_time()
    assert len(last_texts(tmp_path, 100)) == 100
    assert time.process_time() - began < 0.5


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "any_way" in request.node.name:
        monkeypatch.setattr(reader, "PIECE", 64)
        monkeypatch.setattr(last, "NEAR", 50)
        monkeypatch.setattr(last, "USUAL", 1)
        monkeypatch.setattr(frames, "SMALLEST_SEGMENT", 100)


@given(
    printed=st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from((OUT, ERR)), st.binary(max_size=40)), max_size=40
    ).map(lambda frames_: sorted(frames_, key=lambda frame: frame[0])),
    pauses=st.sets(st.integers(0, 40)),
    count=st.integers(0, 10),
)
@example(
    printed=[(1, ERR, b"?"), (1, OUT, b""), (1, OUT, b""), (1, OUT, b"!"), (1, OUT, b"")],
    pauses=set(),
    count=1,
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_way_of_printing_and_reading_tells_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory,
    printed: list[tuple[int, int, bytes]],
    pauses: set[int],
    count: int,
) -> None:
    """All at once, in between, or only the end: against a model that has all bytes."""
    folder = tmp_path_factory.mktemp("history")
    writers = {run: CaptureWriter(str(folder), run, 2400) for run in (1, 2, 3)}
    between, told = CaptureReader(folder), []
    for index, (run, stream, data) in enumerate(printed):
        writers[run].write(float(index), stream, data)
        if index in pauses:
            told += everything(CaptureReader(folder, between.position))
            between = _moved(between)
    told += everything(between) + lines_of(between.finish())
    for writer in writers.values():
        writer.close()
    assert _by_stream(told) == _model(printed)
    blocks, end, _ = read_last(folder, count, Through)
    rest = lines_of(end.finish())
    whole = told[: len(told) - len(rest)]
    assert lines_of(blocks) == whole[len(whole) - min(count, len(whole)) :]


def _moved(before: CaptureReader) -> CaptureReader:
    everything(before)
    return before


def _by_stream(lines: list[Line]) -> dict[Name, list[str]]:
    found: dict[Name, list[str]] = {}
    for line in lines:
        found.setdefault((line.run_number, line.stream), []).append(line.text)
    return found


def _model(printed: list[tuple[int, int, bytes]]) -> dict[Name, list[str]]:
    streams: dict[Name, bytes] = {}
    for run, stream, data in printed:
        before = streams.get((run, stream), b"")
        over = not data and before and not before.endswith(b"\n")
        streams[run, stream] = before + (b"\n" if over else data)
    found = {name: data.split(b"\n") for name, data in streams.items()}
    ended = {name: lines if lines[-1] else lines[:-1] for name, lines in found.items()}
    return {
        name: [line.rstrip(b"\r").decode("utf-8", "replace") for line in lines]
        for name, lines in ended.items()
        if lines
    }
