"""From an order to a container that runs: the image, the network, `create`, `start`. All or nothing.

Whatever goes wrong on the way is a `CannotBegin` with one sentence and a hint, and what was made until then
is removed. The engine lets a start fail late (a port that somebody has shows only then), so the error is
where the holder of a port is looked for.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

from locald.adapters import ports
from locald.adapters.containers import create, images, refusals
from locald.adapters.containers.engine import Refusal
from locald.adapters.containers.link import remove
from locald.adapters.containers.making import making
from locald.adapters.containers.networks import CannotBegin
from locald.adapters.containers.translate import labels_of, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.adapters.containers.create import Order
    from locald.adapters.containers.engine import Engine
    from locald.adapters.containers.networks import Networks
    from locald.adapters.containers.refusals import Reason
    from locald.adapters.containers.translate import Image
    from locald.domain.project.names import Run


class Begin:
    """One attempt. `container` is its id, as soon as there is one."""

    def __init__(self, engine: Engine, networks: Networks, run: Run, order: Order, owner: str) -> None:
        self.engine, self.networks = engine, networks
        self.run, self.order, self.owner = run, order, owner
        self.container: str | None = None

    async def carry_out(self, tell: Callable[[str], None]) -> None:
        """Raises CannotBegin, EngineAbsent. `tell` gets how far the pull of the image is."""
        await asyncio.to_thread(_check_volumes, self.order)
        image = await images.have(self.engine, self.order.image, self.order.shell, tell)
        self._check_port(image)
        if not self.order.is_alone:
            await self.networks.have(self.engine, self.run.key.project)
        try:
            await self._create(image)
            await self._check_program(image)
            await self._start()
        except (CannotBegin, Refusal):
            await self.undo()
            raise

    async def undo(self) -> None:
        """Leave nothing half made. Raises EngineAbsent."""
        if self.container:
            await remove(self.engine, self.container)

    def _check_port(self, image: Image) -> None:
        definition = self.order.definition
        if create.container_port(definition, image) is None and definition.spec.port is not None:
            raise CannotBegin(refusals.no_port(self.order.image, image.ports))

    # Create.

    async def _create(self, image: Image) -> None:
        body = create.body(self.run, self.order, image, self.owner)
        name = create.name(self.run.key)
        for last in (False, True):
            try:
                await making(self._make(body, name))
            except Refusal as refusal:
                holder = refusals.name_holder(refusal.message)
                if holder is None:
                    raise CannotBegin(refusals.begin(self.order.image, refusal.message)) from None
                await self._make_way(holder, name, last=last)
            else:
                return

    async def _make(self, body: dict[str, object], name: str) -> None:
        self.container = (await self.engine.post(("containers", "create"), body, {"name": name}))["Id"]

    async def _make_way(self, holder: str, name: str, *, last: bool) -> None:
        """Remove what an earlier run of this service left. What is not ours stays. Raises CannotBegin."""
        try:
            found = await self.engine.get(("containers", holder, "json"))
        except Refusal:
            return  # it has just gone
        labels = labels_of(found)
        ours = create.run_of(labels)
        if labels.get(create.OWNER) == self.owner and ours and ours.key == self.run.key and not last:
            await remove(self.engine, holder)
            return
        raise CannotBegin(_foreign(name, labels, ours, self.owner))

    async def _check_program(self, image: Image) -> None:
        """An init would find out only after the start, when the program is missing."""
        program = create.program(self.order.definition, image)
        if program is None:
            return
        path = ("containers", self.container or "", "archive")
        places = create.places(program, image)
        found = await asyncio.gather(*(self.engine.has(path, {"path": place}) for place in places))
        if not any(found):
            raise CannotBegin(refusals.no_program(self.order.image, program))

    # Start.

    async def _start(self) -> None:
        try:
            await self.engine.post(("containers", self.container or "", "start"))
        except Refusal as refusal:
            port = self.order.definition.port
            if port and refusals.is_port_taken(refusal.message):
                held = refusals.port_held(port, await self._port_holder(port))
                raise CannotBegin(held, is_port_taken=True) from None
            raise CannotBegin(refusals.begin(self.order.image, refusal.message)) from None

    async def _port_holder(self, port: int) -> str:
        """Who has a port of this machine: another container, or a process."""
        query = {"filters": json.dumps({"publish": [str(port)]})}
        for other in await self.engine.get(("containers", "json"), query):
            if other["Id"] != self.container:
                return f"the container {name_of(other)}"
        return await asyncio.to_thread(_process_on, port)


def _check_volumes(order: Order) -> None:
    """Raises CannotBegin for a folder that is not there."""
    for volume in create.volumes(order.definition):
        if volume.is_path and not os.path.exists(volume.source):
            raise CannotBegin(refusals.no_source(volume.source))


def _foreign(name: str, labels: dict[str, str], held_by: Run | None, owner: str) -> Reason:
    """Who has the name. It may be a service of ours: `b` of `shop-a` is called as `a-b` of `shop` is."""
    if held_by is None or create.OWNER not in labels:
        hint = f"run `docker rename {name} another-name`, or `docker rm -f {name}` to remove it"
        return refusals.name_held(name, "a container outside locald", hint)
    if labels[create.OWNER] == owner:
        return refusals.name_held(name, f"the container of {held_by.key}", "rename one of the two services")
    hint = "run `locald down` there, or rename this project"
    return refusals.name_held(name, f"the container of {held_by.key} of another locald", hint)


def _process_on(port: int) -> str:
    found = ports.holder(port)
    if found is None:
        return "a process that has just exited"
    return str(found.owner) if found.owner.pid else "a process of another user"
