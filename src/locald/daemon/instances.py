"""A project as its folder has it: itself, or an instance of it (see `domain.project.instances`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from locald.adapters.checkout import branch_of, branch_of_worktree
from locald.domain.project.file import FILE, LOCAL
from locald.domain.project.instances import VARIABLE, Folder, choose, named
from locald.domain.project.labelled import is_of_all, parts
from locald.wire.folder import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locald.adapters.containers.translate import Volumes
    from locald.domain.lifecycle.world import World
    from locald.domain.project.spec import ProjectSpec


def of_folder(world: World, spec: ProjectSpec, directory: str, shell: Mapping[str, str]) -> ProjectSpec:
    """The same with the name and domain of the instance that the folder is. Raises Refused."""
    was, others = _known(world, directory)
    branch = branch_of_worktree(directory)
    origin = f"{LOCAL}: project.instance" if spec.instance else VARIABLE
    folder = Folder(directory, spec.instance or shell.get(VARIABLE, ""), origin, branch, was)
    chosen = choose(spec.name, folder, others)
    return named(spec, chosen)


def remembered(world: World, project: str, directory: str) -> dict[str, str]:
    """What every folder is from now on: this one, and those that are still there."""
    others = {path: name for path, name in world.instances.items() if name != project and _has_file(path)}
    return {**others, directory: project}


class Checkout(Struct, frozen=True):
    """A folder that is or was an instance of a project, or in which run the services that they share."""

    project: str
    folder: str
    branch: str
    """what git has checked out in it; empty for nothing"""
    is_there: bool
    """the folder and the file in it"""
    services: int
    running: int
    logs: int
    """bytes of what its own services have printed"""
    volumes: int
    """bytes of its volumes, as far as they are known"""
    unknown: str
    """why not all of them are: a sentence, or empty"""

    @property
    def is_shared(self) -> bool:
        return is_of_all(self.project)


def checkouts(world: World, size: Callable[[str], int], volumes: Volumes | None = None) -> list[Checkout]:
    """Every folder that is known, by project, and where what they share is. `size`: of what the services of a
    project have printed."""
    running = {place.directory: name for name, place in world.places.items()}
    shared = {key.project: each.present.directory for key, each in world.services.items() if key.is_shared}
    folders = [(name, path) for path, name in {**world.instances, **running}.items()]
    return [_checkout(world, path, name, size, volumes) for name, path in sorted([*folders, *shared.items()])]


def _checkout(
    world: World, path: str, project: str, size: Callable[[str], int], volumes: Volumes | None
) -> Checkout:
    services = world.of_project(project)
    return Checkout(
        project=project,
        folder=path,
        branch=branch_of(path) if os.path.isdir(path) else "",
        is_there=_has_file(path),
        services=len(services),
        running=sum(service.run is not None for service in services),
        logs=size(project),
        volumes=volumes.sizes[project] if volumes else 0,
        unknown=volumes.unknown.get(project, "" if services else volumes.unknown_elsewhere)
        if volumes
        else "",
    )


def _known(world: World, directory: str) -> tuple[str | None, dict[str, str]]:
    """What this folder is known as, and the folders of all others by what they are."""
    here, real = identity(directory), os.path.realpath(directory)
    was, others = None, {}
    running = {place.directory: name for name, place in world.places.items()}
    for path, name in {**world.instances, **running}.items():
        place = world.places.get(name)
        is_there = _has_file(path)
        is_moved = not is_there and place is not None and here and place.folder == here
        if os.path.realpath(path) == real or is_moved:
            was = name
        elif is_there or (path in running and parts(name)[1]):
            others[name] = path
    return was, others


def _has_file(directory: str) -> bool:
    return os.path.exists(os.path.join(directory, FILE))
