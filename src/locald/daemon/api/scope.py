"""Which services a request is about: a project by name or by folder, and names in it.

A person speaks of `web` inside its project and of `shop:web` from anywhere; the command line turns both into
`directory` or `project`, and `service`s.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from locald.adapters.patterns import Pattern
from locald.daemon import requests
from locald.domain.project.labelled import parts
from locald.domain.values.faults import near
from locald.domain.values.problem import Problem, Refused
from locald.wire.folder import identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.adapters.patterns import TooSlow
    from locald.daemon.core import Core
    from locald.daemon.texts import KnownTexts
    from locald.domain.lifecycle.place import Place
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key

SEARCHING = 0.25
"""seconds that looking for somebody's pattern in one line may take"""
SEARCHING_ALL = 5.0
"""and in all lines, beyond what is usual"""


class Scope(Struct, frozen=True):
    """`project` None: every project. `services` empty: all of them."""

    project: str | None
    services: tuple[str, ...] = ()

    def holds(self, world: World, key: Key) -> bool:
        if self.services and key.service not in self.services:
            return False
        return self.project is None or world.services[key].belongs_to(self.project)

    def keys(self, world: World) -> list[Key]:
        return [key for key in world.services if self.holds(world, key)]


async def project_of(core: Core, asked: Mapping[str, Any]) -> str | None:
    """The known project that `project` or `directory` names; None when neither is given.

    Raises Refused for a project that is not known, with what to do about it.
    """
    if name := text(asked, "project"):
        if not core.world.knows(name):
            raise Refused(_unknown(name, list(core.world.places)))
        return name
    if directory := folder(asked):
        found = await at(core, directory)
        if found is None:
            raise Refused(Problem("project is not running", directory, "start it with `locald up`"))
        return found
    return None


async def at(core: Core, directory: str) -> str | None:
    """The project whose folder this is, if it is known. The folder need not be there any more, and may have
    been moved since."""
    known = core.world.places
    places = {name: place.directory for name, place in known.items()}
    return _at(places, directory) or await asyncio.to_thread(
        lambda: _really_at(places, directory) or _moved_to(known, directory, core.texts)
    )


async def moved_from(core: Core, asked: Mapping[str, Any]) -> str | None:
    """Where the project was when it was brought up, if the `directory` that is asked for is another."""
    directory = "" if text(asked, "project") else folder(asked)
    name = await at(core, directory) if directory else None
    if name is None:
        return None
    known = core.world.places[name].directory
    if known == directory:
        return None
    same = await asyncio.to_thread(_really_at, {name: known}, directory)
    return None if same else known


def _moved_to(known: Mapping[str, Place], directory: str, texts: KnownTexts) -> str | None:
    """The project that was in this folder when that had another name. A new folder may get the number of one
    that was deleted: so the file in it has to name the project too."""
    folder = identity(directory)
    return next(
        (
            name
            for name, place in known.items()
            if folder and place.folder == folder and texts.name_in(directory) == parts(name)[0]
        ),
        None,
    )


def _at(places: Mapping[str, str], directory: str) -> str | None:
    return next((name for name, known in places.items() if known == directory), None)


def _really_at(places: Mapping[str, str], directory: str) -> str | None:
    """With links followed, on both sides: one may lead there now, or may have led there then."""
    real = {name: os.path.realpath(known) for name, known in places.items()}
    return _at(real, os.path.realpath(directory))


def text(asked: Mapping[str, Any], field: str) -> str:
    """A field that is text; empty when it is not given. Raises Refused."""
    found = asked.get(field) or ""
    if not isinstance(found, str):
        raise misused("must be text", field)
    return found


def folder(asked: Mapping[str, Any]) -> str:
    """The `directory` of a request; empty when it is not given. Raises Refused for what cannot be one."""
    found = text(asked, "directory")
    try:
        possible = b"\0" not in os.fsencode(found)
    except UnicodeEncodeError:
        possible = False
    if found and not (possible and os.path.isabs(found)):
        raise misused("must be an absolute folder", "directory")
    return found


async def scope(core: Core, asked: Mapping[str, Any], services: list[str]) -> Scope:
    """Raises Refused for what is not known."""
    project = await project_of(core, asked)
    if project is not None:
        known = [service.spec.name for service in core.world.of_project(project)]
        found = requests.chosen(project, known, services, _groups(core.world, project))
        services = found if services else []
    return Scope(project, tuple(services))


async def one(core: Core, asked: Mapping[str, Any], services: list[str]) -> Key:
    """The one service that a question is about. Raises Refused."""
    found = await scope(core, asked, services)
    if found.project is None or len(found.services) != 1:
        raise Refused(Problem("exactly one service is required", hint="name it: web, or shop:web"))
    return found.keys(core.world)[-1]


def _groups(world: World, project: str) -> Mapping[str, tuple[str, ...]]:
    """What is shared is in no folder, and so in no group."""
    place = world.places.get(project)
    return place.groups if place else {}


def misused(what: str, where: str = "") -> Refused:
    """A request that no command of ours would make."""
    return Refused(Problem(what, where, "see `GET /v1/openapi.json` for every request"))


def moment(at: float, field: str, now: float) -> float:
    """Epoch seconds for what was asked for: these, or with a minus seconds before `now`, for who cannot know
    what time it is here. Raises Refused for what is no moment."""
    if not math.isfinite(at):
        raise misused("must be epoch seconds, or with a minus seconds before now", field)
    return now + at if at < 0 else at


def pattern(text: str) -> Pattern:
    """What `grep` asks for. Raises Refused."""
    try:
        return Pattern(text, SEARCHING, SEARCHING_ALL)
    except re.error as error:
        raise misused(f"not a regular expression: {error}", text) from None


def too_slow(slow: TooSlow) -> Refused:
    return Refused(Problem(str(slow), "grep", "use a simpler pattern, without nested repetitions"))


def _unknown(name: str, known: list[str]) -> Problem:
    meant = near(name, known)
    hint = f'did you mean "{meant}"?' if meant else "run `locald status --all` to list running projects"
    return Problem(f'project "{name}" is not running', hint=hint)
