"""The last start of a project, told in times: who waited for whom, who listened and was ready when.

The critical path is read backwards: from the service that was ready last, to the dependency that it waited
for longest, and so on to one that waited for nobody. Making anything else faster changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from locald.domain.lifecycle.health import Source, strongest
from locald.domain.lifecycle.phase import Completed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.lifecycle.service import Service


@dataclass(frozen=True, slots=True)
class Started:
    """One service's part. Times are epoch seconds; None for what has not happened."""

    name: str
    queued_at: float | None
    spawned_at: float | None
    listening_at: float | None
    ready_at: float | None
    source: Source
    waited_for: tuple[str, ...]
    median: float | None
    """seconds from spawn to ready of earlier starts, their median; None when there was none"""
    cause: str = ""
    """why it was restarted, where nobody asked for that"""


@dataclass(frozen=True, slots=True)
class Timeline:
    project: str
    services: tuple[Started, ...]
    critical_path: tuple[str, ...]
    total: float | None
    """seconds from the first request on the critical path to the last readiness; None before there is one"""


def timeline(project: str, services: Sequence[Service]) -> Timeline:
    """Services that were never asked for have no part in it, nor what is shared and was there already."""
    asked = [service for service in services if service.queued_at is not None]
    waited = {name for service in asked for name in service.waited_for}
    own = [each for each in asked if each.key.project == project or each.spec.name in waited]
    parts = [_part(each) for each in own]
    path = _critical_path({part.name: part for part in parts})
    total = None
    if path and path[-1].ready_at is not None:
        total = path[-1].ready_at - min(part.queued_at for part in path if part.queued_at is not None)
    ordered = sorted(parts, key=lambda part: (part.spawned_at or float("inf"), part.name))
    return Timeline(project, tuple(ordered), tuple(part.name for part in path), total)


def _part(service: Service) -> Started:
    facts = _facts_of_this_start(service)
    completed = isinstance(service.phase, Completed)
    return Started(
        service.spec.name,
        service.queued_at,
        facts.spawned_at if facts else None,
        facts.listening_at if facts else None,
        (facts.ended_at if completed else facts.ready_at) if facts else None,
        _source(service, facts),
        tuple(sorted(service.waited_for)),
        median(service.durations) if service.durations else None,
        facts.cause if facts else "",
    )


def _source(service: Service, facts: RunFacts | None) -> Source:
    """Who says so; of a run that was ready and has ended, who said so last."""
    if service.result.source is not Source.NONE or facts is None or facts.ready_at is None:
        return service.result.source
    word = strongest(facts.evidence)
    return word.source if word else Source.NONE


def _facts_of_this_start(service: Service) -> RunFacts | None:
    """A run that began before the start was asked for is none of it: the one that is to come is."""
    facts, queued_at = service.facts, service.queued_at
    is_earlier = (
        facts and facts.spawned_at is not None and queued_at is not None and facts.spawned_at < queued_at
    )
    return None if is_earlier else facts


def _critical_path(parts: dict[str, Started]) -> list[Started]:
    """First to last."""
    ready = [part for part in parts.values() if part.ready_at is not None]
    if not ready:
        return []
    path = [max(ready, key=_readiness)]
    while before := [parts[name] for name in path[-1].waited_for if name in parts]:
        path.append(max(before, key=_readiness))
    return path[::-1]


def _readiness(part: Started) -> float:
    return part.ready_at if part.ready_at is not None else float("-inf")
