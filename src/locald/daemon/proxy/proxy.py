"""The proxy as the daemon keeps it: there while a service has a name, told of every change of names.

Whether a service serves is told by its gate, at once; which names there are, and where each leads, by a new
configuration, for which changes are gathered until the loop is idle for a moment. A proxy that ends is
started again: at once, then ever more rarely. It stays a while when no service has a name any more, and goes
with `server stop`. When the clock has moved far, its certificates are none of now. Then it is started again,
for it looks at them when it starts, and else after every ten minutes in which the machine did not sleep.

Without Caddy nothing of this happens, and everything else works.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from locald.adapters import whole
from locald.adapters.caddy import admin, authority, handshake, program
from locald.adapters.caddy.config import Site, config
from locald.daemon.proxy import ports
from locald.daemon.proxy.child import KEY, Child
from locald.daemon.proxy.gates import Gates
from locald.daemon.proxy.note import Note, keep, recall
from locald.domain.explain.routes import (
    DASHBOARD,
    closed_services,
    has_name,
    is_closed,
    is_open,
    lost,
    routes,
    suffix,
)
from locald.domain.lifecycle.messages import Proxied
from locald.domain.lifecycle.phase import Live
from locald.wire.rows import whose

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from locald.adapters.caddy.config import Json
    from locald.adapters.caddy.program import Caddy
    from locald.adapters.processes import Processes
    from locald.daemon.loop import Loop
    from locald.domain.explain.routes import Claim, Route
    from locald.domain.lifecycle.messages import Event
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key
    from locald.wire.home import Home

log = logging.getLogger(__name__)

SWITCH = "LOCALD_PROXY"
"""`off`: there is no proxy"""
READY_WITHIN = 15.0
"""seconds from its start until it listens"""
PAUSES = (0.1, 1.0, 5.0, 30.0)
"""seconds before each further attempt; the last again and again"""
CALM = 10.0
"""seconds after which it counts as having been well"""
STAYS = 10.0
"""seconds without a service that has a name"""
CERTIFIED_WITHIN = 5.0
"""seconds in which certificates are made; whatever comes of it, nobody waits for longer"""
LOOKS_AT_CLOCK = 60.0
"""seconds between two looks at the clock while nothing else happens"""
FAR = 3600.0
"""seconds by which the clock may move beside the time that passes: certificates hold for half a day"""


class Proxy:
    def __init__(
        self,
        home: Home,
        loop: Loop,
        processes: Processes,
        tell: Callable[[], None],
        environ: Mapping[str, str],
    ) -> None:
        """`tell`: rows are others now."""
        self._home, self._loop, self._tell, self._environ = home, loop, tell, environ
        self._child = Child(processes, home)
        self._gates = Gates(home.gates)
        self._shown: dict[Key, object] = {}
        self._changed = asyncio.Event()
        self._current = asyncio.Event()
        """Caddy knows the names of now and has certificates for them, or there is none"""
        self._current.set()
        self._note = Note()
        self._caddy: Caddy | None = None
        self._loaded: Json | None = None
        """the configuration that it has"""
        self._is_ending = False
        self._settled = asyncio.Event()
        """whether it runs, or why not, has been found out or is another now"""
        self.trouble = ""
        """why there is none although one is needed, one sentence; `hint`: what to do"""
        self.hint = ""
        self.told: tuple[str, ...] = ()
        """what is worth knowing of one that runs"""

    @property
    def is_off(self) -> bool:
        return self._environ.get(SWITCH) == "off"

    def status(self) -> Json:
        """What `proxy status --json` tells, but for who trusts the authority."""
        world, note = self._loop.world, self._note
        is_running = world.https_port is not None
        root = authority.root(self._storage)
        return {
            "running": is_running,
            "https_port": note.https_port if is_running else None,
            "http_port": note.http_port if is_running else None,
            "ca": root if os.path.exists(root) else None,
            "caddy": note.caddy if is_running else None,
            "dashboard": f"https://{DASHBOARD}{suffix(note.https_port, 443)}/" if is_running else None,
            "routes": [_told(route, world) for route in routes(world)],
            "lost": [_told_claim(claim) for claim in lost(world)],
            "trouble": f"turned off by {SWITCH}=off" if self.is_off else self.trouble or None,
            "hint": self.hint or None,
            "notes": list(self.told),
        }

    @property
    def _storage(self) -> str:
        return os.path.join(self._home.proxy, "caddy")

    # What is told.

    def begin(self) -> None:
        """Look what an earlier daemon left: before the keeper is asked what it has."""
        self._note = recall(self._noted)
        if self._note.run and not self._note.is_over and not self.is_off:
            self._child.adopt(self._note.run)
        self.change(self._loop.world, frozenset(self._loop.world.services))

    def take(self, event: Event, post: Callable[[Event], None]) -> None:
        """What the keeper tells: of the proxy itself it is no news for the world."""
        if event.run.key == KEY:
            self._child.take(event)
        else:
            post(event)

    def change(self, world: World, moved: frozenset[Key]) -> None:
        """The world's watcher."""
        for key in moved:
            service = world.services.get(key)
            self._gates.set(key, is_closed=service is not None and is_closed(service))
            shown = _shown(world, service) if service else None
            if shown != self._shown.get(key):
                self._shown[key] = shown
                self._changed.set()
                self._current.clear()
            if service is None:
                self._shown.pop(key, None)

    async def known(self) -> tuple[World, str]:
        """Wait until services are reached by name, or it is known why not: one sentence, else empty."""
        try:
            async with asyncio.timeout(READY_WITHIN):
                while self._loop.world.https_port is None and self._is_needed() and not self._has_trouble:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return self._loop.world, "the proxy is not ready yet"
        world = self._loop.world
        return world, "" if world.https_port else str(self.status()["trouble"] or "no service has a name")

    async def served(self) -> None:
        """Wait until who asks for a name of now is served; for a proxy that is only to begin nobody waits."""
        if self._loop.world.https_port is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CERTIFIED_WITHIN):
                    await self._current.wait()

    @property
    def _has_trouble(self) -> bool:
        return self.is_off or bool(self.trouble)

    # What is done.

    async def run(self) -> None:
        """Never returns, but where there is to be none."""
        if self.is_off:
            return
        failures = 0
        while True:
            await self._until_needed()
            began = time.monotonic()
            try:
                await self._live()
            except (OSError, admin.Failed, _Ended) as error:
                self.trouble = str(error.strerror or error) if isinstance(error, OSError) else str(error)
                if not self._is_ending:
                    log.warning("the proxy: %s", self.trouble)
                self._settled.set()
            if self._is_ending:
                return
            failures = 0 if time.monotonic() - began > CALM else failures + 1
            await self._leave()
            if self.trouble and failures:
                await asyncio.sleep(PAUSES[min(failures, len(PAUSES)) - 1])

    async def stop(self) -> None:
        """There is to be none any more: with the last service, when everything is stopped."""
        self._is_ending = True
        await self._child.stop()
        if self._note.run:
            self._note = replace(self._note, is_over=True)
            with suppress(OSError):  # then the next daemon looks for it, and finds nothing
                await asyncio.to_thread(keep, self._noted, self._note)

    async def _until_needed(self) -> None:
        while not (self._child.is_there or (self._is_needed() and await self._find())):
            self._changed.clear()
            await self._changed.wait()

    def _is_needed(self) -> bool:
        return any(has_name(service) for service in self._loop.world.services.values())

    async def _find(self) -> bool:
        """Whether there is a Caddy; it is looked for again with the next change, for it may be installed."""
        found = await asyncio.to_thread(program.find)
        if isinstance(found, program.NoCaddy):
            self.trouble, self.hint = found.reason, found.hint
            self._settled.set()
            return False
        self._caddy = found
        if self.hint:  # that there was none; another trouble stays until one runs
            self.trouble = self.hint = ""
        return True

    async def _live(self) -> None:
        """Have one, and tell it of every change, until it ends or is needed no longer."""
        self._gates.begin(closed_services(self._loop.world))
        if not self._child.is_there:
            await self._start()
        if not await self._until(self._child.ready.wait(), READY_WITHIN):
            raise _Ended(f"Caddy did not become ready within {READY_WITHIN:g} s")
        if self._loaded:  # it was just begun
            await self._certified(_names(self._loaded))
        self.trouble, lonely_since, offset = "", None, _offset()
        await self._announce(self._note.https_port)
        while True:
            self._changed.clear()
            await self._load()
            if not self._changed.is_set():
                self._current.set()
            now = time.monotonic()
            lonely_since = None if self._is_needed() else lonely_since or now
            if lonely_since and now - lonely_since >= STAYS:
                return
            if abs(_offset() - offset) > FAR:
                log.warning("the clock was set, or the machine slept: the proxy is started again")
                return
            await self._until(self._changed.wait(), STAYS if lonely_since else LOOKS_AT_CLOCK)

    async def _start(self) -> None:
        assert self._caddy
        chosen = await asyncio.to_thread(ports.choose, self._environ)
        self.told = chosen.told
        number = self._note.run + 1
        self._note = Note(number, chosen.https, chosen.http, self._caddy.version)
        self._loaded = self._config()
        self.told += tuple(await asyncio.to_thread(self._prepare, self._loaded))
        for sentence in self.told:
            log.warning("%s", sentence)
        self._child.start(number, self._caddy.path, self._configured)

    def _prepare(self, config: Json) -> list[str]:
        """What it finds when it starts. Returns what had to be set right; raises OSError."""
        for folder in (self._home.proxy, self._storage):
            os.makedirs(folder, 0o700, exist_ok=True)
        told = authority.set_aside(self._storage, time.strftime("%Y%m%dT%H%M%S"), time.time())
        _write(self._configured, config)
        keep(self._noted, self._note)
        return told

    async def _until(self, news: Coroutine[Any, Any, object], within: float) -> bool:
        """Whether it came in time. Raises _Ended when Caddy ends before."""
        over = self._child.over
        assert over
        came = asyncio.ensure_future(news)
        try:
            await asyncio.wait((came, over), timeout=within, return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                raise _Ended(f"Caddy ended: {over.result()}; its log is in {self._home.proxy}/log")
            return came.done()
        finally:
            came.cancel()

    async def _certified(self, names: Iterable[str]) -> None:
        """Wait for these: until then, who comes is refused."""
        await self._until(handshake.certified(self._note.https_port, names), CERTIFIED_WITHIN)

    async def _load(self) -> None:
        """Tell it of what has changed; raises admin.Failed."""
        wanted = self._config()
        if wanted == self._loaded:
            return
        await admin.load(self._home.proxy_admin, wanted)
        had, self._loaded = self._loaded, wanted
        if had:
            await self._certified(_names(wanted) - _names(had))
        await asyncio.to_thread(_write, self._configured, wanted)

    async def _leave(self) -> None:
        self._loaded = None
        await self._announce(None)
        self._current.set()
        await self._child.stop()

    async def _announce(self, https_port: int | None) -> None:
        if self._loop.world.https_port != https_port:
            await self._loop.ask(Proxied(https_port, authority.root(self._storage)))
            self._settled.set()
            self._tell()

    def _config(self) -> Json:
        world, note, home = self._loop.world, self._note, self._home
        ports = note.https_port, note.http_port
        sockets = home.proxy_admin, home.proxy_socket, home.dashboard_socket
        breaks_off = program.breaks_off(note.caddy)
        site = Site(*ports, *sockets, home.gates, self._storage, home.requests_folder, breaks_off)
        named = [service for service in world.services.values() if has_name(service)]
        domains = {
            place.domain
            for name, place in world.places.items()
            if any(service.belongs_to(name) for service in named)
        }
        return config(site, routes(world), sorted(domains))

    @property
    def _noted(self) -> str:
        return f"{self._home.state}/proxy.json"

    @property
    def _configured(self) -> str:
        return os.path.join(self._home.proxy, "config.json")


def _told(route: Route, world: World) -> Json:
    return {
        "name": route.name,
        "service": route.key.service,
        **whose(route.key.project),
        "address": route.address,
        "open": is_open(world.services[route.key]),
    }


def _told_claim(claim: Claim) -> Json:
    key, owner = claim.key, str(claim.owner) if claim.owner else None
    return {"name": claim.name, "service": key.service, **whose(key.project), "owner": owner}


class _Ended(Exception):
    """Caddy did; the text is one sentence."""


def _shown(world: World, service: Service) -> object:
    """What a configuration tells of a service."""
    if not has_name(service):
        return None
    place = world.places.get(service.key.project)
    facts = service.facts if isinstance(service.phase, Live) else None
    listeners = facts.listeners if facts else ()
    names = place and (place.domain, place.default), tuple(service.users)
    return service.definition, names, listeners, facts and facts.port


def _names(config: Json) -> set[str]:
    """What there are certificates for."""
    return set(config["apps"]["tls"]["certificates"]["automate"])


def _offset() -> float:
    """Of the clock from the time that has passed while the machine was awake, in seconds."""
    return time.time() - time.monotonic()


def _write(path: str, config: Json) -> None:
    whole.put(path, json.dumps(config).encode())
