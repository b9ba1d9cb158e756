"""Stops services that nobody asks for: those with an `idle_timeout`, while there is a proxy to start them
again.

When the last request was answered is the time of a file that Caddy writes for each of them (see `Answered`);
whether one is being answered, WebSockets too, Caddy tells when the time is up. Both hold while the daemon is
away.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from locald.adapters.caddy import admin
from locald.adapters.caddy.config import gate
from locald.domain.explain.routes import address, is_open
from locald.domain.lifecycle.messages import Rest

if TYPE_CHECKING:
    from locald.daemon.core import Core
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key
    from locald.linux.clock import Clock
    from locald.wire.home import Home

log = logging.getLogger(__name__)

SHORTEST, LONGEST = 0.1, 15.0
"""seconds between two looks"""


class Idle:
    def __init__(self, core: Core, home: Home) -> None:
        self._core, self._home = core, home
        self._busy_at: dict[Key, float] = {}
        """when a service was last seen to answer, by the clock of the world"""
        self._answered = Answered(core.clock)
        self._moved = asyncio.Event()

    def change(self, _: World, moved: frozenset[Key]) -> None:
        """The world's watcher."""
        if moved:
            self._moved.set()

    async def run(self) -> None:
        """Never returns."""
        while True:
            self._moved.clear()
            left = [await self._look(service) for service in self._counted()]
            if left:
                await asyncio.sleep(min(max(min(left), SHORTEST), LONGEST))
            else:
                await self._moved.wait()

    def _counted(self) -> list[Service]:
        world = self._core.world
        if world.https_port is None:
            return []
        return [each for each in world.services.values() if each.spec.idle_timeout and is_open(each)]

    async def _look(self, service: Service) -> float:
        """Stop it if its time is up. Returns the seconds until then."""
        assert service.spec.idle_timeout
        left = service.spec.idle_timeout - self._unasked(service)
        if left > 0:
            return left
        try:
            active = await admin.active_requests(self._home.proxy_admin)
        except admin.Failed as failed:
            log.warning("%s", failed)
            return LONGEST
        if active.get(address(service)):
            self._busy_at[service.key] = self._core.clock.now()
        else:
            await self._core.ask(Rest(service.key))
        return service.spec.idle_timeout

    def _unasked(self, service: Service) -> float:
        """Seconds since it was last asked for, or began to serve."""
        now = self._core.clock.now()
        began = max(service.since, self._busy_at.get(service.key, 0.0))
        try:
            written = os.stat(self._home.requests(gate(service.key))).st_mtime_ns
        except OSError:
            return now - began
        return now - max(began, self._answered.last(service.key, written))


class Answered:
    """When services last answered, by the clock of the world.

    The times of files are by the wall clock, which may be set. So one counts only within what is known beside
    it: a file that has changed since the last look was written between the two.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[Key, tuple[int, float, float]] = {}
        """the time of the file, when that was, when it was last looked at"""

    def last(self, key: Key, written: int) -> float:
        """`written`: the time of its file, nanoseconds."""
        known, at, looked_at = self._seen.get(key, (None, 0.0, 0.0))
        if written != known:
            at = max(self._clock.of_wall(written / 1e9), looked_at)
        self._seen[key] = written, at, self._clock.now()
        return at
