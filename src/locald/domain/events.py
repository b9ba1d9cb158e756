"""What an event does to the service it is about.

News of another run than the present one falls through unread. The state diagram in ARCHITECTURE.md is
walked out of this code by a test.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from locald.domain.exits import after, calmed, how, over
from locald.domain.health import Evidence, Health, Source
from locald.domain.life import Life, hear, hear_listeners, hear_notification, hear_probe, judge
from locald.domain.messages import (
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
    Probed,
    ProcessEvent,
    Spawned,
    Stuck,
    Terminate,
    Unwatch,
    Watch,
)
from locald.domain.phase import (
    Adopting,
    Failed,
    Launching,
    Retry,
    Running,
    Starting,
    Stopped,
    Stopping,
)
from locald.domain.spec import Type

if TYPE_CHECKING:
    from locald.domain.notify import Notification
    from locald.domain.service import Outcome, Service


def observe(service: Service, event: Event, now: float) -> Outcome:
    """Fold one event in. The first news of a run that an earlier daemon left says that it was found."""
    life = service.life
    if event.run != service.run or life is None:
        return service, []
    if isinstance(service.phase, Adopting):
        service = replace(service, phase=service.phase.before)
    if isinstance(event, HealthEvent):
        return _of_health(service, life, event)
    return _of_process(service, life, event, now)


def _of_process(service: Service, life: Life, event: ProcessEvent, now: float) -> Outcome:
    match event:
        case Spawned(_, pid, at):
            return _spawned(service, life, pid, at, now)
        case NotStarted(run, reason, hint):
            failed = over(service, Failed(reason, hint), now)
            return failed, [Note(run, f"not started: {reason}"), Forget(run)]
        case Exited(_, pid, exit_, left, at):
            return _exited(service, life, pid, exit_, left, at)
        case Gone(run):
            return _gone(service, life, now), [Unwatch(run), Forget(run)]
        case Lost(run, reason):
            return _lost(service, life, reason, now), [Unwatch(run)]
        case Stuck(processes=processes):
            return replace(service, life=replace(life, stuck=processes)), []


def _of_health(service: Service, life: Life, event: HealthEvent) -> Outcome:
    match event:
        case Notified():
            return _notified(service, life, event)
        case Listens():
            return weigh(replace(service, life=hear_listeners(life, event)), event.at)
        case Probed():
            return weigh(replace(service, life=hear_probe(life, event)), event.at)


# The process.


def _spawned(service: Service, life: Life, pid: int, at: float, now: float) -> Outcome:
    """A process is there. After a restart of the daemon this is heard again, of a run that is known."""
    known, run, spec = life.pid is not None, life.run, life.definition.spec
    if not known:
        service = replace(service, life=replace(life, pid=pid, spawned_at=at))
    match service.phase:
        case Launching():
            fail_at = None if spec.start_timeout is None else at + spec.start_timeout
            started = replace(service, phase=Starting(run, fail_at))
            return started, [Watch(run), Note(run, f"started: pid {pid}, run {run.number}")]
        case Stopping(kill_at=None) if not known:  # asked to stop before it had a process
            return replace(service, phase=replace(service.phase, kill_at=now + spec.stop_timeout)), [
                Terminate(run)
            ]
        case Stopping():  # an earlier daemon may have died between its wish and the signal
            return service, [Terminate(run)]
        case _:
            return service, [Watch(run)]


def _exited(service: Service, life: Life, pid: int, exit_: Exit, left: int, at: float) -> Outcome:
    """The main process ended. What is left of its tree is ended before anything else happens."""
    if pid != life.pid or life.ended_at is not None:
        return service, []
    run, life = life.run, replace(life, exit=exit_, ended_at=at, watchdog_at=None)
    service = calmed(replace(service, life=life), at)
    if isinstance(service.phase, Stopping) and service.phase.then is not None:
        return service, [Note(run, how(exit_))]
    then = after(service, life, exit_, left, at)
    stopping = Stopping(run, at + life.definition.spec.stop_timeout, then)
    leftovers = [Terminate(run)] if left else []
    return replace(service, phase=stopping), [Unwatch(run), Note(run, how(exit_)), *leftovers]


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


def weigh(service: Service, now: float) -> Outcome:
    """Look at the verdict after news: the first good one makes a starting service a running one."""
    life = service.life
    if life is None or not isinstance(service.phase, Starting) or life.definition.spec.type is Type.TASK:
        return service, []
    verdict = judge(life, expects_ready=service.expects_ready)
    if verdict.health is not Health.HEALTHY:
        return service, []
    watchdog_at = now + life.watchdog if life.watchdog else None
    life = replace(life, ready_at=now, watchdog_at=watchdog_at, failures=0)
    note = Note(life.run, f"healthy ({verdict.source}): {verdict.because}")
    return replace(service, life=life, phase=Running(life.run)), [note]


def _notified(service: Service, life: Life, event: Notified) -> Outcome:
    """What the program says of itself, and the timers that its words move."""
    life, words = hear_notification(life, event)
    if event.main is not None and words is not None:
        life = replace(life, pid=event.main)
    expects_ready = service.expects_ready or life.said.ready
    service = replace(service, life=life, expects_ready=expects_ready)
    if words is None:
        return service, []
    service, effects = weigh(replace(service, life=_kept_alive(service, life, words, event.at)), event.at)
    return _leaving(_extended(service, words, event.at), words, event.at), effects


def _kept_alive(service: Service, life: Life, words: Notification, at: float) -> Life:
    """WATCHDOG=1 moves the deadline, WATCHDOG=trigger is as if it had passed, WATCHDOG_USEC=n sets it."""
    interval = words.number("WATCHDOG_USEC")
    if interval:
        life = replace(life, watchdog=interval / 1e6)
    if not isinstance(service.phase, Running) or not life.watchdog:
        return life
    if words.has("WATCHDOG", b"trigger"):
        return replace(life, watchdog_at=at)
    if words.has("WATCHDOG", b"1") or interval:
        return replace(life, watchdog_at=max(at + life.watchdog, life.extended_until or 0))
    return life


def _extended(service: Service, words: Notification, at: float) -> Service:
    """EXTEND_TIMEOUT_USEC=n moves the deadline in force to at least now + n."""
    extension, life = words.number("EXTEND_TIMEOUT_USEC"), service.life
    if extension is None or life is None:
        return service
    until = at + extension / 1e6
    watchdog_at = life.watchdog_at and max(life.watchdog_at, until)
    service = replace(service, life=replace(life, extended_until=until, watchdog_at=watchdog_at))
    match service.phase:
        case Starting(run, fail_at) if fail_at is not None:
            return replace(service, phase=Starting(run, max(fail_at, until)))
        case Stopping(run, kill_at, then) if kill_at is not None:
            return replace(service, phase=Stopping(run, max(kill_at, until), then))
        case _:
            return service


def _leaving(service: Service, words: Notification, at: float) -> Service:
    """STOPPING=1: the service ends by itself, and has as long for it as if it had been asked to."""
    if not words.has("STOPPING", b"1") or not isinstance(service.phase, Starting | Running):
        return service
    return replace(service, phase=Stopping(service.phase.run, at + service.present.spec.stop_timeout, None))
