"""The last start of a project, told in times: who waited for whom, who listened and was ready when.

The critical path is read backwards: from the service that was ready last, to the dependency that it waited
for longest, and so on to one that waited for nobody. Making anything else faster changes nothing.

A service that is repaired and started again makes a start of its own, and a short one. So with it comes the
one `before`: the latest earlier start of more services, made of the runs that are remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from locald.domain.lifecycle.health import Source, strongest
from locald.domain.lifecycle.past import past_of
from locald.domain.lifecycle.phase import Blocked, Completed, Failed, Stopped
from locald.domain.project.spec import Type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.domain.lifecycle.past import PastRun
    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.lifecycle.service import Service


SETTLED = (Blocked, Completed, Failed, Stopped)


class Started(Struct, frozen=True):
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
    ended_at: float | None = None
    """when its run ended without having been ready"""


class Timeline(Struct, frozen=True):
    project: str
    services: tuple[Started, ...]
    critical_path: tuple[str, ...]
    total: float | None
    """seconds from the first request on the critical path to the last readiness; None before there is one"""
    before: Timeline | None = None
    """the latest earlier start, if more services had a part in it"""


def timeline(project: str, services: Sequence[Service]) -> Timeline:
    """Services that were never asked for have no part in it, nor what is shared and was there already."""
    asked = [service for service in services if service.queued_at is not None]
    waited = {name for service in asked for name in service.waited_for}
    own = [each for each in asked if each.key.project == project or each.spec.name in waited]
    parts = [_part(each) for each in own]
    earlier = [part for each in own for part in _earlier_parts(each)]
    moving = {each.spec.name for each in own if not isinstance(each.phase, SETTLED)}
    return replace(_told(project, parts), before=_before(project, parts, earlier, moving))


def _told(project: str, parts: list[Started]) -> Timeline:
    path = _critical_path({part.name: part for part in parts})
    total = None
    if path and path[-1].ready_at is not None:
        total = path[-1].ready_at - min(part.queued_at for part in path if part.queued_at is not None)
    ordered = sorted(parts, key=lambda part: (part.spawned_at or float("inf"), part.name))
    return Timeline(project, tuple(ordered), tuple(part.name for part in path), total)


def _before(project: str, parts: list[Started], earlier: list[Started], moving: set[str]) -> Timeline | None:
    """Parts that overlap belong to one start. What is not ready yet and `moving` reaches up to now."""
    present = {id(part) for part in parts if part.name in moving and part.ready_at is None}
    starts: list[dict[str, Started]] = []
    end = float("-inf")
    for part in sorted([*earlier, *parts], key=_asked_at):
        if _asked_at(part) > end:
            starts.append({})
        starts[-1][part.name] = part
        end = max(end, float("inf") if id(part) in present else _over_at(part))
    latest = len(starts[-1]) if starts else 0
    larger = [start for start in starts[:-1] if len(start) > latest]
    return _told(project, list(larger[-1].values())) if larger else None


def _asked_at(part: Started) -> float:
    return part.queued_at or 0.0


def _over_at(part: Started) -> float:
    known = (part.queued_at, part.spawned_at, part.listening_at, part.ready_at, part.ended_at)
    return max(at for at in known if at is not None)


def _earlier_parts(service: Service) -> list[Started]:
    """Its part in starts before this one: of the runs of one start the last."""
    past = [*service.past, *([past_of(service.facts)] if service.facts else [])]
    runs = {run.queued_at: run for run in past if run.queued_at not in (None, service.queued_at)}
    return [_part_of_past(service, run) for run in runs.values()]


def _part_of_past(service: Service, run: PastRun) -> Started:
    is_completed = service.spec.type is Type.TASK and run.exit_code == 0
    ready_at = run.ended_at if is_completed else run.ready_at
    return Started(
        service.spec.name,
        run.queued_at,
        run.spawned_at,
        run.listening_at,
        ready_at,
        run.source,
        run.waited_for,
        None,
        run.cause,
        None if ready_at is not None else run.ended_at,
    )


def _median(durations: Sequence[float]) -> float | None:
    from statistics import median  # rarely asked for, and a daemon starts without it

    return median(durations) if durations else None


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
        _median(service.durations),
        facts.cause if facts else "",
        facts.ended_at if facts and facts.ready_at is None and not completed else None,
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
