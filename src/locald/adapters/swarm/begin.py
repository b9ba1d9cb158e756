"""From an order to a service of the swarm: its image, the network, `create`. All or nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from locald.adapters.containers import create as containers
from locald.adapters.containers import credentials
from locald.adapters.containers.elsewhere import AGAIN
from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.making import making
from locald.adapters.containers.networks import CannotBegin
from locald.adapters.containers.refusals import Reason, name_held, shown
from locald.adapters.containers.translate import image as read_image
from locald.adapters.swarm import create
from locald.adapters.swarm.cluster import remove
from locald.domain.lifecycle.run_facts import carries_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.adapters.containers.create import Order
    from locald.adapters.containers.engine import Engine
    from locald.adapters.swarm.cluster import Cluster
    from locald.domain.project.names import Run

log = logging.getLogger(__name__)

TRIES = 50
"""how often a network is looked for that the swarm has removed already: a node lists it until its last
container has left it, and a manager that was away may only now do what it was told before"""


class Begin:
    """One attempt. `service` is its id, as soon as there is one."""

    def __init__(self, run: Run, order: Order, owner: str) -> None:
        self._run, self._order, self._owner = run, order, owner
        self.service = ""
        self.inside: int | None = None
        """the port in the container that is published"""
        self.has_check: bool | None = None
        """whether the container has a HEALTHCHECK; None: its image is not on this node, so nobody knows"""

    async def look_at_image(self, engine: Engine) -> None:
        """The swarm's nodes fetch it by themselves; here it may not be. Raises EngineAbsent, Refusal."""
        definition = self._order.definition
        found: Mapping[str, Any] | None = None
        try:
            found = await engine.get(("images", *self._order.image.split("/"), "json"))
        except Refusal as refusal:
            if refusal.status != 404:
                raise
        if found is not None:
            self.has_check = _tests((found.get("Config") or {}).get("Healthcheck"))
        if definition.spec.health_check:
            self.has_check = carries_out(definition.engine, definition.spec.health_check.check)
        ports = read_image(found).ports if found else ()
        inside = definition.spec.container_port or (ports[0] if len(ports) == 1 else None)
        self.inside = None if definition.port is None else inside

    async def carry_out(self, cluster: Cluster, engine: Engine) -> None:
        """What has to be known is asked for at once. Raises CannotBegin, EngineAbsent."""
        try:
            _, network, login = await asyncio.gather(
                self.look_at_image(engine),
                cluster.network(self._run.key.project),
                asyncio.to_thread(credentials.headers, self._order.image, self._order.shell),
            )
            for last in [False] * TRIES + [True]:
                try:
                    await self._create(engine, self._body(engine, network), login)
                    return
                except Refusal as refusal:
                    if last or f"network {network} not found" not in refusal.message:
                        raise
                await asyncio.sleep(AGAIN)
                network = await cluster.network(self._run.key.project)
        except Refusal as refusal:
            raise CannotBegin(_refused(refusal.message)) from None

    def _body(self, engine: Engine, network: str) -> Mapping[str, Any]:
        soon = engine.knows(1, 44)
        return create.body(self._run, self._order, self.inside, network, self._owner, soon=soon)

    async def _create(self, engine: Engine, body: Mapping[str, Any], login: Mapping[str, str]) -> None:
        for last in (False, True):
            try:
                await making(self._make(engine, body, login))
            except Refusal as refusal:
                if last or "name conflicts" not in refusal.message:
                    raise
                await self._make_way(engine, str(body["Name"]))
            else:
                return

    async def _make(self, engine: Engine, body: Mapping[str, Any], login: Mapping[str, str]) -> None:
        self.service = str((await engine.post(("services", "create"), body, headers=login))["ID"])

    async def _make_way(self, engine: Engine, name: str) -> None:
        """Remove what an earlier run of this service left. What is not ours stays. Raises CannotBegin."""
        found = await engine.get(("services", name))
        run = containers.run_of(create.carried(found))
        if not (create.is_ours(found, self._owner) and run and run.key == self._run.key):
            hint = f"run `docker service rm {name}` to remove it, or rename one of the two"
            raise CannotBegin(name_held(name, "a service that is not of this locald", hint))
        await remove(engine, str(found["ID"]))

    async def undo(self, engine: Engine) -> bool:
        """Leave nothing half made. Whether nothing is: else it is removed when the swarm is there again."""
        if self.service:
            try:
                await remove(engine, self.service)
            except (EngineAbsent, Refusal) as error:
                log.warning("%s has not been removed yet: %s", self._run, error)
                return False
        return True


def _tests(healthcheck: object) -> bool:
    test = healthcheck.get("Test") if isinstance(healthcheck, dict) else None
    return bool(test) and test != ["NONE"]


def _refused(message: str) -> Reason:
    """What a swarm says is passed on, without the wrapping of its protocol."""
    told = message.rpartition("desc = ")[2]
    if "address pool" in told or "could not find an available" in told:
        return Reason("the swarm has no addresses left for another network", "run `docker network prune`")
    return Reason(f"the swarm refuses to create it: {shown(told)}", "correct it, then run `locald up` again")
