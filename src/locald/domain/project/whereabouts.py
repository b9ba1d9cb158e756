"""`${services…}` once more: what `up` filled in for another service may be something else when a run begins.

`up` resolves a file before anything runs, with the address that each service should get. By the time that a
dependent starts, its dependency may really listen on `::1`, on a port that was found, or on another one than
was assigned first. So what names services is kept in its parts, and is filled in again for each run. That is
no change of the definition: nothing is restarted for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.project import template
from locald.domain.project.env import Reach

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from locald.domain.project.env import ByName
    from locald.domain.project.names import Key
    from locald.domain.project.spec import Definition
    from locald.domain.project.template import OpenText, ServiceFact


def names(definition: Definition) -> set[str]:
    """The services whose addresses stand in its `env` or its `command`."""
    return {part.service for part in _parts(definition) if not part.is_own}


def is_by_name(definition: Definition) -> bool:
    """Whether it is told something of the proxy."""
    return any(part.is_by_name for part in _parts(definition))


def _parts(definition: Definition) -> Iterator[ServiceFact]:
    for text in (*definition.open_env.values(), *definition.open_command):
        yield from (part for part in text if not isinstance(part, str))


def has_address_of(definition: Definition, key: Key) -> bool:
    """Whether that of this service is among them."""
    return any(definition.key_of(name) == key for name in names(definition))


def filled(
    definition: Definition,
    others: Iterable[Definition],
    ports: Mapping[str, int],
    hosts: Mapping[str, str],
    by_name: ByName | None = None,
) -> Definition:
    """The definition with the addresses of now. `ports`, `hosts`: where the services of its project are.
    `by_name`: what there is of the proxy, for a run."""
    services = {each.spec.name: each.spec for each in others}
    if not names(definition) <= services.keys():
        return definition  # one of them has been removed meanwhile
    reach = Reach(definition.spec, services, ports, {}, hosts, by_name)
    env = {name: template.join(parts, reach) for name, parts in definition.open_env.items()}
    spec = replace(definition.spec, command=_command(definition, reach))
    return replace(definition, spec=spec, env=definition.env | env)


def _command(definition: Definition, reach: Reach) -> str | tuple[str, ...] | None:
    parts: tuple[OpenText, ...] = definition.open_command
    if not parts:
        return definition.spec.command
    words = tuple(template.join(each, reach) for each in parts)
    return words[0] if isinstance(definition.spec.command, str) else words
