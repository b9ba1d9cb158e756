"""A port that was assigned, and that somebody else has by the time that the run begins.

It was free when it was chosen. But the service may have waited for its dependencies since, or have failed and
be tried again, and no socket holds a port for it. So the next run gets another port, at once, and whatever
starts later is told that one. A port that the file names is the user's word, and is never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle.exits import not_begun, over, unborn
from locald.domain.lifecycle.messages import Note
from locald.domain.lifecycle.phase import Stopped
from locald.domain.project import whereabouts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from locald.domain.lifecycle.messages import Effect, NotStarted
    from locald.domain.lifecycle.service import Service
    from locald.domain.project.names import Key
    from locald.domain.project.spec import Definition


def may_move(service: Service) -> bool:
    """Whether locald chose the port, for the present run and for the next one."""
    chose = service.present.spec.port is None and service.spec.port is None
    return chose and service.present.port is not None and service.present.port == service.definition.port


def told(event: NotStarted) -> str:
    """The line in the service's log."""
    if event.port is None:
        return not_begun(event.reason)
    return f"{event.reason}: uses port {event.port} instead"


def not_started(service: Service, event: NotStarted, now: float) -> Service:
    """The run never began: it has failed, or it is tried again, perhaps with another port."""
    if event.port is None or not may_move(service):
        return over(service, unborn(service, event, now), now)
    definition = replace(service.definition, port=event.port)
    return over(replace(service, definition=definition), Stopped(), now)


# What follows for others.


def followers(services: Mapping[Key, Service], moved: Service) -> list[Service]:
    """The services that are told the address of this one, with it as it is now. What runs keeps what it was
    told; it is out of date from now on."""
    known = {key: each.definition for key, each in services.items()}
    told = [each for each in known.values() if whereabouts.has_address_of(each, moved.key)]
    return [replace(services[each.key], definition=_again(each, known)) for each in told]


def _again(definition: Definition, known: Mapping[Key, Definition]) -> Definition:
    named = {name: known.get(definition.key_of(name)) for name in whereabouts.names(definition)}
    others = [each for each in named.values() if each]
    ports = {each.spec.name: each.port for each in others if each.port is not None}
    return whereabouts.filled(definition, others, ports, {})


def notes(services: Iterable[Service], moved: Service) -> list[Effect]:
    """A line for each that runs with an address which is not right any more."""
    was, now = moved.present.port, moved.definition.port
    name = moved.spec.name
    return [
        Note(each.run, f"{name} moves from port {was} to {now}: run `locald restart {each.spec.name}`")
        for each in services
        if each.run and whereabouts.has_address_of(each.present, moved.key)
    ]
