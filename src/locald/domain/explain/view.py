"""What every face shows: one row a service, derived from the world and stored nowhere.

The sentences are made in `because`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from locald.domain.explain.addresses import address, port, url
from locald.domain.explain.because import because
from locald.domain.explain.hints import hint
from locald.domain.explain.last_word import reason
from locald.domain.explain.routes import name_url
from locald.domain.lifecycle.dependencies import meaning, must_stop, needs, unmet
from locald.domain.lifecycle.health import Health, Source
from locald.domain.lifecycle.phase import (
    Blocked,
    Completed,
    Desired,
    Ended,
    Failed,
    Running,
    Stopped,
    state,
)
from locald.domain.project.labelled import parts
from locald.domain.project.spec import CheckKind, Condition, Engine, Type

if TYPE_CHECKING:
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World


class Row(Struct, frozen=True):
    """One service as people see it. Times are epoch seconds. Field names are those of `status --json`."""

    name: str
    project: str
    instance: str | None
    shared: bool
    """it is one for all instances"""
    shared_by: tuple[str, ...]
    """the instances that have it in their file; empty for what is not shared"""
    directory: str
    type: Type
    engine: Engine
    """where it runs"""
    state: str
    health: Health
    source: Source
    check: CheckKind | None
    fallback: bool
    because: str
    reason: str
    """the same for screens: where a program has said why it exited, that in place of the exit code"""
    hint: str | None
    """what to do about it, where that follows from what was seen"""
    since: float
    waiting_on: tuple[str, ...]
    depends_on: dict[str, Condition]
    """what each dependency has to be, in the order of the file"""
    pid: int | None
    container: str | None
    port: int | None
    port_source: Literal["assigned", "fixed", "found"] | None
    address: str | None
    url: str | None
    name_url: str | None
    """its address by name, by way of the proxy"""
    on_demand: bool
    """a request to its name starts it"""
    run: int
    restarts: int
    exit_code: int | None
    started_at: float | None
    ready_at: float | None
    left: str | None
    """what is left of it on an engine that does not answer, and how that is removed"""


def row(world: World, service: Service) -> Row:
    facts, result, spec = service.facts, service.known, service.spec
    alive = service.run is not None and facts is not None and facts.ended_at is None and not service.is_sought
    missing = unmet(world.services, service)
    why = because(world, service, missing)
    unknown = _is_port_unknown(service)
    return Row(
        name=spec.name,
        project=parts(service.key.project)[0],
        instance=parts(service.key.project)[1],
        shared=service.key.is_shared,
        shared_by=tuple(sorted(service.users)),
        directory=service.definition.directory,
        type=spec.type,
        engine=service.present.engine,
        state=state(service.phase),
        health=result.health,
        source=result.source,
        check=_check(service),
        fallback=is_fallback(result.source, spec.type),
        because=why,
        reason=reason(world, service, why),
        hint=hint(service),
        since=service.since,
        waiting_on=tuple(key.service for key in missing),
        depends_on=_depends_on(world, service),
        pid=facts.pid if alive and facts else None,
        container=facts.container if alive and facts else None,
        port=None if unknown else port(service),
        port_source=None if unknown else _port_source(service),
        address=None if unknown else address(service),
        url=None if unknown else url(service),
        name_url=name_url(world, service),
        on_demand=spec.on_demand,
        run=service.runs,
        restarts=service.restarts.total,
        exit_code=facts.exit.shown if facts and facts.exit and not alive else None,
        started_at=facts.spawned_at if facts else None,
        ready_at=_ready_at(service),
        left=facts.silenced if facts and facts.is_left else None,
    )


def _depends_on(world: World, service: Service) -> dict[str, Condition]:
    conditions = service.spec.depends_on
    return {key.service: meaning(world.services.get(key), conditions[key.service]) for key in needs(service)}


def _check(service: Service) -> CheckKind | None:
    """The kind of the user's own check, or the protocol in which the server is asked."""
    configured = service.present.spec.health_check
    if configured:
        return configured.check.kind
    asked = service.known.source is Source.PROTOCOL and service.facts
    return service.facts.server if asked and service.facts else None


def is_fallback(source: Source, type_: Type) -> bool:
    """Whether the result rests on something weaker than the program's or the user's own word."""
    worker = source is Source.PROCESS and type_ in (Type.WORKER, Type.CONTAINER)
    return source is Source.TCP or worker


def _is_port_unknown(service: Service) -> bool:
    """Whether a container has a port at all is for its image to say, which nobody has looked at yet."""
    spec = service.present.spec
    is_told = spec.port is not None or spec.container_port is not None
    return spec.type is Type.CONTAINER and not service.facts and not is_told


def _port_source(service: Service) -> Literal["assigned", "fixed", "found"] | None:
    """Who chose the port: locald, the file, or the program."""
    if port(service) is None:
        return None
    if service.run and service.facts and service.facts.found is not None:
        return "found"
    return "assigned" if service.present.spec.port is None else "fixed"


def _ready_at(service: Service) -> float | None:
    if isinstance(service.phase, Completed) and service.facts:
        return service.facts.ended_at
    return service.facts.ready_at if service.facts else None


# Whether anything can still move.


def is_settled(service: Service) -> bool:
    """Whether waiting longer cannot change the answer to `up` or `wait` for this service."""
    match service.phase:
        case Stopped():
            return service.desired is not Desired.UP
        case Completed():
            return True
        case Running():
            return service.is_healthy and not must_stop(service)
        case Failed() | Blocked() | Ended():
            return True
        case _:
            return False


def is_down(service: Service) -> bool:
    """Whether nothing of it is left that is to end; a run that is to go on keeps nobody waiting. What was
    told to end does so before it starts again, also when it is wanted again by now."""
    return not service.run or not (must_stop(service) or state(service.phase) == "stopping")
