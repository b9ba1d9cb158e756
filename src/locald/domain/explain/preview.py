"""What a command would do, before it is given: whose processes it ends, and what it starts.

Nothing is worked out twice here: the command goes through `step`, as it would, and the world that follows is
compared with the one that is. What ends may do so one after the other, and what starts may have to wait for
something first; both are told as if all went well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from locald.domain.lifecycle.dependencies import must_stop, needs
from locald.domain.lifecycle.phase import Backoff, Desired, Stopped, Stopping, Waiting
from locald.domain.lifecycle.step import step
from locald.domain.project.graph import start_order
from locald.domain.project.names import Key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.domain.lifecycle.messages import Command
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World


class Preview(Struct, frozen=True):
    """`ends`: dependents first. `starts`: dependencies first. What is restarted is in both."""

    ends: tuple[Key, ...]
    starts: tuple[Key, ...]


def preview(world: World, commands: Iterable[Command], now: float) -> Preview:
    """What these commands, one after the other, would do to the world as it is."""
    after = world
    for command in commands:
        after = step(after, command, now).world
    keys = _in_order({**world.services, **after.services})
    ends = [key for key in keys if _ends(world.services.get(key), after.services.get(key))]
    starts = [key for key in keys if _starts(world.services.get(key), after.services.get(key), key in ends)]
    return Preview(tuple(reversed(ends)), tuple(starts))


def _in_order(services: dict[Key, Service]) -> list[Key]:
    """Dependencies first."""
    names = {str(key): key for key in services}
    graph = {str(key): list(map(str, needs(each))) for key, each in services.items()}
    return [names[name] for name in start_order(graph)]


def _ends(before: Service | None, after: Service | None) -> bool:
    if before is None:
        return False
    if before.run is None:  # nothing of it is there, but it would have come (again) by itself
        return isinstance(before.phase, Backoff | Waiting) and (
            after is None or isinstance(after.phase, Stopped)
        )
    return not _is_ending(before) and (after is None or must_stop(after))


def is_ending(service: Service) -> bool:
    """A run of it is there, and is on its way out."""
    return service.run is not None and _is_ending(service)


def _is_ending(service: Service) -> bool:
    return must_stop(service) or isinstance(service.phase, Stopping)


def _starts(before: Service | None, after: Service | None, ends: bool) -> bool:
    """It is on its way, and was not before."""
    if after is None or not _is_coming(after):
        return False
    return ends or before is None or not _is_coming(before)


def _is_coming(service: Service) -> bool:
    """It is there, or will be without another command, as far as it depends on nobody's mistake."""
    if not service.desired.is_up or service.held_by is not None:
        return False
    match service.phase:
        case Stopping(then=then) if service.desired is Desired.UP:
            return isinstance(then, Stopped)
        case phase:
            return service.run is not None or isinstance(phase, Waiting)
