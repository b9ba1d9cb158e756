"""All services together: each has a life of its own, and dependencies tie the lives.

`step` is the only way the world changes. It is pure: a world and a message in, a world and orders out. A
message moves single services; then the ties are pulled, over the neighbours of what moved, again and again
until nothing moves. Ties are conditions, looked at whenever a neighbour moves: no service is ever told once
that another is ready.

A step costs what the neighbourhood of the change costs, however many services there are (but for one shallow
copy of the dictionary).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from locald.domain.deadlines import due
from locald.domain.events import observe
from locald.domain.messages import (
    Again,
    Discard,
    Down,
    Due,
    Effect,
    Message,
    Shutdown,
    Start,
    Stop,
    Up,
)
from locald.domain.names import Key
from locald.domain.phase import (
    Adopting,
    Blocked,
    Completed,
    Ended,
    Failed,
    Launching,
    Running,
    Starting,
    Stopped,
    Stopping,
    Waiting,
    Wish,
)
from locald.domain.service import Outcome, Service, announced, end, fresh, launch
from locald.domain.spec import Caller, Condition, Definition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project lives."""

    directory: str
    domain: str


@dataclass(frozen=True, slots=True)
class World:
    services: Mapping[Key, Service] = field(default_factory=dict)
    dependents: Mapping[Key, tuple[Key, ...]] = field(default_factory=dict)
    """who names whom in `depends_on`, the other way round"""
    places: Mapping[str, Place] = field(default_factory=dict)
    """the known projects"""
    ready_senders: Mapping[Key, str] = field(default_factory=dict)
    """programs of forgotten services that sent READY=1, should they come back"""

    @classmethod
    def of(cls, services: Iterable[Service], places: Mapping[str, Place]) -> World:
        by_key = {service.key: service for service in services}
        return cls(by_key, _dependents(by_key), dict(places))

    def of_project(self, project: str) -> list[Service]:
        return [service for key, service in self.services.items() if key.project == project]


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
        case Up():
            _up(draft, message)
        case Stop(keys):
            draft.wish(keys, Wish.DOWN)
        case Again(keys, caller):
            _again(draft, keys, caller)
        case Down(project):
            draft.wish({s.key for s in world.of_project(project)}, Wish.GONE)
        case Shutdown():
            draft.wish(world.services.keys(), Wish.DOWN)
        case Due(key):
            if service := draft.services.get(key):
                draft.take(due(service, now))
        case event:
            if service := draft.services.get(event.run.key):
                draft.take(observe(service, event, now))
    draft.settle()
    return draft.finish()


class _Draft:
    """The next world while it is being made; it does not outlive its step."""

    def __init__(self, world: World, now: float) -> None:
        self.before, self.now = world, now
        self.services = dict(world.services)
        self.dependents = world.dependents
        self.places = dict(world.places)
        self.ready_senders = dict(world.ready_senders)
        self.effects: list[Effect] = []
        self._moved: set[Key] = set()
        self._agenda: dict[Key, None] = {}  # a set that keeps its order, so that a step is repeatable

    def take(self, outcome: Outcome) -> None:
        service, effects = outcome
        self.effects += effects
        self.put(service)

    def put(self, service: Service) -> None:
        """Keep the service, and remember to pull at whoever it is tied to."""
        key = service.key
        service = announced(service, self.now)
        if service == self.services.get(key):
            return
        self.services[key] = service
        self._moved.add(key)
        self.ask(key, *needs(service), *self.dependents.get(key, ()))

    def remove(self, key: Key) -> None:
        service = self.services.pop(key)
        if service.expects_ready:
            self.ready_senders[key] = program(service.definition)
        self.effects.append(Discard(key))
        self._moved.add(key)
        self.dependents = _dependents(self.services)
        self.ask(*needs(service))
        if not any(other.project == key.project for other in self.services):
            self.places.pop(key.project, None)

    def ask(self, *keys: Key) -> None:
        self._agenda.update(dict.fromkeys(keys))

    def wish(self, keys: Iterable[Key], wish: Wish) -> None:
        """Somebody wants these so. It concerns whatever depends on them, near or far."""
        known = [key for key in keys if key in self.services]
        for key in known:
            self.put(replace(self.services[key], wish=wish))
        self.ask(*_closure(known, lambda key: self.dependents.get(key, ())))

    def settle(self) -> None:
        while self._agenda:
            key = next(iter(self._agenda))
            del self._agenda[key]
            if service := self.services.get(key):
                _pull(self, service)

    def finish(self) -> Step:
        moved = frozenset(
            key for key in self._moved if self.services.get(key) is not self.before.services.get(key)
        )
        world = World(self.services, self.dependents, self.places, self.ready_senders)
        return Step(world, tuple(self.effects), moved)


