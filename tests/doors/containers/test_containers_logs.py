"""What containers print: apart, in order, once, whatever happens to us meanwhile."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from engine.bench import LOCALD, STDERR, STDOUT, Bench, bench
from locald.adapters.containers.logs import Capture, Place
from locald.adapters.containers.printing import Printing
from locald.capture.reader import CaptureReader
from locald.domain.lifecycle.messages import Exited, Gone, Spawned
from locald.linux.clock import Clock
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from engine.session import Docker

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")


@pytest.fixture
async def here(docker: Docker, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(docker, tmp_path) as made:
        yield made


# With an engine.


async def test_both_streams_are_kept_apart(here: Bench) -> None:
    async with here.daemon():
        here.start("plain", command="echo out; echo err >&2; printf last")
        await here.wait_for(Gone)
        assert await here.lines(stream=STDOUT) == ["out", "last"]
        assert await here.lines(stream=STDERR) == ["err"]


async def test_output_is_there_while_the_container_runs_and_before_its_end_is_told(here: Bench) -> None:
    async with here.daemon():
        run = here.start("plain", command="echo one; until test -e /tmp/go; do sleep 0.02; done; echo two")
        await here.wait_for_line("one")
        await here.containers.exec_check(run, "touch /tmp/go", 10)
        await here.wait_for(Exited)
        assert await here.lines() == ["one", "two"]


async def test_a_last_line_without_an_end_comes_before_ours_about_the_end(here: Bench) -> None:
    async with here.daemon():
        run = here.start("plain", command="echo whole; printf last; printf error >&2")
        await here.wait_for(Exited)
        here.containers.note(run, "ours")
        await here.gone(run)
    assert await here.lines(stream=STDOUT) == ["whole", "last"]
    assert (await here.lines())[-1] == "ours"


async def test_what_a_slow_disk_takes_after_the_end_is_still_told(
    here: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container ends while its only line is being written: a follower has to learn of it all the same."""
    disk, feed = threading.Event(), Capture.feed
    monkeypatch.setattr(Capture, "feed", lambda *given: disk.wait(60) and feed(*given))
    async with here.daemon():
        here.start("plain", command="echo only")
        await here.wait_for(Exited)
        assert not here.printed.is_set()
        disk.set()
        assert await here.wait_for_line("only") == ["only"]


async def test_a_line_of_many_pieces_is_one_line(here: Bench) -> None:
    """An engine cuts at 16 KiB, and gives all pieces the same time."""
    async with here.daemon():
        here.start("plain", command="head -c 100000 /dev/zero | tr '\\0' x; echo; echo end")
        await here.wait_for(Gone)
        assert [len(line) for line in await here.lines()] == [100000, 3]


async def test_a_note_of_ours_has_its_own_stream(here: Bench) -> None:
    async with here.daemon():
        run = here.start("plain", command="echo theirs")
        await here.wait_for(Gone)
        here.containers.note(run, "ours")
        here.containers.forget(run)
    assert await here.lines(stream=LOCALD) == ["ours"]
    assert await here.lines() == ["theirs", "ours"]


async def test_nothing_is_lost_or_doubled_over_restarts_of_the_daemon(here: Bench) -> None:
    """Ends at any moment, and beginnings again, while lines of all lengths come on both streams."""
    command = """
        i=0; while test $i -lt 400; do
            i=$((i+1)); echo "line $i"; test $((i % 3)) = 0 && echo "error $i" >&2
            test $((i % 90)) = 0 && { head -c 40000 /dev/zero | tr '\\0' x; echo; sleep 0.1; }
        done; printf unended"""
    order = here.order("plain", command=command)
    async with here.daemon() as daemon:
        daemon.start(here.run(), order)
        await here.wait_for(Spawned)
    for pause in (0.0, 0.05, 0.1):
        async with here.daemon() as daemon:
            daemon.adopt(here.run(), order)
            await here.wait_for(Spawned)
            await asyncio.sleep(pause)
    await here.until_not_running()
    async with here.daemon() as daemon:
        daemon.adopt(here.run(), order)
        await here.wait_for(Gone)
        daemon.forget(here.run())
    printed = [line for line in await here.lines(stream=STDOUT) if not line.startswith("x")]
    assert printed == [*(f"line {number}" for number in range(1, 401)), "unended"]
    assert [len(line) for line in await here.lines(stream=STDOUT) if line.startswith("x")] == [40000] * 4
    assert await here.lines(stream=STDERR) == [f"error {number}" for number in range(3, 401, 3)]
    assert not list(here.logs().glob("*.place"))


async def test_lines_of_a_time_without_a_daemon_have_the_time_when_they_were_printed(here: Bench) -> None:
    order = here.order("plain", command="until test -e /tmp/go; do sleep 0.02; done; echo now; sleep 100")
    async with here.daemon() as daemon:
        daemon.start(here.run(), order)
        await here.wait_for(Spawned)
    before = here.clock.now()
    await asyncio.to_thread(here.do_inside, "touch /tmp/go; sleep 0.2")
    after = here.clock.now()
    async with here.daemon() as daemon:
        daemon.adopt(here.run(), order)
        await here.wait_for_line("now")
    (line,) = await asyncio.to_thread(CaptureReader(here.logs()).read)
    assert before <= line.at <= after


# Without one: the place, moment by moment. `said` is a stream as engines send it.

T0 = 1_700_000_000
S = 10**9


