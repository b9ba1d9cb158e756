"""Compose files: `compose.yaml` with its overrides, `.env`, profiles, `include`, `extends`.

Source: the Compose specification (compose-spec.io), and what Docker Compose 2 and 5 do with it.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from locald.domain.intake.compose.facts import Facts
from locald.domain.intake.compose.files import NAMES, Together
from locald.domain.intake.compose.merging import plain
from locald.domain.intake.compose.services import Service
from locald.domain.intake.plan import Plan, Report, named
from locald.domain.intake.yaml_text import Table, written
from locald.domain.project import env, labels
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.domain.intake.plan import Folder, Planned

__all__ = ["NAMES", "read"]

_LEFT_WHOLE = {
    "models": "locald runs no models",
}


def read(folder: Folder, main: str, default_name: str = "") -> Plan:
    """The services of a compose file. `default_name`: what compose calls the project by itself.

    Raises Refused for what is no compose file."""
    together = Together(folder, main)
    report = Report(main)
    tables = together.services()
    variables = _env_file(folder, posixpath.dirname(main), report)
    names = named(tables, report)
    known = Facts(
        report=report,
        names=names,
        renamed={old: new for old, new in names.items() if old != new},
        lookup=_lookup(folder, variables),
        in_env_file=frozenset(variables),
        folder=folder,
        base=posixpath.dirname(main) or ".",
        volumes=_table(together.top, "volumes"),
        files=_files(together.top),
        project=written(together.top.get("name")) or default_name,
    )
    for key, because in _LEFT_WHOLE.items():
        if key in together.top:
            report.left("", key, because, together.top.lines[key])
    for name, network in _table(together.top, "networks").items():
        if isinstance(network, Table) and network.get("external"):
            because = f"{name}: the containers of a project share a network of their own"
            report.left("", "networks", because, together.top.lines["networks"])
    for because, line in together.not_included:
        report.left("", "include", because, line)
    services = {name: Service(name, table, known) for name, table in tables.items()}
    tasks = {name for service in services.values() for name in service.completes()}
    planned = tuple(service.planned(services, tasks) for service in services.values())
    if any("restart" not in each for each in tables.values()):
        because = "a service without it is restarted on failure; compose does not restart it"
        report.guessed("", "restart", because)
    return Plan(
        sources=together.all_sources,
        services=planned,
        remarks=report.remarks,
        name=labels.near(written(together.top.get("name"))),
        groups=_groups(services.values(), planned),
    )


def _lookup(folder: Folder, variables: dict[str, str]) -> Callable[[str], str | None]:
    def value(name: str) -> str | None:
        ours = folder.env(name)
        return variables.get(name) if ours is None else ours

    return value


def _env_file(folder: Folder, base: str, report: Report) -> dict[str, str]:
    path = posixpath.join(base, ".env")
    text = folder.text(path)
    if not text:
        return {}
    try:
        return env.merge([env.parse(text, path)], {})
    except Refused as refused:
        for problem in refused.problems:
            report.left("", path, problem.what)
        return {}


def _table(top: Table, key: str) -> Table:
    found = plain(top.get(key))
    return found if isinstance(found, Table) else Table()


def _files(top: Table) -> dict[str, str]:
    """The paths of secrets and configs that are files."""
    found: dict[str, str] = {}
    for key in ("secrets", "configs"):
        for name, each in _table(top, key).items():
            if isinstance(each, Table) and (path := written(each.get("file"))):
                found[f"{key}.{name}"] = path
    return found


def _groups(services: Any, planned: tuple[Planned, ...]) -> dict[str, tuple[str, ...]]:
    """A group for each profile, of the services that can run."""
    names = {each.name for each in planned}
    present = {each.name for each in planned if not each.missing}
    found: dict[str, list[str]] = {}
    for service in services:
        for profile in service.profiles:
            name = labels.near(profile)
            if name and name not in names and service.name in present:
                found.setdefault(name, []).append(service.name)
    return {name: tuple(members) for name, members in found.items()}
