"""One sentence on why a service is as it is: complete without the other columns, and never empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.duration import show
from locald.domain.exits import how
from locald.domain.health import Health
from locald.domain.phase import (
    Adopting,
    Backoff,
    Blocked,
    Completed,
    Ended,
    Failed,
    Launching,
    Running,
    Starting,
    Stopped,
    Stopping,
    Waiting,
    Wish,
    state,
)
from locald.domain.spec import Condition, Type

if TYPE_CHECKING:
    from locald.domain.life import Life
    from locald.domain.names import Key
    from locald.domain.service import Service
    from locald.domain.world import World


def because(world: World, service: Service, missing: list[Key]) -> str:
    """One sentence on why the service is as it is."""
    life = service.life
    match service.phase:
        case Stopped():
            return _resting(service)
        case Ended(reason):
            return f"{reason}, and its restart policy is {service.spec.restart}"
        case Waiting():
            return f"waits for {_list(world, service, missing)}"
        case Blocked(on, root):
            return _blocked(world, on, root)
        case Backoff(reason):
            return _retrying(service, reason)
        case Failed(reason):
            return reason
        case Completed():
            return service.verdict.because
        case Adopting(before):
            return f"looking for run {before.run.number}, which an earlier daemon left {state(before)}"
        case Stopping() if life and life.stuck:
            return f"{', '.join(map(str, life.stuck))} did not end even after SIGKILL"
        case Stopping():
            return _stopping(service, life)
        case Launching() | Starting() | Running():
            told = service.verdict.because
            return f"{told}; {_list(world, service, missing)} went away" if missing else told


def _resting(service: Service) -> str:
    if service.runs == 0:
        return "never started"
    return "stopped" if service.wish is not Wish.UP else "about to start"


def _list(world: World, service: Service, missing: list[Key]) -> str:
    """The missing dependencies, and how each stands."""
    return (
        ", ".join(_missing(world, key, service.spec.depends_on[key.service]) for key in missing) or "nothing"
    )


def _missing(world: World, key: Key, condition: Condition) -> str:
    other = world.services[key]
    now = other.verdict.health if isinstance(other.phase, Running) else state(other.phase)
    wanted = (
        Condition.COMPLETED if other.spec.type is Type.TASK and condition is Condition.HEALTHY else condition
    )
    return f"{key.service} to be {wanted} (now {now})"


def _blocked(world: World, on: Key, root: Key) -> str:
    cause = world.services.get(root)
    stopped = cause is None or cause.wish in (Wish.DOWN, Wish.GONE)
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


def _stopping(service: Service, life: Life | None) -> str:
    assert isinstance(service.phase, Stopping)
    if life and life.exit:
        return f"{how(life.exit)}; what is left of it is being ended"
    if service.phase.kill_at is None:
        return "being ended with SIGKILL" if life and life.pid else "waits for its process, to end it"
    match service.phase.then:
        case Failed(reason):
            return reason
        case _ if service.verdict.health is Health.UNHEALTHY:
            return service.verdict.because
        case _:
            return "it was told to stop"
