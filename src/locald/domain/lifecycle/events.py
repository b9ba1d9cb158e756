"""What an event does to the service it is about.

News of another run than the present one falls through unread. What happened is dated by the event's `at`;
deadlines count from `now`, when it is heard: nobody is punished for a daemon that was away. The state diagram
in ARCHITECTURE.md is walked out of this code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from locald.domain.lifecycle.exits import after, expired, how, not_begun, over
from locald.domain.lifecycle.health import Evidence, Health, Source
from locald.domain.lifecycle.life import (
    Life,
    born,
    hear,
    hear_healthcheck,
    hear_listeners,
    hear_notification,
    hear_probe,
    judge,
)
from locald.domain.lifecycle.messages import (
    Checked,
    Event,
    Exit,
    Exited,
    Forget,
    Gone,
    HealthEvent,
    Listens,
    Lost,
    Note,
    Notified,
    NotStarted,
    Prepares,
    Probed,
    ProcessEvent,
    Resumed,
    Silenced,
    Spawned,
    Stuck,
    Terminate,
    Unwatch,
    Watch,
)
from locald.domain.lifecycle.phase import (
    Adopting,
    Failed,
    Launching,
    Preparing,
    Retry,
    Running,
    Starting,
    Stopped,
    Stopping,
    Wish,
)
from locald.domain.lifecycle.service import program

if TYPE_CHECKING:
    from locald.domain.lifecycle.notify import Notification
    from locald.domain.lifecycle.service import Outcome, Service


TIME_FOR_A_LOOK = 5.0
"""seconds that a run has left of its start, at least, when an earlier daemon's run is found"""


def observe(service: Service, event: Event, now: float) -> Outcome:
    """Fold one event in. The first news of a run that an earlier daemon left says that it was found."""
    if isinstance(service.phase, Adopting) and event.run == service.run:
        service = _found(service, service.phase, now)
    life = service.life
    if event.run != service.run or life is None:
        return service, []
    if isinstance(event, HealthEvent):
        return _of_health(service, life, event, now)
    return _of_process(service, life, event, now)


def _found(service: Service, phase: Adopting, now: float) -> Service:
    """As it was, but for deadlines that passed while nobody looked: a service cannot be blamed for them."""
    life, before = service.life, phase.before
    if life and life.watchdog and life.watchdog_at is not None:
        life = replace(life, watchdog_at=now + life.watchdog)
    match before:
        case Starting(fail_at=fail_at) if fail_at is not None:
            before = replace(before, fail_at=max(fail_at, now + TIME_FOR_A_LOOK))
        case Stopping() if life and life.pid is not None:  # the signal may never have been sent
            before = replace(before, kill_at=now + life.definition.spec.stop_timeout)
        case _:
            pass
    return replace(service, life=life, phase=before)


def _of_process(service: Service, life: Life, event: ProcessEvent, now: float) -> Outcome:
    match event:
        case Prepares(run) if isinstance(service.phase, Stopping):
            return service, [Terminate(run)]
        case Prepares(run, detail):
            under_way = isinstance(service.phase, Launching | Preparing)
            return replace(service, phase=Preparing(run, detail)) if under_way else service, []
        case Spawned():
            return _spawned(service, life, event, now)
        case NotStarted(run, reason, hint):
            failed = over(service, Failed(reason, hint), now)
            return failed, [Note(run, not_begun(reason)), Forget(run)]
        case Exited():
            return _exited(service, life, event, now)
        case Gone(run):
            return _gone(service, life, now), [Unwatch(run), Forget(run)]
        case Lost(run, reason):
            return _lost(service, life, reason, now), [Unwatch(run), Forget(run)]
        case Stuck(processes=processes):
            return replace(service, life=replace(life, stuck=processes)), []


def _of_health(service: Service, life: Life, event: HealthEvent, now: float) -> Outcome:
    match event:
        case Notified():
            return _notified(service, life, event, now)
        case Listens() if isinstance(service.phase, Stopping):
            return service, []  # what it closes while it ends explains nothing
        case Listens():
            life = hear_listeners(life, event)
        case Probed():
            life = hear_probe(life, event)
        case Checked():
            life = hear_healthcheck(life, event)
        case Silenced(detail=detail):
            life = replace(life, silenced=detail)
        case Resumed():
            life = replace(life, silenced="")
    return weigh(replace(service, life=life), event.at, now)


# The process.


def _spawned(service: Service, life: Life, event: Spawned, now: float) -> Outcome:
    """A process is there. After a restart of the daemon this is heard again, of a run that is known."""
    known, run, spec = life.pid is not None, life.run, life.definition.spec
    if not known:
        service = replace(service, life=born(life, event))
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
        case Stopping():  # an earlier daemon may have died between its wish and the signal
            return service, [Terminate(run)]
        case _:
            return service, [Watch(run)]


