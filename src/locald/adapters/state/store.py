"""Writing the state file: when, and what happens when the disk refuses.

A change is written a short while after it came, so a flood of changes costs a few writes. Code that is about
to do what a later daemon has to know of (start a run) has it written with `save_now`, or waits for `saved`
first: then no run is ever alive that the file does not name. `save_now` is for little that a quick disk takes
while the loop waits, which is less than the way to a thread and back; else it leaves it to the thread.

A write adds a line to the file. When these have become more than the rest, and at the first write, the file
is written whole, beside the old one, which it then replaces. A disk that cannot be written is said in the
log, costs no service anything, and is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING

from locald.adapters import whole
from locald.adapters.state.document import SCHEMA, Head, Writer
from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key

log = logging.getLogger(__name__)

LAZY = 0.05
"""seconds that a change may wait for company when nobody waits for it"""
QUIET = 2.0
"""seconds without a change after which the file is made to last through a crash of the machine too"""
AGAIN = 0.25
"""seconds after which a file that could not be written is tried again: a daemon that is killed until then
leaves a file that does not know the latest runs, and they are begun anew"""
ROOM = 256 * 1024
"""bytes of added lines that are never too many"""
LITTLE = 16
"""services: what has changed of them takes the loop some milliseconds at most"""
SLOW = 0.05
"""seconds: a disk that took longer the last time is not waited for by the loop"""


class Store:
    def __init__(self, path: str, wanted: str, epoch: float, world: Callable[[], World]) -> None:
        """`wanted`: the file that exists while something is to be restored."""
        self._path, self._wanted_path = path, wanted
        self._writer = Writer(Head(SCHEMA, procfs.boot_id(), epoch))
        self._world = world
        self._moved: set[Key] = set()
        """services that have changed since the last write"""
        self._whole = True
        """the next write is of the whole file"""
        self._projects = 0
        """how many the file tells of"""
        self._size = self._added = 0
        """bytes of the file's first line, and of the lines after it"""
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._writing = asyncio.Lock()
        self._waiting: list[asyncio.Future[None]] = []
        self._syncing: asyncio.Future[None] | None = None
        self.trouble = ""
        """why the file does not say how things are, one sentence, or empty"""
        self._is_slow = False
        """the last write took long"""

    def change(self, _: object, moved: Set[Key]) -> None:
        """These services changed: it will be written before long."""
        self._moved |= moved
        self._changed.set()

    async def saved(self, *, hurry: bool = True) -> None:
        """Wait until the world as it is now is in the file (or cannot be: then nobody is kept from work)."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._changed.set()
        if hurry:
            self._hurry.set()
        await done

    def save_now(self) -> bool:
        """Write the world as it is now, if that can be done at once. False: it was not, wait for `saved`."""
        busy = self._writing.locked() or self.trouble or self._is_slow
        if busy or self._must_be_whole(self._world()) or len(self._moved) > LITTLE:
            return False
        moved, self._moved = self._moved, set()
        try:
            self._timed_put(self._world(), moved)
        except Exception:  # the thread says what it is, should it last; half a line is not to be added to
            self._moved |= moved
            self._whole = True
            return False
        return True

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            await _within(LAZY, self._hurry)
            await self.write()
            if not await _within(AGAIN if self.trouble else QUIET, self._changed):
                self._rest()

    def _rest(self) -> None:
        """Nothing has changed for a while: make what is written last, or write what could not be written."""
        if self.trouble:
            self._changed.set()
        elif self._syncing is None or self._syncing.done():
            self._syncing = asyncio.get_running_loop().run_in_executor(None, self._sync)

    async def write(self) -> None:
        """Write now."""
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        self._changed.clear()
        self._hurry.clear()
        waiting, self._waiting = self._waiting, []
        moved, self._moved = self._moved, set()
        try:
            if moved or self._whole:
                await asyncio.to_thread(self._timed_put, self._world(), moved)
            self._recover()
        except Exception as error:  # one of ours, too: the daemon itself still knows everything
            self._whole = True
            self._tell(error)
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _tell(self, error: Exception) -> None:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else repr(error)
        if not self.trouble:
            fault = None if isinstance(error, OSError) else error
            log.error("the state cannot be saved in %s: %s", self._path, error, exc_info=fault)
        self.trouble = f"the state cannot be saved in {self._path}: {why}"

    def _recover(self) -> None:
        if self.trouble:
            log.warning("the state is saved in %s again", self._path)
        self.trouble = ""

    # In a thread, mostly: the disk may be slow, and putting much into words takes its time.

    def _timed_put(self, world: World, moved: Set[Key]) -> None:
        began = time.monotonic()
        self._put(world, moved)
        self._is_slow = time.monotonic() - began > SLOW

    def _put(self, world: World, moved: Set[Key]) -> None:
        """The mark is never there too late, but perhaps too long."""
        held = any(service.desired.is_up or service.run for service in world.services.values())
        if held:
            os.close(os.open(self._wanted_path, os.O_WRONLY | os.O_CREAT, 0o600))
        if self._must_be_whole(world) or not self._add(world, moved):
            self._replace(self._writer.whole(world))
        self._projects = len(world.places)
        if not held and os.path.exists(self._wanted_path):
            os.unlink(self._wanted_path)

    def _must_be_whole(self, world: World) -> bool:
        """The file has to be written anew: what is forgotten is not to be found in it."""
        forgets = len(world.places) < self._projects
        return self._whole or forgets or self._added > max(ROOM, self._size)

    def _add(self, world: World, moved: Set[Key]) -> bool:
        """Add a line; False when there is no file any more to add it to."""
        line = self._writer.changed(world, moved)
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return False
        try:
            _write_all(file, line)
        finally:
            os.close(file)
        self._added += len(line)
        return True

    def _replace(self, line: bytes) -> None:
        whole.put(self._path, line)
        self._whole, self._size, self._added = False, len(line), 0

    def _sync(self) -> None:
        """Nobody waits for it: a disk may take long."""
        try:
            with open(self._path, "rb") as file:
                os.fsync(file)
        except OSError:  # what could not be written was said when it was
            pass


def _write_all(file: int, content: bytes) -> None:
    """Raises OSError when the disk does not take it all: a line that has no end is not read."""
    while content:
        content = content[os.write(file, content) :]


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event came in this time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
