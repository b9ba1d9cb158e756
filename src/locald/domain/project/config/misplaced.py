"""Where a key belongs that is right in itself, and stands in the wrong place.

Most of what people write at the top of a file is known somewhere else: a service without the `services.`
before its name, an `[env]` or `[defaults]` for all services, a `name` above `[project]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locald.domain.project import labels
from locald.domain.project.config.keys import ProjectTable, ServiceTable
from locald.domain.project.config.unknown import meant
from locald.domain.values import toml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.domain.values.lines import Path

_ENV = {"env", "environment", "vars", "variables"}
_ENV_FILE = {"env_file", "env_files", "dotenv"}
_FOR_ALL = {"defaults", "default", "global", "globals", "common", "shared"}


def hint(path: Path, file: Mapping[str, Any]) -> str:
    """What to write instead of an unknown key at this path; nothing when its name is just not known."""
    match path:
        case (str(key),):
            return _at_the_top(key, file, _a_service(file))
        case ("project", str(key)):
            return _in_the_project(key, file, _a_service(file))
        case _:
            return ""


def without_a_service(path: Path, file: Mapping[str, Any]) -> str:
    """`[services]` and a key of a service right below it."""
    return f"write [services.{_a_service(file)}] on the line before {path[1]}"


def _at_the_top(key: str, file: Mapping[str, Any], service: str) -> str:
    name, value = key.lower(), file[key]
    if name in _ENV or (name in _FOR_ALL and _are_variables(value)):
        return _env(service, file)
    if name in _FOR_ALL:
        return f"there are no keys for all services: write them in each, like [services.{service}]"
    if meant(key, ("services",)) and isinstance(value, dict):
        return f"did you mean [services.{_first_table(value) or service}]?"
    if isinstance(value, dict):
        return _service_meant(key, value)
    return _key_meant(key, service)


def _in_the_project(key: str, file: Mapping[str, Any], service: str) -> str:
    value = file["project"][key]
    if key.lower() in _ENV:
        return 'write it as `env`, like env = { LOG_LEVEL = "debug" }'
    if key.lower() in _ENV_FILE:
        return "write it as `env_file`"
    if key == "services":
        first = _first_table(value) if isinstance(value, dict) else ""
        return f"begin a table of its own: [services.{first or service}]"
    return f"put it under [services.{service}]" if key in ServiceTable.keys else ""


def _env(service: str, file: Mapping[str, Any]) -> str:
    has_some = "env" in _service(file, service)
    place = f"into `env` of [services.{service}]" if has_some else f"under [services.{service}.env]"
    return f"put them {place}, or, for all services, under [project.env]"


def _service_meant(key: str, value: Mapping[str, Any]) -> str:
    """`[web]`, which looks like a service inside."""
    is_one = any(meant(each, ServiceTable.keys) for each in value)
    return f"did you mean [services.{toml.key(key)}]?" if is_one and labels.is_label(key) else ""


def _key_meant(key: str, service: str) -> str:
    if key in ProjectTable.keys:
        return f"write [project] on the line before {key}"
    if key in ServiceTable.keys:
        return f"write [services.{service}] on the line before {key}"
    return ""


def _are_variables(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(key == key.upper() for key in value)


def _a_service(file: Mapping[str, Any]) -> str:
    """The name of a service of this file, for an example of where a key goes."""
    services = file.get("services")
    return _first_table(services) if isinstance(services, dict) and _first_table(services) else "web"


def _service(file: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The table of a service; an empty one when there is none."""
    services = file.get("services")
    table = services.get(name) if isinstance(services, dict) else None
    return table if isinstance(table, dict) else {}


def _first_table(tables: Mapping[str, Any]) -> str:
    named = (name for name, table in tables.items() if isinstance(table, dict) and labels.is_label(name))
    return next(named, "")
