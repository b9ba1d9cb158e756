"""What an earlier daemon left: its world, with every run marked as to be looked for.

Nothing is waited for. The world is there at once, so the daemon answers at once; what has become of each run
comes as ordinary events, when the keeper has been asked. A run of an earlier boot is lost for certain, but
that too is found out by asking.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from locald.domain.lifecycle.messages import Adopt, Effect
from locald.domain.lifecycle.phase import Adopting, Launching, Preparing, Running, Starting, Stopping
from locald.domain.lifecycle.world import World

if TYPE_CHECKING:
    from locald.domain.lifecycle.service import Service


def restore(saved: World) -> tuple[World, list[Effect]]:
    """The world to begin with, and the orders that begin it."""
    services = [_uncertain(service) for service in saved.services.values()]
    world = replace(
        World.of(services, saved.places), ready_senders=saved.ready_senders, instances=saved.instances
    )
    return world, [Adopt(service.run) for service in services if service.run]


def _uncertain(service: Service) -> Service:
    match service.phase:
        case Launching() | Preparing() | Starting() | Running() | Stopping():
            return replace(service, phase=Adopting(service.phase))
        case _:
            return service
