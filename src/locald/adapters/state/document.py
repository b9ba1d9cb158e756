"""What is in the state file: changes, one a line, each a JSON object. Pure.

The first line holds the world as it was when the file was begun; every later one holds what has changed
since: services that moved, services that are gone. So a change costs its own bytes, however much else there
is. A line is taken in whole or not at all: one that the daemon could not finish has no end.

A shell's environment is long and shared by all services that it started, so it is written once, and named by
its digest.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from locald.domain.lifecycle.place import Place
from locald.domain.lifecycle.service import Service
from locald.domain.lifecycle.world import World
from locald.domain.project.names import Key
from locald.domain.project.spec import Caller
from locald.wire.dataclass_json import codec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

SCHEMA = 3
"""of this version; 2: one document with everything; 1: before 0.1.0 was released"""

_NOBODY = Caller()


class Head(Struct, frozen=True):
    """What a file begins with: whose clock its times are of."""

    schema: int
    boot_id: str
    epoch: float


class Entry(Struct, frozen=True):
    """A service, and which of the callers is its own."""

    caller: str
    service: Service


class PlaceEntry(Struct, frozen=True):
    directory: str
    domain: str
    caller: str = ""
    """which of the callers; empty in the file of a version that did not tell"""
    folder: str = ""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    default: str = ""


class Changes(Struct, frozen=True):
    """One line. `places`, `ready_senders` and `instances` replace what was said of them; None: as before."""

    places: dict[str, PlaceEntry] | None = None
    ready_senders: dict[str, str] | None = None
    instances: dict[str, str] | None = None
    callers: dict[str, Caller] = field(default_factory=dict)
    services: tuple[Entry, ...] = ()
    gone: tuple[str, ...] = ()


class Writer:
    """Puts worlds into lines. It remembers what the file has: after `whole`, `changed` says the rest."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._digests: dict[int, tuple[Caller, str]] = {}
        self._written: set[str] = set()
        self._places: object = None
        self._senders: object = None
        self._instances: object = None

    def whole(self, world: World) -> bytes:
        """The first line of a new file."""
        self._written, self._places, self._senders, self._instances = set(), None, None, None
        used = [service.caller for service in world.services.values()]
        kept = {id(caller) for caller in (*used, *(place.caller for place in world.places.values()))}
        self._digests = {key: known for key, known in self._digests.items() if key in kept}
        changes = self._changes(world, world.services)
        return _line(codec(Head).dump(self._head) | codec(Changes).dump(changes))

    def changed(self, world: World, moved: Collection[Key]) -> bytes:
        """A further line: the services that moved, or are gone."""
        return _line(codec(Changes).dump(self._changes(world, moved)))

    def _changes(self, world: World, moved: Iterable[Key]) -> Changes:
        callers: dict[str, Caller] = {}
        there = [world.services[key] for key in moved if key in world.services]
        entries = tuple(
            Entry(self._name(service.caller, callers), replace(service, caller=_NOBODY)) for service in there
        )
        places = senders = instances = None
        if world.places is not self._places:
            places = {name: self._place(place, callers) for name, place in world.places.items()}
        if world.ready_senders is not self._senders:
            senders = {str(key): program for key, program in world.ready_senders.items()}
        if world.instances is not self._instances:
            instances = dict(world.instances)
        self._places, self._senders, self._instances = world.places, world.ready_senders, world.instances
        gone = tuple(str(key) for key in moved if key not in world.services)
        return Changes(places, senders, instances, callers, entries, gone)

    def _place(self, place: Place, callers: dict[str, Caller]) -> PlaceEntry:
        caller = self._name(place.caller, callers)
        groups = dict(place.groups)
        return PlaceEntry(place.directory, place.domain, caller, place.folder, groups, place.default)

    def _name(self, caller: Caller, callers: dict[str, Caller]) -> str:
        """The digest of a caller, who is told of in this line if the file does not know him yet."""
        digest = self._digest(caller)
        if digest not in self._written:
            self._written.add(digest)
            callers[digest] = caller
        return digest

    def _digest(self, caller: Caller) -> str:
        known = self._digests.get(id(caller))
        if known:
            return known[1]
        digest = hashlib.sha256(_line(codec(Caller).dump(caller))).hexdigest()[:16]
        self._digests[id(caller)] = (caller, digest)
        return digest


def _line(value: object) -> bytes:
    """In ASCII: what is not Unicode in paths and environments (lone surrogates, to Python) has no UTF-8."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


class Reader:
    """Takes in one line after the other; `world` is what they come to."""

    def __init__(self) -> None:
        self._services: dict[Key, Entry] = {}
        self._places: dict[str, PlaceEntry] = {}
        self._senders: dict[str, str] = {}
        self._instances: dict[str, str] = {}
        self._callers: dict[str, Caller] = {}

    def take(self, line: dict[str, Any]) -> None:
        """Raises ValueError for what is no line of a state file."""
        changes = codec(Changes).load(line)
        self._callers |= changes.callers
        self._services |= {entry.service.key: entry for entry in changes.services}
        for key in changes.gone:
            self._services.pop(Key.parse(key), None)
        self._places = self._places if changes.places is None else changes.places
        self._senders = self._senders if changes.ready_senders is None else changes.ready_senders
        self._instances = self._instances if changes.instances is None else changes.instances

    def world(self) -> World:
        services = [
            replace(entry.service, caller=self._callers.get(entry.caller, _NOBODY))
            for entry in self._services.values()
        ]
        known = {service.key.project: service.caller for service in services}
        places = {
            name: Place(
                each.directory,
                each.domain,
                self._callers.get(each.caller, known.get(name, _NOBODY)),
                each.folder,
                each.groups,
                each.default,
            )
            for name, each in self._places.items()
        }
        senders = {Key.parse(key): program for key, program in self._senders.items()}
        return replace(World.of(services, places), ready_senders=senders, instances=self._instances)
