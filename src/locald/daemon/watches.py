"""Whose files are watched: those of every service that is wanted and has a `watch`.

It looks at the world after each change, so a service that is started, stopped or defined anew, or that an
earlier daemon left, needs no word about it. What watches is imported when the first service does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from locald.adapters.watching import Watching
    from locald.domain.lifecycle.messages import OfFiles
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key
    from locald.domain.project.spec import FileWatch

_LIBRARY = "locald.adapters.watching"


class Watches:
    def __init__(self, post: Callable[[OfFiles], None], now: Callable[[], float]) -> None:
        self._post, self._now = post, now
        self._watching: Watching | None = None
        self._watched: dict[Key, tuple[str, FileWatch]] = {}

    def look(self, world: World, moved: Iterable[Key]) -> None:
        """The world's watcher."""
        for key in moved:
            service = world.services.get(key)
            wanted = None
            if service and service.spec.watch and service.desired.is_up:
                wanted = service.definition.directory, service.spec.watch
            if wanted != self._watched.get(key):
                self._turn(key, wanted)

    def _turn(self, key: Key, wanted: tuple[str, FileWatch] | None) -> None:
        if self._watching is None:
            self._watching = import_module(_LIBRARY).Watching(self._post, self._now)
        assert self._watching
        if wanted is None:
            del self._watched[key]
            self._watching.unwatch(key)
        else:
            self._watched[key] = wanted
            self._watching.watch(key, *wanted)

    def close(self) -> None:
        if self._watching:
            self._watching.close()
