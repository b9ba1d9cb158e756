"""From a spec to definitions: ports, env files and the shell are put in, and every `${…}` is filled.

What stands for nothing is a fault, and its text becomes empty, so that one look finds all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from locald.domain.project import env, placing, template
from locald.domain.project.file import FILE
from locald.domain.project.labelled import of_all
from locald.domain.project.names import Key
from locald.domain.project.spec import Definition, Project, ProjectSpec, ServiceSpec
from locald.domain.project.template import ServiceFact
from locald.domain.values.faults import Bad, Fault, in_order
from locald.domain.values.lines import Path, Places
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from locald.domain.project.template import OpenText

DEFAULT_ENV_FILE = ".env"

EnvFiles = Mapping[str, Mapping[str, str]]


def env_file_paths(spec: ProjectSpec) -> tuple[str, ...]:
    """The env files that the project and its services name, and `.env` where a service names none: each once,
    as written."""
    named = (path for service in spec.services.values() for path in env_files_of(service, spec))
    return tuple(dict.fromkeys((*spec.env_file, *named)))


def env_files_of(service: ServiceSpec, spec: ProjectSpec) -> tuple[str, ...]:
    """Later ones go over earlier ones."""
    own = (DEFAULT_ENV_FILE,) if service.env_file is None else service.env_file
    return (*spec.env_file, *own)


def resolve(
    spec: ProjectSpec,
    directory: str,
    ports: Mapping[str, int],
    env_files: EnvFiles,
    caller_env: Mapping[str, str],
    where: str = FILE,
    text: str = "",
) -> Project:
    """The project with every `${…}` filled in.

    `directory`: absolute path of the project's folder. `ports`: the host port of each service that has
    one, fixed or assigned. `env_files`: what `env.parse` made of each of `env_file_paths` that exists, by
    that path. `text`: the file's own text, so that problems can name lines.

    Raises Refused: an env file that the file names is not there, or a `${…}` stands for nothing.
    """
    project, faults = attempt(spec, directory, Outside(ports, env_files, caller_env))
    if faults:
        raise Refused(*in_order(faults, Places.of(where, text)))
    return project


def key_in(spec: ProjectSpec, name: str) -> Key:
    """What a service of the file is called anywhere."""
    return Key(of_all(spec.name) if spec.services[name].shared else spec.name, name)


class Outside(NamedTuple):
    """What a definition has that no file says; see `resolve`."""

    ports: Mapping[str, int]
    env_files: EnvFiles
    caller_env: Mapping[str, str]


def attempt(spec: ProjectSpec, directory: str, outside: Outside) -> tuple[Project, list[Fault]]:
    """The project as far as it can be resolved, and what cannot."""
    definitions: dict[str, Definition] = {}
    shared = frozenset(name for name, service in spec.services.items() if service.shared)
    faults = list(_absent(("project",), spec.env_file, outside.env_files))
    for service in spec.services.values():
        faults += _absent(("services", service.name), service.env_file or (), outside.env_files)
        fill = _Filling(service, spec, outside)
        key = key_in(spec, service.name)
        engine = placing.engine_of(service, spec.engine)
        port = outside.ports.get(service.name) if placing.has_port_here(service, engine) else None
        filled = replace(service, command=fill.command())
        definitions[service.name] = Definition(
            key,
            directory,
            filled,
            port,
            fill.env_files,
            fill.env(),
            fill.open_env(),
            fill.open_command(),
            shared,
            engine,
            spec.context,
        )
        faults += fill.faults
    # What is wrong with the project's own variables is wrong for every service.
    project = Project(
        spec.name, spec.domain, directory, definitions, groups=spec.groups, default=spec.default
    )
    return project, list(dict.fromkeys(faults))


def _absent(owner: Path, named: Iterable[str], env_files: EnvFiles) -> Iterator[Fault]:
    """`.env` may be missing when nobody named it; a file that somebody named may not."""
    for path in named:
        if path not in env_files:
            what = f"no such file: {path}"
            hint = f"create {path} beside locald.toml, or remove it from env_file"
            yield Fault((*owner, "env_file"), what, hint)


def _names_own(text: str, spec: ProjectSpec) -> bool:
    """Whether it names a service that each instance has for itself: which one, what is shared cannot know."""
    parts = template.parse(text)
    named = {part.service for part in parts if isinstance(part, ServiceFact) and not part.is_own}
    return not all(spec.services[name].shared for name in named)


class _Filling:
    """Fills the texts of one service, and gathers what stands for nothing."""

    def __init__(self, service: ServiceSpec, spec: ProjectSpec, outside: Outside) -> None:
        named = env_files_of(service, spec)
        files = [outside.env_files[path] for path in named if path in outside.env_files]
        shell = outside.caller_env
        self.env_files = env.merge(files, {} if service.in_container else shell)
        self.faults: list[Fault] = []
        self._service = service
        self._common = {
            name: value
            for name, value in spec.env.items()
            if name not in service.env and not (service.shared and _names_own(value, spec))
        }
        self._reach = env.Reach(service, spec.services, outside.ports, {**self.env_files, **shell})

    def env(self) -> dict[str, str]:
        common = {name: self._fill(("project", "env", name), value) for name, value in self._common.items()}
        own = {name: self._fill(self._at("env", name), value) for name, value in self._service.env.items()}
        return common | own

    def command(self) -> str | tuple[str, ...] | None:
        match self._service.command:
            case tuple() as words:
                parts = enumerate(words)
                return tuple(self._fill(self._at("command", n), word, command=True) for n, word in parts)
            case str() as line:
                return self._fill(self._at("command"), line, command=True)
            case None:
                return None

    def open_env(self) -> dict[str, OpenText]:
        found = {name: self._open(value) for name, value in {**self._common, **self._service.env}.items()}
        return {name: parts for name, parts in found.items() if parts}

    def open_command(self) -> tuple[OpenText, ...]:
        """Each word, if some of them name services."""
        command = self._service.command or ()
        words = (command,) if isinstance(command, str) else command
        found = [self._open(word, command=True) for word in words]
        return tuple(parts or (word,) for parts, word in zip(found, words, strict=True)) if any(found) else ()

    def _open(self, text: str, *, command: bool = False) -> OpenText | None:
        try:
            return template.open_parts(text, self._reach, command=command)
        except Bad:  # told of by `_fill`
            return None

    def _at(self, *below: str | int) -> Path:
        return ("services", self._service.name, *below)

    def _fill(self, path: Path, text: str, *, command: bool = False) -> str:
        try:
            return template.fill(text, self._reach, command=command)
        except Bad as bad:
            self.faults.append(Fault(path, bad.what, bad.hint))
            return ""
