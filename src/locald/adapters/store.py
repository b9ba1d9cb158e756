"""What must outlive the daemon, in one file: `state.json`, written whole, read once.

It is replaced atomically, a short while after a change, so a flood of changes costs a few writes. Whoever is
about to do what a later daemon has to know of (start a run) waits for `saved` first: then no run is ever
alive that the file does not name. A service is serialised only when it has changed.

A file that cannot be read, or that a newer version wrote, is kept aside under another name and never
overwritten. A disk that cannot be written is said in the log and costs no service anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from locald.domain.names import Key
from locald.domain.service import Service
from locald.domain.spec import Caller
from locald.domain.world import Place, World
from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

SCHEMA = 1
LAZY = 0.05
"""seconds that a change may wait for company when nobody waits for it"""
QUIET = 2.0
"""seconds without a change after which the file is made to last through a crash of the machine too"""

_SERVICE: TypeAdapter[Service] = TypeAdapter(Service)
_CALLER: TypeAdapter[Caller] = TypeAdapter(Caller)
_NOBODY = Caller()


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
        if document["schema"] != SCHEMA:
            raise ValueError(f"it has schema {document['schema']}, this version knows {SCHEMA}")
        return _read(document)
    except FileNotFoundError:
        return Saved(World(), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        return Saved(World(), None, _keep_aside(path, error))


def _read(document: dict[str, Any]) -> Saved:
    callers = {digest: _CALLER.validate_python(c) for digest, c in document["callers"].items()}
    services = [
        replace(_SERVICE.validate_python(entry["service"]), caller=callers.get(entry["caller"], _NOBODY))
        for entry in document["services"]
    ]
    places = {name: Place(**place) for name, place in document["places"].items()}
    senders = {Key.parse(key): program for key, program in document["ready_senders"].items()}
    world = replace(World.of(services, places), ready_senders=senders)
    return Saved(world, document["epoch"] if document["boot_id"] == procfs.boot_id() else None)


def _keep_aside(path: str, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    names = (f"{path}.unusable-{number}" for number in itertools.count(1))
    aside = next(name for name in names if not os.path.exists(name))
    try:
        os.rename(path, aside)
    except OSError as cannot:
        return f"the saved state {path} cannot be used ({reason}), nor moved ({cannot.strerror})"
    return f"the saved state could not be used ({reason}); it is kept as {aside}"


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
                await asyncio.to_thread(self._sync)

    async def write(self) -> None:
        """Write now."""
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        self._changed.clear()
        self._hurry.clear()
        waiting, self._waiting = self._waiting, []
        world = self._world()
        document, held = self._document(world), _is_wanted(world)
        try:
            await asyncio.to_thread(self._replace, document, held)
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.error("the state cannot be saved in %s: %s", self._path, error)
            self._failed = True
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _document(self, world: World) -> list[bytes]:
        callers: dict[str, Caller] = {}
        entries = [self._entry(service, callers) for service in world.services.values()]
        self._cache = {key: self._cache[key] for key in world.services}
        self._digests = {id(c): (c, digest) for digest, c in callers.items()}
        head = {
            "schema": SCHEMA,
            "boot_id": self._boot_id,
            "epoch": self._epoch,
            "places": {n: {"directory": p.directory, "domain": p.domain} for n, p in world.places.items()},
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
        body = _SERVICE.dump_json(replace(service, caller=_NOBODY))
        entry = b'{"caller": "%s", "service": %s}' % (digest.encode(), body)
        self._cache[service.key] = (service, entry)
        return entry

    def _digest(self, caller: Caller) -> str:
        known = self._digests.get(id(caller))
        if known:
            return known[1]
        digest = hashlib.sha256(_CALLER.dump_json(caller)).hexdigest()[:16]
        self._digests[id(caller)] = (caller, digest)
        return digest

    def _replace(self, document: list[bytes], held: bool) -> None:
        """In a thread: the disk may be slow."""
        beside = f"{self._path}.new"
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(document)
        os.replace(beside, self._path)
        _mark(self._wanted_path, held)

    def _sync(self) -> None:
        """In a thread, and not while anybody waits: a disk may take long for it."""
        try:
            file = os.open(self._path, os.O_RDONLY)
            os.fsync(file)
            os.close(file)
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
    return any(service.wish in ("up", "again") or service.run for service in world.services.values())


def _mark(path: str, exists: bool) -> None:
    if exists:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    elif os.path.exists(path):
        os.unlink(path)
