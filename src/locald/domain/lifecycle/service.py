"""One service: what is desired of it, which phase it is in, what is known of its run.

Three things in three places: `desired`, `phase`, and `facts`, of its present run or of the latest.
The result on its health is derived from phase and facts in one place, `with_result`, after every change.
What events do to a service stands in `events`, what time does in `deadlines`; starting and stopping on
behalf of dependencies is decided in `world`.
"""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import replace

from locald.domain.lifecycle.belief import stays_until
from locald.domain.lifecycle.changes import Changes, forgotten
from locald.domain.lifecycle.evaluation import evaluate
from locald.domain.lifecycle.health import NOTHING_RUNS, Health, HealthResult, Source
from locald.domain.lifecycle.messages import Effect, Terminate, Unwatch
from locald.domain.lifecycle.past import REMEMBERED_RUNS, PastRun, past_of
from locald.domain.lifecycle.phase import (
    Adopting,
    Backoff,
    Completed,
    Desired,
    Launching,
    Live,
    Phase,
    Preparing,
    Running,
    Starting,
    Stopped,
    Stopping,
    Then,
)
from locald.domain.lifecycle.restarts import CALM, Restarts
from locald.domain.lifecycle.run_facts import RunFacts, patience
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Caller, Definition, Engine, ServiceSpec
from locald.domain.values.amounts import length
from locald.domain.values.duration import show

REMEMBERED_STARTS = 10
LONGER, LONGEST_DOUBT = 1.5, 10.0
"""how many times as long as a run that failed the next one has to live, and the most seconds of it"""


class Service(Struct, frozen=True):
    definition: Definition
    """what the next run will be a run of; the present run keeps its own in `facts`"""
    caller: Caller = field(default_factory=Caller)
    desired: Desired = Desired.DOWN
    phase: Phase = field(default_factory=Stopped)
    facts: RunFacts | None = None
    runs: int = 0
    """the number of the latest run"""
    restarts: Restarts = field(default_factory=Restarts)
    expects_ready: bool = False
    """an earlier run of this command or image sent READY=1"""
    stays_silent: bool = False
    """an earlier run of this command can send READY=1, and was waited for in vain"""
    result: HealthResult = NOTHING_RUNS
    since: float = 0.0
    """when the present health began"""
    queued_at: float | None = None
    """when this start was asked for"""
    waited_for: frozenset[str] = frozenset()
    """the dependencies that this start really had to wait for"""
    durations: tuple[float, ...] = ()
    """seconds from spawn to ready of runs before the latest that became ready, oldest first"""
    is_resting: bool = False
    """it was stopped because no request came"""
    past: tuple[PastRun, ...] = ()
    """its runs before the latest, the oldest first"""
    changes: Changes = field(default_factory=Changes)
    """of the files that it watches"""
    cause: str = ""
    """why the next run begins, where nobody asked for it; empty otherwise"""
    held_by: Key | None = None
    """the service that somebody stopped and that this one cannot be without, as its dependencies know"""
    users: dict[str, bool] = field(default_factory=dict)
    """of a shared service: the instances that have it in their file, and whether each wants it"""

    @property
    def key(self) -> Key:
        return self.definition.key

    @property
    def spec(self) -> ServiceSpec:
        return self.definition.spec

    @property
    def present(self) -> Definition:
        """What the present run is a run of."""
        return self.facts.definition if self.facts else self.definition

    @property
    def is_stale(self) -> bool:
        """Its latest run is of another definition. A container may have turned out to have no port."""
        port = self.present.port if self.present.port is not None else self.definition.port
        return not self.definition.is_like(replace(self.present, port=port))

    @property
    def run(self) -> Run | None:
        """The present run, while anything of it may be there."""
        return self.phase.run if isinstance(self.phase, Live) else None

    def belongs_to(self, project: str) -> bool:
        """Whether it is of this project or instance, or shared by it."""
        return self.key.project == project or project in self.users

    def is_up_for(self, project: str) -> bool:
        """Whether it is wanted, as services of this project or instance see it."""
        return self.desired.is_up and self.users.get(project, True)

    @property
    def is_healthy(self) -> bool:
        return self.result.health is Health.HEALTHY

    @property
    def is_patient(self) -> bool:
        """Nothing is known yet of what its program says of itself."""
        return not (self.stays_silent or self.expects_ready)

    @property
    def quiet_at(self) -> float | None:
        """When its files have been quiet for long enough; None while none has changed."""
        return self.changes.due(self.spec.watch.debounce) if self.spec.watch else None

    @property
    def deadline(self) -> float | None:
        """When this service wants to be looked at even if nothing happens."""
        return _earliest(self.quiet_at, self.deadline_of_phase)

    @property
    def deadline_of_phase(self) -> float | None:
        facts = self.facts
        match self.phase:
            case Starting() | Running() if facts and facts.ends:
                return None
            case Starting(fail_at=fail_at) if facts:
                holds = (facts.hold_until, facts.rests_at, facts.looks_until, facts.settles_at)
                return _earliest(fail_at, facts.process_speaks_at, *holds, stays_until(facts))
            case Starting(fail_at=fail_at):
                return fail_at
            case Running():
                return _earliest(facts.watchdog_at, facts.settles_at, stays_until(facts)) if facts else None
            case Stopping(kill_at=at, alone_until=alone):
                return at if alone is None else alone
            case Backoff(retry_at=at):
                return at
            case _:
                return None

    @property
    def is_sought(self) -> bool:
        """An earlier daemon left a run of it, and nobody has told yet what has become of that."""
        return isinstance(self.phase, Adopting)

    @property
    def known(self) -> HealthResult:
        """What may be said of its health: what an earlier daemon knew may be so no longer."""
        return NOTHING_RUNS if self.is_sought else self.result


