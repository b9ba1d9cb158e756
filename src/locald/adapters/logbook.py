"""What services printed, as people ask for it: the last lines of several, and new ones as they come.

The keeper writes captures, one folder for each service; here they are only read (but for the one line of a
run that was refused before anybody had it), in threads, so that a large history stops nobody. That there is
something new is a hint of the keeper's, which it gives for the runs that we ask it to *tail*: those that
live, of services that somebody follows. A hint may get lost (a run was not tailed yet, the keeper was
replaced), so followers also look by themselves, ever more rarely up to once a second. What they read does
not depend on why they look: each has a place in each history, and goes on from there, so nothing is lost and
nothing comes twice.

The last line of a run may have no end yet. It is reported as a line when it gets one, or when the run is
over.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from locald.adapters import histories, pages
from locald.adapters.folding import Through
from locald.adapters.histories import EVERYTHING, Source
from locald.capture import frames
from locald.capture.reader import CaptureReader, Position, segments
from locald.capture.writer import CaptureWriter
from locald.domain.project.names import Key

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Collection,
        Container,
        Iterable,
        Iterator,
        Set,
    )
    from pathlib import Path
    from typing import TypeVar

    from locald.adapters.histories import Choice, LogLine, Packet
    from locald.adapters.pages import Limits, Marks, Page
    from locald.domain.project.names import Run

    Batch = TypeVar("Batch")

SOON, RARELY = 0.05, 1.0
"""seconds until a follower looks without a hint: doubled each time that it finds nothing"""
HEARTBEAT = 15.0
"""seconds of silence after which a follower is notified that there is nothing"""


class Logbook:
    def __init__(self, root: Path) -> None:
        """`root`: the folder of all captures; a service's are in `root/PROJECT/SERVICE`."""
        self._root = root
        self._live: set[Run] = set()
        self._followers: set[_Follower] = set()
        self.tail: Callable[[Run, bool], None] = lambda _run, _on: None
        """asks the keeper to hint at output of the run, or not to any more"""

    def size(self, project: str) -> int:
        """Bytes on disk of what the services of a project have printed."""
        found = 0
        for folder, _, names in os.walk(self._root / project):
            for name in names:
                with suppress(OSError):  # one goes as others come
                    found += os.lstat(os.path.join(folder, name)).st_size
        return found

    def folder(self, key: Key) -> Path:
        return self._root / key.project / key.service

    def _folders(self, keys: Iterable[Key]) -> dict[Key, Path]:
        return {key: self.folder(key) for key in keys}

    @property
    def live(self) -> frozenset[Run]:
        """The runs that may still print."""
        return frozenset(self._live)

    def last_runs(self, known: Container[Key]) -> dict[Key, int]:
        """The newest run of every history that is there, but for the services that are known. Blocks."""
        keys = [Key(folder.parent.name, folder.name) for folder in self._root.glob("*/*/")]
        found = {key: segments(self.folder(key)) for key in keys if key not in known}
        return {key: names[-1][0] for key, names in found.items() if names}

    # What others tell.

    def began(self, run: Run) -> None:
        """The keeper has the run: it may print from now on. Harmless when told again."""
        self._live.add(run)
        followers = self._following(run.key)
        if followers:
            self.tail(run, True)
        for follower in followers:
            follower.wake(run.key)

    def over(self, run: Run) -> None:
        """All that the run printed is on disk."""
        self._live.discard(run)
        self.hint(run)

    def hint(self, run: Run) -> None:
        """The run has printed something."""
        for follower in self._following(run.key):
            follower.wake(run.key)

    async def note(self, run: Run, line: str, at: float, log_size: int) -> None:
        """A line of locald's own for a run that nobody was given, and that nobody else writes for."""
        writer = CaptureWriter(str(self.folder(run.key)), run.number, log_size)
        await asyncio.to_thread(_write, writer, at, line)
        self.hint(run)

    def discard(self, key: Key) -> None:
        """Forget the service's history. Its next run may be number 1 again."""
        loop = asyncio.get_running_loop()
        removed = loop.run_in_executor(None, _remove, self.folder(key), self._root)
        removed.add_done_callback(lambda _: self._begin_again(key))

    def _begin_again(self, key: Key) -> None:
        for follower in self._following(key):
            follower.sources[key] = Source(CaptureReader(self.folder(key)), Through())
            follower.wake(key)

    # What people ask.

    async def history(
        self, keys: Collection[Key], count: int | None, choice: Choice = EVERYTHING
    ) -> AsyncGenerator[list[LogLine]]:
        """The last `count` lines of these services together (None: all), by time.

        In batches, one at least, which may be empty: all lines together may be more than memory holds.
        """
        _, batches = await asyncio.to_thread(_read, self._folders(keys), count, choice, self.live)
        while (lines := await _next(batches)) is not None:
            yield lines

    async def packets(
        self, keys: Collection[Key], count: int | None, choice: Choice = EVERYTHING
    ) -> AsyncGenerator[list[Packet]]:
        """The same lines, as text without their times."""
        folders = self._folders(keys)
        _, found = await asyncio.to_thread(histories.read, folders, count, choice, self.live)
        batches = choice.packed(found)
        while (packets := await _next(batches)) is not None:
            yield packets

    async def page(
        self, keys: Collection[Key], marks: Marks | None, limits: Limits, choice: Choice, known: int = 0
    ) -> Page:
        """The next lines behind the marks; the last ones where there are none, but for so many `known`."""
        folders = self._folders(keys)
        if marks is None:
            return await asyncio.to_thread(pages.first, folders, limits, choice, self.live, known)
        return await asyncio.to_thread(pages.following, folders, marks, limits, choice, self.live)

    async def last(self, key: Key, count: int, choice: Choice = EVERYTHING) -> list[LogLine]:
        """The last `count` lines of one service."""
        return [line async for lines in self.history([key], count, choice) for line in lines]

    async def follow(
        self, keys: Collection[Key], count: int | None, choice: Choice = EVERYTHING
    ) -> AsyncGenerator[list[LogLine]]:
        """The last `count` lines, and then whatever is printed, until closed.

        Empty lists come now and then when nothing is printed, for a reader who wants to know that somebody
        still listens.
        """
        async with self._follower(keys) as follower:
            folders = self._folders(keys)
            follower.sources, batches = await asyncio.to_thread(_read, folders, count, choice, self.live)
            while (lines := await _next(batches)) is not None:
                yield lines
            while True:
                lines = await follower.read(choice)
                if lines or follower.is_silent():
                    yield lines
                if not lines:
                    await follower.wait()

    async def lines_of(self, run: Run) -> AsyncIterator[str]:
        """Every line that the run prints, from its first to its last, as it came."""
        self.began(run)
        async with self._follower([run.key]) as follower:
            reader = CaptureReader(self.folder(run.key), Position(run.number))
            follower.sources = {run.key: Source(reader, Through())}
            while True:
                over = run not in self._live  # before reading: then there is nothing after what is read
                lines = await follower.read()
                for line in lines:
                    if line.run == run.number and line.stream != "locald":
                        yield line.line
                if not lines and over:
                    return
                if not lines:
                    await follower.wait()

    # Followers.

    @asynccontextmanager
    async def _follower(self, keys: Collection[Key]) -> AsyncIterator[_Follower]:
        follower = _Follower(self, frozenset(keys))
        new = [run for run in self._live if run.key in follower.keys and not self._following(run.key)]
        self._followers.add(follower)
        for run in new:
            self.tail(run, True)
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            for run in self._live:
                if run.key in follower.keys and not self._following(run.key):
                    self.tail(run, False)

    def _following(self, key: Key) -> list[_Follower]:
        return [follower for follower in self._followers if key in follower.keys]


