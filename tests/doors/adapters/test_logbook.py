"""Lines of several services come in order, from history into the present, none lost and none twice."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest

from locald.adapters import histories, logbook
from locald.adapters.histories import Choice, LogLine
from locald.adapters.logbook import Logbook
from locald.adapters.patterns import Pattern
from locald.capture import frames
from locald.capture.writer import CaptureWriter
from locald.domain.project.names import Key, Run
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

WEB, API = Key("shop", "web"), Key("shop", "api")
FIRST, SECOND = Run(WEB, 1), Run(WEB, 2)


class Desk:
    """A logbook, and a keeper that prints."""

    def __init__(self, root: Path) -> None:
        self.logbook = Logbook(root)
        self.tailed: list[tuple[Run, bool]] = []
        self.logbook.tail = lambda run, on: self.tailed.append((run, on))
        self._times = count(1)

    def prints(self, run: Run, data: str, *, stream: int = frames.STDOUT, hint: bool = True) -> None:
        writer = CaptureWriter(str(self.logbook.folder(run.key)), run.number, 10**7)
        writer.write(float(next(self._times)), stream, data.encode())
        writer.close()
        if hint:
            self.logbook.hint(run)

    async def last(self, number: int | None = None, choice: Choice = histories.EVERYTHING) -> list[str]:
        return texts(await self.history([WEB, API], number, choice))

    async def history(
        self, keys: list[Key], number: int | None, choice: Choice = histories.EVERYTHING
    ) -> list[LogLine]:
        return [line async for batch in self.logbook.history(keys, number, choice) for line in batch]


class Following:
    """What somebody sees who follows."""

    def __init__(self, batches: AsyncGenerator[list[LogLine], None]) -> None:
        self._batches = batches
        self._ready: list[str] = []

    async def see(self, number: int) -> list[str]:
        """The next so many lines."""
        async with asyncio.timeout(10):
            while len(self._ready) < number:
                self._ready += texts(await anext(self._batches))
        seen, self._ready = self._ready[:number], self._ready[number:]
        return seen

    async def batch(self) -> list[str]:
        return texts(await anext(self._batches))


@asynccontextmanager
async def following(
    desk: Desk, number: int | None, choice: Choice = histories.EVERYTHING
) -> AsyncIterator[Following]:
    batches = desk.logbook.follow([WEB, API], number, choice)
    async with aclosing(batches):
        yield Following(batches)


def texts(lines: list[LogLine]) -> list[str]:
    return [line.line for line in lines]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# history


async def test_a_run_that_nobody_was_given_has_one_line_that_says_why(desk: Desk) -> None:
    desk.prints(FIRST, "one\n")
    async with following(desk, 1) as reader:
        assert await reader.see(1) == ["one"]
        await desk.logbook.note(SECOND, "not started: \udcff", 2.0, 10**7)
        assert await reader.see(1) == ["not started: ?"]
    assert await desk.history([WEB], 1) == [LogLine(2.0, WEB, 2, "locald", "not started: ?")]


async def test_lines_of_several_services_come_by_time_and_tell_where_they_are_from(desk: Desk) -> None:
    desk.prints(FIRST, "one\n")
    desk.prints(Run(API, 7), "two\n", stream=frames.STDERR)
    desk.prints(FIRST, "three\n", stream=frames.LOCALD)
    assert await desk.history([API, WEB], 10) == [
        LogLine(1.0, WEB, 1, "stdout", "one"),
        LogLine(2.0, API, 7, "stderr", "two"),
        LogLine(3.0, WEB, 1, "locald", "three"),
    ]


async def test_the_last_lines_are_counted_over_all_services_and_runs(desk: Desk) -> None:
    for run in (FIRST, Run(API, 1), SECOND):
        desk.prints(run, f"{run}\n")
    assert await desk.last(2) == ["shop:api#1", "shop:web#2"]
    assert await desk.last(0) == []
    assert await desk.last(None) == ["shop:web#1", "shop:api#1", "shop:web#2"]


async def test_a_whole_history_comes_in_batches_by_time_over_all_services(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it at once may be more than memory holds."""
    monkeypatch.setattr(histories, "BATCH", 2)
    for run in (FIRST, Run(API, 1), FIRST, Run(API, 1), SECOND):
        desk.prints(run, f"{run}\n")
    batches = [texts(lines) async for lines in desk.logbook.history([WEB, API], None)]
    assert batches == [["shop:web#1", "shop:api#1"], ["shop:web#1", "shop:api#1"], ["shop:web#2"]]


