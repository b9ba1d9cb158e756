"""Why a service is not ready, or what its health rests on: blockers to the root, evidence, next steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from locald.domain.explain.check_hints import check_hints
from locald.domain.explain.view import Row, row
from locald.domain.knowledge.port_options import fix
from locald.domain.lifecycle import strangers
from locald.domain.lifecycle.dependencies import unmet
from locald.domain.lifecycle.exits import short_lived
from locald.domain.lifecycle.health import Evidence
from locald.domain.lifecycle.messages import Process
from locald.domain.lifecycle.phase import (
    Backoff,
    Blocked,
    Desired,
    Ended,
    Failed,
    Running,
    Starting,
    Stopped,
    Stopping,
)
from locald.domain.project.spec import NotifyCheck, Type
from locald.domain.values.duration import show

if TYPE_CHECKING:
    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key


@dataclass(frozen=True, slots=True)
class Why:
    """The whole explanation. `blockers`: what it waits for, and what that waits for, the root last."""

    row: Row
    blockers: tuple[Row, ...]
    evidence: tuple[Evidence, ...]
    hints: tuple[str, ...]


def why(world: World, key: Key) -> Why:
    service = world.services[key]
    chain = blockers(world, service)
    root = chain[-1] if chain else service
    evidence = service.facts.history if service.facts else ()
    return Why(row(world, service), tuple(row(world, s) for s in chain), evidence, tuple(hints(root)))


def root_of(world: World, service: Service) -> Service:
    """The service that somebody has to do something about: what blocks this one, or itself."""
    return (blockers(world, service) or [service])[-1]


def blockers(world: World, service: Service) -> list[Service]:
    """The blocking dependencies, nearest first; of several the one that is worst off leads on."""
    chain: list[Service] = []
    missing = unmet(world.services, service)
    while missing:
        following = sorted((world.services[key] for key in reversed(missing)), key=_severity)
        worst = following[-1]
        chain.extend(other for other in following if other not in chain)
        missing = [key for key in unmet(world.services, worst) if world.services[key] not in chain]
    return chain


def _severity(service: Service) -> int:
    match service.phase:
        case Failed() | Ended():
            return 4
        case _ if service.desired in (Desired.DOWN, Desired.REMOVED):
            return 4
        case Blocked():
            return 3
        case Backoff():
            return 2
        case _:
            return 1


_LONG = 60.0
"""seconds of a start_timeout that is offered to what is still starting, at least"""
_SEE_LOGS = "run `locald logs {}` to see its output"
_RESTART = "run `locald restart {}` to start it again"


def hints(service: Service) -> list[str]:
    """The next steps for a service that is not as it should be."""
    name, facts = service.spec.name, service.facts
    found: list[str] = []
    match service.phase:
        case Starting() | Running() | Stopping() if facts and facts.silenced:
            found += ["run `locald doctor` to check the container engine, locald reconnects when it is back"]
        case Starting() | Running() if facts and facts.paused:
            found += [f"run `docker unpause {(facts.container or name)[:12]}` to let it go on"]
        case Failed(hint=hint):
            found += [hint] if hint else []
            found += _late_hints(service, facts) if facts and _ran_out_of_time(facts) else []
            found += _exit_hints(facts) if facts and facts.exit else []
            found += [_SEE_LOGS.format(name), f"run `locald up {name}` to try again"]
        case Backoff():
            found += [_SEE_LOGS.format(name)]
        case Stopped() if service.desired is not Desired.UP:
            found += [f"run `locald up {name}` to start it"]
        case Running() if facts and service.is_healthy:
            found += [*strangers.hints(facts), *_found_hints(facts)]
        case Ended():
            found += [hint] if facts and (hint := short_lived(facts)) else []
            found += [_RESTART.format(name)]
        case Starting() | Stopping() if facts:
            found += _start_hints(service, facts)
        case Running() if facts and not service.is_healthy:
            found += [
                *check_hints(facts),
                *_ready_hints(service, facts),
                _SEE_LOGS.format(name),
                _RESTART.format(name),
            ]
        case _:
            pass
    return found


def _ran_out_of_time(facts: RunFacts) -> bool:
    """Not every failure of a start is one of health: a crash has its reasons elsewhere."""
    timeout = facts.definition.spec.start_timeout
    if timeout is None or facts.spawned_at is None or facts.ended_at is None or facts.ready_at is not None:
        return False
    return facts.ended_at - facts.spawned_at >= timeout


def _start_hints(service: Service, facts: RunFacts) -> list[str]:
    return [*_port_hints(facts), *check_hints(facts), *_ready_hints(service, facts)]


def _late_hints(service: Service, facts: RunFacts) -> list[str]:
    """More time is no help to what listens elsewhere, finds its port in use, or is checked in a wrong way.
    It is all that helps what says that it is still starting."""
    timeout = facts.definition.spec.start_timeout or 0
    more = f"raise start_timeout ({show(timeout)}) if it needs longer"
    if said := _still_starting(facts):
        longer = show(max(2 * timeout, _LONG))
        more = f'set start_timeout = "{longer}", since it said that it is still starting: {said}'
        if not facts.open:
            return [more]
    in_vain = check_hints(facts) or (not facts.open and (facts.holder or facts.listeners))
    return [*_start_hints(service, facts), *([] if in_vain else [more])]


def _still_starting(facts: RunFacts) -> str:
    """What it says of its start (STATUS=), when its notification is what it is waited for."""
    checked_else = facts.check is not None and not isinstance(facts.check, NotifyCheck)
    return "" if facts.notify.ready or checked_else else facts.notify.status


def _exit_hints(facts: RunFacts) -> list[str]:
    """What the shell's own exit codes mean."""
    code = facts.exit.code if facts.exit else None
    if not isinstance(facts.definition.spec.command, str) or code not in (126, 127):
        return []
    what = "find" if code == 127 else "execute"
    return [f"check its output, where the shell names the program that it could not {what}"]


