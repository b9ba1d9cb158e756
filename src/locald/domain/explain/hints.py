"""The next steps for a service that is not as it should be: sentences that can be followed as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.explain.check_hints import check_hints
from locald.domain.knowledge.port_options import fix
from locald.domain.knowledge.side_ports import SIDE_PORTS, debugger_ports
from locald.domain.lifecycle import strangers
from locald.domain.lifecycle.evaluation import listens_elsewhere
from locald.domain.lifecycle.exits import short_lived
from locald.domain.lifecycle.messages import Process
from locald.domain.lifecycle.phase import (
    Backoff,
    Desired,
    Ended,
    Failed,
    Running,
    Starting,
    Stopped,
    Stopping,
)
from locald.domain.project.spec import Engine, NotifyCheck, Type
from locald.domain.values.duration import show

if TYPE_CHECKING:
    from locald.domain.lifecycle.messages import Listener
    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.lifecycle.service import Service
    from locald.domain.project.spec import Definition

_LONG = 60.0
"""seconds of a start_timeout that is offered to what is still starting, at least"""
_SEE_LOGS = "run `locald logs {}` to see its output"
_START = "run `locald up {}` to start it"
_RESTART = "run `locald restart {}` to start it again"


def hints(service: Service, project: str) -> list[str]:
    """The next steps for a service that is not as it should be, those first that say most. `project`: in
    which it is missed, for others may share it."""
    if service.desired.is_up and not service.is_up_for(project):
        return [_START.format(service.spec.name)]
    return [*_specific(service), *_general(service), *_watch_hints(service)]


def hint(service: Service) -> str | None:
    """What to show beside its row: the step that follows from what was seen of it. Of what starts it is only
    what to do where that listens elsewhere, or finds its port taken: everything else may still come."""
    facts = service.facts
    if isinstance(service.phase, Starting | Stopping):
        return next(iter(_port_hints(facts)), None) if facts and _is_amiss(facts) else None
    return next(iter([*_specific(service), *_watch_hints(service)]), None)


def _watch_hints(service: Service) -> list[str]:
    """What of its `watch` does not do what was meant."""
    changes, found = service.changes, []
    if changes.trouble:
        found.append(f"{changes.trouble}: {changes.hint}")
    if changes.left_out:
        names = ", ".join(changes.left_out)
        globs = ", ".join(f'"{name}"' for name in changes.left_out)
        found.append(f"its own start changes {names}, left out of `watch` now: add ignore = [{globs}]")
    return found


def _is_amiss(facts: RunFacts) -> bool:
    is_found = facts.candidate is not None  # and becomes its port in a moment
    return bool(facts.holder or _elsewhere(facts)) and not facts.open and not is_found


def _of_pods(definition: Definition) -> str:
    """How to see what the cluster itself says."""
    where = f"--context {definition.context} get pods -A"
    return f"run `kubectl {where} -l locald.service={definition.spec.name}` to see its pods"


def _specific(service: Service) -> list[str]:
    facts = service.facts
    match service.phase:
        case Starting() | Running() | Stopping() if facts and facts.silenced:
            if facts.definition.engine is Engine.KUBERNETES:
                return [_of_pods(facts.definition)]
            return ["run `locald doctor` to check the container engine, locald reconnects when it is back"]
        case Starting() | Running() if facts and facts.paused:
            return [f"run `docker unpause {(facts.container or service.spec.name)[:12]}` to let it go on"]
        case Failed(hint=hint):
            late = _late_hints(service, facts) if facts and _ran_out_of_time(facts) else []
            return [*([hint] if hint else []), *late, *(_exit_hints(facts) if facts and facts.exit else [])]
        case Running() if facts and service.is_healthy:
            return [*strangers.hints(facts), *_found_hints(facts), *_ready_elsewhere_hints(facts)]
        case Ended():
            return [hint] if facts and (hint := short_lived(facts)) else []
        case Starting() | Stopping() if facts:
            return _start_hints(service, facts)
        case Running() if facts:
            return [*check_hints(facts), *_ready_hints(service, facts)]
        case _:
            return []


def _general(service: Service) -> list[str]:
    """What can be done about anything that is in this phase."""
    name = service.spec.name
    match service.phase:
        case Failed():
            return [_SEE_LOGS.format(name), f"run `locald up {name}` to try again"]
        case Backoff():
            return [_SEE_LOGS.format(name)]
        case Stopped() if service.desired is not Desired.UP:
            return [_START.format(name)]
        case Ended():
            return [_RESTART.format(name)]
        case Running() if not service.is_healthy and not _is_out_of_reach(service):
            return [_SEE_LOGS.format(name), _RESTART.format(name)]
        case _:
            return []


def _is_out_of_reach(service: Service) -> bool:
    """Nothing that is done to the program itself would help."""
    return bool(service.facts and (service.facts.silenced or service.facts.paused))


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
    """What to do about a port that does not open, opens elsewhere, or is somebody else's. What says that it
    is still starting (STATUS=) may open it yet, whatever else it has opened."""
    port = facts.definition.port
    if _still_starting(facts) and not facts.holder:
        return []
    if port is None or facts.open or facts.spawned_at is None or (facts.check and not facts.checks_own_port):
        return []
    if facts.holder and facts.holder.owner.pid:
        return [f"stop {facts.holder.owner}, which uses port {port}, or {_another_port(facts)}"]
    if facts.listeners and facts.container_port:
        return [_container_hint(facts.listeners[0].port, facts.container_port)]
    if other := _elsewhere(facts):
        return [fix(facts.definition.spec.command or "", other.owner.program, other.port, other.owner.origin)]
    if facts.check:
        return [f"make it listen on $PORT ({port}), which its health_check uses"]
    if facts.definition.spec.type is Type.EXEC and not facts.notify.spoke:
        return [f'make it listen on $PORT ({port}), or set type = "worker" if it has no port']
    return []


def _another_port(facts: RunFacts) -> str:
    """How the next run gets another port. One that locald chose gives way by itself."""
    if facts.definition.spec.port is not None:
        return "set another `port`"
    return f"run `locald restart {facts.definition.spec.name}`, which takes another port"


def _elsewhere(facts: RunFacts) -> Listener | None:
    """What it listens on instead of its port; a debugger or the like explains nothing."""
    if not facts.listeners:
        return None
    command = facts.definition.spec.command or ""
    texts = (command if isinstance(command, str) else " ".join(command), *facts.definition.env.values())
    helpers = SIDE_PORTS.union(*map(debugger_ports, texts))
    return next((each for each in facts.listeners if each.port not in helpers and not each.is_debugger), None)


def _found_hints(facts: RunFacts) -> list[str]:
    """How to have the port that was assigned, for who wants it."""
    port = facts.found
    if port is None:
        return []
    owner = next((one.owner for one in facts.listeners if one.port == port), Process(0))
    return [fix(facts.definition.spec.command or "", owner.program, port, owner.origin)]


def _ready_elsewhere_hints(facts: RunFacts) -> list[str]:
    """It is ready by its own word, and where it listens is not its port."""
    return _port_hints(facts) if facts.check is None and listens_elsewhere(facts) else []


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
