"""What an event does to the service it is about.

News of another run than the present one falls through unread. What happened is dated by the event's `at`;
deadlines count from `now`, when it is observed: nobody is punished for a daemon that was away. The state
diagram in ARCHITECTURE.md is walked out of this code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle import background, lost_port, strangers
from locald.domain.lifecycle.belief import believed, counts_since
from locald.domain.lifecycle.evaluation import evaluate
from locald.domain.lifecycle.exits import after, alone_until, ended_with, expired, how, over, settled
from locald.domain.lifecycle.false_starts import taken_back
from locald.domain.lifecycle.health import Evidence, Health, Source
from locald.domain.lifecycle.messages import (
    Asked,
    Checked,
    Ends,
    Event,
    Exit,
    Exited,
    Forget,
    Gone,
    HealthEvent,
    LastWord,
    Listens,
    Lost,
    Note,
    Notified,
    NotStarted,
    OfEngine,
    Paused,
    Prepares,
    Probed,
    ProcessEvent,
    Reported,
    Resumed,
    SenderEnded,
    Silenced,
    Spawned,
    Stuck,
    Terminate,
    Unpaused,
    Unwatch,
    Watch,
)
from locald.domain.lifecycle.observations import (
    born,
    observe_answer,
    observe_healthcheck,
    observe_listeners,
    observe_notification,
    observe_pause,
    observe_probe,
    observe_process,
    observe_replacement,
    observe_report,
    observe_sender_end,
)
from locald.domain.lifecycle.phase import (
    Adopting,
    Desired,
    Launching,
    Preparing,
    Retry,
    Running,
    Starting,
    Stopped,
    Stopping,
)
from locald.domain.lifecycle.run_facts import RunFacts, not_before, with_evidence
from locald.domain.lifecycle.service import program
from locald.domain.project.spec import KillMode

if TYPE_CHECKING:
    from locald.domain.lifecycle.messages import Effect
    from locald.domain.lifecycle.sd_notify import Notification
    from locald.domain.lifecycle.service import Outcome, Service


TIME_FOR_A_LOOK = 5.0
"""seconds that a run has left of its start, at least, when an earlier daemon's run is found"""


def observe(service: Service, event: Event, now: float) -> Outcome:
    """Fold one event in. The first news of a run that an earlier daemon left says that it was found."""
    if isinstance(service.phase, Adopting) and event.run == service.run:
        service = _found(service, service.phase, now)
    facts = service.facts
    if isinstance(event, LastWord):
        is_its = facts is not None and facts.run == event.run
        return (replace(service, facts=replace(facts, said=event.line)) if facts and is_its else service), []
    if event.run != service.run or facts is None:
        return service, []
    if isinstance(event, Exited | Checked | Reported):
        event = replace(event, at=not_before(facts, event.at))
    if isinstance(event, OfEngine):
        return _of_engine(service, facts, event, now)
    if isinstance(event, HealthEvent):
        return _of_health(service, facts, event, now)
    return _of_process(service, facts, event, now)


def _found(service: Service, phase: Adopting, now: float) -> Service:
    """As it was, but for what may have ended while nobody looked, and for deadlines that passed: a service
    cannot be blamed for them."""
    facts, before = service.facts, phase.before
    if facts:
        facts = replace(facts, silenced="", is_left=False, paused=False, ends=False)
    if facts and facts.watchdog and facts.watchdog_at is not None:
        facts = replace(facts, watchdog_at=now + facts.watchdog)
    match before:
        case Starting(fail_at=fail_at) if fail_at is not None:
            before = replace(before, fail_at=max(fail_at, now + TIME_FOR_A_LOOK))
        case Stopping() if facts and facts.pid is not None:  # the signal may never have been sent
            before = replace(before, kill_at=now + facts.definition.spec.stop_timeout)
        case _:
            pass
    return replace(service, facts=facts, phase=before)


def _of_process(service: Service, facts: RunFacts, event: ProcessEvent, now: float) -> Outcome:
    match event:
        case Prepares(run) if isinstance(service.phase, Stopping):
            return service, [Terminate(run)]
        case Prepares(run, detail):
            under_way = isinstance(service.phase, Launching | Preparing)
            return replace(service, phase=Preparing(run, detail)) if under_way else service, []
        case Spawned():
            return _spawned(service, facts, event, now)
        case NotStarted(run):
            return lost_port.not_started(service, event, now), [Note(run, lost_port.told(event)), Forget(run)]
        case Ends():
            return replace(service, facts=replace(facts, ends=True)), []
        case Exited():
            return _exited(service, facts, event, now)
        case Gone(run):
            return _gone(service, facts, now), [Unwatch(run), Forget(run)]
        case Lost(run, reason):
            return _lost(service, facts, reason, now), [Unwatch(run), Forget(run)]
        case Stuck(processes=processes):
            return replace(service, facts=replace(facts, stuck=processes)), []


