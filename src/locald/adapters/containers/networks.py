"""The network that the containers of a project share: made with the first of them, removed after the last.

In it each is known by its service's name. A network of the same name that is not ours is left alone, and
nothing is started in it.

Source: docs.docker.com/reference/api/engine (NetworkCreate, NetworkInspect).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from locald.adapters.containers import create
from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.refusals import Reason, begin, name_held
from locald.adapters.containers.translate import is_labelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.adapters.containers.engine import Engine

log = logging.getLogger(__name__)


class CannotBegin(Exception):
    """A run cannot begin, and why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.reason)
        self.reason = reason


class Networks:
    """Those of one engine and one instance of locald."""

    def __init__(self, instance: str, in_use: Callable[[str], bool]) -> None:
        """`in_use`: whether a project has, or is about to have, a container here."""
        self._instance, self._in_use = instance, in_use
        self._turns: dict[str, asyncio.Lock] = {}

    async def have(self, engine: Engine, project: str) -> None:
        """See to it that the project's network is there. Raises CannotBegin, EngineAbsent."""
        async with self._turn(project):
            try:
                await self._have(engine, project)
            except Refusal as refusal:
                raise CannotBegin(begin("", refusal.message)) from None

    async def _have(self, engine: Engine, project: str) -> None:
        name, labels = create.network(project), self._labels(project)
        try:
            found = await engine.get(f"/networks/{name}")
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            body = {"Name": name, "Driver": "bridge", "CheckDuplicate": True, "Labels": labels}
            await engine.post("/networks/create", body)
            return
        if not is_labelled(found, labels):
            held = name_held(name, "a network that this locald did not make", f"docker network rm {name}")
            raise CannotBegin(held)

    async def drop(self, engine: Engine, project: str) -> None:
        """Remove the project's network, unless somebody uses it. Never raises."""
        async with self._turn(project):
            if self._in_use(project):
                return
            try:
                found = await engine.get(f"/networks/{create.network(project)}")
                if is_labelled(found, self._labels(project)):
                    await engine.delete(f"/networks/{found['Id']}")
            except (Refusal, EngineAbsent) as error:
                log.debug("the network of %s stays: %s", project, error)

    def _turn(self, project: str) -> asyncio.Lock:
        return self._turns.setdefault(project, asyncio.Lock())

    def _labels(self, project: str) -> dict[str, str]:
        return {create.PROJECT: project, create.INSTANCE: self._instance}
