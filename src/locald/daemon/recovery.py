"""What an earlier daemon left: its world, with every run marked as to be looked for.

Nothing is waited for. The world is there at once, so the daemon answers at once; what has become of each run
comes as ordinary events, when the keeper has been asked. A run of an earlier boot is lost for certain, but
that too is found out by asking.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle.messages import Adopt, Effect
from locald.domain.lifecycle.phase import Adopting, Launching, Preparing, Running, Starting, Stopping
from locald.domain.lifecycle.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.domain.lifecycle.service import Service
    from locald.domain.project.names import Key

NONE: Mapping[Key, int] = MappingProxyType({})


def restore(saved: World, past_runs: Mapping[Key, int] = NONE) -> tuple[World, list[Effect]]:
    """The world to begin with, and the orders that begin it. `past_runs`: the last run of services that the
    state does not name, but which have a history: it goes on, should they come back."""
    services = [_uncertain(service) for service in saved.services.values()]
    world = replace(
        World.of(services, saved.places),
        ready_senders=saved.ready_senders,
        instances=saved.instances,
        past_runs=past_runs,
    )
    return world, [Adopt(service.run) for service in services if service.run]


def _uncertain(service: Service) -> Service:
    match service.phase:
        case Launching() | Preparing() | Starting() | Running() | Stopping():
            return replace(service, phase=Adopting(service.phase))
        case _:
            return service
