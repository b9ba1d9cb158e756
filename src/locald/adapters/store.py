"""What must outlive the daemon, in one file: `state.json`, written whole, read once.

It is replaced atomically, a short while after a change, so a flood of changes costs a few writes. Code that
is about to do what a later daemon has to know of (start a run) waits for `saved` first: then no run is ever
alive that the file does not name. A service is serialised only when it has changed.

The file of an earlier version is read as well (`store_upgrade`). One that cannot be read, or that a newer
version wrote, is kept aside under another name and never overwritten. A disk that cannot be written is said
in the log, costs no service anything, and is tried again.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from locald.adapters.store_upgrade import SCHEMA, upgraded
from locald.domain.lifecycle.service import Service
from locald.domain.lifecycle.world import Place, World
from locald.domain.project.names import Key
from locald.domain.project.spec import Caller
from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

LAZY = 0.05
"""seconds that a change may wait for company when nobody waits for it"""
QUIET = 2.0
"""seconds without a change after which the file is made to last through a crash of the machine too"""

_NOBODY = Caller()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A service, and which of the callers is its own."""

    caller: str
    service: Service


@dataclass(frozen=True, slots=True)
class _Place:
    directory: str
    domain: str
    caller: str = ""
    """which of the callers; empty in the file of a version that did not tell"""


@dataclass(frozen=True, slots=True)
class _File:
    schema: int
    boot_id: str
    epoch: FiniteFloat
    places: dict[str, _Place]
    ready_senders: dict[str, str]
    callers: dict[str, Caller]
    services: list[_Entry]


_FILE: TypeAdapter[_File] = TypeAdapter(_File)
_SERVICE: TypeAdapter[Service] = TypeAdapter(Service)
_CALLER: TypeAdapter[Caller] = TypeAdapter(Caller)


class Saved:
    """What a file said: the world as it was, and the clock it was told by."""

    def __init__(self, world: World, epoch: float | None, trouble: str = "") -> None:
        self.world = world
        self.epoch = epoch
        """None: another boot of the machine; its runs are gone and its clock with them"""
        self.trouble = trouble
        """why (part of) the file could not be used, one sentence, or empty"""


def load(path: str) -> Saved:
    """Read the file. What cannot be used is kept aside, and told in `trouble`; nothing is raised for it."""
    try:
        with open(path, "rb") as file:
            document = json.load(file)
        return _restored(_FILE.validate_python(upgraded(document)))
    except FileNotFoundError:
        return Saved(World(), None)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return Saved(World(), None, _keep_aside(path, error))


def _restored(file: _File) -> Saved:
    services = [
        replace(entry.service, caller=file.callers.get(entry.caller, _NOBODY)) for entry in file.services
    ]
    senders = {Key.parse(key): program for key, program in file.ready_senders.items()}
    known = {service.key.project: service.caller for service in services}
    places = {
        name: Place(each.directory, each.domain, file.callers.get(each.caller, known.get(name, _NOBODY)))
        for name, each in file.places.items()
    }
    world = replace(World.of(services, places), ready_senders=senders)
    return Saved(world, file.epoch if file.boot_id == procfs.boot_id() else None)


def _keep_aside(path: str, error: Exception) -> str:
    reason = _reason(error)
    names = (f"{path}.unusable-{number}" for number in itertools.count(1))
    aside = next(name for name in names if not os.path.exists(name))
    try:
        os.rename(path, aside)
    except OSError as cannot:
        return f"the saved state {path} is unusable ({reason}) and cannot be moved ({cannot.strerror})"
    # Without the state, no command could stop what ran.
    ended = "services were stopped, run `locald up` to start them again"
    return f"the saved state is unusable ({reason}) and was moved to {aside}: {ended}"


