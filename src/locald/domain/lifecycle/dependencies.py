"""What dependencies mean: the conditions between services.

All of it is looked up on the spot, from a service and those next to it; `held_by` is what a service knows of
those further away. It is kept right in every world when a service changes (see `world`), so that no
question here walks the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.lifecycle.phase import Blocked, Completed, Desired, Ended, Failed, Running, Starting
from locald.domain.project.spec import Condition, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.domain.lifecycle.service import Service
    from locald.domain.project.names import Key

    Services = Mapping[Key, Service]


def needs(service: Service) -> list[Key]:
    """What it depends on, in the order of the file."""
    return [service.definition.key_of(name) for name in service.spec.depends_on]


def depends_on_now(service: Service) -> list[Key]:
    """What its present run was started for. The file may have changed since; it counts when nothing runs."""
    definition = service.present if service.run else service.definition
    return [definition.key_of(name) for name in definition.spec.depends_on]


def all_dependencies(service: Service) -> list[Key]:
    """What it depends on in one way or the other."""
    return list(dict.fromkeys([*needs(service), *depends_on_now(service)]))


# Whether a dependency is there.


def is_met(dependency: Service, condition: Condition) -> bool:
    """Whether a dependency is what a dependent needs it to be, now. One that is about to leave is not."""
    match dependency.phase:
        case Completed():
            return True
        case Running() if dependency.desired is Desired.UP:
            return condition is Condition.STARTED or (
                condition is Condition.HEALTHY and dependency.is_healthy
            )
        case Starting() if dependency.desired is Desired.UP:
            return condition is Condition.STARTED
        case _:
            return False


def meaning(dependency: Service | None, condition: Condition) -> Condition:
    """What a condition comes to: a task is healthy when it has completed."""
    is_task = dependency is not None and dependency.spec.type is Type.TASK
    return Condition.COMPLETED if is_task and condition is Condition.HEALTHY else condition


def unmet(services: Services, service: Service) -> list[Key]:
    """The direct dependencies that are not what this service needs them to be, in the file's order."""
    if not service.desired.is_up or isinstance(service.phase, Completed | Failed | Ended):
        return []
    conditions = service.spec.depends_on
    return [
        key
        for key in needs(service)
        if key in services
        and (not is_met(services[key], conditions[key.service]) or withdrawn(services, key, service))
    ]


# Whether somebody took it away.


def stopped_by(service: Service | None, project: str) -> Key | None:
    """The service that somebody stopped, if this one cannot be depended on for that reason by services of
    this project or instance.

    A finished task serves its dependents for ever.
    """
    if service is None or isinstance(service.phase, Completed):
        return None
    return service.held_by if service.is_up_for(project) else service.key


def withdrawn(services: Services, key: Key, dependent: Service) -> bool:
    """Somebody stopped it, or what it depends on."""
    return stopped_by(services.get(key), dependent.key.project) is not None


def held_by(services: Services, service: Service) -> Key | None:
    """The stopped service that this one cannot be without: by what its dependencies know."""
    found = (stopped_by(services.get(key), service.key.project) for key in needs(service))
    return next((root for root in found if root), None)


def must_stop(service: Service) -> bool:
    """Whether what runs of it is to be ended because of a command."""
    return service.desired is not Desired.UP or service.held_by is not None


def blocking_root(dependency: Service, project: str) -> Key | None:
    """The service about which somebody must do something before this dependency can come for services of this
    project, if so."""
    match dependency.phase:
        case Blocked(root=root):
            return root
        case Failed() | Ended():
            return dependency.key
        case _:
            return stopped_by(dependency, project)
