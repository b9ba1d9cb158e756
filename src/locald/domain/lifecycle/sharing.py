"""Services that all instances of a project share: one database for all worktrees.

Such a service is nobody's own: it is known to each instance whose file has it, and runs while one of them
wants it. What one of them asks for touches no other: `stop` and `down` take back its own wish, and its own
dependents stop as if the service had; a restart, or another definition of it, waits until nobody else wants
what runs. Who asks in the name of all (`shop@_:db`) is obeyed at once.

Its folder is that of an instance that wants it, for the others may vanish.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle.dependencies import stopped_by
from locald.domain.lifecycle.phase import Desired

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.domain.lifecycle.place import Place
    from locald.domain.lifecycle.service import Service
    from locald.domain.project.names import Key


def others(service: Service, project: str) -> list[str]:
    """The instances beside this one that want it; none for who asks in the name of all."""
    if project not in service.users:
        return []
    return [user for user, wants in service.users.items() if wants and user != project]


def is_kept(service: Service, project: str) -> bool:
    """Whether a run of it is there for others than this instance, whatever is defined here."""
    return service.run is not None and any(wants and user != project for user, wants in service.users.items())


def known_to(service: Service, project: str) -> Service:
    """This instance has it in its file. Who had it before it was to be forgotten has no part in it."""
    if not service.key.is_shared:
        return service
    before = {} if service.desired is Desired.REMOVED else service.users
    return replace(service, users={**before, project: before.get(project, False)})


def wanted_by(service: Service, project: str) -> Service:
    """This instance wants it; who asks in the name of all does so for all, if nobody else does."""
    if project in service.users:
        return replace(service, users={**service.users, project: True})
    if any(service.users.values()):
        return service
    return replace(service, users=dict.fromkeys(service.users, True))


def without(service: Service, desired: Desired, project: str) -> Service:
    """This instance does not want it any more, or (removed) does not have it: then it goes on for others."""
    if not service.key.is_shared:
        return replace(service, desired=desired)
    if project not in service.users:
        return replace(service, desired=Desired.DOWN, users=dict.fromkeys(service.users, False))
    rest = {user: wants for user, wants in service.users.items() if user != project}
    users = rest if rest and desired is Desired.REMOVED else {**service.users, project: False}
    if not any(users.values()):
        service = replace(service, desired=Desired.DOWN if rest else desired)
    return replace(service, users=users)


def housed(service: Service, places: Mapping[str, Place]) -> Service:
    """With the folder of an instance that wants it, for its next run."""
    wanting = (places[user].directory for user, wants in service.users.items() if wants and user in places)
    folders = list(wanting)
    if not folders or service.definition.directory in folders:
        return service
    return replace(service, definition=replace(service.definition, directory=folders[0]))


def word(service: Service | None) -> tuple[Key | None, Mapping[str, bool]]:
    """What its dependents have to know of whether it can be depended on."""
    if service is None:
        return None, {}
    return stopped_by(service, service.key.project), service.users
