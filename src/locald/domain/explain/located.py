"""What a run that begins now is told of the other services: where each of them really is.

Dependents start when their dependencies are healthy, so by then it is known on which address and port these
listen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.explain import addresses
from locald.domain.explain.routes import https_url
from locald.domain.project import whereabouts
from locald.domain.project.env import ByName

if TYPE_CHECKING:
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.spec import Definition


def located(world: World, definition: Definition) -> Definition:
    """The definition with every `${services…}` as it is now."""
    if not (definition.open_env or definition.open_command):
        return definition
    named = map(definition.key_of, sorted(whereabouts.names(definition)))
    services = [world.services[key] for key in named if key in world.services]
    # What turned out to have no port keeps the one that `up` has filled in: there is no better word for it.
    ports = {each.spec.name: port for each in services if (port := _port(each) or each.definition.port)}
    hosts = {each.spec.name: addresses.host(each) for each in services if not _moves(each)}
    by_name = ByName({each.spec.name: https_url(world, each) for each in services}, world.authority)
    return whereabouts.filled(definition, map(_now, services), ports, hosts, by_name)


def others(world: World, project: str) -> dict[str, Definition]:
    """The definitions of a project by name, each with the port that it has now: of those that have one, here
    or in a container."""
    now = map(_now, world.of_project(project))
    return {each.spec.name: each for each in now if each.port or each.spec.container_port}


class Others:
    """`others`, remembered for as long as the world is the same: of many that start at once each has to know
    all the others."""

    def __init__(self) -> None:
        self._known: tuple[World, str, dict[str, Definition]] | None = None

    def of(self, world: World, project: str) -> dict[str, Definition]:
        known = self._known
        if known is None or known[0] is not world or known[1] != project:
            known = self._known = world, project, others(world, project)
        return known[2]


def _now(service: Service) -> Definition:
    definition, port = service.definition, _port(service)
    return definition if definition.port == port else replace(definition, port=port)


def _port(service: Service) -> int | None:
    return service.definition.port if _moves(service) else addresses.port(service)


def _moves(service: Service) -> bool:
    """Its next run has another port than the present one, which is about to end."""
    now, then = service.present.port, service.definition.port
    return now is not None and then is not None and now != then
