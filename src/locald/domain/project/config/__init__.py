"""`locald.toml`, and `locald.local.toml` over it: read and described.

    texts ── parse ──► ProjectSpec (which `project.resolving` makes definitions of)
      ├───── understand: what it asks for and all that is wrong with it, for `project.review`
      └───── describe: every key, its value, and where that comes from
             schema: the same rules as JSON Schema, for editors

This is the face of several modules, and the one that the rest of locald uses: `keys` and `checks` have the
tables, `kinds` the values in them, `rules` what keys must be to each other, `layers` puts one file over the
other, `reading` puts problems into words, `syntax` those of TOML itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from locald.domain.project.config import json_schema
from locald.domain.project.config.reading import both, read, understand
from locald.domain.project.file import FILE
from locald.domain.project.spec import Engine
from locald.domain.project.texts import Texts
from locald.domain.values import duration, sizes
from locald.domain.values.lines import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from locald.domain.project.spec import FileWatch, HealthCheck, ProjectSpec, ServiceSpec
    from locald.domain.values.lines import Path, Places

__all__ = [
    "Setting",
    "describe",
    "local_schema",
    "parse",
    "schema",
    "understand",
]


def parse(text: str | Texts, where: str = FILE) -> ProjectSpec:
    """What the file asks for. Raises Refused with every problem that it has, from top to bottom."""
    return read(text if isinstance(text, Texts) else Texts(text), where).spec()


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the file. Rules about other services are beyond it."""
    return json_schema.schema()


def local_schema() -> dict[str, Any]:
    """That of `locald.local.toml`, which need not be complete."""
    return json_schema.local_schema()


# What the file says, and what it leaves to defaults.


class Setting(Struct, frozen=True):
    """One key, as `locald config show` has it."""

    key: str
    """`services.web.start_timeout`"""
    value: Any
    """as it would be written in the file; None where nothing would be"""
    source: str
    """`locald.toml:12`, or `default`"""
    otherwise: str = ""
    """what happens where the value is None"""


def describe(spec: ProjectSpec, texts: Texts, where: str = FILE) -> tuple[Setting, ...]:
    """Every key that has a meaning in this project; the services in the file's order.

    `texts` are what the spec was parsed from. Raises Refused as `parse` does when it is not even TOML.
    """
    raw, places = both(texts, where)
    settings: list[tuple[Path, Any]] = [
        (("project", "name"), spec.name),
        (("project", "domain"), spec.domain),
        *((("project", "env", name), value) for name, value in spec.env.items()),
        *([(("project", "env_file"), list(spec.env_file))] if spec.env_file else []),
        *([(("project", "default"), spec.default)] if spec.default else []),
        *([(("project", "instance"), spec.instance)] if spec.instance else []),
        *([(("project", "engine"), spec.engine)] if spec.engine is not Engine.LOCAL else []),
        *((("groups", name), list(names)) for name, names in spec.groups.items()),
    ]
    for service in spec.services.values():
        settings += ((("services", service.name, *below), value) for below, value in _settings(service))
    return tuple(_setting(path, value, raw, places) for path, value in settings)


def _setting(path: Path, value: Any, raw: Mapping[str, Any], places: Places) -> Setting:
    written = _as_written(path, raw)
    source = places.file(written) if places.has(written) else "default"
    return Setting(dotted(path), value, source, json_schema.otherwise(str(path[2])) if value is None else "")


def _settings(service: ServiceSpec) -> Iterator[tuple[Path, Any]]:
    """The keys of a service in the order of the reference, those of its tables one by one."""
    for name in json_schema.keys_of(service.type):
        value = getattr(service, name)
        if name in ("env", "depends_on") and value:
            yield from (((name, key), each) for key, each in value.items())
        elif name == "health_check" and value is not None:
            yield from (((name, key), each) for key, each in _check(value))
        elif name == "watch" and value is not None:
            yield from (((name, key), each) for key, each in _watch(value))
        else:
            yield (name,), _value(name, value)


def _watch(watch: FileWatch) -> Iterator[tuple[str, Any]]:
    for name in watch.__struct_fields__:
        value = getattr(watch, name)
        if value not in (None, ()):
            yield name, _value(name, value)


def _check(check: HealthCheck) -> Iterator[tuple[str, Any]]:
    yield "type", check.check.kind
    for part in (check.check, check):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if name not in ("kind", "check") and value not in (None, (), {}):
                yield name, _value(name, value)


_DURATIONS = ("start_timeout", "stop_timeout", "watchdog", "idle_timeout", "interval", "timeout", "debounce")


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
    """Where a value stands in the file: a check that is a string, a dependency in a list, or globs without a
    table have a place of another form than the key that they mean."""
    around: Any = raw
    for part in path[:-1]:
        around = around.get(part, {}) if isinstance(around, dict) else {}
    if isinstance(around, str) and path[-1] in ("type", "command"):
        return path[:-1]
    if path[2:3] == ("watch",) and not isinstance(around, dict):
        return path[:-1] if path[-1] == "paths" else path
    return (*path[:-1], around.index(path[-1])) if isinstance(around, list) else path