def _reason(error: Exception) -> str:
    """What is wrong with the file, on one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return next(iter(str(error).splitlines()), type(error).__name__)


class Store:
    def __init__(self, path: str, wanted: str, epoch: float, world: Callable[[], World]) -> None:
        """`wanted`: the file that exists while something is to be restored."""
        self._path, self._wanted_path = path, wanted
        self._epoch = epoch
        self._boot_id = procfs.boot_id()
        self._world = world
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._writing = asyncio.Lock()
        self._waiting: list[asyncio.Future[None]] = []
        self._cache: dict[Key, tuple[Service, bytes]] = {}
        self._digests: dict[int, tuple[Caller, str]] = {}
        self._syncing: asyncio.Future[None] | None = None
        self._failed = False

    def change(self, *_: object) -> None:
        """Something changed: it will be written before long."""
        self._changed.set()

    async def saved(self, *, hurry: bool = True) -> None:
        """Wait until the world as it is now is in the file (or cannot be: then nobody is kept from work)."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._changed.set()
        if hurry:
            self._hurry.set()
        await done

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            await _within(LAZY, self._hurry)
            await self.write()
            if not await _within(QUIET, self._changed):
                self._rest()

    def _rest(self) -> None:
        """Nothing has changed for a while: make what is written last, or write what could not be written."""
        if self._failed:
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
        world = self._world()
        try:
            await asyncio.to_thread(self._replace, self._document(world), _is_wanted(world))
            self._failed = False
        except Exception as error:  # one of ours, too: the daemon itself still knows everything
            if not self._failed:
                fault = None if isinstance(error, OSError) else error
                log.error("the state cannot be saved in %s: %s", self._path, error, exc_info=fault)
            self._failed = True
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _document(self, world: World) -> list[bytes]:
        callers: dict[str, Caller] = {}
        entries = [self._entry(service, callers) for service in world.services.values()]
        places = {name: self._place(place, callers) for name, place in world.places.items()}
        self._cache = {key: self._cache[key] for key in world.services}
        self._digests = {id(c): (c, digest) for digest, c in callers.items()}
        head = {
            "schema": SCHEMA,
            "boot_id": self._boot_id,
            "epoch": self._epoch,
            "places": places,
            "ready_senders": {str(key): program for key, program in world.ready_senders.items()},
            "callers": {digest: _CALLER.dump_python(c, mode="json") for digest, c in callers.items()},
        }
        return [json.dumps(head).encode()[:-1], b', "services": [\n', b",\n".join(entries), b"\n]}\n"]

    def _entry(self, service: Service, callers: dict[str, Caller]) -> bytes:
        digest = self._digest(service.caller)
        callers[digest] = service.caller
        known = self._cache.get(service.key)
        if known and known[0] is service:
            return known[1]
        body = _json(_SERVICE, replace(service, caller=_NOBODY))
        entry = b'{"caller": "%s", "service": %s}' % (digest.encode(), body)
        self._cache[service.key] = (service, entry)
        return entry

    def _place(self, place: Place, callers: dict[str, Caller]) -> dict[str, str]:
        digest = self._digest(place.caller)
        callers[digest] = place.caller
        return {"directory": place.directory, "domain": place.domain, "caller": digest}

    def _digest(self, caller: Caller) -> str:
        known = self._digests.get(id(caller))
        if known:
            return known[1]
        digest = hashlib.sha256(_json(_CALLER, caller)).hexdigest()[:16]
        self._digests[id(caller)] = (caller, digest)
        return digest

    def _replace(self, document: list[bytes], held: bool) -> None:
        """In a thread: the disk may be slow. The mark is never there too late, but perhaps too long."""
        if held:
            os.close(os.open(self._wanted_path, os.O_WRONLY | os.O_CREAT, 0o600))
        beside = f"{self._path}.new"
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(document)
        os.replace(beside, self._path)
        if not held and os.path.exists(self._wanted_path):
            os.unlink(self._wanted_path)

    def _sync(self) -> None:
        """In a thread that nobody waits for: a disk may take long for it."""
        try:
            with open(self._path, "rb") as file:
                os.fsync(file)
        except OSError:  # what could not be written was said when it was
            pass


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event came in this time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _is_wanted(world: World) -> bool:
    return any(service.desired.is_up or service.run for service in world.services.values())


def _json(adapter: TypeAdapter[Any], value: object) -> bytes:
    """In ASCII: what is not Unicode in paths and environments (lone surrogates, to Python) has no UTF-8."""
    return json.dumps(adapter.dump_python(value, mode="json"), separators=(",", ":")).encode()
