"""A plan as the text of a `locald.toml`, with each remark as a comment at the line that it is about.

What is not in the file is told where a person would look for it: at the end of the service that had it. A
service that cannot run as it is stands there as a comment, so that it is only to be completed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.intake.plan import Outcome, line
from locald.domain.values import toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from locald.domain.intake.plan import Plan, Planned, Remark

_ORDER = (
    "type",
    "image",
    "command",
    "workdir",
    "container_port",
    "port",
    "env_file",
    "env",
    "volumes",
    "depends_on",
    "health_check",
)
_WIDEST = 96
"""columns of a table on one line"""

_HEAD = """\
# What this project runs{source}. `locald up` starts it, `locald config check` checks this file.
# Each service gets a port of its own in $PORT.
"""
_EXAMPLE = """
# A service is a command that listens on $PORT, or an image:
#
# [services.web]
# command = "npm run dev"
#
# [services.db]
# image = "postgres:16"
# env = { POSTGRES_PASSWORD = "postgres" }
"""


def text(plan: Plan, name: str) -> str:
    """The file. `name`: the project's."""
    has = "has" if len(plan.sources) == 1 else "have"
    source = f", as {' and '.join(plan.sources)} {has} it" if plan.sources else ""
    about = _by_service(plan)
    parts = [_HEAD.format(source=line(source)), "\n".join(_project(plan, name, about.get("", [])))]
    parts += ["\n".join(_service(each, about.get(each.name, []))) for each in plan.services]
    if plan.groups:
        rows = [f"{toml.key(group)} = {toml.value(members)}" for group, members in plan.groups.items()]
        parts.append("\n".join(["[groups]", *rows]))
    return "\n".join(part.rstrip("\n") + "\n" for part in parts) + ("" if plan.present else _EXAMPLE)


def _by_service(plan: Plan) -> dict[str, list[Remark]]:
    """What stands in the file."""
    found: dict[str, list[Remark]] = {}
    for each in plan.remarks:
        if each.outcome is not Outcome.CARRIED:
            found.setdefault(each.service, []).append(each)
    return found


def _project(plan: Plan, name: str, about: list[Remark]) -> Iterator[str]:
    keys = {"name": name, **plan.project}
    yield from (_comment(remark) for remark in about if remark.key not in keys)
    yield "[project]"
    yield from _keys(keys, about, ("project",))


def _service(planned: Planned, remarks: list[Remark]) -> Iterator[str]:
    mark = "# " if planned.missing else ""
    if planned.about:
        yield f"# {line(planned.about)}"
    if planned.missing:
        yield f"# {planned.name} cannot run yet: {line(planned.missing)}"
    shown = [each for each in remarks if each.because != planned.missing]
    yield from (_comment(each) for each in shown if each.key == "name")
    yield f"{mark}[services.{planned.name}]"
    shown = [each for each in shown if each.key != "name"]
    for each in _keys(planned.keys, shown, ("services", planned.name)):
        yield each if each.startswith("#") else f"{mark}{each}".rstrip()


def _keys(keys: Mapping[str, object], remarks: list[Remark], table: tuple[str, ...]) -> Iterator[str]:
    """Each key with its comments; what is too wide as a table of its own, at the end."""
    order = {key: place for place, key in enumerate(("name", *_ORDER))}
    tables: list[tuple[str, dict[str, object]]] = []
    for key in sorted(keys, key=lambda each: order.get(each, len(order))):
        value = keys[key]
        row = f"{key} = {toml.value(value)}"
        if isinstance(value, dict) and len(row) > _WIDEST:
            tables.append((key, value))
            continue
        yield from (_comment(remark) for remark in remarks if remark.key == key)
        yield row
    if table[0] != "project":
        yield from (_comment(remark) for remark in remarks if remark.key not in keys)
    for key, value in tables:
        yield ""
        yield from (_comment(remark) for remark in remarks if remark.key == key)
        yield f"[{'.'.join((*table, key))}]"
        yield from (f"{toml.key(name)} = {toml.value(each)}" for name, each in value.items())


def _comment(remark: Remark) -> str:
    return f"# {line(said(remark))}"


def said(remark: Remark) -> str:
    """A remark in one sentence."""
    return f"{remark.where}: {remark.key} is {remark.outcome}: {remark.because}"