# Commands.


def _up(draft: _Draft, up: Up) -> None:
    """Make the project what its file says, then want what was asked for and what it depends on."""
    project = up.project
    draft.places[project.name] = Place(project.directory, project.domain)
    known = {service.spec.name: service for service in draft.before.of_project(project.name)}
    for name, definition in project.definitions.items():
        if name in known:
            _redefine(draft, known[name], definition)
        else:
            expects_ready = draft.ready_senders.pop(Key(project.name, name), None) == program(definition)
            draft.put(Service(definition, since=draft.now, expects_ready=expects_ready))
    draft.dependents = _dependents(draft.services)
    draft.wish({s.key for name, s in known.items() if name not in project.definitions}, Wish.GONE)
    covered = with_dependencies(draft.services, [Key(project.name, name) for name in sorted(up.services)])
    for key in covered:
        _want(draft, draft.services[key], up)
    draft.ask(*_closure(covered, lambda key: draft.dependents.get(key, ())))


def _redefine(draft: _Draft, service: Service, definition: Definition) -> None:
    """A changed definition restarts what is running; comments and order change nothing."""
    if service.wish is Wish.GONE:
        service = replace(service, wish=Wish.DOWN)
    if definition == service.definition:
        draft.put(service)
        return
    expects_ready = service.expects_ready and program(definition) == program(service.definition)
    changed = replace(service, definition=definition, expects_ready=expects_ready)
    if service.wish is Wish.UP:
        again = service.run is not None
        changed = replace(fresh(changed, draft.now), wish=Wish.AGAIN if again else Wish.UP)
    draft.put(changed)


def _want(draft: _Draft, service: Service, up: Up) -> None:
    """One service of an `up`: what runs is left alone, what failed is forgiven."""
    named = service.spec.name in up.named
    service = replace(service, caller=up.caller)
    match service.phase:
        case Completed() | Stopping(then=Completed()) if not named:
            pass
        case Starting() | Running() | Launching() | Adopting():
            pass
        case _:
            service = fresh(service, draft.now)
    wish = Wish.AGAIN if service.wish is Wish.AGAIN else Wish.UP
    draft.put(replace(service, wish=wish))


def _again(draft: _Draft, keys: Iterable[Key], caller: Caller) -> None:
    for key in keys:
        if service := draft.services.get(key):
            draft.put(replace(fresh(service, draft.now), caller=caller))
    draft.wish(keys, Wish.AGAIN)


# Ties.


def _pull(draft: _Draft, service: Service) -> None:
    """Move one service as far as wishes, dependencies and dependents allow right now."""
    match service.phase:
        case Launching() | Starting() | Running() | Stopping(then=None):
            if _must_leave(draft.services, service) and not _leaned_on(draft, service):
                draft.take(end(service, draft.now, Stopped()))
        case Stopping() | Adopting():
            return
        case _:
            _pull_idle(draft, service)


def _pull_idle(draft: _Draft, service: Service) -> None:
    """Nothing of it runs: forget it, let it rest, or start it when what it needs is there."""
    match service.wish:
        case Wish.GONE:
            draft.remove(service.key)
        case Wish.DOWN:
            if not isinstance(service.phase, Stopped | Completed):
                draft.put(replace(service, phase=Stopped()))
        case Wish.AGAIN:
            draft.put(replace(service, wish=Wish.UP, phase=Stopped()))
        case Wish.UP if isinstance(service.phase, Stopped | Waiting | Blocked):
            _pull_wanted(draft, service)
        case Wish.UP:
            return


