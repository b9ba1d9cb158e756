"""`locald.toml`: read, described, and resolved into what `up` starts.

    text ── parse ──► ProjectSpec ── resolve ──► Project (a Definition of each service)
      └──── describe: every key, its value, and where that comes from
            schema: the same rules as JSON Schema, for editors

This is the face of several modules, and the one that the rest of locald uses: `file` has the tables,
`kinds` the values in them, `rules` what keys must be to each other, `reading` puts problems into words,
`lines` finds their lines, `template` and `env` know `${…}` and the layers of an environment.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from locald.domain.project import env, template
from locald.domain.project.config import schemas
from locald.domain.project.config.reading import read, tables
from locald.domain.project.names import Key
from locald.domain.project.spec import Definition, HealthCheck, Project, ProjectSpec, ServiceSpec, Type
from locald.domain.values import duration, sizes
from locald.domain.values.faults import Bad, Fault, in_order
from locald.domain.values.lines import Places, dotted
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from locald.domain.values.lines import Path

FILE = "locald.toml"
DEFAULT_ENV_FILE = ".env"


def decode(data: bytes, where: str = FILE) -> str:
    """The text of a file. Raises Refused when it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")  # some editors put a mark at the beginning, which TOML does not know
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused(Problem("is not UTF-8 text", f"{where}:{line}", "save the file as UTF-8")) from None


def parse(text: str, where: str = FILE) -> ProjectSpec:
    """What the file asks for. Raises Refused with every problem that it has, from top to bottom."""
    return read(text, where).spec()


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the file. Rules about other services are beyond it."""
    return schemas.schema()


# From a spec to definitions.


def env_file_paths(spec: ProjectSpec) -> tuple[str, ...]:
    """The env files that the services name, and `.env` where one names none; as written, each once."""
    named = (path for service in spec.services.values() for path in _env_files(service))
    return tuple(dict.fromkeys(named))


def resolve(
    spec: ProjectSpec,
    directory: str,
    ports: Mapping[str, int],
    env_files: Mapping[str, Mapping[str, str]],
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
    definitions: dict[str, Definition] = {}
    faults: list[Fault] = []
    for service in spec.services.values():
        faults += _absent(service, env_files)
        files = [env_files[path] for path in _env_files(service) if path in env_files]
        merged = env.merge(files, {} if service.type is Type.CONTAINER else caller_env)
        reach = env.Reach(service, spec.services, ports, {**merged, **caller_env})
        filled = {name: _fill(service, name, reach, faults) for name in service.env}
        key = Key(spec.name, service.name)
        port = None if service.type in (Type.WORKER, Type.TASK) else ports.get(service.name)
        definitions[service.name] = Definition(key, directory, service, port, merged, filled)
    if faults:
        raise Refused(*in_order(faults, Places.of(where, text)))
    return Project(spec.name, spec.domain, directory, definitions)


def _env_files(service: ServiceSpec) -> tuple[str, ...]:
    return (DEFAULT_ENV_FILE,) if service.env_file is None else service.env_file


def _absent(service: ServiceSpec, env_files: Mapping[str, Mapping[str, str]]) -> Iterator[Fault]:
    """`.env` may be missing when nobody named it; a file that somebody named may not."""
    for path in service.env_file or ():
        if path not in env_files:
            what = f'there is no file "{path}"'
            yield Fault(("services", service.name, "env_file"), what, "paths are relative to locald.toml")


def _fill(service: ServiceSpec, name: str, reach: env.Reach, faults: list[Fault]) -> str:
    try:
        return template.fill(service.env[name], reach)
    except Bad as bad:
        faults.append(Fault(("services", service.name, "env", name), bad.what, bad.hint))
        return ""


# What the file says, and what it leaves to defaults.


@dataclass(frozen=True, slots=True)
class Setting:
    """One key, as `locald config show` has it."""

    key: str
    """`services.web.start_timeout`"""
    value: Any
    """as it would be written in the file; None where nothing would be"""
    source: str
    """`locald.toml:12`, or `default`"""
    otherwise: str = ""
    """what happens where the value is None"""


def describe(spec: ProjectSpec, text: str, where: str = FILE) -> tuple[Setting, ...]:
    """Every key that has a meaning in this project; the services in the file's order.

    `text` is what the spec was parsed from. Raises Refused as `parse` does when it is not even TOML.
    """
    raw, places = tables(text, where)
    settings: list[tuple[Path, Any]] = [
        (("project", "name"), spec.name),
        (("project", "domain"), spec.domain),
    ]
    for service in spec.services.values():
        settings += ((("services", service.name, *below), value) for below, value in _settings(service))
    return tuple(_setting(path, value, raw, places) for path, value in settings)


def _setting(path: Path, value: Any, raw: Mapping[str, Any], places: Places) -> Setting:
    written = _as_written(path, raw)
    source = places.file(written) if written in places.lines else "default"
    return Setting(dotted(path), value, source, schemas.otherwise(str(path[2])) if value is None else "")


def _settings(service: ServiceSpec) -> Iterator[tuple[Path, Any]]:
    """The keys of a service in the order of the reference, those of its tables one by one."""
    for name in schemas.keys_of(service.type):
        value = getattr(service, name)
        if name in ("env", "depends_on") and value:
            yield from (((name, key), each) for key, each in value.items())
        elif name == "health_check" and value is not None:
            yield from (((name, key), each) for key, each in _check(value))
        else:
            yield (name,), _value(name, value)


def _check(check: HealthCheck) -> Iterator[tuple[str, Any]]:
    yield "type", check.check.kind
    for part in (check.check, check):
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if field.name not in ("kind", "check") and value not in (None, ()):
                yield field.name, _value(field.name, value)


_DURATIONS = ("start_timeout", "stop_timeout", "watchdog", "interval", "timeout")


def _value(key: str, value: Any) -> Any:
    """A value of a spec as a person would write it."""
    if key in _DURATIONS and value is not None:
        return duration.show(value)
    if key == "log_size":
        return sizes.show(value)
    if key == "depends_on":
        return list(value)  # nothing: dependencies that there are have been named one by one
    return list(value) if isinstance(value, tuple) else value


def _as_written(path: Path, raw: Mapping[str, Any]) -> Path:
    """Where a value stands in the file: a check that is a string, or a dependency in a list, has a place
    of another form than the key that it means."""
    around: Any = raw
    for part in path[:-1]:
        around = around.get(part, {}) if isinstance(around, dict) else {}
    if isinstance(around, str) and path[-1] in ("type", "command"):
        return path[:-1]
    return (*path[:-1], around.index(path[-1])) if isinstance(around, list) else path
