"""What the names of a file must be: each one service's, and in domains that lead to this machine.

`.localhost` leads here by its standard (RFC 6761), `.test` is nobody's. A project that everybody shares must
not take over another domain; one person may, in `locald.local.toml`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locald.domain.project import labels
from locald.domain.project.file import LOCAL
from locald.domain.values.faults import Fault, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from locald.domain.values.lines import Path, Places

OURS = (".localhost", ".test")

Claim = tuple[str, str, "Path"]
"""a name, the service that it is to lead to, and where it is written"""


def check(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Every name that cannot be a service's, in no particular order."""
    services = raw.get("services")
    tables = {name: each for name, each in services.items() if isinstance(each, dict)} if services else {}
    project = raw.get("project")
    project = project if isinstance(project, dict) else {}
    domain = project.get("domain", f"{project.get('name')}.localhost")
    yield from _default(project, tables)
    yield from _foreign(tables, str(domain))
    yield from _claimed_twice(tables, str(domain))


def in_the_wrong_file(raw: Mapping[str, Any], places: Places) -> Iterator[Fault]:
    """A domain that leads elsewhere for others is one person's own business."""
    path = ("project", "domain")
    project = raw.get("project")
    domain = project.get("domain") if isinstance(project, dict) else None
    is_shared = path in places.lines and not (places.over and path in places.over.lines)
    if is_shared and isinstance(domain, str) and labels.is_pattern(domain) and not _is_ours(domain):
        what = f'"{domain}" is outside of .localhost and .test'
        yield Fault(path, what, f"write it in {LOCAL}: others who work on this would lose that domain")


def _is_ours(domain: str) -> bool:
    return f".{domain}".endswith(OURS)


def _default(project: Mapping[str, Any], tables: Mapping[str, Any]) -> Iterator[Fault]:
    name = project.get("default")
    if isinstance(name, str) and name not in tables:
        yield Fault(("project", "default"), f'unknown service "{name}"', one_of(name, tables, "services"))


def _foreign(tables: Mapping[str, Any], domain: str) -> Iterator[Fault]:
    for name, _, path in _written(tables):
        if not _is_ours(name) and not name.endswith(f".{domain}"):
            yield Fault(path, f'"{name}" is outside of .localhost and .test', f'like "admin.{domain}"')


def _claimed_twice(tables: Mapping[str, Any], domain: str) -> Iterator[Fault]:
    """Both are told of, for either may be the one that is wrong."""
    own: list[Claim] = [(f"{name}.{domain}", name, ("services", name)) for name in tables]
    claims: dict[str, list[Claim]] = {}
    for claim in (*own, *_written(tables)):
        claims.setdefault(claim[0], []).append(claim)
    for rivals in claims.values():
        for name, service, path in rivals:
            other = next((each for _, each, _ in rivals if each != service), None)
            if other:
                yield Fault(path, f'{name} is a name of "{other}" too', "a name leads to one service")


def _written(tables: Mapping[str, Any]) -> Iterator[Claim]:
    for service, table in tables.items():
        names = table.get("domains")
        for place, name in enumerate(names) if isinstance(names, list) else ():
            if isinstance(name, str) and labels.is_pattern(name):
                yield name, service, ("services", service, "domains", place)