Outcome = tuple[Service, list[Effect]]


def _earliest(*times: float | None) -> float | None:
    return min((at for at in times if at is not None), default=None)


def fresh(service: Service, now: float) -> Service:
    """Somebody asks for it: failures before are forgotten, and what nothing runs of starts again."""
    known = replace(forgotten(service.changes), suspects=(), rounds=0, left_out=())
    return replace(
        service,
        phase=_forgiven(service.phase),
        restarts=Restarts(),
        queued_at=now,
        waited_for=frozenset(),
        changes=known,
        cause="",
        is_resting=False,
    )


def _forgiven(phase: Phase) -> Phase:
    match phase:
        case Launching() | Preparing() | Starting() | Running():
            return phase
        case Stopping():
            return replace(phase, then=Stopped())
        case Adopting(before):
            return Adopting(replace(before, then=Stopped())) if isinstance(before, Stopping) else phase
        case _:
            return Stopped()


def launch(service: Service) -> tuple[Service, Run]:
    """Begin the next run. How long the one before took is remembered."""
    run = Run(service.key, service.runs + 1)
    facts = RunFacts(
        run,
        service.definition,
        watchdog=service.spec.watchdog if service.definition.engine is Engine.LOCAL else None,
        speaks_after=_speaks_after(service),
        cause=service.cause,
        queued_at=service.queued_at,
        waited_for=tuple(sorted(service.waited_for)),
    )
    took = service.facts.took if service.facts else None
    durations = service.durations if took is None else (*service.durations, took)[-REMEMBERED_STARTS:]
    began = replace(service, runs=run.number, facts=facts, phase=Launching(run), durations=durations)
    past = (*service.past, *([past_of(service.facts)] if service.facts else []))[-REMEMBERED_RUNS:]
    return replace(began, cause="", past=past), run


