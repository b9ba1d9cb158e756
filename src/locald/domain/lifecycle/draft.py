"""The next world while it is being made.

A step costs what the neighbourhood of the change costs, however many services there are (but for shallow
copies of dictionaries). One fact travels further: that a service was stopped concerns all services that
cannot be without it, near or far. It goes from neighbour to neighbour, as `held_by`, before anything is
reconciled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle import found_port, lost_port, sharing
from locald.domain.lifecycle.deadlines import put_off
from locald.domain.lifecycle.dependencies import (
    all_dependencies,
    blocking_root,
    depends_on_now,
    held_by,
    must_stop,
    needs,
    unmet,
)
from locald.domain.lifecycle.false_starts import forgiven, was_taken_back
from locald.domain.lifecycle.messages import (
    Discard,
    Start,
)
from locald.domain.lifecycle.phase import (
    Adopting,
    Blocked,
    Completed,
    Desired,
    Launching,
    Preparing,
    Running,
    Starting,
    Stopped,
    Stopping,
    Waiting,
)
from locald.domain.lifecycle.reachable import closure
from locald.domain.lifecycle.service import Service, end, launch, program, with_result
from locald.domain.lifecycle.world import Step, World

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from locald.domain.lifecycle.messages import Effect
    from locald.domain.lifecycle.service import Outcome
    from locald.domain.project.names import Key


class Draft:
    """The next world while it is being made; it does not outlive its step."""

    def __init__(self, world: World, now: float) -> None:
        self.before, self.now = world, now
        self.services = dict(world.services)
        self.dependents = dict(world.dependents)
        self.places = dict(world.places)
        self.ready_senders = dict(world.ready_senders)
        self.instances = world.instances
        self.past_runs = dict(world.past_runs)
        self.https_port, self.authority = world.https_port, world.authority
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
        known = self.ready_senders, self.instances, self.past_runs, self.https_port, self.authority
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


def _reconcile(draft: Draft, service: Service) -> None:
    """Move one service as far as desired state, dependencies and dependents allow right now."""
    match service.phase:
        case Launching() | Preparing() | Starting() | Running() | Stopping(then=None):
            if must_stop(service) and not draft.has_dependents_to_stop(service):
                draft.take(end(service, draft.now, Stopped()))
        case Stopping() | Adopting():
            return
        case _:
            _reconcile_idle(draft, service)


def _reconcile_idle(draft: Draft, service: Service) -> None:
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


def _reconcile_desired(draft: Draft, service: Service) -> None:
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
