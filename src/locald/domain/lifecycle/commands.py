"""What a command of a user asks of the services: desired states, and definitions as the file has them now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle import sharing
from locald.domain.lifecycle.messages import (
    Down,
    Prune,
    Rest,
    Restart,
    Shutdown,
    Stop,
    Up,
    Wake,
)
from locald.domain.lifecycle.phase import (
    Adopting,
    Completed,
    Desired,
    Ended,
    Launching,
    Preparing,
    Running,
    Starting,
    Stopping,
)
from locald.domain.lifecycle.place import Place
from locald.domain.lifecycle.reachable import with_dependencies
from locald.domain.lifecycle.restarts import Restarts
from locald.domain.lifecycle.service import Service, fresh, program

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.domain.lifecycle.draft import Draft
    from locald.domain.lifecycle.messages import Command
    from locald.domain.project.names import Key
    from locald.domain.project.spec import Caller, Definition


def carry_out(draft: Draft, command: Command) -> None:
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


def _up(draft: Draft, up: Up) -> None:
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


def _defined(draft: Draft, service: Service | None, definition: Definition, up: Up) -> Service:
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


def _new(draft: Draft, definition: Definition) -> Service:
    expects_ready = draft.ready_senders.pop(definition.key, None) == program(definition)
    runs = draft.past_runs.pop(definition.key, 0)
    return Service(definition, runs=runs, since=draft.now, expects_ready=expects_ready)


def _is_outdated(draft: Draft, before: Service, project: str) -> bool:
    """A wanted service that changed is as good as asked for, but for one that somebody stopped."""
    wanted = before.is_up_for(project) and before.held_by is None
    return wanted and not draft.services[before.key].definition.is_like(before.definition)


def _want(draft: Draft, service: Service, up: Up) -> None:
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


def _down(draft: Draft, project: str) -> None:
    """The project is forgotten with the last of its services; at once, if it has none."""
    keys = [service.key for service in draft.before.of_project(project)]
    draft.desire(keys, Desired.REMOVED, project)
    if not keys:
        draft.places.pop(project, None)


def _restart(draft: Draft, keys: Iterable[Key], caller: Caller, by: str) -> None:
    """What is to be forgotten is not brought back: what it depends on is going too. What other instances want
    is left to them."""
    for key in keys:
        service = draft.services.get(key)
        if service and service.desired is not Desired.REMOVED and not sharing.others(service, by):
            again = replace(fresh(service, draft.now), caller=caller, desired=Desired.RESTART)
            draft.put(sharing.housed(sharing.wanted_by(again, by), draft.places))


def _wake(draft: Draft, key: Key) -> None:
    """With the shell that brought the project up last: who asks has none."""
    place = draft.places.get(key.project)
    for each in with_dependencies(draft.services, [key] if key in draft.services else []):
        service = draft.services[each]
        if service.desired is Desired.REMOVED:
            continue
        if not service.desired.is_up or isinstance(service.phase, Ended):
            service = _woken(draft, service, place)
        draft.put(sharing.wanted_by(service, key.project))


def _woken(draft: Draft, service: Service, place: Place | None) -> Service:
    if not isinstance(service.phase, Completed):
        service = fresh(service, draft.now)
    return replace(service, caller=place.caller if place else service.caller, desired=Desired.UP)


def _rest(draft: Draft, key: Key) -> None:
    """Not while something runs that cannot be without it."""
    service = draft.services.get(key)
    users = (draft.services[other] for other in draft.dependents.get(key, ()))
    if service and service.desired is Desired.UP and not any(user.run for user in users):
        draft.put(replace(sharing.without(service, Desired.DOWN, ""), is_resting=True))
