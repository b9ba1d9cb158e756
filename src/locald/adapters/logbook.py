"""What services printed: the histories of many services as one, and what is printed now.

The captures on disk are the history; nothing is copied. Reading happens in threads, for it takes as long as
the disk does. A follower sleeps until it is woken: the keeper hints at output of the runs that somebody
follows, and only of those, so that a chatty service that nobody looks at costs the daemon nothing.
"""

from __future__ import annotations

import asyncio
import heapq
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from locald.capture import frames
from locald.capture.last import read_last
from locald.capture.reader import CaptureReader, Line, Position
from locald.domain import plain
from locald.domain.names import Key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator
    from pathlib import Path

    from locald.domain.names import Run

STREAMS = {frames.STDOUT: "stdout", frames.STDERR: "stderr", frames.LOCALD: "locald"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a service printed, or that locald noted about it."""

    at: float
    key: Key
    run: int
    stream: str
    line: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Which lines are wanted. `since`: epoch seconds; `plain`: without escape sequences."""

    since: float | None = None
    grep: re.Pattern[str] | None = None
    plain: bool = False

    def takes(self, line: Line) -> bool:
        old = self.since is not None and line.at < self.since
        return not old and (self.grep is None or self.grep.search(plain.plain(line.text)) is not None)

    def shown(self, key: Key, line: Line) -> LogLine:
        text = plain.plain(line.text) if self.plain else line.text
        return LogLine(line.at, key, line.run_number, STREAMS.get(line.stream, "locald"), text)


class Logbook:
    def __init__(self, root: Path) -> None:
        """`root` holds a folder a project, and in it one a service."""
        self._root = root
        self._present: dict[Key, Run] = {}
        self._over: dict[Key, int] = {}
        """the latest run that will print nothing any more"""
        self._wakers: dict[Key, set[asyncio.Event]] = {}
        self._deletions: set[asyncio.Future[None]] = set()
        self.tail: Callable[[Run, bool], None] = lambda run, on: None
        """asks for `hint` to be called (or not any more) when the run prints"""

    def folder(self, key: Key) -> Path:
        return self._root / key.project / key.service

    def discard(self, key: Key) -> None:
        """The service is forgotten, and its history with it.

        It is renamed at once and deleted in a thread: a service that comes back meanwhile begins a new one.
        """
        self._present.pop(key, None)
        self._over.pop(key, None)
        aside = self._root / key.project / f".{key.service}-{time.monotonic_ns()}"
        try:
            self.folder(key).rename(aside)
        except OSError:  # it never printed anything
            return
        deletion = asyncio.get_running_loop().run_in_executor(None, shutil.rmtree, aside, True)
        self._deletions.add(deletion)
        deletion.add_done_callback(self._deletions.discard)

    # News of runs.

    def begin(self, run: Run) -> None:
        """There is a process that may print."""
        self._present[run.key] = run
        if self._wakers.get(run.key):
            self.tail(run, True)
            self.hint(run)

    def hint(self, run: Run) -> None:
        """There may be new output of the run."""
        for waker in self._wakers.get(run.key, ()):
            waker.set()

    def end(self, run: Run) -> None:
        """All that the run will ever print is captured."""
        self._over[run.key] = run.number
        self._present.pop(run.key, None)
        self.hint(run)

    # Reading.

    async def history(self, keys: Collection[Key], count: int | None, choice: Choice) -> list[LogLine]:
        """The last `count` lines (None: all) of these services together, oldest first."""
        found = [await self._last(key, count, choice) for key in keys]
        finished = [
            [*lines, *(choice.shown(key, line) for line in reader.finish() if choice.takes(line))]
            for key, lines, reader in found
        ]
        return _newest(finished, count)

    async def follow(
        self, keys: Collection[Key], count: int | None, choice: Choice
    ) -> AsyncIterator[list[LogLine]]:
        """The history, then new lines as they are printed, for ever. Nothing is left out or told twice."""
        with self._woken_for(keys) as waker:
            found = [await self._last(key, count, choice) for key in keys]
            yield _newest([lines for _, lines, _ in found], count)
            readers = {key: reader for key, _, reader in found}
            while True:
                waker.clear()
                fresh = [await self._onward(key, reader, choice) for key, reader in readers.items()]
                if any(fresh):
                    yield _newest(fresh, None)
                else:
                    await waker.wait()

    async def lines_of(self, run: Run) -> AsyncIterator[str]:
        """Every line that the run itself prints, from its first on."""
        reader = CaptureReader(self.folder(run.key), Position(run.number))
        with self._woken_for([run.key]) as waker:
            while True:
                waker.clear()
                lines = await asyncio.to_thread(reader.read)
                for line in lines:
                    if line.run_number == run.number and line.stream != frames.LOCALD:
                        yield line.text
                if not lines:
                    await waker.wait()

    async def _last(
        self, key: Key, count: int | None, choice: Choice
    ) -> tuple[Key, list[LogLine], CaptureReader]:
        lines, reader = await asyncio.to_thread(
            read_last, self.folder(key), count, choice.since, choice.takes
        )
        return key, [choice.shown(key, line) for line in lines], reader

    async def _onward(self, key: Key, reader: CaptureReader, choice: Choice) -> list[LogLine]:
        """What came since. A line without an end is told when its run is over."""
        over = self._over.get(key, 0)
        lines = await asyncio.to_thread(reader.read)
        if not lines and reader.position.begun and reader.position.run_number <= over:
            lines = reader.finish()
        return [choice.shown(key, line) for line in lines if choice.takes(line)]

    @contextmanager
    def _woken_for(self, keys: Collection[Key]) -> Iterator[asyncio.Event]:
        """An event that is set whenever one of these services may have printed something."""
        waker = asyncio.Event()
        for key in keys:
            self._wakers.setdefault(key, set()).add(waker)
            if run := self._present.get(key):
                self.tail(run, True)
        try:
            yield waker
        finally:
            for key in keys:
                self._leave(key, waker)

    def _leave(self, key: Key, waker: asyncio.Event) -> None:
        self._wakers[key].discard(waker)
        if not self._wakers[key]:
            del self._wakers[key]
            if run := self._present.get(key):
                self.tail(run, False)


def _newest(histories: list[list[LogLine]], count: int | None) -> list[LogLine]:
    """Several services' lines as one history, by time; lines of one service keep their order."""
    merged = list(heapq.merge(*histories, key=attrgetter("at")))
    return merged if count is None else merged[max(len(merged) - count, 0) :]
