"""Which services a command is about: those of the project here, or `shop:web` from anywhere; of an instance
of a project `shop@feat:web`, and `shop@feat` for all of its services.

A first word with a slash (`examples/shop`, `./`) is the project's folder, as with `-C`: no service is called
so. The daemon knows projects by name and by folder. A name alone (`web`) belongs to the project of this
folder, and the file need not be read to say so: its folder is enough. One command is about one project.
"""

from __future__ import annotations

from locald.domain.values.problem import Problem, Refused
from locald.wire.named import from_anywhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from locald.client.http import Api


class Target:
    """Services (none: all) of a project, which is given by its absolute folder or else by its name.

    `project` is set when the person wrote it (`shop:web`), `directory` when it is known. `elsewhere`: a
    name alone would mean a service of another project here, or none.
    """

    __slots__ = ("directory", "elsewhere", "project", "services")

    def __init__(
        self, project: str = "", directory: str = "", services: Sequence[str] = (), *, elsewhere: bool = False
    ) -> None:
        self.project = project
        self.directory = directory
        self.services = list(services)
        self.elsewhere = elsewhere

    @property
    def where(self) -> list[tuple[str, str]]:
        """The fields of a query that choose the project."""
        return [("directory", self.directory)] if self.directory else [("project", self.project)]

    @property
    def query(self) -> list[tuple[str, str]]:
        """The fields of a query that choose project and services."""
        return [*self.where, *(("service", name) for name in self.services)]

    @property
    def body(self) -> dict[str, Any]:
        """The same for the body of a request."""
        return {**dict(self.where), "services": self.services}

    def only(self, services: Sequence[str]) -> Target:
        """The same project with these services."""
        return Target(self.project, self.directory, services, elsewhere=self.elsewhere)

    def spelled(self, service: str) -> str:
        """How the person would name this service on the command line, here."""
        return f"{self.project}:{service}" if self.project else service

    def reached(self, hint: str, project: str) -> str:
        """The hint, its commands naming services of this project so that they are found from here."""
        return from_anywhere(hint, project) if self.elsewhere else hint


def choose(names: Sequence[str], directory: str | None) -> Target:
    """The target that a command line names. Refused when that is none, or several projects."""
    if names and "/" in names[0]:
        if directory is not None:
            raise Refused(Problem(f"two folders: -C {directory} and {names[0]}", hint="use one of them"))
        directory, names = names[0], names[1:]
    pairs = [_split(name) for name in names]
    projects = {project for project, _ in pairs}
    whole = [project for project, service in pairs if not service]
    if whole and len(pairs) > 1:
        hint = f"run `locald COMMAND {whole[0]}` for all services of {whole[0]}"
        raise Refused(Problem(f"{whole[0]} is a whole instance: {', '.join(names)}", hint=hint))
    if len(projects) > 1:
        what = f"services of more than one project: {', '.join(names)}"
        raise Refused(Problem(what, hint="run one command per project"))
    services = [service for _, service in pairs if service]
    if projects and (project := projects.pop()):
        return Target(project=project, services=services, elsewhere=True)
    folder = here(directory)
    return Target(
        directory=folder, services=services, elsewhere=directory is not None and not _is_here(folder)
    )


def here(directory: str | None) -> str:
    """The absolute folder of the project that `-C` or this folder means. Refused when there is none."""
    from locald.client.project import find_project, kept_project  # not needed for `shop:web`

    try:
        return find_project(directory)
    except Refused:
        if kept := kept_project(directory):
            return kept
        raise


def with_folder(target: Target, api: Api) -> Target:
    """The same target by its folder, which `up` needs to read the file. Refused for an unknown project."""
    if target.directory:
        return target
    rows = api.get("/v1/status", target.where)["services"]
    if not rows:
        what = f"no such project: {target.project}"
        raise Refused(Problem(what, hint="use -C with its folder the first time"))
    return Target(target.project, rows[0]["directory"], target.services, elsewhere=target.elsewhere)


def _is_here(folder: str) -> bool:
    """Whether it is the project's folder that is found from here without -C."""
    from locald.client.project import find_project

    try:
        return find_project(None) == folder
    except Refused:
        return False


def _split(name: str) -> tuple[str, str]:
    """The project and the service; of `shop@feat`, a whole instance, the service is empty."""
    project, colon, service = name.rpartition(":")
    if not colon and "@" in service:
        project, service = service, ""
        if all(project.partition("@")[::2]):
            return project, service
    if not service or (colon and not project) or ":" in project:
        raise Refused(Problem(f'not a service name: "{name}"', hint="write web, or shop:web from anywhere"))
    return project, service