def _pull_wanted(draft: _Draft, service: Service) -> None:
    missing = [draft.services[key] for key in unmet(draft.services, service)]
    waited_for = service.waited_for | {other.spec.name for other in missing}
    if service.queued_at is None or waited_for != service.waited_for:
        queued_at = draft.now if service.queued_at is None else service.queued_at
        service = replace(service, waited_for=waited_for, queued_at=queued_at)
    ends = ((other.key, _dead_end(draft.services, other)) for other in missing)
    dead = next(((on, root) for on, root in ends if root), None)
    if dead:
        draft.put(replace(service, phase=Blocked(*dead)))
    elif missing:
        draft.put(service if isinstance(service.phase, Waiting) else replace(service, phase=Waiting()))
    else:
        launched, run = launch(service)
        draft.effects.append(Start(run))
        draft.put(launched)


def is_met(dependency: Service, condition: Condition) -> bool:
    """Whether a dependency is what a dependent needs it to be, now."""
    match dependency.phase:
        case Completed():
            return True
        case Running():
            return condition is Condition.STARTED or (
                condition is Condition.HEALTHY and dependency.is_healthy
            )
        case Starting():
            return condition is Condition.STARTED
        case _:
            return False


def unmet(services: Mapping[Key, Service], service: Service) -> list[Key]:
    """The direct dependencies that are not what this service needs them to be, in the file's order."""
    if service.wish in (Wish.DOWN, Wish.GONE) or isinstance(service.phase, Completed):
        return []
    conditions = service.spec.depends_on
    return [
        key
        for key in needs(service)
        if key in services
        and (not is_met(services[key], conditions[key.service]) or withdrawn(services, key))
    ]


def _dead_end(services: Mapping[Key, Service], dependency: Service) -> Key | None:
    """The service about which somebody must do something before this dependency can come, if so."""
    match dependency.phase:
        case Blocked(root=root):
            return root
        case Failed() | Ended():
            return dependency.key
        case Completed():
            return None
        case _ if dependency.wish in (Wish.DOWN, Wish.GONE):
            return dependency.key
        case _:
            gone = (services[key] for key in needs(dependency) if withdrawn(services, key))
            return next((_dead_end(services, other) for other in gone), None)


def _must_leave(services: Mapping[Key, Service], service: Service) -> bool:
    return service.wish is not Wish.UP or any(withdrawn(services, key) for key in needs(service))


def withdrawn(services: Mapping[Key, Service], key: Key) -> bool:
    """Somebody stopped it, or what it depends on. A finished task serves its dependents for ever."""
    service = services.get(key)
    if service is None or isinstance(service.phase, Completed):
        return False
    if service.wish in (Wish.DOWN, Wish.GONE):
        return True
    return any(withdrawn(services, need) for need in needs(service))


def _leaned_on(draft: _Draft, service: Service) -> bool:
    """Dependents that have to leave too are let go first."""
    others = (draft.services[key] for key in draft.dependents.get(service.key, ()) if key in draft.services)
    return any(
        other.run is not None and (isinstance(other.phase, Stopping) or _must_leave(draft.services, other))
        for other in others
    )


def program(definition: Definition) -> str:
    """What makes a program the same one, for remembering that it speaks the notify protocol."""
    return repr((definition.spec.command, definition.spec.image))


# Graph.


def needs(service: Service) -> list[Key]:
    """What it depends on, in the order of the file."""
    return [Key(service.key.project, name) for name in service.spec.depends_on]


def _dependents(services: Mapping[Key, Service]) -> dict[Key, tuple[Key, ...]]:
    found: dict[Key, list[Key]] = {}
    for key, service in services.items():
        for need in needs(service):
            found.setdefault(need, []).append(key)
    return {need: tuple(keys) for need, keys in found.items()}


def _closure(keys: Iterable[Key], onward: Callable[[Key], Iterable[Key]]) -> list[Key]:
    """These and all that can be reached from them, each once, nearest first."""
    reached = dict.fromkeys(keys)
    todo = list(reached)
    for key in todo:
        further = [other for other in onward(key) if other not in reached]
        reached.update(dict.fromkeys(further))
        todo.extend(dict.fromkeys(further))
    return todo


def with_dependencies(services: Mapping[Key, Service], keys: Iterable[Key]) -> list[Key]:
    """These and all that they depend on, dependencies last."""
    return _closure(keys, lambda key: needs(services[key]))


def with_dependents(world: World, keys: Iterable[Key]) -> list[Key]:
    """These and all that depends on them, near or far."""
    return _closure(keys, lambda key: world.dependents.get(key, ()))