class _Follower:
    """Somebody who follows some services, and the places up to which they have been told."""

    def __init__(self, logbook: Logbook, keys: frozenset[Key]) -> None:
        self.keys = keys
        self.sources: dict[Key, Source] = {}
        self._logbook = logbook
        self._due = set(keys)
        """whose histories are to be read"""
        self._wake = asyncio.Event()
        self._pause = SOON
        self._told_at = asyncio.get_running_loop().time()

    def wake(self, key: Key) -> None:
        self._due.add(key)
        self._pause = SOON
        self._wake.set()

    async def wait(self) -> None:
        """Until there is a hint, or it is time to look without one."""
        timer = asyncio.get_running_loop().call_later(self._pause, self._look_at_all)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()
            self._wake.clear()

    def _look_at_all(self) -> None:
        self._pause = min(self._pause * 2, RARELY)
        self._due |= self.keys
        self._wake.set()

    async def read(self, choice: Choice = EVERYTHING) -> list[LogLine]:
        """Some of the lines that have come, by time; none when there are no more."""
        while self._due:
            keys, self._due = self._due, set()
            sources = {key: self.sources[key] for key in keys if key in self.sources}
            lines, rest = await asyncio.to_thread(histories.read_on, sources, self._logbook.live, choice)
            self._due |= rest
            if lines:
                self._told_at = asyncio.get_running_loop().time()
                return lines
        return []

    def is_silent(self) -> bool:
        """Whether nothing has been told for so long that this itself should be told."""
        now = asyncio.get_running_loop().time()
        silent = now - self._told_at >= HEARTBEAT
        if silent:
            self._told_at = now
        return silent


async def _next(batches: Iterator[Batch]) -> Batch | None:
    return await asyncio.to_thread(next, batches, None)


# In threads.


def _read(
    folders: dict[Key, Path], count: int | None, choice: Choice, live: Set[Run]
) -> tuple[dict[Key, Source], Iterator[list[LogLine]]]:
    """As objects; where the number is limited, all in one batch."""
    sources, found = histories.read(folders, count, choice, live)
    lines = choice.shown(found)
    return sources, histories.in_batches(lines) if count is None else iter([list(lines)])


def _write(writer: CaptureWriter, at: float, line: str) -> None:
    writer.write(at, frames.LOCALD, f"{line}\n".encode("utf-8", "replace"))
    writer.close()


def _remove(folder: Path, root: Path) -> None:
    """Take it away in one step, for a new history may begin at once, and then apart.

    With the last history of a project its folder goes. The keeper creates again what it needs.
    """
    aside = root / f".discarded-{secrets.token_hex(8)}"
    try:
        folder.rename(aside)
        folder.parent.rmdir()
    except OSError:
        pass  # nothing was ever printed; or other services have a history
    import shutil  # rarely needed, and a daemon starts without it

    shutil.rmtree(aside, ignore_errors=True)
