"""What somebody asks for, made ready for the world: files are read, names resolved, ports asked for.

Everything that can be wrong with a request is found here, before anything changes: then `Refused` is raised
with every problem, and nothing has happened.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from shutil import which
from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.daemon import instances
from locald.daemon.placement import ANYWHERE, as_it_runs, losses
from locald.daemon.port_choice import giving_way
from locald.domain.lifecycle import sharing
from locald.domain.lifecycle.messages import Restart, Up
from locald.domain.lifecycle.place import Place
from locald.domain.project import attaching
from locald.domain.project.around import Around
from locald.domain.project.file import FILE
from locald.domain.project.graph import closure, start_order
from locald.domain.project.labelled import of_all
from locald.domain.project.names import Key
from locald.domain.project.resolving import resolve
from locald.domain.project.review import Review, review
from locald.domain.project.spec import ServiceSpec
from locald.domain.values.faults import near
from locald.domain.values.problem import Problem, Refused
from locald.domain.values.sentence import listed
from locald.wire import files
from locald.wire.folder import identity
from locald.wire.project_files import read_texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from locald.daemon.placement import Where
    from locald.daemon.port_choice import PortChoice
    from locald.daemon.texts import KnownTexts
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.spec import Caller, Definition, Project
    from locald.domain.values.lines import Places


async def up(
    world: World,
    directory: str,
    names: list[str],
    caller: Caller,
    texts: KnownTexts,
    ports: PortChoice,
    *,
    attach: bool = False,
    where: Where = ANYWHERE,
) -> tuple[Up, list[Problem]]:
    """The command for `up` in this folder, and warnings. Raises Refused. `attach`: for who wants to attach to
    the one service that is named."""
    project, review, moved = await _resolved(world, directory, caller.env, texts, ports, where)
    named = chosen(project.name, project.definitions, names, project.groups) if names else []
    if attach:
        _require_terminal(project, named)
    wanted = frozenset(named or _started_by_themselves(project))
    warnings = review.problems(only=starting(project, wanted))
    known = await asyncio.to_thread(instances.remembered, world, project.name, directory)
    apart = differing(world, project, review.places)
    lost = [] if attach else losses(world, project)
    return Up(project, wanted, frozenset(named), caller, known), [*warnings, *moved, *apart, *lost]


def _require_terminal(project: Project, named: list[str]) -> None:
    if len(named) != 1:
        raise Refused(Problem("one terminal can be attached to one service only", hint="name that one"))
    if refused := attaching.refusal(project.definitions[named[0]].spec):
        raise Refused(refused)


async def _resolved(
    world: World,
    directory: str,
    shell: Mapping[str, str],
    texts: KnownTexts,
    ports: PortChoice,
    where: Where,
) -> tuple[Project, Review, list[Problem]]:
    """The project as its file says now, what is to be said of it, and of its ports. Raises Refused; changes
    nothing."""
    text, found = await asyncio.to_thread(_review, directory, shell, texts)
    problems = found.problems()
    if any(not problem.is_warning for problem in problems):
        raise Refused(*problems)
    own = await asyncio.to_thread(instances.of_folder, world, found.spec, directory, shell)
    here = where.place(own)
    spec, moved = giving_way(world, here, found.places)
    chosen = ports.of_project(world, spec)
    project = resolve(spec, directory, chosen, found.env_files, shell, where=FILE, text=text)
    return replace(project, folder=await asyncio.to_thread(identity, directory)), found, moved


def _review(directory: str, shell: Mapping[str, str], texts: KnownTexts) -> tuple[str, Review]:
    written = read_texts(directory)
    around = Around(directory, shell, partial(_read_env_file, directory), os.path.isdir, which)
    return written.main, review(texts.understand(written), around)


async def as_written(world: World, directory: str, texts: KnownTexts, ports: PortChoice) -> Project:
    """The same for who only looks: without what it takes somebody's shell and env files to know."""
    spec = await asyncio.to_thread(lambda: texts.parse(read_texts(directory)))
    own = await asyncio.to_thread(instances.of_folder, world, spec, directory, {})
    spec, _ = giving_way(world, as_it_runs(world, own))
    services = {name: replace(each, env={}, env_file=()) for name, each in spec.services.items()}
    chosen = ports.of_project(world, spec)
    bare = replace(spec, services=services, env={}, env_file=())
    return resolve(bare, directory, chosen, {}, {})


async def unapplied(
    world: World, project: str, keys: Iterable[Key], texts: KnownTexts, ports: PortChoice
) -> list[Problem]:
    """Warnings for who restarts these services, which does not apply the file: what in it is wrong, or is
    something else than what runs."""
    try:
        directory = place_of(world, project).directory
        written = await as_written(world, directory, texts, ports)
    except Refused as refused:
        wrong = [each.as_warning() for each in refused.problems if not each.is_warning]
        what = "cannot be applied, services restart as of the last `locald up`"
        return [*wrong, Problem(what, FILE, "fix it, then run `locald up`", is_warning=True)]
    names = [key.service for key in keys if _is_unlike(world.services[key], written)]
    if not names:
        return []
    what = f"changed since the last `locald up`, restart does not apply it: {', '.join(names)}"
    return [Problem(what, FILE, "run `locald up` to apply it", is_warning=True)]


def _is_unlike(service: Service, written: Project) -> bool:
    """But for what `as_written` leaves out."""
    now = written.definitions.get(service.spec.name)
    return now is None or now.spec != replace(service.spec, env={}, env_file=())


