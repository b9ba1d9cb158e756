"""One sentence on why a service is as it is: complete without the other columns, and never empty."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from locald.domain.lifecycle.dependencies import meaning, must_stop
from locald.domain.lifecycle.exits import how
from locald.domain.lifecycle.health import Health
from locald.domain.lifecycle.phase import (
    Adopting,
    Backoff,
    Blocked,
    Completed,
    Desired,
    Ended,
    Failed,
    Launching,
    Preparing,
    Running,
    Starting,
    Stopped,
    Stopping,
    Waiting,
    state,
)
from locald.domain.values.duration import show

if TYPE_CHECKING:
    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key
    from locald.domain.project.spec import Condition


def because(world: World, service: Service, missing: list[Key]) -> str:
    """One sentence on why the service is as it is. `missing`: its dependencies that are not there."""
    facts = service.facts
    match service.phase:
        case Stopped():
            return _resting(service)
        case Ended(reason):
            return f"{reason}, and its restart policy is {service.spec.restart}"
        case Waiting():
            return f"waits for {_awaited(world, service, missing) or 'nothing'}"
        case Blocked(on, root):
            return _blocked(world, on, root)
        case Backoff(reason):
            return _retrying(service, reason)
        case Failed(reason):
            return reason
        case Completed():
            return service.result.because
        case Adopting(before):
            return f"looking for run {before.run.number}, which an earlier daemon left {state(before)}"
        case Stopping():
            return _stopping(service, facts) + _extension(service)
        case Launching() | Preparing() | Starting() | Running():
            return service.result.because + _extension(service) + _lost(world, missing)


def _resting(service: Service) -> str:
    if service.runs == 0:
        return "never started"
    return "it was told to stop" if service.desired is not Desired.UP else "about to start"


# Dependencies.


def _awaited(world: World, service: Service, missing: list[Key]) -> str:
    conditions = service.spec.depends_on
    return ", ".join(_condition(world.services[key], conditions[key.service]) for key in missing)


def _condition(other: Service, condition: Condition) -> str:
    """What a dependency has to be, and what it is."""
    return f"{other.spec.name} to be {meaning(other, condition)} (now {_now(other)})"


def _now(other: Service) -> str:
    if isinstance(other.phase, Running):
        return "about to stop" if must_stop(other) else other.result.health
    return state(other.phase)


def _lost(world: World, missing: list[Key]) -> str:
    """What a service that runs has lost since it started."""
    losses = (f"{key.service}, which {_stands(world.services[key])}" for key in missing)
    told = ", and on ".join(losses)
    return f"; it depends on {told}" if told else ""


def _stands(other: Service) -> str:
    match other.phase:
        case Failed():
            return "has failed"
        case Backoff():
            return "is in backoff"
        case _:
            return f"is {_now(other)}"


def _blocked(world: World, on: Key, root: Key) -> str:
    cause = world.services.get(root)
    stopped = cause is None or not cause.desired.is_up
    how_so = "was stopped" if stopped else f"has {state(cause.phase)}" if cause else ""
    if cause and isinstance(cause.phase, Failed):
        how_so = f"failed: {cause.phase.reason}"
    elif cause and isinstance(cause.phase, Ended) and not stopped:
        how_so = cause.phase.reason
    way = f"needs {on.service}, which needs {root.service}" if on != root else f"needs {root.service}"
    return f"{way}; {root.service} {how_so}"


def _retrying(service: Service, reason: str) -> str:
    restarts, limit = service.restarts, service.spec.max_restarts
    return f"{reason}; restart {len(restarts.recent)} of {limit} in {show(restarts.latest_delay)}"


def _stopping(service: Service, facts: RunFacts | None) -> str:
    assert isinstance(service.phase, Stopping)
    if facts and facts.stuck:
        return f"{', '.join(map(str, facts.stuck))} did not end even after SIGKILL"
    if facts and facts.silenced:
        return f"waits until it can be {'removed' if facts.exit else 'ended'}: {facts.silenced}"
    if facts and facts.exit:
        return how(facts.exit) + ("; what is left of it is being ended" if facts.left else "")
    if service.phase.kill_at is None:
        return "being ended with SIGKILL" if facts and facts.pid else "waits for its process, to end it"
    match service.phase.then:
        case Failed(reason):
            return reason
        case _ if service.result.health is Health.UNHEALTHY:
            return service.result.because
        case _:
            return "it was told to stop"


def _extension(service: Service) -> str:
    """Until when the service itself moved the deadline that is in force."""
    until = service.facts.extended_until if service.facts else None
    if until is None or until != service.deadline:
        return ""
    return f"; extended by the service until {datetime.fromtimestamp(until, UTC):%Y-%m-%dT%H:%M:%SZ}"