def _port_hints(facts: RunFacts) -> list[str]:
    """What to do about a port that does not open, opens elsewhere, or is somebody else's."""
    port = facts.definition.port
    if port is None or facts.open or facts.spawned_at is None or (facts.check and not facts.checks_own_port):
        return []
    if facts.holder and facts.holder.owner.pid:
        return [f"stop {facts.holder.owner}, which uses port {port}, or set another `port`"]
    if facts.listeners and facts.container_port:
        return [_container_hint(facts.listeners[0].port, facts.container_port)]
    if facts.listeners:
        other = facts.listeners[0]
        return [fix(facts.definition.spec.command or "", other.owner.program, other.port, other.owner.origin)]
    if facts.check:
        return [f"make it listen on $PORT ({port}), which its health_check uses"]
    if facts.definition.spec.type is Type.EXEC and not facts.notify.spoke:
        return [f'make it listen on $PORT ({port}), or set type = "worker" if it has no port']
    return []


def _found_hints(facts: RunFacts) -> list[str]:
    """How to have the port that was assigned, for who wants it."""
    port = facts.found
    if port is None:
        return []
    owner = next((one.owner for one in facts.listeners if one.port == port), Process(0))
    return [fix(facts.definition.spec.command or "", owner.program, port, owner.origin)]


def _container_hint(port: int, inside: int) -> str:
    if port == inside:
        return "make it listen on 0.0.0.0, since 127.0.0.1 is reachable only inside the container"
    return f"set container_port = {port}, or make it listen on $PORT ({inside})"


def _ready_hints(service: Service, facts: RunFacts) -> list[str]:
    """What to do about a READY=1 that is waited for and does not come."""
    spoke = facts.notify.spoke and facts.check is None
    waits = spoke or (service.expects_ready and facts.check is None) or isinstance(facts.check, NotifyCheck)
    if not waits or facts.notify.ready or facts.definition.spec.type is Type.TASK:
        return []
    instead = "none" if facts.definition.port is None else "tcp"
    when = "if it no longer does"
    if spoke and not service.expects_ready:
        when = "if it uses the socket for other messages only"
    return [f'make it send READY=1 to $NOTIFY_SOCKET, or set health_check = {{ type = "{instead}" }} {when}']
