"""What the end of a run leads to: another run, rest, completion or failure.

The words for an exit are made here too, since they are the reason that people read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.knowledge import input_readers
from locald.domain.knowledge.foreground import keep, known
from locald.domain.knowledge.signals import name as signal_name
from locald.domain.lifecycle.evaluation import overdue
from locald.domain.lifecycle.health import Evidence, Source
from locald.domain.lifecycle.messages import Note
from locald.domain.lifecycle.phase import Backoff, Completed, Ended, Failed, Retry, Stopped, Stopping, Then
from locald.domain.lifecycle.restarts import WINDOW, wants_another
from locald.domain.lifecycle.run_facts import with_evidence
from locald.domain.lifecycle.service import calmed, end
from locald.domain.project.spec import KillMode, StandardInput, Type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.domain.lifecycle.messages import Exit, Listener, NotStarted, Process
    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.lifecycle.service import Outcome, Service
    from locald.domain.project.names import Run

SOON = 10.0
"""seconds after readiness in which a leader that ends well and leaves listeners went to the background"""
MOMENT = 0.1
"""seconds that what such a leader left has to end by itself: a helper that notices the end of its parent"""
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


def after(
    service: Service, facts: RunFacts, exit_: Exit, left: int, now: float, behind: Sequence[Process] = ()
) -> Then:
    """Where an exit that nobody asked for leads, by type and restart policy. `left`: processes it left;
    `behind`: which, where that is known."""
    spec = facts.definition.spec
    ended = ended_with(facts, left, behind)
    well, reason = exit_.code == 0, _reason(facts, exit_) + ended
    if spec.type is Type.TASK and well:
        return Completed(now - (facts.spawned_at or now), ended)
    if facts.premature and facts.ready_at is None and not well:
        return Stopped()  # what it needs was not there: it waits for that, and starts again
    if exit_.code in NOT_RUN:
        return Failed(reason)
    if well and (in_background := _left_behind(facts, left, now, behind)):
        told, program = in_background
        return Failed(f"went to the background: {reason}, leaving {told}", keep(program, spec.command))
    premature = well and facts.ready_at is None and not facts.was_ready
    if premature:
        reason += " before becoming ready" + (", leaving processes behind" if left else "")
    if wants_another(spec.restart, failed=not well):
        return _retry(service, reason, now)
    if premature:
        return Failed(reason, keep("", spec.command) if left else _ended_well(facts))
    return Ended(reason) if well else Failed(reason)


def ended_with(facts: RunFacts, left: int, behind: Sequence[Process]) -> str:
    """What a task left running: it is over when its leader is, so that is ended. Empty for others, whose end
    is told otherwise."""
    if facts.definition.spec.type is not Type.TASK or not left:
        return ""
    named, rest = [str(each) for each in behind], left - len(behind)
    if rest > 0:
        named += [f"{rest} more" if behind else "1 process" if rest == 1 else f"{rest} processes"]
    return f", and what it left running was ended: {', '.join(named)}"


def stops_main_only(service: Service) -> bool:
    """Whether the stop signal is for the main process alone, which sees to the others while it lives."""
    facts = service.facts
    return service.present.spec.kill_mode is KillMode.MIXED and facts is not None and facts.ended_at is None


def _ended_well(facts: RunFacts) -> str:
    """What to do about a run that exited with code 0 and was not to."""
    spec = facts.definition.spec
    return input_readers.hint(spec.command, stays_open=spec.stdin != StandardInput.EMPTY)


def short_lived(facts: RunFacts) -> str:
    """The same of a run that was taken for ready before; empty where it lived longer, or had opened a port
    and is not known to read its input."""
    if facts.spawned_at is None or facts.ended_at is None or facts.ended_at - facts.spawned_at >= SOON:
        return ""
    is_reader = input_readers.reader_of(facts.definition.spec.command)
    return _ended_well(facts) if is_reader or facts.definition.port is None else ""


def alone_until(facts: RunFacts, now: float) -> float | None:
    """Until when nothing is done about what a leader left that ended well, as if it had gone to the
    background: it may end by itself. None: it is told to end at once."""
    well = facts.exit is not None and facts.exit.code == 0
    is_soon = facts.ready_at is None or now - facts.ready_at < SOON
    is_task = facts.definition.spec.type is Type.TASK
    return now + MOMENT if facts.left and well and is_soon and not is_task else None


def settled(service: Service) -> Service:
    """What was left has ended by itself: then the leader left nothing, and its exit leads elsewhere."""
    phase, facts = service.phase, service.facts
    if not isinstance(phase, Stopping) or phase.alone_until is None or facts is None or facts.exit is None:
        return service
    if not isinstance(phase.then, Failed | Retry):
        return service
    then = after(service, facts, facts.exit, 0, facts.ended_at or phase.alone_until)
    return replace(service, phase=replace(phase, then=then))


def _left_behind(facts: RunFacts, left: int, now: float, behind: Sequence[Process]) -> tuple[str, str] | None:
    """What stays in the background, in words, and its program: what listens, else what is left of a service
    that was not ready, or that has no port."""
    if listening := _left_listening(facts, left, now):
        return f"{listening[0].owner} on {listening[0].shown}", listening[0].owner.program
    never_ready = facts.ready_at is None and not facts.was_ready
    is_soon = never_ready or (facts.definition.port is None and now - (facts.ready_at or now) < SOON)
    if not left or not behind or not is_soon:
        return None
    first = next((each for each in behind if known(each.program)), behind[0])
    return str(first), first.program


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
    return listener.port == facts.port


def expired(service: Service, facts: RunFacts, run: Run, now: float) -> Outcome:
    """The watchdog: the run is ended, and the restart policy follows as after any failure."""
    told = with_evidence(facts, Evidence(Source.NOTIFY, False, now, overdue(facts)))
    service = replace(service, facts=replace(told, expired=True, watchdog_at=None))
    reason = "the service sent WATCHDOG=trigger" if facts.notify.triggered else "the watchdog expired"
    again = wants_another(facts.definition.spec.restart, failed=True)
    stopping, effects = end(service, now, _retry(service, reason, now) if again else Failed(reason))
    return stopping, [Note(run, overdue(facts)), *effects]


def unborn(service: Service, event: NotStarted, now: float) -> Then:
    """Where it leads that a run never began. What the machine lacked for a moment (descriptors, processes,
    memory) is an accident like the end by a signal, and the restart policy is asked."""
    if event.may_pass and wants_another(service.spec.restart, failed=True):
        then = _retry(service, event.reason, now)
        return replace(then, hint=event.hint) if isinstance(then, Failed) else then
    return Failed(event.reason, event.hint)


def over(service: Service, then: Then, now: float) -> Service:
    """Nothing is left of the run: go where its end was meant to lead if it was asked for, else to `then`."""
    if isinstance(service.phase, Stopping) and service.phase.then is not None:
        then = service.phase.then
    if service.held_by is not None and not isinstance(then, Completed):
        # It was to end too, whether it heard of that or not, and comes back with what it needs.
        then = Stopped()
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