def _exited(service: Service, life: Life, event: Exited, now: float) -> Outcome:
    """The main process ended. What is left of its tree is ended before anything else happens."""
    if event.pid != life.pid or life.ended_at is not None:
        return service, []
    run = life.run
    life = replace(life, exit=event.exit, left=event.left, ended_at=event.at, watchdog_at=None)
    service = replace(service, life=life)
    # The history of what is forgotten goes too, and a note that comes late would begin another.
    notes = [] if service.wish is Wish.GONE else [Note(run, how(event.exit))]
    if isinstance(service.phase, Stopping) and service.phase.then is not None:
        return service, [*notes]
    then = after(service, life, event.exit, event.left, event.at)
    stopping = Stopping(run, now + life.definition.spec.stop_timeout, then)
    leftovers = [Terminate(run)] if event.left else []
    return replace(service, phase=stopping), [Unwatch(run), *notes, *leftovers]


def _gone(service: Service, life: Life, now: float) -> Service:
    """Nothing is left of the run. Its exit was heard before, unless something went very wrong."""
    exit_ = life.exit or Exit()
    ended = replace(service, life=replace(life, ended_at=life.ended_at or now, exit=exit_))
    return over(ended, after(ended, life, exit_, 0, now), now)


def _lost(service: Service, life: Life, reason: str, now: float) -> Service:
    """Nobody saw how it ended, so no policy is asked: what is wanted is started again."""
    ended = replace(life, ended_at=life.ended_at or now, exit=life.exit or Exit())
    service = replace(service, life=hear(ended, Evidence(Source.PROCESS, False, now, reason), counts=False))
    known = service.phase.then if isinstance(service.phase, Stopping) else None
    return replace(service, phase=Stopped() if known is None or isinstance(known, Retry) else known)


# Health.


def weigh(service: Service, at: float, now: float) -> Outcome:
    """Look at the verdict after news: the first good one makes a starting service a running one."""
    life = service.life
    if life is None or not isinstance(service.phase, Starting):
        return service, []
    verdict = judge(life, expects_ready=service.expects_ready)
    if verdict.health is not Health.HEALTHY:
        return service, []
    watchdog_at = now + life.watchdog if life.watchdog else None
    life = replace(life, ready_at=at, watchdog_at=watchdog_at, extended_until=None)
    note = Note(life.run, f"healthy ({verdict.source}): {verdict.because}")
    return replace(service, life=life, phase=Running(life.run)), [note]


def _notified(service: Service, life: Life, event: Notified, now: float) -> Outcome:
    """What the program says of itself, and the timers that its words move."""
    life, words = hear_notification(life, event)
    if words is None:
        return replace(service, life=life), []
    if event.main is not None:
        life = replace(life, pid=event.main)
    if life.said.ready and program(life.definition) == program(service.definition):
        service = replace(service, expects_ready=True)
    service, effects = weigh(replace(service, life=_kept_alive(service, life, words, now)), event.at, now)
    if words.has("WATCHDOG", b"trigger") and service.life and isinstance(service.phase, Starting | Running):
        service, ending = expired(service, service.life, event.run, now)
        return service, [*effects, *ending]
    # In this order: whoever says that it stops may say in the same datagram how long that will take.
    return _extended(_leaving(service, words, now), words, now), effects


def _kept_alive(service: Service, life: Life, words: Notification, now: float) -> Life:
    """WATCHDOG=1 moves the deadline, WATCHDOG_USEC=n sets how far; 0 turns it off."""
    interval = words.seconds("WATCHDOG_USEC")
    if interval is not None:
        life = replace(life, watchdog=interval or None)
    if not isinstance(service.phase, Running):
        return life
    if not life.watchdog:
        return replace(life, watchdog_at=None)
    if words.has("WATCHDOG", b"1") or interval is not None:
        return replace(life, watchdog_at=max(now + life.watchdog, life.extended_until or 0))
    return life


def _extended(service: Service, words: Notification, now: float) -> Service:
    """EXTEND_TIMEOUT_USEC=n moves the deadline in force to at least now + n."""
    extension, life = words.seconds("EXTEND_TIMEOUT_USEC"), service.life
    if extension is None or life is None:
        return service
    until = now + extension
    match service.phase:
        case Starting(fail_at=at) as phase if at is not None and at < until:
            service = replace(service, phase=replace(phase, fail_at=until))
        case Stopping(kill_at=at) as phase if at is not None and at < until:
            service = replace(service, phase=replace(phase, kill_at=until))
        case Running() if life.watchdog_at is not None and life.watchdog_at < until:
            life = replace(life, watchdog_at=until)
        case _:
            return service
    return replace(service, life=replace(life, extended_until=until))


def _leaving(service: Service, words: Notification, now: float) -> Service:
    """STOPPING=1: the service ends by itself, and has as long for it as if it had been asked to."""
    if not words.has("STOPPING", b"1") or not isinstance(service.phase, Starting | Running):
        return service
    return replace(service, phase=Stopping(service.phase.run, now + service.present.spec.stop_timeout, None))
