"""Which engines are asked for the volumes of which project."""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from typing import TYPE_CHECKING

from locald.domain.project.spec import Engine

if TYPE_CHECKING:
    from locald.adapters.containers.translate import Volumes
    from locald.domain.lifecycle.world import World

_UNCOUNTED = {
    Engine.SWARM: "volumes on other nodes of the swarm are not counted",
    Engine.KUBERNETES: "claims in the cluster are not counted",
}
LIBRARY = "locald.adapters.containers.disk"
"""imported when somebody asks: most daemons never have a container"""


async def volumes(world: World, owner: str, within: float) -> Volumes:
    """What the volumes of every project take, as far as its engine has measured them `within` seconds. The
    engine of projects that are down is the one to which this daemon's environment leads. `owner`: whose
    containers are ours."""
    library = await asyncio.to_thread(import_module, LIBRARY)
    services = [each for each in world.services.values() if each.present.spec.in_container]
    shells = {each.key.project: each.caller.env for each in services}
    found: Volumes = await library.volumes(shells, os.environ, owner, within)
    for each in services:
        if told := _UNCOUNTED.get(each.present.engine):
            found.unknown.setdefault(each.key.project, told)
    return found
