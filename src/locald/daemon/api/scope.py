"""Which services a request is about: a project by name or by folder, and names in it.

A person speaks of `web` inside its project and of `shop:web` from anywhere; the command line turns both into
`directory` or `project`, and `service`s.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from locald.daemon import asks
from locald.domain.faults import near
from locald.domain.names import Key
from locald.domain.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.domain.world import World


@dataclass(frozen=True, slots=True)
class Scope:
    """`project` None: every project. `services` empty: all of them."""

    project: str | None
    services: tuple[str, ...] = ()

    def holds(self, key: Key) -> bool:
        return self.project in (None, key.project) and (not self.services or key.service in self.services)

    def keys(self, world: World) -> list[Key]:
        return [key for key in world.services if self.holds(key)]


def project_of(world: World, asked: Mapping[str, str]) -> str | None:
    """The known project that `project` or `directory` names; None when neither is given.

    Raises Refused for a project that is not known, with what to do about it.
    """
    if name := asked.get("project"):
        if name not in world.places:
            raise Refused(_unknown(name, list(world.places)))
        return name
    if directory := asked.get("directory"):
        name = at(world, directory)
        if name is None:
            raise Refused(Problem("this project is not up", directory, "`locald up` brings it up"))
        return name
    return None


def at(world: World, directory: str) -> str | None:
    """The project whose folder this is."""
    real = os.path.realpath(directory)
    places = world.places.items()
    return next((name for name, place in places if os.path.realpath(place.directory) == real), None)


def scope(world: World, asked: Mapping[str, str], services: list[str]) -> Scope:
    """Raises Refused for what is not known."""
    project = project_of(world, asked)
    if project is not None:
        asks.chosen(project, [s.spec.name for s in world.of_project(project)], services)
    return Scope(project, tuple(services))


def one(world: World, asked: Mapping[str, str], services: list[str]) -> Key:
    """The one service that a question is about. Raises Refused."""
    found = scope(world, asked, services)
    if found.project is None or len(found.services) != 1:
        raise Refused(Problem("this asks about one service", hint="name it: web, or shop:web"))
    return Key(found.project, found.services[0])


def misused(what: str, where: str = "") -> Refused:
    """A request that no command of ours would make."""
    return Refused(Problem(what, where, "`GET /v1/openapi.json` describes every request"))


def _unknown(name: str, known: list[str]) -> Problem:
    meant = near(name, known)
    hint = f'did you mean "{meant}"?' if meant else "`locald status --all` lists the projects that are up"
    return Problem(f'no project "{name}" is up', hint=hint)
