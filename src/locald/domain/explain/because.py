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
from locald.domain.lifecycle.service import stop_reason, stopping_reason
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
            return f"{reason}, not restarted (restart policy: {service.spec.restart})"
        case Waiting():
            return f"waiting for {_awaited(world, service, missing) or 'nothing'}"
        case Blocked(on, root):
            return f"blocked by {_way(on, root)}: {_cause(world.services.get(root), service.key.project)}"
        case Backoff(reason):
            return _retrying(service, reason)
        case Failed(reason):
            return reason
        case Completed():
            return service.result.because
        case Adopting(before):
            return _sought(before, facts)
        case Stopping():
            return _stopping(service, facts) + _extension(service)
        case Launching() | Preparing() | Starting() | Running():
            return service.result.because + _extension(service) + _lost(world, missing)


def _resting(service: Service) -> str:
    if service.runs == 0:
        return "not running, starts on demand" if service.spec.on_demand else "not running"
    if service.desired is Desired.UP:
        return "about to start"
    comes_back = service.spec.on_demand and service.desired is Desired.DOWN and not service.is_resting
    return f"{stop_reason(service)}, starts on demand" if comes_back else stop_reason(service)


def _sought(before: Launching | Preparing | Starting | Running | Stopping, facts: RunFacts | None) -> str:
    pid = f" (pid {facts.pid})" if facts and facts.pid is not None and facts.ended_at is None else ""
    return f"looking for run {before.run.number}{pid}, which was {state(before)} under the previous daemon"


# Dependencies.


def _awaited(world: World, service: Service, missing: list[Key]) -> str:
    conditions = service.spec.depends_on
    return ", ".join(_condition(world.services[key], conditions[key.service]) for key in missing)


def _condition(other: Service, condition: Condition) -> str:
    """What a dependency has to be, and what it is."""
    return f"{other.spec.name} to be {meaning(other, condition)} (now {_now(other)})"


def _now(other: Service) -> str:
    if other.is_sought:
        return "being looked for"
    if isinstance(other.phase, Running):
        return "about to stop" if must_stop(other) else other.result.health
    return state(other.phase)


def _lost(world: World, missing: list[Key]) -> str:
    """What a service that runs has lost since it started."""
    losses = (f"dependency {key.service} {_status(world.services[key])}" for key in missing)
    told = " and ".join(losses)
    return f", but {told}" if told else ""


def _status(other: Service) -> str:
    match other.phase:
        case Failed():
            return "has failed"
        case Backoff():
            return "is in backoff"
        case _:
            return f"is {_now(other)}"


def _way(on: Key, root: Key) -> str:
    return root.service if on == root else f"{on.service}, which needs {root.service}"


def _cause(root: Service | None, project: str) -> str:
    """What is wrong with the service that blocks others, of this project or instance."""
    if root and isinstance(root.phase, Failed):
        return root.phase.reason
    if root is None or not root.is_up_for(project):
        return "stopped by user"
    return root.phase.reason if isinstance(root.phase, Ended) else state(root.phase)


def _retrying(service: Service, reason: str) -> str:
    restarts, limit = service.restarts, service.spec.max_restarts
    return f"{reason}, restart {len(restarts.recent)} of {limit} in {show(restarts.latest_delay)}"


def _stopping(service: Service, facts: RunFacts | None) -> str:
    assert isinstance(service.phase, Stopping)
    if facts and facts.stuck:
        return f"still running after SIGKILL: {', '.join(map(str, facts.stuck))}"
    if facts and facts.silenced:
        return f"waiting to {'remove' if facts.exit else 'stop'} it: {facts.silenced}"
    if facts and facts.exit:
        left = "killing" if service.phase.kill_at is None else "stopping"
        return how(facts.exit) + (f", {left} remaining processes" if facts.left else "")
    if service.phase.kill_at is None:
        return "killing with SIGKILL" if facts and facts.pid else "waiting for its process to stop it"
    match service.phase.then:
        case Failed(reason):
            return reason
        case _ if service.result.health is Health.UNHEALTHY:
            return service.result.because
        case _:
            return stopping_reason(service)


def _extension(service: Service) -> str:
    """Until when the service itself moved the deadline that is in force."""
    until = service.facts.extended_until if service.facts else None
    if until is None or until != service.deadline:
        return ""
    return f", timeout extended by the service until {datetime.fromtimestamp(until, UTC):%Y-%m-%dT%H:%M:%SZ}"
