"""Tells everybody who looks: rows that changed, and whether anything can still move.

Changes are gathered until the loop is idle for a moment, so that a burst of steps is one piece of news; only
rows that really differ are sent. A dependent's row may change although only its dependency moved, so the
rows of direct dependents are made again too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from msgspec import Struct, field

from locald.domain.explain.view import Row, is_down, is_settled, row
from locald.domain.lifecycle.service import Service
from locald.domain.lifecycle.world import World
from locald.domain.project.names import Key

BACKLOG = 256
"""pieces of news that a reader may be behind; then it is sent everything again instead"""


class News(Struct, frozen=True):
    """What changed since the last piece. `complete`: `rows` are all there are."""

    rows: tuple[Row, ...]
    removed: tuple[Key, ...]
    settled: bool
    complete: bool = False


class Subscription(Struct, eq=False):
    """One reader's queue. `chosen` says which services it looks at, `until` what settles each of them."""

    chosen: Callable[[World, Key], bool]
    until: Callable[[Service], bool]
    queue: asyncio.Queue[News] = field(default_factory=lambda: asyncio.Queue(BACKLOG))
    shown: dict[Key, Row] = field(default_factory=dict)
    moving: set[Key] = field(default_factory=set)
    """those of them that are not settled"""
    settled: bool = False
    behind: bool = False
    """it missed something; when it has read what waits for it, it is sent everything again"""

    def look(self, world: World, key: Key) -> None:
        """See whether this service has settled."""
        if key in self.shown and not self.until(world.services[key]):
            self.moving.add(key)
        else:
            self.moving.discard(key)


UNTIL = {"ready": is_settled, "down": is_down}


class Hub:
    def __init__(self, world: Callable[[], World]) -> None:
        self._world = world
        self._readers: set[Subscription] = set()
        self._moved: set[Key] = set()
        self._flushing = False

    def change(self, _: World, moved: frozenset[Key]) -> None:
        """The world's watcher."""
        if not self._readers:
            return
        self._moved |= moved
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def change_all(self) -> None:
        """Something is another that rows tell of, although no service has moved."""
        world = self._world()
        self.change(world, frozenset(world.services))

    def subscribe(self, chosen: Callable[[World, Key], bool], until: str) -> Subscription:
        """Begin to listen. The first news is all rows as they are now."""
        reader = Subscription(chosen, UNTIL[until])
        self._readers.add(reader)
        self._tell_all(reader, self._world())
        return reader

    def unsubscribe(self, reader: Subscription) -> None:
        self._readers.discard(reader)

    async def next(self, reader: Subscription) -> News:
        """Wait for the next piece of news."""
        if reader.behind and reader.queue.empty():
            reader.behind = False
            self._tell_all(reader, self._world())
        return await reader.queue.get()

    def rest(self, reader: Subscription) -> Iterator[News]:
        """What there is still to tell, now, at the end."""
        self._flush()
        while not reader.queue.empty():
            yield reader.queue.get_nowait()

    def _flush(self) -> None:
        self._flushing = False
        world = self._world()
        moved, self._moved = self._moved, set()
        touched = moved.union(*(world.dependents.get(key, ()) for key in moved))
        rows = {key: row(world, world.services[key]) for key in touched if key in world.services}
        for reader in self._readers:
            self._tell(reader, world, touched, rows)

    def _tell(self, reader: Subscription, world: World, touched: set[Key], rows: dict[Key, Row]) -> None:
        if reader.behind:
            return
        changed = {
            key: new
            for key, new in rows.items()
            if reader.chosen(world, key) and reader.shown.get(key) != new
        }
        removed = tuple(key for key in touched if key in reader.shown and key not in rows)
        reader.shown.update(changed)
        for key in removed:
            del reader.shown[key]
            reader.moving.discard(key)
        for key in rows:
            reader.look(world, key)
        calm = not reader.moving
        if changed or removed or calm != reader.settled:
            reader.settled = calm
            self._put(reader, News(tuple(changed.values()), removed, calm))

    def _tell_all(self, reader: Subscription, world: World) -> None:
        reader.shown = {
            key: row(world, service) for key, service in world.services.items() if reader.chosen(world, key)
        }
        reader.moving = {key for key in reader.shown if not reader.until(world.services[key])}
        reader.settled = not reader.moving
        self._put(reader, News(tuple(reader.shown.values()), (), reader.settled, complete=True))

    def _put(self, reader: Subscription, news: News) -> None:
        try:
            reader.queue.put_nowait(news)
        except asyncio.QueueFull:
            reader.behind = True
