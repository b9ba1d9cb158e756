"""What time does to a service: the deadline of its phase has come.

Deadlines are facts of phases (and of a run, for the watchdog), so there is nothing to cancel: what has
been left has no deadline any more, and `due` says nothing when it is called early. A machine that sleeps
(a laptop with its lid closed) puts off all of them, for nobody could do anything meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from locald.domain.lifecycle import belief, found_port, watched
from locald.domain.lifecycle.evaluation import at_the_end
from locald.domain.lifecycle.events import weigh
from locald.domain.lifecycle.exits import expired
from locald.domain.lifecycle.messages import Kill, Note, Terminate
from locald.domain.lifecycle.observations import observe_process
from locald.domain.lifecycle.phase import Backoff, Failed, Running, Starting, Stopping, Waiting
from locald.domain.lifecycle.service import Outcome, Service, end
from locald.domain.project.spec import Type
from locald.domain.values.duration import show

if TYPE_CHECKING:
    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.project.names import Run

TIMED = (
    *("watchdog_at", "extended_until", "hold_until", "rests_at"),
    *("candidate_at", "settles_at", "looks_until"),
)
"""the times of a run's facts that something is to happen at"""


def due(service: Service, now: float) -> Outcome:
    """Act on the deadline of the present phase, or of its changed files, if it has passed."""
    if service.quiet_at is not None and now >= service.quiet_at:
        return watched.acted_on(service, now)
    facts, at = service.facts, service.deadline_of_phase
    if facts is None or at is None or now < at:
        return service, []
    return _of_phase(service, facts, now)


def _of_phase(service: Service, facts: RunFacts, now: float) -> Outcome:
    match service.phase:
        case Starting() if facts.process_speaks_at is not None and now >= facts.process_speaks_at:
            return weigh(replace(service, facts=observe_process(facts, now)), now, now)
        case Starting() if facts.hold_until is not None and now >= facts.hold_until:
            return _held_long_enough(service, facts, now)
        case Starting() if (waited := _waited(facts, now)) != facts:
            return weigh(replace(service, facts=waited), now, now)
        case Starting() | Running() if facts.settles_at is not None and now >= facts.settles_at:
            return weigh(replace(service, facts=found_port.settled(facts, now)), now, now)
        case Starting() | Running() if (at := belief.stays_until(facts)) is not None and now >= at:
            return weigh(replace(service, facts=belief.stayed(facts, now)), now, now)
        case Starting(run):
            return _too_late(service, facts, run, now)
        case Running(run):
            return expired(service, facts, run, now)
        case Stopping(run, alone_until=float()) as phase:
            return replace(service, phase=replace(phase, alone_until=None)), [Terminate(run)]
        case Stopping(run, _, then):
            killed = replace(service, phase=Stopping(run, None, then))
            return killed, [Note(run, "did not stop in time, sending SIGKILL"), Kill(run)]
        case Backoff():
            return replace(service, phase=Waiting()), []
        case _:
            return service, []


def _held_long_enough(service: Service, facts: RunFacts, now: float) -> Outcome:
    """READY=1 did not come: the open port speaks, and the wait is paid once only."""
    service = replace(service, stays_silent=service.stays_silent or not facts.notify.spoke)
    return weigh(replace(service, facts=replace(facts, hold_until=None)), now, now)


def _waited(facts: RunFacts, now: float) -> RunFacts:
    """What was waited for, so that something stronger could be seen, has not come."""
    looks = facts.looks_until is not None and now >= facts.looks_until
    rests = facts.rests_at is not None and now >= facts.rests_at
    if not looks and not rests:
        return facts
    return replace(
        facts,
        looks_until=None if looks else facts.looks_until,
        rests_at=None if rests else facts.rests_at,
    )


def put_off(service: Service, seconds: float) -> Service:
    """Everything that is timed happens so much later."""
    facts, phase = service.facts, service.phase
    if facts:
        timed = ((name, getattr(facts, name)) for name in TIMED)
        later: dict[str, Any] = {name: at + seconds for name, at in timed if at is not None}
        facts = replace(facts, **later)
    match phase:
        case Starting(fail_at=float(at)):
            phase = replace(phase, fail_at=at + seconds)
        case Stopping(kill_at=float(at)):
            phase = replace(phase, kill_at=at + seconds)
        case Backoff(retry_at=at):
            phase = replace(phase, retry_at=at + seconds)
        case _:
            pass
    return replace(service, facts=facts, phase=phase)


def _too_late(service: Service, facts: RunFacts, run: Run, now: float) -> Outcome:
    """The start timeout: the run is ended and the service has failed, without another try."""
    within = show(facts.definition.spec.start_timeout or 0)
    within += " plus the requested extension" if facts.extended_until else ""
    reason = f"not healthy within {within}: {at_the_end(service.result.because)}"
    if facts.definition.spec.type is Type.TASK:
        reason = f"not completed within {within}"
    stopping, effects = end(service, now, Failed(reason))
    return stopping, [Note(run, reason), *effects]
