"""The network that the containers of a project share: made when it is needed, removed after the last of them.

In it each is known by its service's name. A container that several instances share is in the network of each
of them that has one. The only container of a project has nobody to share it with, and is
started without, which takes an engine a tenth of a second less; should another one come later, both
are in the network from then on. A network of the same name that is not ours is left alone, and nothing is
started in it.

Source: docs.docker.com/reference/api/engine (NetworkCreate, NetworkInspect, NetworkConnect).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from locald.adapters.containers import create
from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.making import making
from locald.adapters.containers.refusals import Reason, begin, name_held
from locald.adapters.containers.translate import is_labelled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locald.adapters.containers.engine import Engine

    InUse = Callable[[str], bool]
    Members = Callable[[str], Mapping[str, str]]

log = logging.getLogger(__name__)


class CannotBegin(Exception):
    """A run cannot begin, and why. `is_port_taken`: with another port it could."""

    def __init__(self, reason: Reason, *, is_port_taken: bool = False) -> None:
        super().__init__(reason.reason)
        self.reason, self.is_port_taken = reason, is_port_taken


class Networks:
    """Those of one engine and one locald."""

    def __init__(self, owner: str, in_use: InUse, members: Members) -> None:
        """`in_use`: whether a project has, or is about to have, a container of its own here; `members`: those
        that run, by their ids, with the names of their services; what it shares is among them."""
        self._owner, self._in_use, self._members = owner, in_use, members
        self._turns: dict[str, asyncio.Lock] = {}

    async def have(self, engine: Engine, project: str) -> None:
        """See to it that the project's network is there, and all that runs of the project in it.

        Raises CannotBegin, EngineAbsent.
        """
        async with self._turn(project):
            try:
                inside = await self._have(engine, project)
            except Refusal as refusal:
                raise CannotBegin(begin("", refusal.message)) from None
            for container, service in self._members(project).items():
                if container not in inside:
                    await self._join(engine, project, container, service)

    async def _have(self, engine: Engine, project: str) -> set[str]:
        """The containers that run in it."""
        name, labels = create.network(project), self._labels(project)
        try:
            found = await engine.get(("networks", name))
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            body = {"Name": name, "Driver": "bridge", "CheckDuplicate": True, "Labels": labels}
            await making(engine.post(("networks", "create"), body))
            return set()
        if not is_labelled(found, labels):
            held = name_held(name, "a network outside this locald", f"docker network rm {name}")
            raise CannotBegin(held)
        return set(found.get("Containers") or ())

    async def _join(self, engine: Engine, project: str, container: str, service: str) -> None:
        body = {"Container": container, "EndpointConfig": {"Aliases": [service]}}
        try:
            await engine.post(("networks", create.network(project), "connect"), body)
        except Refusal as refusal:  # it has just ended, or is in it already
            log.info("%s cannot join the network of %s: %s", service, project, refusal)

    async def drop(self, engine: Engine, project: str) -> None:
        """Remove the project's network, unless a container of its own uses it. Never raises."""
        async with self._turn(project):
            if self._in_use(project):
                return
            try:
                found = await engine.get(("networks", create.network(project)))
                if is_labelled(found, self._labels(project)):
                    await self._empty(engine, project, found)
                    await engine.delete(("networks", found["Id"]))
            except (Refusal, EngineAbsent) as error:
                log.debug("the network of %s is not removed: %s", project, error)

    async def _empty(self, engine: Engine, project: str, found: Mapping[str, Any]) -> None:
        """Let what is shared leave it. Of what is not ours nothing is touched: it keeps the network."""
        for container in self._members(project).keys() & (found.get("Containers") or {}).keys():
            body = {"Container": container, "Force": True}
            await engine.post(("networks", found["Id"], "disconnect"), body)

    def _turn(self, project: str) -> asyncio.Lock:
        return self._turns.setdefault(project, asyncio.Lock())

    def _labels(self, project: str) -> dict[str, str]:
        return {create.PROJECT: project, create.OWNER: self._owner}
