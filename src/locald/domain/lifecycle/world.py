"""All services together, and the dependencies between them.

`step` is the only way the world changes. It is pure: a world and a message in, a world and effects out. A
message changes single services; then the neighbours of what changed are reconciled with what they depend on,
again and again until nothing changes. A dependency is a condition, looked at whenever a neighbour changes: no
service is ever told once that another is ready.

A step costs what the neighbourhood of the change costs, however many services there are (but for shallow
copies of dictionaries). One fact travels further: that a service was stopped concerns all services that
cannot be without it, near or far. It goes from neighbour to neighbour, as `held_by`, before anything is
reconciled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from locald.domain.lifecycle import found_port, lost_port, sharing
from locald.domain.lifecycle.deadlines import due, put_off
from locald.domain.lifecycle.dependencies import (
    all_dependencies,
    blocking_root,
    depends_on_now,
    held_by,
    must_stop,
    needs,
    unmet,
)
from locald.domain.lifecycle.events import observe
from locald.domain.lifecycle.false_starts import forgiven, was_taken_back
from locald.domain.lifecycle.messages import (
    Discard,
    Down,
    Due,
    Effect,
    FilesChanged,
    Message,
    Proxied,
    Prune,
    Rest,
    Restart,
    Shutdown,
    Slept,
    Start,
    Stop,
    Up,
    Wake,
    WatchTold,
)
from locald.domain.lifecycle.phase import (
    Adopting,
    Blocked,
    Completed,
    Desired,
    Ended,
    Launching,
    Preparing,
    Running,
    Starting,
    Stopped,
    Stopping,
    Waiting,
)
from locald.domain.lifecycle.place import Place
from locald.domain.lifecycle.reachable import closure, dependents_of, with_dependencies
from locald.domain.lifecycle.restarts import Restarts
from locald.domain.lifecycle.service import Outcome, Service, end, fresh, launch, program, with_result
from locald.domain.lifecycle.watched import noticed
from locald.domain.project.names import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from locald.domain.lifecycle.messages import Command
    from locald.domain.project.spec import Caller, Definition


@dataclass(frozen=True, slots=True)
class World:
    services: Mapping[Key, Service] = field(default_factory=dict)
    dependents: Mapping[Key, tuple[Key, ...]] = field(default_factory=dict)
    """who depends on a service"""
    places: Mapping[str, Place] = field(default_factory=dict)
    """the known projects"""
    ready_senders: Mapping[Key, str] = field(default_factory=dict)
    """programs of forgotten services that sent READY=1, should they come back"""
    instances: Mapping[str, str] = field(default_factory=dict)
    """by folder, which project or instance it was the last time, running or not (see `project.instances`)"""
    past_runs: Mapping[Key, int] = field(default_factory=dict)
    """the number of the last run of services of which nothing is left but what they printed"""
    https_port: int | None = None
    """where services are reached by name; None while there is no proxy. It is not saved"""

    @classmethod
    def of(cls, services: Iterable[Service], places: Mapping[str, Place]) -> World:
        by_key = {service.key: service for service in services}
        return cls(by_key, dependents_of(by_key), dict(places))

    def of_project(self, project: str) -> list[Service]:
        """Its services, and those that it shares with other instances."""
        return [service for service in self.services.values() if service.belongs_to(project)]

    def knows(self, project: str) -> bool:
        """Whether it is a project that was brought up, or an instance of one, or what instances share."""
        return project in self.places or any(key.project == project for key in self.services)


@dataclass(frozen=True, slots=True)
class Step:
    """What one message led to."""

    world: World
    effects: tuple[Effect, ...]
    moved: frozenset[Key]
    """the services that are not as they were, or not there any more"""


def step(world: World, message: Message, now: float) -> Step:
    draft = _Draft(world, now)
    match message:
        case Up() | Stop() | Restart() | Wake() | Rest() | Down() | Shutdown() | Prune():
            _carry_out(draft, message)
        case Proxied(port):
            draft.https_port = port
        case Due() | FilesChanged() | WatchTold():
            if service := draft.services.get(message.key):
                draft.take(_of_service(service, message, now))
        case Slept(seconds):
            draft.put_off(seconds)
        case event:
            if service := draft.services.get(event.run.key):
                draft.take(observe(service, event, now))
                draft.follow(service)
    draft.settle()
    return draft.finish()


def _of_service(service: Service, message: Due | FilesChanged | WatchTold, now: float) -> Outcome:
    match message:
        case Due():
            return due(service, now)
        case FilesChanged():
            return noticed(service, message), []
        case WatchTold(_, trouble, hint):
            return replace(service, changes=replace(service.changes, trouble=trouble, hint=hint)), []


class _Draft:
    """The next world while it is being made; it does not outlive its step."""

    def __init__(self, world: World, now: float) -> None:
        self.before, self.now = world, now
        self.services = dict(world.services)
        self.dependents = dict(world.dependents)
        self.places = dict(world.places)
        self.ready_senders = dict(world.ready_senders)
        self.instances = world.instances
        self.past_runs = dict(world.past_runs)
        self.https_port = world.https_port
        self.effects: list[Effect] = []
        self._moved: set[Key] = set()
        # Sets that keep their order, so that a step is repeatable.
        self._uninformed: dict[Key, None] = {}
        self._agenda: dict[Key, None] = {}

    def take(self, outcome: Outcome) -> None:
        service, effects = outcome
        self.effects += effects
        self.put(service)

    def put(self, service: Service) -> None:
        """Keep the service, and remember to reconcile its neighbours."""
        key, before = service.key, self.services.get(service.key)
        service = with_result(replace(service, held_by=held_by(self.services, service)), self.now)
        if service == before:
            return
        self.services[key] = service
        self._moved.add(key)
        self.effects += found_port.moved(self.services.values(), before, service)
        if (since := was_taken_back(before, service)) is not None:
            self._forgive(key, since)
        self._link(key, all_dependencies(before) if before else (), all_dependencies(service))
        self._spread(key, before, service)
        self._ask(key, *needs(service), *self.dependents.get(key, ()))
        if before and before.run and not service.run:
            self._ask(*self._released(before))

    def follow(self, before: Service) -> None:
        """Tell the others where it will be, if it has lost its port."""
        service = self.services.get(before.key, before)
        if service.definition.port == before.definition.port:
            return
        self.effects += lost_port.notes(self.services.values(), service)
        for other in lost_port.followers(self.services, service):
            self.put(other)

    def _forgive(self, key: Key, since: float) -> None:
        """What was started because this was ready, which it was not, is not to blame."""
        for other in self.dependents.get(key, ()):
            self.put(forgiven(self.services[other], since))

    def put_off(self, seconds: float) -> None:
        for service in self.before.services.values():
            self.put(put_off(service, seconds))

    def remove(self, key: Key) -> None:
        service = self.services.pop(key)
        if service.expects_ready:
            self.ready_senders[key] = program(service.definition)
        self.effects.append(Discard(key))
        self._moved.add(key)
        self._link(key, all_dependencies(service), ())
        self._spread(key, service, None)
        self._ask(*needs(service))

    def desire(self, keys: Iterable[Key], desired: Desired, by: str) -> None:
        """Set the desired state of these: down or removed. What is to be forgotten can be stopped, but not
        kept by that."""
        for key in keys:
            service = self.services.get(key)
            if service and not (service.desired is Desired.REMOVED and desired is Desired.DOWN):
                service = replace(sharing.without(service, desired, by), is_resting=False)
                self.put(sharing.housed(service, self.places))

    def settle(self) -> None:
        """Spread what was stopped, then reconcile; whatever changes begins it again."""
        while self._uninformed or self._agenda:
            informing = bool(self._uninformed)
            waiting = self._uninformed if informing else self._agenda
            key = next(iter(waiting))
            del waiting[key]
            service = self.services.get(key)
            if service and informing:
                self.put(service)
            elif service:
                _reconcile(self, service)

    def has_dependents_to_stop(self, service: Service) -> bool:
        """Dependents that have to leave too are let go first, also those behind one that does not run."""

        def depending(key: Key) -> list[Key]:
            return [
                other for other in self.dependents.get(key, ()) if key in depends_on_now(self.services[other])
            ]

        others = self._walk(depending(service.key), depending)
        return any(other.run and (must_stop(other) or isinstance(other.phase, Stopping)) for other in others)

    def finish(self) -> Step:
        moved = frozenset(
            key for key in self._moved if self.services.get(key) is not self.before.services.get(key)
        )
        before = (self.before.services.get(key) for key in moved)
        self._forget_places({project for service in before if service for project in self._left(service)})
        known = self.ready_senders, self.instances, self.past_runs, self.https_port
        world = World(self.services, self.dependents, self.places, *known)
        return Step(world, tuple(self.effects), moved)

    def _left(self, before: Service) -> Iterable[str]:
        """The projects that do not have this service any more."""
        after = self.services.get(before.key)
        return {before.key.project, *before.users} if after is None else before.users.keys() - after.users

    def _forget_places(self, projects: set[str]) -> None:
        """Services of these are gone; with the last one goes the project."""
        for project in projects & self.places.keys():
            if not any(service.belongs_to(project) for service in self.services.values()):
                self.places.pop(project)

    def _ask(self, *keys: Key) -> None:
        self._agenda.update(dict.fromkeys(keys))

    def _spread(self, key: Key, before: Service | None, after: Service | None) -> None:
        """Whether it can be depended on is news for its dependents."""
        if sharing.word(before) != sharing.word(after):
            self._uninformed.update(dict.fromkeys(self.dependents.get(key, ())))

    def _link(self, key: Key, before: Collection[Key], after: Collection[Key]) -> None:
        """Keep `dependents` right."""
        for need in sorted(set(before) - set(after)):
            left = tuple(other for other in self.dependents[need] if other != key)
            self.dependents[need] = left
            if not left:
                del self.dependents[need]
        for need in sorted(set(after) - set(before)):
            self.dependents[need] = (*self.dependents.get(need, ()), key)

    def _released(self, service: Service) -> list[Key]:
        """What may have waited for the end of this run, to end too."""

        def needed(key: Key) -> list[Key]:
            return [need for need in needs(self.services[key]) if need in self.services]

        first = [need for need in depends_on_now(service) if need in self.services]
        return [other.key for other in self._walk(first, needed)]

    def _walk(self, first: list[Key], onward: Callable[[Key], list[Key]]) -> list[Service]:
        """These, and what is reached from them over services that do not run."""
        reached = closure(first, lambda key: onward(key) if self.services[key].run is None else ())
        return [self.services[key] for key in reached]


# Commands.


def _carry_out(draft: _Draft, command: Command) -> None:
    match command:
        case Up():
            _up(draft, command)
        case Stop(keys, by):
            draft.desire(sorted(keys), Desired.DOWN, by)
        case Restart(keys, caller, by):
            _restart(draft, sorted(keys), caller, by)
        case Wake(key):
            _wake(draft, key)
        case Rest(key):
            _rest(draft, key)
        case Down(project):
            _down(draft, project)
        case Shutdown():
            draft.desire(draft.before.services.keys(), Desired.DOWN, "")
        case Prune(folders):
            known = draft.before.instances
            draft.instances = {path: name for path, name in known.items() if path not in folders}


def _up(draft: _Draft, up: Up) -> None:
    """Make the project what its file says, then want what was asked for and what it depends on."""
    project = up.project
    draft.places[project.name] = Place(
        project.directory, project.domain, up.caller, project.folder, project.groups, project.default
    )
    draft.instances = up.instances
    known = {service.key: service for service in draft.before.of_project(project.name)}
    defined = {each.key: each for each in project.definitions.values()}
    for key, definition in defined.items():
        draft.put(sharing.housed(_defined(draft, draft.services.get(key), definition, up), draft.places))
    draft.desire([key for key in known if key not in defined], Desired.REMOVED, project.name)
    changed = {key for key in known.keys() & defined.keys() if _is_outdated(draft, known[key], project.name)}
    asked = {project.definitions[name].key for name in up.services}
    for key in with_dependencies(draft.services, sorted(asked | changed)):
        _want(draft, draft.services[key], up)


def _defined(draft: _Draft, service: Service | None, definition: Definition, up: Up) -> Service:
    """The service as the file defines it now, but for what runs for other instances too. That it sends
    READY=1 is forgotten with its program."""
    if service is None:
        return sharing.known_to(_new(draft, definition), up.project.name)
    if sharing.is_kept(service, up.project.name):
        return sharing.known_to(service, up.project.name)
    desired = Desired.DOWN if service.desired is Desired.REMOVED else service.desired
    is_same = program(definition) == program(service.definition)
    return replace(
        sharing.known_to(service, up.project.name),
        definition=definition,
        expects_ready=service.expects_ready and is_same,
        stays_silent=service.stays_silent and is_same,
        desired=desired,
    )


def _new(draft: _Draft, definition: Definition) -> Service:
    expects_ready = draft.ready_senders.pop(definition.key, None) == program(definition)
    runs = draft.past_runs.pop(definition.key, 0)
    return Service(definition, runs=runs, since=draft.now, expects_ready=expects_ready)


def _is_outdated(draft: _Draft, before: Service, project: str) -> bool:
    """A wanted service that changed is as good as asked for, but for one that somebody stopped."""
    wanted = before.is_up_for(project) and before.held_by is None
    return wanted and not draft.services[before.key].definition.is_like(before.definition)


def _want(draft: _Draft, service: Service, up: Up) -> None:
    """One service of an `up`: what runs is left alone, what failed is forgiven, what changed is restarted."""
    named = service.spec.name in up.named
    phase = service.phase.before if isinstance(service.phase, Adopting) else service.phase
    match phase:
        case Completed() | Stopping(then=Completed()) if not named and not service.is_stale:
            pass
        case Launching() | Preparing() | Starting() | Running() if not service.is_stale:
            service = replace(service, restarts=Restarts())
        case _:
            service = fresh(service, draft.now)
    again = service.desired is Desired.RESTART or (service.is_stale and service.run is not None)
    desired = Desired.RESTART if again else Desired.UP
    service = sharing.wanted_by(replace(service, caller=up.caller, desired=desired), up.project.name)
    draft.put(sharing.housed(service, draft.places))


def _down(draft: _Draft, project: str) -> None:
    """The project is forgotten with the last of its services; at once, if it has none."""
    keys = [service.key for service in draft.before.of_project(project)]
    draft.desire(keys, Desired.REMOVED, project)
    if not keys:
        draft.places.pop(project, None)


def _restart(draft: _Draft, keys: Iterable[Key], caller: Caller, by: str) -> None:
    """What is to be forgotten is not brought back: what it depends on is going too. What other instances want
    is left to them."""
    for key in keys:
        service = draft.services.get(key)
        if service and service.desired is not Desired.REMOVED and not sharing.others(service, by):
            again = replace(fresh(service, draft.now), caller=caller, desired=Desired.RESTART)
            draft.put(sharing.housed(sharing.wanted_by(again, by), draft.places))


def _wake(draft: _Draft, key: Key) -> None:
    """With the shell that brought the project up last: who asks has none."""
    place = draft.places.get(key.project)
    for each in with_dependencies(draft.services, [key] if key in draft.services else []):
        service = draft.services[each]
        if service.desired is Desired.REMOVED:
            continue
        if not service.desired.is_up or isinstance(service.phase, Ended):
            service = _woken(draft, service, place)
        draft.put(sharing.wanted_by(service, key.project))


def _woken(draft: _Draft, service: Service, place: Place | None) -> Service:
    if not isinstance(service.phase, Completed):
        service = fresh(service, draft.now)
    return replace(service, caller=place.caller if place else service.caller, desired=Desired.UP)


def _rest(draft: _Draft, key: Key) -> None:
    """Not while something runs that cannot be without it."""
    service = draft.services.get(key)
    users = (draft.services[other] for other in draft.dependents.get(key, ()))
    if service and service.desired is Desired.UP and not any(user.run for user in users):
        draft.put(replace(sharing.without(service, Desired.DOWN, ""), is_resting=True))


# Reconciliation.


def _reconcile(draft: _Draft, service: Service) -> None:
    """Move one service as far as desired state, dependencies and dependents allow right now."""
    match service.phase:
        case Launching() | Preparing() | Starting() | Running() | Stopping(then=None):
            if must_stop(service) and not draft.has_dependents_to_stop(service):
                draft.take(end(service, draft.now, Stopped()))
        case Stopping() | Adopting():
            return
        case _:
            _reconcile_idle(draft, service)


def _reconcile_idle(draft: _Draft, service: Service) -> None:
    """Nothing of it runs: forget it, let it rest, or start it when what it needs is there."""
    match service.desired:
        case Desired.REMOVED:
            draft.remove(service.key)
        case Desired.DOWN:
            if not isinstance(service.phase, Stopped | Completed):
                draft.put(replace(service, phase=Stopped()))
        case Desired.RESTART:
            draft.put(replace(service, desired=Desired.UP, phase=Stopped()))
        case Desired.UP if isinstance(service.phase, Stopped | Waiting | Blocked):
            _reconcile_desired(draft, service)
        case Desired.UP:
            return


def _reconcile_desired(draft: _Draft, service: Service) -> None:
    missing = [draft.services[key] for key in unmet(draft.services, service)]
    waited_for = service.waited_for | {other.spec.name for other in missing}
    if service.queued_at is None or waited_for != service.waited_for:
        queued_at = draft.now if service.queued_at is None else service.queued_at
        service = replace(service, waited_for=waited_for, queued_at=queued_at)
    ends = ((other.key, blocking_root(other, service.key.project)) for other in missing)
    dead = next(((on, root) for on, root in ends if root), None)
    if dead:
        draft.put(replace(service, phase=Blocked(*dead)))
    elif missing:
        draft.put(service if isinstance(service.phase, Waiting) else replace(service, phase=Waiting()))
    else:
        launched, run = launch(service)
        draft.effects.append(Start(run))
        draft.put(launched)
