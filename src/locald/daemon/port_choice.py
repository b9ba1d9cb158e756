"""Which port each service of a project gets: what its file says, or its own of last time, or a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from locald.adapters import ports
from locald.domain.lifecycle.lost_port import may_move
from locald.domain.lifecycle.messages import NotStarted
from locald.domain.project.file import FILE
from locald.domain.project.labelled import parts
from locald.domain.project.resolving import key_in
from locald.domain.project.spec import Type
from locald.domain.values.lines import Places
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Collection

    from locald.domain.lifecycle.messages import Event
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key
    from locald.domain.project.spec import ProjectSpec


def giving_way(
    world: World, spec: ProjectSpec, places: Places | None = None
) -> tuple[ProjectSpec, list[Problem]]:
    """The same without the fixed ports that other instances of the project have, and a warning for each that
    was not said at the last `up`. `places`: where the files say what."""
    kept, told = dict(spec.services), []
    for name, service in spec.services.items():
        key = key_in(spec, name)
        if service.port is None or not (holder := _other_instance(world, key, service.port)):
            continue
        kept[name] = replace(service, port=None)
        known = world.services.get(key)
        if known is None or known.definition.spec.port is not None:
            told.append(_gives_way(key, service.port, holder, places or Places(FILE, {})))
    return replace(spec, services=kept), told


def _other_instance(world: World, key: Key, port: int) -> Key | None:
    """Whose port that is already, of other instances of its project."""
    name = parts(key.project)[0]
    holders = (other for other, each in world.services.items() if each.definition.port == port)
    return next(
        (other for other in holders if other.project != key.project and parts(other.project)[0] == name), None
    )


def _gives_way(key: Key, port: int, holder: Key, places: Places) -> Problem:
    what = f"port {port} is used by {holder}: {key} gets another one"
    hint = f"run `locald status {key}` to see it"
    return Problem(what, places.name(("services", key.service, "port")), hint, is_warning=True)


class PortChoice(Struct, frozen=True):
    home: str = ""
    """the folder of the state: another locald of this machine draws other ports"""

    def of_project(self, world: World, spec: ProjectSpec) -> dict[str, int]:
        """The host port of each service that has one. What runs keeps its port; what does not gets another if
        somebody else has taken it meanwhile. Raises Refused when there is none."""
        found = {s.name: s.port for s in spec.services.values() if s.port is not None}
        others = _promised(world, {key_in(spec, name) for name in spec.services})
        for service in spec.services.values():
            if service.name in found or service.type in (Type.WORKER, Type.TASK):
                continue
            key = key_in(spec, service.name)
            known = world.services.get(key)
            if known and known.run and known.definition.port:
                found[service.name] = known.definition.port
                continue
            remembered = known.definition.port if known else None
            found[service.name] = self._assign(key, remembered, others | set(found.values()))
        return found

    def moved(self, event: Event, world: World) -> Event:
        """News of a run whose port somebody else has, with another one for the next run, where locald chose
        the port and there is one left."""
        service = world.services.get(event.run.key)
        if not isinstance(event, NotStarted) or not event.is_port_taken:
            return event
        if service is None or service.run != event.run or not may_move(service):
            return event
        try:
            return replace(event, port=ports.assign(event.run.key, self.home, None, _promised(world, ())))
        except OSError:
            return event

    def _assign(self, key: Key, remembered: int | None, taken: set[int]) -> int:
        try:
            return ports.assign(key, self.home, remembered, taken)
        except OSError as error:
            hint = "run `locald doctor` to find the cause"
            raise Refused(Problem(f"{key}: {error.strerror}", hint=hint)) from None


def _promised(world: World, but: Collection[Key]) -> set[int]:
    """The ports of services, which may not run now."""
    services = world.services.items()
    return {each.definition.port for key, each in services if each.definition.port and key not in but}
