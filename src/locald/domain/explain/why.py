"""Why a service is not ready, or what its health rests on: blockers to the root, evidence, next steps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from locald.domain.explain.hints import hints
from locald.domain.explain.view import Row, row
from locald.domain.lifecycle.dependencies import unmet
from locald.domain.lifecycle.health import Evidence
from locald.domain.lifecycle.phase import (
    Backoff,
    Blocked,
    Ended,
    Failed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key


class Why(Struct, frozen=True):
    """The whole explanation. `blockers`: what it waits for, and what that waits for, the root last."""

    row: Row
    blockers: tuple[Row, ...]
    evidence: tuple[Evidence, ...]
    hints: tuple[str, ...]
    cause: str = ""
    """why its latest run began, where nobody asked for that"""


def why(world: World, key: Key, seen: Sequence[str] = ()) -> Why:
    """`seen`: steps that follow from what the root of it printed, which nobody here knows."""
    service = world.services[key]
    chain = blockers(world, service)
    root = chain[-1] if chain else service
    evidence, cause = (service.facts.history, service.facts.cause) if service.facts else ((), "")
    blocking, steps = tuple(row(world, s) for s in chain), (*seen, *hints(root, key.project))
    return Why(row(world, service), blocking, evidence, steps, cause)


def root_of(world: World, service: Service) -> Service:
    """The service that somebody has to do something about: what blocks this one, or itself."""
    return (blockers(world, service) or [service])[-1]


def blockers(world: World, service: Service) -> list[Service]:
    """The blocking dependencies, nearest first; of several the one that is worst off leads on."""
    chain: list[Service] = []
    missing = unmet(world.services, service)
    while missing:
        found = (world.services[key] for key in reversed(missing))
        following = sorted(found, key=partial(_severity, project=service.key.project))
        worst = following[-1]
        chain.extend(other for other in following if other not in chain)
        missing = [key for key in unmet(world.services, worst) if world.services[key] not in chain]
    return chain


def _severity(service: Service, project: str) -> int:
    match service.phase:
        case Failed() | Ended():
            return 4
        case _ if not service.is_up_for(project):
            return 4
        case Blocked():
            return 3
        case Backoff():
            return 2
        case _:
            return 1