def _of_health(service: Service, facts: RunFacts, event: HealthEvent, now: float) -> Outcome:
    notes: list[Effect] = []
    match event:
        case Notified():
            return _notified(service, facts, event, now)
        case SenderEnded():
            facts = observe_sender_end(facts, event)
        case Listens() if isinstance(service.phase, Stopping):
            return service, []  # what it closes while it ends explains nothing
        case Listens():
            before, facts = facts, observe_listeners(facts, event, is_patient=service.is_patient)
            notes = strangers.noted(before, facts)
        case Asked():
            facts = observe_answer(facts, event)
        case Probed():
            facts = observe_probe(facts, event)
        case Checked():
            facts = observe_healthcheck(facts, event)
        case Silenced(detail=detail, is_left=is_left):
            facts = replace(facts, silenced=detail, is_left=is_left)
        case Resumed():
            facts = replace(facts, silenced="", is_left=False)
        case Paused() | Unpaused():
            facts = observe_pause(facts, event)
    facts = background.renewed(facts, service.facts, event.at)
    service, effects = weigh(replace(service, facts=facts), event.at, now)
    return service, [*effects, *notes]


# The process.


def _spawned(service: Service, facts: RunFacts, event: Spawned, now: float) -> Outcome:
    """A process is there. After a restart of the daemon this comes again, of a run that is known."""
    known, run, spec = facts.pid is not None, facts.run, facts.definition.spec
    if not known:
        service = replace(service, facts=born(facts, event))
    match service.phase:
        case Launching() | Preparing():
            fail_at = None if spec.start_timeout is None else now + spec.start_timeout
            started = replace(service, phase=Starting(run, fail_at))
            # The keeper writes this itself for a process, or its first words might come before it.
            container = event.container
            notes = [Note(run, f"started: container {container[:12]}, run {run.number}")] if container else []
            return started, [Watch(run), *notes]
        case Stopping() as phase if not known:  # asked to stop before it had a process
            stopping = replace(phase, kill_at=now + spec.stop_timeout)
            return replace(service, phase=stopping), [Terminate(run)]
        case Stopping() if facts.notify.stopping:  # it ends by itself, and its dependents may be there still
            return service, []
        case Stopping():  # an earlier daemon may have died between its decision and the signal
            return service, [Terminate(run)]
        case _:
            return service, [Watch(run)]


def _exited(service: Service, facts: RunFacts, event: Exited, now: float) -> Outcome:
    """The main process ended. The rest of its tree is killed before anything else happens."""
    if event.pid != facts.pid or facts.ended_at is not None:
        return service, []
    service, said = _lived_to(service, facts, event.at)
    facts, run = service.facts or facts, facts.run
    facts = replace(facts, exit=event.exit, left=event.left, ended_at=event.at, watchdog_at=None)
    service = replace(service, facts=facts)
    # The history of what is forgotten goes too, and a note that comes late would begin another.
    ending = how(event.exit) + ended_with(facts, event.left, event.behind)
    notes = [] if service.desired is Desired.REMOVED else [*said, Note(run, ending)]
    if isinstance(service.phase, Stopping) and service.phase.then is not None:
        others = facts.definition.spec.kill_mode is KillMode.MIXED and event.left
        return service, [*notes, *([Terminate(run)] if others else [])]
    then = after(service, facts, event.exit, event.left, event.at, event.behind)
    alone = alone_until(facts, now)
    stopping = Stopping(run, now + facts.definition.spec.stop_timeout, then, alone)
    leftovers = [Terminate(run)] if event.left and alone is None else []
    return replace(service, phase=stopping), [Unwatch(run), *notes, *leftovers]


def _lived_to(service: Service, facts: RunFacts, at: float) -> Outcome:
    """A worker is ready when it has lived for a while. Whoever looks up only at its end (a daemon that was
    away) comes to the same result as one that watched."""
    speaks_at = facts.process_speaks_at
    if not isinstance(service.phase, Starting) or speaks_at is None or at < speaks_at:
        return service, []
    return weigh(replace(service, facts=observe_process(facts, speaks_at)), speaks_at, speaks_at)


def _gone(service: Service, facts: RunFacts, now: float) -> Service:
    """Nothing is left of the run. Its exit was observed before, unless something went very wrong."""
    exit_ = facts.exit or Exit()
    ended = replace(service, facts=replace(facts, ended_at=facts.ended_at or now, exit=exit_))
    return over(settled(ended), after(ended, facts, exit_, 0, now), now)


def _lost(service: Service, facts: RunFacts, reason: str, now: float) -> Service:
    """Nobody saw how it ended, so no policy is asked: what is wanted is started again."""
    ended = replace(facts, ended_at=facts.ended_at or now, exit=facts.exit or Exit())
    service = replace(
        service, facts=with_evidence(ended, Evidence(Source.PROCESS, False, now, reason), counts=False)
    )
    known = service.phase.then if isinstance(service.phase, Stopping) else None
    return replace(service, phase=Stopped() if known is None or isinstance(known, Retry) else known)