def differing(world: World, project: Project, places: Places) -> list[Problem]:
    """A warning for each service that runs for other instances too, and of which this file says something
    else."""
    return [
        _differs(world.services[each.key], each, project.name, places)
        for each in project.definitions.values()
        if each.key in world.services and _is_apart(world.services[each.key], each, project.name)
    ]


def _is_apart(service: Service, written: Definition, project: str) -> bool:
    return sharing.is_kept(service, project) and not service.definition.is_like(written)


def _differs(service: Service, written: Definition, project: str, places: Places) -> Problem:
    users = [user for user, wants in service.users.items() if wants and user != project]
    keys = listed(_unlike(service.definition, written))
    what = f"has another {keys} than what runs, which is shared with {listed(users)}: it is left running"
    hint = f"run `locald stop {service.key}`, then `locald up` here, to run it as of this folder"
    return Problem(what, places.name(("services", service.spec.name)), hint, is_warning=True)


def _unlike(known: Definition, written: Definition) -> list[str]:
    """The keys of which they say something else."""
    specs = [name for name in ServiceSpec.__struct_fields__ if name not in ("env", "env_file")]
    unlike = [name for name in specs if getattr(known.spec, name) != getattr(written.spec, name)]
    env = [name for name in ("env", "env_files") if getattr(known, name) != getattr(written, name)]
    return [*unlike, *(name.removesuffix("s") for name in env)] or ["port"]


def _started_by_themselves(project: Project) -> list[str]:
    specs = {name: definition.spec for name, definition in project.definitions.items()}
    return [name for name, spec in specs.items() if spec.autostart and not spec.on_demand]


def chosen(
    project: str, known: Iterable[str], names: list[str], groups: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """The services that are meant: those named, a group's in place of its name; or all. Raises Refused for a
    name that is none."""
    known = list(known)
    unknown = [name for name in names if name not in known and name not in groups]
    if unknown:
        raise Refused(*(_unknown(project, name, [*known, *groups]) for name in unknown))
    meant = [each for name in names for each in (groups.get(name) or (name,)) if each in known]
    if names and not meant:  # of a group all members were removed: this must not mean all services
        raise Refused(*(_unknown(project, name, known) for name in names))
    return list(dict.fromkeys(meant)) or known


def _unknown(project: str, name: str, known: list[str]) -> Problem:
    meant = near(name, known)
    hint = f'did you mean "{meant}"?' if meant else f"services of {project}: {', '.join(sorted(known))}"
    return Problem(f"no such service: {name}", hint=hint)


def starting(project: Project, names: Iterable[str]) -> list[str]:
    """These and what they depend on, dependencies first."""
    depends_on = {name: list(d.spec.depends_on) for name, d in project.definitions.items()}
    needed = closure(depends_on, names)
    return [name for name in start_order(depends_on) if name in needed]


def ending(world: World, project: str, keys: Collection[Key]) -> list[str]:
    """The names of these services of the project, dependents first."""
    own = world.of_project(project)
    depends_on = {each.spec.name: list(each.spec.depends_on) for each in own}
    names = {each.spec.name for each in own if each.key in keys}
    return [name for name in reversed(start_order(depends_on)) if name in names]


def removed(world: World, command: Up | Restart) -> list[str]:
    """The services that the project's file does not have any more."""
    if isinstance(command, Restart):
        return []
    project = command.project
    return [s.spec.name for s in world.of_project(project.name) if s.spec.name not in project.definitions]


def changed(world: World, command: Up | Restart) -> list[str]:
    """The services of which the project's file says something else now, not only their environment."""
    if isinstance(command, Restart):
        return []
    written = {name: each.spec for name, each in command.project.definitions.items()}
    by = command.project.name
    own = [each for each in world.of_project(by) if not sharing.is_kept(each, by)]
    return [s.spec.name for s in own if s.present.spec != written.get(s.spec.name, s.present.spec)]


def earlier_names(world: World, project: Project) -> list[str]:
    """What the project in this folder was called, if somebody has given it another name in its file since."""
    return [
        name
        for name, place in world.places.items()
        if place.directory == project.directory and name != project.name
    ]


def _read_env_file(directory: str, path: str) -> bytes | None:
    """What the file holds; None when it is not there. Raises Refused when it cannot be read."""
    try:
        return files.read(os.path.join(directory, path))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        hint = "make it a readable file with lines of NAME=value"
        raise Refused(Problem(error.strerror or "cannot be read", path, hint)) from None


def place(project: Project) -> Place:
    return Place(project.directory, project.domain, default=project.default)


def place_of(world: World, project: str) -> Place:
    """Where a known project is. What instances share is in the folder that its next run begins in."""
    if project in world.places:
        return world.places[project]
    first = world.of_project(project)[0]
    return Place(first.definition.directory, "", first.caller)


def kept(world: World, keys: Iterable[Key], project: str) -> dict[str, list[str]]:
    """Of these services those that others share and want: by name, which instances."""
    wanted = {key.service: sharing.others(world.services[key], project) for key in keys}
    return {name: users for name, users in wanted.items() if users}


def not_restarted(kept: Mapping[str, list[str]], project: str) -> list[Problem]:
    """A warning for each of them."""
    return [
        Problem(
            f"{name} is shared with {listed(users)}: not restarted",
            hint=f"run `locald restart {Key(of_all(project), name)}` to restart it for all of them",
            is_warning=True,
        )
        for name, users in kept.items()
    ]