async def test_lines_are_chosen_by_time_and_by_their_text_without_escape_sequences(desk: Desk) -> None:
    for text in ("ready", "\x1b[32mre\x1b[1mady\x1b[0m", "ready", "not yet"):
        desk.prints(FIRST, f"{text}\n")
    ready = Choice(grep=Pattern("^ready$", 1))
    assert await desk.last(10, ready) == ["ready", "\x1b[32mre\x1b[1mady\x1b[0m", "ready"]
    assert await desk.last(2, Choice(grep=ready.grep, plain=True)) == ["ready", "ready"]
    assert await desk.last(None, Choice(since=3.0)) == ["ready", "not yet"]


async def test_an_unended_line_is_history_only_once_the_run_is_over(desk: Desk) -> None:
    desk.logbook.began(FIRST)
    desk.prints(FIRST, "done\npassword: ")
    assert await desk.last(5) == ["done"]
    desk.logbook.over(FIRST)
    assert await desk.last(5) == ["done", "password: "]
    assert await desk.last(1) == ["password: "]


async def test_of_a_redraw_the_last_state_stays_also_where_another_stream_printed_in_between(
    desk: Desk,
) -> None:
    desk.prints(FIRST, "start\na 1\nb 1\n")
    desk.prints(FIRST, "healthy\n", stream=frames.LOCALD)
    desk.prints(FIRST, "\x1b[2A\x1b[2Ka 2\n")
    desk.prints(FIRST, "careful\n", stream=frames.STDERR)
    desk.prints(FIRST, "b 2\n")
    plain = Choice(plain=True, folds=True)
    expected = ["start", "healthy", "a 2", "careful", "b 2"]
    assert await desk.last(10, plain) == expected
    assert await desk.last(None, plain) == expected
    assert await desk.last(3, plain) == expected[2:]


async def test_a_run_draws_over_none_of_the_run_before(desk: Desk) -> None:
    desk.prints(FIRST, "one\n")
    desk.prints(SECOND, "\x1b[3Atwo\n")
    assert await desk.last(10, Choice(plain=True, folds=True)) == ["one", "two"]


async def test_who_follows_is_told_how_many_lines_were_drawn_over(desk: Desk) -> None:
    desk.prints(FIRST, "start\na 1\nb 1\n")
    asked = '127.0.0.1 "GET / HTTP/1.1" 200 "-" "locald"\n'
    batches = desk.logbook.follow([WEB], 10, Choice(plain=True, folds=True))
    async with aclosing(batches):
        assert [line.over for line in await anext(batches)] == [0, 0, 0]
        for text, over in [("\x1b[2Aa 2\nb 2\n", [2, 0]), ("c\n", [0]), (asked, [0]), (asked, [1])]:
            desk.prints(FIRST, text)
            assert [line.over for line in await anext(batches)] == over


async def test_of_requests_of_our_own_that_came_before_and_after_one_stays(desk: Desk) -> None:
    asked = '127.0.0.1 "GET / HTTP/1.1" 200 "-" "locald"\n'
    desk.prints(FIRST, asked)
    async with aclosing(desk.logbook.follow([WEB], 10, Choice(folds=True))) as batches:
        assert [line.over for line in await anext(batches)] == [0]
        desk.prints(FIRST, asked)
        assert [line.over for line in await anext(batches)] == [1]


async def test_a_service_that_never_printed_has_no_lines(desk: Desk) -> None:
    assert await desk.last(5) == []


# follow


async def test_following_begins_with_the_last_lines_and_goes_on_with_new_ones(desk: Desk) -> None:
    desk.logbook.began(FIRST)
    desk.prints(FIRST, "one\ntwo\nthr")
    async with following(desk, 1) as reader:
        assert await reader.batch() == ["two"]
        desk.prints(FIRST, "ee\n")
        desk.prints(Run(API, 1), "four\n")
        assert await reader.see(2) == ["three", "four"]


async def test_only_what_is_chosen_is_followed(desk: Desk) -> None:
    desk.logbook.began(FIRST)
    async with following(desk, 0, Choice(grep=Pattern("a", 1), plain=True)) as reader:
        assert await reader.batch() == []
        desk.prints(FIRST, "b\n\x1b[1ma\x1b[m\nb\n")
        assert await reader.see(1) == ["a"]


async def test_a_new_run_of_a_followed_service_is_followed(desk: Desk) -> None:
    desk.logbook.began(FIRST)
    async with following(desk, 0) as reader:
        await reader.batch()
        desk.prints(FIRST, "one\nlast wor")
        assert await reader.see(1) == ["one"]
        desk.prints(FIRST, "ds", hint=False)
        desk.logbook.over(FIRST)
        assert await reader.see(1) == ["last words"]
        desk.logbook.began(SECOND)
        desk.prints(SECOND, "hello\n")
        assert await reader.see(1) == ["hello"]
    assert desk.tailed == [(FIRST, True), (SECOND, True), (SECOND, False)]


