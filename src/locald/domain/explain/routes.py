"""The names of services, and where each leads: `web.shop.localhost` to 127.0.0.1:24001.

A service with a port that may speak HTTP has the name `SERVICE.DOMAIN`, the `domains` of its file, and the
project's domain itself, if it is the one that this leads to. Names depend on what is written, not on what
runs: a service that is down has its name all the same, and who comes is told why.

Of several that claim a name, the one whose own name it is has it, then who wrote it, then the project whose
domain it is; among equals the project that was there first. `*` stands for any one label, and gives way to a
name that is written out. What instances share has the name of each.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from locald.domain.explain.addresses import host, port, scheme, speaks_http
from locald.domain.project.names import Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World

DASHBOARD = "locald.localhost"
USUAL_PORT = 7443
OURS = ("localhost", "test")
"""the domains under which a name that leads nowhere is a mistake of ours to explain"""


class Rank(IntEnum):
    """Why a name is somebody's, the stronger reason first."""

    OWN = 0
    WRITTEN = 1
    DOMAIN = 2


class Route(Struct, frozen=True):
    """`name`: in lower case, perhaps with `*` as its first label. `address`: `127.0.0.1:24001`. `is_counted`:
    it matters when the last request came."""

    name: str
    key: Key
    address: str
    scheme: str = "http"
    is_counted: bool = False


class Claim(Struct, frozen=True):
    """A name that a service would have, and the one that has it; None: the dashboard."""

    name: str
    key: Key
    owner: Key | None


def has_name(service: Service) -> bool:
    return bool(port(service)) and speaks_http(service)


def own_name(world: World, service: Service) -> str | None:
    """`web.shop.localhost`; None for what has no port, does not speak HTTP, or is second to claim it."""
    project = next((name for name in world.places if service.belongs_to(name)), "")
    place = world.places.get(project)
    if place is None or not has_name(service):
        return None
    first = next(name for name, each in world.places.items() if each.domain == place.domain)
    is_first = first == project or not _is_there(world, first, service.spec.name)
    return f"{service.spec.name}.{place.domain}" if is_first else None


def _is_there(world: World, project: str, name: str) -> bool:
    return any(each.spec.name == name and has_name(each) for each in world.of_project(project))


def https_url(world: World, service: Service) -> str:
    """What others are told as its address by name, also where there is no proxy: then at the usual port."""
    place = next((place for name, place in world.places.items() if service.belongs_to(name)), None)
    name = own_name(world, service) or f"{service.spec.name}.{place.domain if place else OURS[0]}"
    return f"https://{name}{suffix(world.https_port or USUAL_PORT, 443)}/"


def name_url(world: World, service: Service) -> str | None:
    """Its address by name; None while there is no proxy."""
    name = own_name(world, service) if world.https_port else None
    return f"https://{name}{suffix(world.https_port or 0, 443)}/" if name else None


def suffix(port: int, usual: int) -> str:
    """What stands behind a name: `:7443`, or nothing for the port that is meant without one."""
    return "" if port == usual else f":{port}"


def routes(world: World) -> tuple[Route, ...]:
    """Where every name leads, exact names first, each once."""
    found: dict[str, Route] = {}
    for _, name, service in _claims(world):
        if name != DASHBOARD:
            found.setdefault(name, _route(name, service))
    return tuple(sorted(found.values(), key=lambda route: (route.name.startswith("*"), route.name)))


def lost(world: World) -> tuple[Claim, ...]:
    """Who would have a name that another one has."""
    owners = {route.name: route.key for route in routes(world)}
    claims = {(name, service.key) for _, name, service in _claims(world)}
    return tuple(
        Claim(name, key, owners.get(name)) for name, key in sorted(claims) if owners.get(name) != key
    )


def find(world: World, name: str) -> Route | None:
    """Where this name leads; a pattern only where no name is written out."""
    by_name = {route.name: route for route in routes(world)}
    return by_name.get(name) or by_name.get(f"*.{name.partition('.')[2]}")


def is_ours(world: World, name: str) -> bool:
    """Whether who asks for this name means us: else it is another one's, which we do not answer for."""
    domains = (*OURS, *(place.domain for place in world.places.values()))
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


def closed_services(world: World) -> frozenset[Key]:
    """Those with a name that do not serve who comes now."""
    return frozenset(key for key, service in world.services.items() if is_closed(service))


def is_closed(service: Service) -> bool:
    return has_name(service) and not is_open(service)


def is_open(service: Service) -> bool:
    """It serves who comes now."""
    return service.run is not None and service.is_healthy


def _claims(world: World) -> list[tuple[tuple[Rank, int], str, Service]]:
    """Every name with who claims it, the strongest claim first."""
    order = {project: place for place, project in enumerate(world.places)}
    found = [
        ((rank, order[project]), name, service)
        for project in world.places
        for rank, name, service in _of_project(world, project)
    ]
    return sorted(found, key=lambda claim: claim[0])


def _of_project(world: World, project: str) -> Iterator[tuple[Rank, str, Service]]:
    place = world.places[project]
    named = [service for service in world.of_project(project) if has_name(service)]
    for service in named:
        yield Rank.OWN, f"{service.spec.name}.{place.domain}", service
        for name in service.spec.domains:
            yield Rank.WRITTEN, name, service
    main = default(named, place.default)
    if main:
        yield Rank.DOMAIN, place.domain, main


def default(named: Iterable[Service], chosen: str) -> Service | None:
    """The service of a project that its domain leads to."""
    by_name = {service.spec.name: service for service in named}
    alone = next(iter(by_name.values())) if len(by_name) == 1 else None
    return by_name.get(chosen or "web") or (None if chosen else alone)


def address(service: Service) -> str:
    """Where requests for it are sent."""
    where = host(service)
    return f"{f'[{where}]' if ':' in where else where}:{port(service)}"


def _route(name: str, service: Service) -> Route:
    is_counted = service.spec.idle_timeout is not None
    return Route(name, service.key, address(service), scheme(service), is_counted)
