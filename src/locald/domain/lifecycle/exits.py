"""What the end of a run leads to: another run, rest, completion or failure.

The words for an exit are made here too, since they are the reason that people read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from locald.domain.knowledge.foreground import keep
from locald.domain.knowledge.signals import name as signal_name
from locald.domain.lifecycle.evaluation import overdue
from locald.domain.lifecycle.health import Evidence, Source
from locald.domain.lifecycle.messages import Note
from locald.domain.lifecycle.phase import Backoff, Completed, Ended, Failed, Retry, Stopped, Stopping, Then
from locald.domain.lifecycle.restarts import WINDOW, wants_another
from locald.domain.lifecycle.run_facts import with_evidence
from locald.domain.lifecycle.service import calmed, end
from locald.domain.project.spec import Type

if TYPE_CHECKING:
    from locald.domain.lifecycle.messages import Exit, Listener
    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.lifecycle.service import Outcome, Service
    from locald.domain.project.names import Run

FOREGROUND = "run it in the foreground, so that locald can manage its process"
ONCE = 'set type = "task" if the command runs to completion'


SOON = 10.0
"""seconds after readiness in which a leader that ends well and leaves listeners went to the background"""
NOT_RUN = (126, 127)
"""exit codes of a shell that may not run a program, or finds none: another try would end the same way"""


def how(exit_: Exit) -> str:
    """How a process ended, in words."""
    if exit_.signal is not None:
        told = f"killed by {signal_name(exit_.signal)}"
    else:
        told = "exit status unknown" if exit_.code is None else f"exited with code {exit_.code}"
    return f"{told} ({exit_.reason})" if exit_.reason else told


def not_begun(reason: str) -> str:
    """What its history says of a run of which there never was a process."""
    return f"not started: {reason}"


def after(service: Service, facts: RunFacts, exit_: Exit, left: int, now: float) -> Then:
    """Where an exit that nobody asked for leads, by type and restart policy. `left`: processes it left."""
    spec = facts.definition.spec
    well, reason = exit_.code == 0, _reason(facts, exit_)
    if spec.type is Type.TASK and well:
        return Completed(now - (facts.spawned_at or now))
    if facts.premature and facts.ready_at is None and not well:
        return Stopped()  # what it needs was not there: it waits for that, and starts again
    if exit_.code in NOT_RUN:
        return Failed(reason)
    if well and (behind := _left_listening(facts, left, now)):
        return Failed(f"went to the background: {reason}, leaving {_introduced(behind)}", _foreground(behind))
    premature = well and facts.ready_at is None and not facts.was_ready
    if premature:
        reason += " before becoming ready" + (", leaving processes behind" if left else "")
    if wants_another(spec.restart, failed=not well):
        return _retry(service, reason, now)
    if premature:
        return Failed(reason, FOREGROUND if left else ONCE)
    return Ended(reason) if well else Failed(reason)


def _left_listening(facts: RunFacts, left: int, now: float) -> list[Listener]:
    """What listens for a run whose leader ended before it was ready, or soon after: it has not gone, but
    locald does not see its end."""
    is_soon = facts.ready_at is None or now - facts.ready_at < SOON
    if not left or not is_soon:
        return []
    by = facts.acceptor  # of several processes that share a listener the leader is named, and another accepts
    held = [replace(each, owner=by) if by and _is_own(facts, each) else each for each in facts.listeners]
    return [each for each in held if each.owner.pid != facts.pid]


def _is_own(facts: RunFacts, listener: Listener) -> bool:
    return listener.port == facts.definition.port


def _introduced(behind: list[Listener]) -> str:
    first = behind[0]
    return f"{first.owner} on {first.shown}"


def _foreground(behind: list[Listener]) -> str:
    return keep(behind[0].owner.program)


def expired(service: Service, facts: RunFacts, run: Run, now: float) -> Outcome:
    """The watchdog: the run is ended, and the restart policy follows as after any failure."""
    told = with_evidence(facts, Evidence(Source.NOTIFY, False, now, overdue(facts)))
    service = replace(service, facts=replace(told, expired=True, watchdog_at=None))
    reason = "the service sent WATCHDOG=trigger" if facts.notify.triggered else "the watchdog expired"
    again = wants_another(facts.definition.spec.restart, failed=True)
    stopping, effects = end(service, now, _retry(service, reason, now) if again else Failed(reason))
    return stopping, [Note(run, overdue(facts)), *effects]


def over(service: Service, then: Then, now: float) -> Service:
    """Nothing is left of the run: go where its end was meant to lead if it was asked for, else to `then`."""
    if isinstance(service.phase, Stopping) and service.phase.then is not None:
        then = service.phase.then
    if isinstance(then, Retry):
        service = calmed(service, now)
        backoff = Backoff(then.reason, now + service.restarts.delay)
        return replace(service, phase=backoff, restarts=service.restarts.another(now))
    return replace(service, phase=then)


def _retry(service: Service, reason: str, now: float) -> Then:
    limit = service.spec.max_restarts
    if service.restarts.within(now) < limit:
        return Retry(reason)
    restarts = "1 restart" if limit == 1 else f"{limit} restarts"
    return Failed(f"{reason}, crash loop: {restarts} in {WINDOW:.0f}s (max_restarts)" if limit else reason)


def _reason(facts: RunFacts, exit_: Exit) -> str:
    return f"{how(exit_)} ({facts.notify.reason})" if facts.notify.reason else how(exit_)