def _speaks_after(service: Service) -> float:
    """A program that failed after two seconds (while it imported, say) has to live longer than that before it
    is believed to be more than alive, and never less than a run before had to: runs differ."""
    before = service.facts
    if not service.restarts.streak or before is None or before.spawned_at is None or before.ended_at is None:
        return patience(service.definition.engine)
    lived = before.ended_at - before.spawned_at
    return min(max(before.speaks_after, LONGER * lived), LONGEST_DOUBT)


def end(service: Service, now: float, then: Then) -> Outcome:
    """Begin the end of the present run; without a process yet, its spawn is awaited first. What takes long
    before there is one is called off."""
    match service.phase:
        case Launching(run):
            return replace(service, phase=Stopping(run, None, then)), []
        case Preparing(run):
            return replace(service, phase=Stopping(run, None, then)), [Terminate(run)]
        case Starting(run) | Running(run):
            kill_at = now + service.present.spec.stop_timeout
            return replace(service, phase=Stopping(run, kill_at, then)), [Unwatch(run), Terminate(run)]
        case Stopping(run, then=None) as phase:
            # It is ending by itself; if that took too long it was killed already, and SIGTERM comes late.
            told: list[Effect] = [Unwatch(run), Terminate(run)] if phase.kill_at is not None else []
            return replace(service, phase=replace(phase, then=then)), told
        case _:
            return service, []


def with_result(service: Service, now: float) -> Service:
    """The service with its result brought up to date; `since` moves when health does."""
    result = _result(service)
    if result == service.result:
        return service
    if result.health is service.result.health:
        return replace(service, result=result)
    return replace(calmed(service, now), result=result, since=now)


def calmed(service: Service, now: float) -> Service:
    """After ten seconds of health the next restart waits as briefly as the first."""
    if service.is_healthy and now - service.since >= CALM:
        return replace(service, restarts=service.restarts.calmed())
    return service


def stop_reason(service: Service) -> str:
    """Which command stopped what ran of the service: one of the user's, directly or on a dependency."""
    if service.desired is Desired.RESTART:
        return _restarting(service)
    if service.desired is Desired.UP and service.held_by:
        return f"stopped because {service.held_by.service} was stopped"
    if service.is_resting:
        return f"stopped, {_unasked(service)}"
    return "stopped by user"


def _unasked(service: Service) -> str:
    idle = service.present.spec.idle_timeout
    return f"no request for {show(idle)}" if idle else "no request"


def stopping_reason(service: Service) -> str:
    """The same while its processes are still there: nothing has stopped yet."""
    if service.desired is Desired.RESTART:
        return _restarting(service)
    if service.desired is Desired.UP and service.held_by:
        return f"stopping because {service.held_by.service} was stopped"
    return f"stopping, {_unasked(service)}" if service.is_resting else "stopping, requested by user"


def _restarting(service: Service) -> str:
    return f"restarting: {service.cause}" if service.cause else "restarting"


def program(definition: Definition) -> str:
    """What makes a program the same one, for remembering that it speaks the notify protocol."""
    return repr((definition.spec.command, definition.spec.image))


def _result(service: Service) -> HealthResult:
    facts = service.facts
    match service.phase:
        case Launching(run):
            return HealthResult(Health.STARTING, Source.NONE, f"starting (run {run.number})")
        case Preparing(_, detail):
            return HealthResult(Health.STARTING, Source.NONE, detail)
        case Starting() | Running() if facts:
            return evaluate(facts, expects_ready=service.expects_ready)
        case Stopping() if facts and facts.ended_at is None and facts.pid is not None:
            result = evaluate(facts, expects_ready=service.expects_ready)
            own_doing = facts.notify.stopping or facts.expired
            return HealthResult(
                Health.UNHEALTHY, result.source, result.because if own_doing else stopping_reason(service)
            )
        case Adopting():
            return service.result
        case Completed(took, ended):
            because = f"exited with code 0 after {length(took)}{ended}"
            return HealthResult(Health.HEALTHY, Source.PROCESS, because)
        case _:
            return NOTHING_RUNS