# Health.


def weigh(service: Service, at: float, now: float) -> Outcome:
    """Look at the result after news: the first good one makes a starting service a running one."""
    facts = service.facts
    if facts is None or not isinstance(service.phase, Starting | Running):
        return service, []
    if facts.notify.ready and believed(facts) and program(facts.definition) == program(service.definition):
        service = replace(service, expects_ready=True, stays_silent=False)
    result = evaluate(facts, expects_ready=service.expects_ready)
    if result.health is not Health.HEALTHY:
        return taken_back(service, at, now), []
    if isinstance(service.phase, Running):
        return service, []
    watchdog_at = now + facts.watchdog if facts.watchdog else None
    at = counts_since(facts, at) if result.source is Source.NOTIFY else at
    facts = replace(facts, ready_at=at, watchdog_at=watchdog_at, extended_until=None)
    note = Note(facts.run, f"healthy ({result.source}): {result.because}")
    return replace(service, facts=facts, phase=Running(facts.run)), [note]


def _of_engine(service: Service, facts: RunFacts, event: OfEngine, now: float) -> Outcome:
    """A restart that the engine carries out by itself counts like one of ours."""
    if isinstance(event, Reported):
        return weigh(replace(service, facts=observe_report(facts, event)), event.at, now)
    if isinstance(service.phase, Stopping):
        return service, []
    facts = observe_replacement(facts, event)
    again = replace(service, facts=facts, restarts=service.restarts.another(now))
    service, effects = weigh(again, event.at, now)
    note = Note(event.run, f"{event.detail}; {facts.definition.engine.called} starts another")
    return service, [*effects, note]


def _notified(service: Service, facts: RunFacts, event: Notified, now: float) -> Outcome:
    """What the program says of itself, and the timers that its words move."""
    facts, words = observe_notification(facts, event)
    if words is None:
        return replace(service, facts=facts), []
    facts = background.renewed(facts, service.facts, event.at)
    if event.main is not None:
        facts = replace(facts, pid=event.main)
    had_said = service.facts is not None and service.facts.notify.ready
    service, effects = weigh(replace(service, facts=_kept_alive(service, facts, words, now)), event.at, now)
    is_up = isinstance(service.phase, Starting | Running)
    if is_up and facts.notify.ready and not had_said and facts.listening_at is None:
        effects = [*effects, Watch(event.run)]  # from now on somebody waits for its listener
    if words.has("WATCHDOG", b"trigger") and service.facts and is_up:
        service, ending = expired(service, service.facts, event.run, now)
        return service, [*effects, *ending]
    # In this order: a service that says that it stops may say in the same datagram how long that will take.
    return _extended(_leaving(service, words, now), words, now), effects


def _kept_alive(service: Service, facts: RunFacts, words: Notification, now: float) -> RunFacts:
    """WATCHDOG=1 moves the deadline, WATCHDOG_USEC=n sets how far; 0 turns it off."""
    interval = words.seconds("WATCHDOG_USEC")
    if interval is not None:
        facts = replace(facts, watchdog=interval or None)
    if not isinstance(service.phase, Running):
        return facts
    if not facts.watchdog:
        return replace(facts, watchdog_at=None)
    if words.has("WATCHDOG", b"1") or interval is not None:
        return replace(facts, watchdog_at=max(now + facts.watchdog, facts.extended_until or 0))
    return facts


def _extended(service: Service, words: Notification, now: float) -> Service:
    """EXTEND_TIMEOUT_USEC=n moves the deadline in force to at least now + n."""
    extension, facts = words.seconds("EXTEND_TIMEOUT_USEC"), service.facts
    if extension is None or facts is None:
        return service
    until = now + extension
    match service.phase:
        case Starting(fail_at=at) as phase if at is not None and at < until:
            service = replace(service, phase=replace(phase, fail_at=until))
        case Stopping(kill_at=at) as phase if at is not None and at < until:
            service = replace(service, phase=replace(phase, kill_at=until))
        case Running() if facts.watchdog_at is not None and facts.watchdog_at < until:
            facts = replace(facts, watchdog_at=until)
        case _:
            return service
    return replace(service, facts=replace(facts, extended_until=until))


def _leaving(service: Service, words: Notification, now: float) -> Service:
    """STOPPING=1: the service ends by itself, and has as long for it as if it had been asked to."""
    is_its_own = service.facts is not None and service.facts.notify.stopping
    if not words.has("STOPPING", b"1") or not is_its_own or not isinstance(service.phase, Starting | Running):
        return service
    return replace(service, phase=Stopping(service.phase.run, now + service.present.spec.stop_timeout, None))