def said(*messages: tuple[int, str], stream: int = 1) -> bytes:
    """Messages with their moments in nanoseconds since T0."""
    return b"".join(_one(moment, text.encode(), stream) for moment, text in messages)


def _one(moment: int, text: bytes, stream: int) -> bytes:
    seconds, rest = divmod(moment, S)
    written = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(T0 + seconds)) + f".{rest:09d}Z "
    return struct.pack(">B3xI", stream, len(written) + len(text)) + written.encode() + text


class Engine:
    """Keeps messages and sends those since a moment, as an engine does."""

    def __init__(self, messages: list[tuple[int, str]]) -> None:
        self.messages = messages

    def since(self, text: str) -> bytes:
        seconds, _, rest = (text or "0.0").partition(".")
        begin = (int(seconds) - T0) * S + int(rest)
        return said(*(message for message in self.messages if message[0] >= begin))


def capture(folder: Path) -> Capture:
    return Capture(str(folder), 1, 50_000_000, Clock.new())


def texts(folder: Path) -> list[str]:
    reader = CaptureReader(folder)
    found = []
    while more := reader.read():
        found += more
    return [line.text for line in found + reader.finish()]


MESSAGES = [
    (0, "a\n"),
    (0, "b\n"),  # the same moment
    (5, "c\n"),
    (3, "d\n"),  # kept out of order
    (7, "long"),
    (7, "er "),
    (9, "e\n"),  # of the other stream, between pieces
    (7, "line\n"),
    (3 * S, "f\n"),
    (6 * S, "g\n"),
    (6 * S, "h\n"),
    (20 * S, "i\n"),
]


@pytest.mark.parametrize("cut", range(len(MESSAGES) + 1))
def test_every_message_is_kept_once_wherever_we_ended(tmp_path: Path, cut: int) -> None:
    """Whether or not our place was kept with the last message before the end."""
    engine = Engine(MESSAGES)
    whole = "".join(text for _, text in MESSAGES).split("\n")[:-1]
    for forgets in (False, True):
        folder = tmp_path / str(forgets)
        first = capture(folder)
        first.begin()
        place = b""
        for message in MESSAGES[:cut]:
            place = _place(folder)
            first.feed(said(message))
        if forgets and cut:
            folder.joinpath("00000001.place").write_bytes(place)
        first.close()
        second = capture(folder)
        second.feed(engine.since(second.begin()))
        second.close()
        assert texts(folder) == whole


async def test_a_capture_that_cannot_be_read_for_a_while_is_not_begun_anew(tmp_path: Path) -> None:
    """A daemon without descriptors does not know what it has, and waits until it does."""
    await asyncio.to_thread(_filled, tmp_path)
    second, refusals = await asyncio.to_thread(capture, tmp_path), list[OSError]()

    def without_descriptors(work: Callable[..., Any]) -> Any:
        try:
            with no_descriptors():
                return work()
        except OSError as refused:
            refusals.append(refused)
            raise

    def on_disk(work: Callable[..., Any]) -> asyncio.Future[Any]:
        given = () if refusals else (work,)
        do = work if refusals else without_descriptors
        return asyncio.get_running_loop().run_in_executor(None, do, *given)

    since = await Printing(second, on_disk, lambda: None).begin()
    await asyncio.to_thread(second.feed, Engine(MESSAGES).since(since))
    await asyncio.to_thread(second.close)
    whole = "".join(text for _, text in MESSAGES).split("\n")[:-1]
    assert await asyncio.to_thread(texts, tmp_path) == whole
    assert [each.errno for each in refusals] == [errno.EMFILE]


def _filled(folder: Path) -> None:
    first = capture(folder)
    first.begin()
    first.feed(said(*MESSAGES))
    first.close()


@contextmanager
def no_descriptors() -> Iterator[None]:
    """This process can open nothing more than it has open now."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(free := os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _place(folder: Path) -> bytes:
    try:
        return folder.joinpath("00000001.place").read_bytes()
    except OSError:
        return b""


def test_what_the_engine_threw_away_does_not_hide_what_is_new(tmp_path: Path) -> None:
    first = capture(tmp_path)
    first.begin()
    first.feed(said((0, "a\n"), (1, "b\n"), (2, "c\n")))
    first.close()
    second = capture(tmp_path)
    second.begin()
    second.feed(said((2, "c\n"), (5, "d\n"), (6, "e\n")))
    second.close()
    assert texts(tmp_path) == ["a", "b", "c", "d", "e"]


def test_the_place_moves_on_so_that_little_is_read_again() -> None:
    place = Place()
    for number in range(100_000):
        place = place.after(T0 * S + number * S // 100, None)
    assert place.newest - place.since < 10 * S
    assert place.count < 1000


def test_the_place_does_not_pass_a_line_that_has_no_end_yet() -> None:
    place = Place().after(5, None)
    began_at = 7
    for number in range(100):
        place = place.after(10 * S * number, began_at)
    assert place.since <= began_at


def test_a_stream_may_be_cut_anywhere(tmp_path: Path) -> None:
    data = said(*((moment, f"line {moment}\n") for moment in range(50)))
    kept = capture(tmp_path)
    kept.begin()
    for at in range(0, len(data), 7):
        kept.feed(data[at : at + 7])
    kept.close()
    assert texts(tmp_path) == [f"line {moment}" for moment in range(50)]
