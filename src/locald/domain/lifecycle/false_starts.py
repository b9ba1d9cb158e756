"""A readiness that was given and lost at once was none: it is taken back, with what it led to.

A service that loses its health within a second of getting it was never ready (a tool tried its port, a server
closed its listener to open another). It is starting again, as if nothing had been said. What was started for
its sake in between had nothing to talk to: if such a run fails, that counts for nothing, and it waits again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle import senders
from locald.domain.lifecycle.phase import Backoff, Failed, Retry, Running, Starting, Stopped, Stopping
from locald.domain.lifecycle.run_facts import CERTAIN
from locald.domain.project.spec import NotifyCheck

if TYPE_CHECKING:
    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.lifecycle.service import Service
    from locald.domain.project.names import Run

WITHIN = 1.0
"""seconds after readiness within which a loss of health takes it back"""
A_START = 60.0
"""the same of one that rested on the READY=1 of another than the main process, where nothing says how long a
start may take: a temporary server sets something up, and the next one follows"""


def taken_back(service: Service, at: float, now: float) -> Service:
    """The service as one that still starts, if its health was lost so soon; else as it is."""
    facts, phase = service.facts, service.phase
    if facts is None or facts.ready_at is None or not isinstance(phase, Running):
        return service
    timeout = facts.definition.spec.start_timeout
    if _was_another_s(facts) and at - facts.ready_at < (timeout or A_START):
        return _still_starting(service, facts, phase.run, None if timeout is None else now + timeout)
    if at - facts.ready_at >= WITHIN or _is_certain(facts):
        return service
    spawned_at = facts.ready_at if facts.spawned_at is None else facts.spawned_at
    fail_at = None if timeout is None else max(spawned_at + timeout, now + WITHIN)
    return _still_starting(service, facts, phase.run, fail_at)


def _still_starting(service: Service, facts: RunFacts, run: Run, fail_at: float | None) -> Service:
    facts = replace(facts, ready_at=None, was_ready=True, watchdog_at=None)
    return replace(service, facts=facts, phase=Starting(run, fail_at))


def _was_another_s(facts: RunFacts) -> bool:
    """It rested on a READY=1 that its sender took with it, and nothing else says how the service is."""
    checked = facts.check is not None and not isinstance(facts.check, NotifyCheck)
    told = checked or facts.notify.stopping or facts.expired or bool(facts.silenced) or facts.paused
    return not told and senders.withdrawn(facts.words) is not None


def _is_certain(facts: RunFacts) -> bool:
    """The check of the user or of the image was right when it said yes, and the program when it says that it
    stops."""
    checked = facts.check is not None or bool(CERTAIN & facts.evidence.keys())
    return checked or facts.notify.stopping or facts.expired or bool(facts.silenced) or facts.paused


def was_taken_back(before: Service | None, after: Service) -> float | None:
    """When the readiness was given that this change took back; None for every other change."""
    if before is None or before.facts is None or after.facts is None or before.run != after.run:
        return None
    return before.facts.ready_at if after.facts.ready_at is None else None


def forgiven(dependent: Service, since: float) -> Service:
    """A dependent whose run began on that readiness: its failure, come or to come, counts for nothing."""
    facts = dependent.facts
    if facts is None or facts.spawned_at is None or facts.spawned_at < since:
        return dependent
    match dependent.phase:
        case Backoff():
            return replace(dependent, phase=Stopped(), restarts=dependent.restarts.undone())
        case Failed():
            return replace(dependent, phase=Stopped())
        case Stopping(then=Failed() | Retry()) as phase:
            return replace(dependent, phase=replace(phase, then=Stopped()))
        case Starting() | Running():
            return replace(dependent, facts=replace(facts, premature=True))
        case _:
            return dependent
