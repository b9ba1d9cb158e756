"""All services, the dependencies between them, and what else is known: one value.

Nothing changes it; `step` makes the next one from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field

from locald.domain.lifecycle.messages import (
    Effect,
)
from locald.domain.lifecycle.place import Place
from locald.domain.lifecycle.reachable import dependents_of
from locald.domain.lifecycle.service import Service
from locald.domain.project.names import Key

if TYPE_CHECKING:
    from collections.abc import Iterable


class World(Struct, frozen=True):
    services: Mapping[Key, Service] = field(default_factory=dict)
    dependents: Mapping[Key, tuple[Key, ...]] = field(default_factory=dict)
    """who depends on a service"""
    places: Mapping[str, Place] = field(default_factory=dict)
    """the known projects"""
    ready_senders: Mapping[Key, str] = field(default_factory=dict)
    """programs of forgotten services that sent READY=1, should they come back"""
    instances: Mapping[str, str] = field(default_factory=dict)
    """by folder, which project or instance it was the last time, running or not (see `project.instances`)"""
    past_runs: Mapping[Key, int] = field(default_factory=dict)
    """the number of the last run of services of which nothing is left but what they printed"""
    https_port: int | None = None
    """where services are reached by name; None while there is no proxy. It is not saved"""
    authority: str = ""
    """the path of the certificate of the proxy's authority; empty as long as there was no proxy. Not saved"""

    @classmethod
    def of(cls, services: Iterable[Service], places: Mapping[str, Place]) -> World:
        by_key = {service.key: service for service in services}
        return cls(by_key, dependents_of(by_key), dict(places))

    def of_project(self, project: str) -> list[Service]:
        """Its services, and those that it shares with other instances."""
        return [service for service in self.services.values() if service.belongs_to(project)]

    def knows(self, project: str) -> bool:
        """Whether it is a project that was brought up, or an instance of one, or what instances share."""
        return project in self.places or any(key.project == project for key in self.services)


class Step(Struct, frozen=True):
    """What one message led to."""

    world: World
    effects: tuple[Effect, ...]
    moved: frozenset[Key]
    """the services that are not as they were, or not there any more"""