async def test_a_lost_hint_only_delays(desk: Desk) -> None:
    desk.logbook.began(FIRST)
    async with following(desk, 0) as reader:
        await reader.batch()
        desk.prints(FIRST, "one\n", hint=False)
        assert await reader.see(1) == ["one"]
        desk.prints(FIRST, "two\n", hint=False)
        assert await reader.see(1) == ["two"]


async def test_what_is_printed_while_history_is_read_is_told_once(desk: Desk) -> None:
    """However the two interleave: a writer in a thread prints all the time."""
    desk.logbook.began(FIRST)

    def write() -> None:
        writer = CaptureWriter(str(desk.logbook.folder(WEB)), 1, 10**7)
        for number in range(3000):
            line = f"line {number}\n".encode()
            writer.write(float(number), number % 2, line[:3])
            writer.write(float(number), number % 2, line[3:])
        writer.close()

    writing = asyncio.get_running_loop().run_in_executor(None, write)
    async with following(desk, None) as reader:
        assert await reader.see(3000) == [f"line {number}" for number in range(3000)]
    await writing


async def test_hints_are_asked_for_while_somebody_follows(desk: Desk) -> None:
    desk.logbook.began(FIRST)
    assert desk.tailed == []
    async with following(desk, 0) as one:
        await one.batch()
        async with following(desk, 0) as another:
            await another.batch()
            assert desk.tailed == [(FIRST, True)]
        assert desk.tailed == [(FIRST, True)]
        desk.logbook.began(FIRST)  # the keeper has to be asked again when a new one holds the run
        assert desk.tailed == [(FIRST, True)] * 2
    assert desk.tailed[2:] == [(FIRST, False)]


async def test_silence_is_told_now_and_then(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "HEARTBEAT", 0.05)
    async with following(desk, 0) as reader:
        assert await reader.batch() == []
        assert await reader.batch() == []
        desk.prints(FIRST, "one\n")
        assert await reader.see(1) == ["one"]


async def test_a_run_can_be_read_line_by_line_to_its_end(desk: Desk) -> None:
    desk.prints(FIRST, "an earlier run\n")
    desk.logbook.began(SECOND)
    desk.prints(SECOND, "one\n")
    desk.prints(SECOND, "started\n", stream=frames.LOCALD)
    seen = []
    async with asyncio.timeout(10):
        async for line in desk.logbook.lines_of(SECOND):
            seen.append(line)
            if line == "one":
                desk.prints(SECOND, "two\n", stream=frames.STDERR)
            if line == "two":
                desk.prints(SECOND, "no end", hint=False)
                desk.logbook.over(SECOND)
    assert seen == ["one", "two", "no end"]


# discard


async def test_a_discarded_history_is_gone_and_the_next_begins_anew(desk: Desk, tmp_path: Path) -> None:
    desk.prints(Run(WEB, 5), "old\n")
    desk.prints(Run(API, 1), "other\n")
    async with following(desk, 5) as reader:
        assert await reader.batch() == ["old", "other"]
        desk.logbook.discard(WEB)
        await until_gone(tmp_path)
        desk.logbook.began(FIRST)
        desk.prints(FIRST, "new\n")
        assert await reader.see(1) == ["new"]


async def until_gone(root: Path) -> None:
    """Until nothing of `web` is there. Of files that others delete there is no news."""

    def there() -> bool:
        return (root / "shop" / "web").exists() or len(list(root.iterdir())) > 1

    async with asyncio.timeout(10):
        while await asyncio.to_thread(there):
            pass


async def test_with_the_last_history_of_a_project_its_folder_goes(desk: Desk, tmp_path: Path) -> None:
    desk.prints(Run(WEB, 5), "old\n")
    desk.prints(Run(API, 1), "other\n")
    for key in (WEB, API):
        desk.logbook.discard(key)
    async with asyncio.timeout(10):
        while await asyncio.to_thread(lambda: list(tmp_path.iterdir())):
            pass


async def test_what_was_never_there_can_be_discarded(desk: Desk) -> None:
    desk.logbook.discard(WEB)
    assert await desk.last(5) == []


async def test_of_heavy_lines_only_so_many_are_read_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them come in the end, and the other service has its turn."""
    monkeypatch.setattr(histories, "HEAVY", 600_000)
    async with following(desk, 0) as somebody:
        await somebody.batch()
        heavy = [letter * 300_000 for letter in "abcdef"]
        for text in heavy:
            desk.prints(FIRST, f"{text}\n", hint=False)
        desk.prints(Run(API, 1), "light\n", hint=False)
        desk.logbook.hint(FIRST)
        desk.logbook.hint(Run(API, 1))
        first = await somebody.batch()
        assert "light" in first
        assert 1 <= len(first) - 1 <= 2
        assert [text for text in first if text != "light"] + await somebody.see(7 - len(first)) == heavy
