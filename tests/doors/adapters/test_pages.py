"""Log lines in pages: who asks with the cursor of the last answer gets what came after it, each line once."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from locald.adapters import pages
from locald.adapters.histories import EVERYTHING, Choice, LogLine
from locald.adapters.pages import Limits, NoCursor, Page
from locald.adapters.patterns import Pattern
from locald.capture import frames
from locald.capture.writer import CaptureWriter
from locald.domain.project.names import Key, Run

if TYPE_CHECKING:
    from pathlib import Path

OUT, ERR = frames.STDOUT, frames.STDERR
WEB, DB = Key("shop", "web"), Key("shop", "db")
ENOUGH = Limits(1_000, 1_000_000)
LIVE = frozenset({Run(WEB, 1), Run(DB, 1)})


class Shelf:
    """The histories of two services, and a clock that ticks with each frame."""

    def __init__(self, root: Path) -> None:
        self.folders = {key: root / key.service for key in (WEB, DB)}
        self.writers = {key: self.begin(key, 1) for key in self.folders}
        self.now = 0.0

    def begin(self, key: Key, run: int) -> CaptureWriter:
        return CaptureWriter(str(self.folders[key]), run, 10**7)

    def prints(self, key: Key, data: bytes, stream: int = OUT) -> None:
        self.now += 1.0
        self.writers[key].write(self.now, stream, data)

    def page(
        self,
        cursor: str | None,
        limits: Limits = ENOUGH,
        choice: Choice = EVERYTHING,
        live: frozenset[Run] = LIVE,
    ) -> tuple[Page, str]:
        """The cursor goes out and comes back as text, as it does in the API."""
        if cursor is None:
            page = pages.first(self.folders, limits, choice, live)
        else:
            page = pages.following(self.folders, pages.understood(cursor), limits, choice, live)
        return page, pages.written(page.marks)

    def texts(
        self,
        cursor: str | None,
        limits: Limits = ENOUGH,
        choice: Choice = EVERYTHING,
        live: frozenset[Run] = LIVE,
    ) -> tuple[list[str], str]:
        page, after = self.page(cursor, limits, choice, live)
        return [line.line for line in page.lines], after


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_the_next_page_has_what_came_after_the_one_before(shelf: Shelf) -> None:
    shelf.prints(WEB, b"one\ntwo\n")
    shelf.prints(DB, b"ready\n")

    first, cursor = shelf.texts(None)
    nothing, again = shelf.texts(cursor)
    shelf.prints(DB, b"asked\n")
    shelf.prints(WEB, b"three\n")

    assert (first, nothing) == (["one", "two", "ready"], [])
    assert shelf.texts(cursor)[0] == shelf.texts(again)[0] == ["asked", "three"]


def test_a_first_page_has_the_last_lines_and_says_that_there_are_others(shelf: Shelf) -> None:
    shelf.prints(WEB, b"".join(b"%d\n" % number for number in range(50)))

    page, _ = shelf.page(None, Limits(3, 1_000))
    assert ([line.line for line in page.lines], page.more) == (["47", "48", "49"], True)
    page, _ = shelf.page(None, Limits(50, 1_000))
    assert (len(page.lines), page.more) == (50, False)
    page, _ = shelf.page(None, Limits(50, 5))
    assert ([line.line for line in page.lines], page.more) == (["48", "49"], True)


def test_a_line_that_is_longer_than_a_page_is_cut(shelf: Shelf) -> None:
    shelf.prints(WEB, b"x" * 500 + b"\nnext\n")
    _, start = pages.first(shelf.folders, Limits(0, 10), EVERYTHING, LIVE), pages.written({})

    long, cursor = shelf.texts(start, Limits(10, 20))
    assert long == ["x" * 20 + "…"]
    assert shelf.texts(cursor, Limits(10, 20))[0] == ["next"]


def test_a_line_that_had_begun_before_the_cursor_is_told_whole_when_it_ends(shelf: Shelf) -> None:
    shelf.prints(WEB, b"first\nbeg")
    _, cursor = shelf.texts(None)
    shelf.prints(WEB, b"beside\n", ERR)
    between, later = shelf.texts(cursor)
    shelf.prints(WEB, b"un\n")

    assert between == ["beside"]
    assert shelf.texts(later)[0] == ["begun"]
    assert shelf.texts(cursor)[0] == ["beside", "begun"]


def test_a_line_that_began_far_before_the_end_that_was_looked_at_is_told_whole(shelf: Shelf) -> None:
    """Of a long history only the end is read for the first page, which has not seen where the line began."""
    shelf.prints(WEB, b"Password: ", ERR)
    for number in range(2_000):
        shelf.prints(WEB, b"%d\n" % number * 50)
    _, cursor = shelf.texts(None, Limits(3, 1_000))
    shelf.prints(WEB, b"given\n", ERR)

    assert shelf.texts(cursor)[0] == ["Password: given"]


def test_what_a_run_leaves_unended_is_told_once(shelf: Shelf) -> None:
    shelf.prints(WEB, b"begun\nleft")
    told, cursor = shelf.texts(None, live=frozenset())
    shelf.writers[WEB] = shelf.begin(WEB, 2)
    shelf.prints(WEB, b"anew\n")

    assert told == ["begun", "left"]
    assert shelf.texts(cursor)[0] == ["anew"]


def test_a_history_that_was_discarded_is_told_from_its_new_beginning(shelf: Shelf) -> None:
    shelf.prints(WEB, b"old\n" * 100)
    _, cursor = shelf.texts(None)
    shutil.rmtree(shelf.folders[WEB])
    shelf.writers[WEB] = shelf.begin(WEB, 1)
    shelf.prints(WEB, b"new\n")

    assert shelf.texts(cursor)[0] == ["new"]


def test_the_oldest_that_were_deleted_are_missing_and_nothing_else(shelf: Shelf) -> None:
    shelf.writers[WEB] = CaptureWriter(str(shelf.folders[WEB]), 1, 200_000)
    shelf.prints(WEB, b"first\n")
    _, cursor = shelf.texts(None)
    for number in range(600):
        shelf.prints(WEB, b"%06d %s\n" % (number, b"." * 992))

    told, _ = shelf.texts(cursor)

    assert told[-1].startswith("000599")
    assert 100 < len(told) < 600
    assert [int(line[:6]) for line in told] == list(range(600 - len(told), 600))


def test_a_page_of_a_level_and_a_pattern_goes_on_behind_the_last_one_chosen(shelf: Shelf) -> None:
    for number in range(6):
        shelf.prints(WEB, b"ERROR %d\nINFO %d\nWARN %d\n" % ((number,) * 3))
    graver = Choice(level="warn", grep=Pattern("[024]", 1.0))
    start = pages.written({})

    one, cursor = shelf.texts(start, Limits(4, 1_000), graver)
    two, cursor = shelf.texts(cursor, Limits(4, 1_000), graver)

    assert one == ["ERROR 0", "WARN 0", "ERROR 2", "WARN 2"]
    assert two == ["ERROR 4", "WARN 4"]
    assert shelf.texts(cursor, choice=graver)[0] == []


@pytest.mark.parametrize("seed", range(12))
def test_all_pages_together_have_every_line_once(shelf: Shelf, seed: int) -> None:
    """Whatever the limits are and wherever the pieces of output end."""
    chance = random.Random(seed)
    cursor, told = pages.written({}), []
    streams: dict[tuple[Key, int], bytes] = {(key, out): b"" for key in (WEB, DB) for out in (OUT, ERR)}
    for _ in range(150):
        (key, out), size = chance.choice(list(streams)), chance.randrange(1, 40)
        data = bytes(chance.choice(b"abc\n") for _ in range(size))
        shelf.prints(key, data, out)
        streams[key, out] += data
        if chance.random() < 0.3:
            page, cursor = shelf.page(cursor, Limits(chance.randrange(1, 9), chance.randrange(1, 300)))
            told += page.lines
    while (found := shelf.page(cursor, Limits(7, 10_000)))[0].lines:
        told, cursor = told + found[0].lines, found[1]

    for (key, out), data in streams.items():
        name = "stdout" if out == OUT else "stderr"
        lines = [line.line.rstrip("…") for line in told if (line.key, line.stream) == (key, name)]
        whole = data.decode().split("\n")[:-1]
        assert len(lines) == len(whole)
        assert all(full.startswith(line) for line, full in zip(lines, whole, strict=True))


@pytest.mark.parametrize("text", ["x", "AAAA", "bnVsbA", "e30=e30", "ä", "W10", "eyJ3ZWIiOiBbMV19"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(NoCursor):
        pages.understood(text)


def test_who_asks_for_what_was_before_gets_each_line_once(tmp_path: Path) -> None:
    """Several lines of a millisecond, and of both services, too."""
    shelf = Shelf(tmp_path)
    for number in range(40):
        shelf.now = round(number * 0.0003 - 1.0, 6)  # three in a millisecond, and a tick
        shelf.prints((WEB, DB)[number % 3 == 0], f"{number} a\n{number} b\n".encode())
    expected = pages.first(shelf.folders, ENOUGH, EVERYTHING, LIVE).lines
    found: list[LogLine] = []
    choice, known, more = EVERYTHING, 0, True
    while more:
        page = pages.first(shelf.folders, Limits(7, 1_000_000), choice, LIVE, known)
        found, more = page.lines + found, page.more
        oldest = round(found[0].at * 1_000_000) // 1_000
        known = sum(round(line.at * 1_000_000) // 1_000 == oldest for line in found)
        choice = Choice(before=oldest / 1_000)
    assert found == expected


def test_what_was_drawn_over_later_is_not_there_before(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for text in ("start\n", "one\ntwo\n", "\x1b[2Athree\nfour\n"):
        shelf.prints(WEB, text.encode())
    choice = Choice(folds=True, plain=True, before=2.0)
    assert [line.line for line in pages.first(shelf.folders, ENOUGH, choice, LIVE).lines] == ["start"]
