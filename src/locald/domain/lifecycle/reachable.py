"""How far a service reaches: what it depends on, near or far, and what depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.lifecycle.dependencies import all_dependencies, needs
from locald.domain.lifecycle.phase import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from locald.domain.lifecycle.service import Service
    from locald.domain.project.names import Key

    Services = Mapping[Key, Service]
    Index = Mapping[Key, tuple[Key, ...]]
    """of each service, those that depend on it"""


def dependents_of(services: Services) -> dict[Key, tuple[Key, ...]]:
    """Who depends on each, the other way round."""
    found: dict[Key, list[Key]] = {}
    for key, service in services.items():
        for need in all_dependencies(service):
            found.setdefault(need, []).append(key)
    return {need: tuple(keys) for need, keys in found.items()}


def closure(keys: Iterable[Key], onward: Callable[[Key], Iterable[Key]]) -> list[Key]:
    """These and all that can be reached from them, each once, nearest first."""
    reached = dict.fromkeys(keys)
    todo = list(reached)
    for key in todo:
        further = [other for other in onward(key) if other not in reached]
        reached.update(dict.fromkeys(further))
        todo.extend(dict.fromkeys(further))
    return todo


def with_dependencies(services: Services, keys: Iterable[Key]) -> list[Key]:
    """These and all that they depend on, dependencies last."""
    return closure(keys, lambda key: needs(services[key]))


def with_dependents(services: Services, dependents: Index, keys: Iterable[Key]) -> list[Key]:
    """These and all that has to leave with them, near or far: behind a finished task nobody has to."""

    def onward(key: Key) -> Iterable[Key]:
        service = services.get(key)
        finished = service is not None and isinstance(service.phase, Completed)
        return () if finished else dependents.get(key, ())

    return closure(keys, onward)
