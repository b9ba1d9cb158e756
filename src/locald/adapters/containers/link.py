"""The connection to one engine, for as long as some container of ours is there: its events, and its absence.

Events are only hints to look: the receiver looks at the container itself. So after a pause it is enough
to look at all of them once, and nothing depends on seeing every event. The stream of events is also
what tells, at once, that the engine has gone; it is then tried again, ever more rarely, for as long as
anybody needs it.

Each time that the engine is there (again), what carries our labels and belongs to no run that anybody knows
is removed. What others made is never touched.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Protocol

from locald.adapters.containers import create
from locald.adapters.containers.connection import Connection
from locald.adapters.containers.engine import ANSWERS_WITHIN, EngineAbsent, Refusal, absent, documents
from locald.adapters.containers.translate import event, labels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from locald.adapters.containers.engine import Engine
    from locald.adapters.containers.networks import Networks
    from locald.adapters.containers.translate import Event
    from locald.domain.project.names import Run

log = logging.getLogger(__name__)

WANTED = ["start", "die", "oom", "health_status", "pause", "unpause"]


class User(Protocol):
    """Somebody with a container on this engine."""

    @property
    def container(self) -> str: ...

    def happened(self, event: Event) -> None: ...
    def engine_went(self, why: str) -> None: ...
    def engine_came(self) -> None: ...


class Link(Connection[User]):
    def __init__(
        self,
        engine: Engine,
        owner: str,
        runs: Callable[[], Collection[Run]],
        networks: Networks,
    ) -> None:
        """`engine` answers now; it is closed with the link. `runs`: all that anybody knows."""
        super().__init__(engine.address)
        self.engine = engine
        self._owner, self._runs = owner, runs
        self._events: asyncio.Timeout | None = None
        self._doubt = ""
        """why the events are not listened to any longer"""
        self.networks = networks

    # For its users.

    async def up(self) -> Engine:
        """The engine, when it is there."""
        await self._up.wait()
        return self.engine

    async def engine_for_a_start(self) -> Engine:
        """The engine, now: who wants to start something decides how long to wait. Raises EngineAbsent."""
        if self.is_away:
            await self.engine.negotiate()
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                return await self.up()
        except TimeoutError:
            raise EngineAbsent(
                f"the engine at {self.engine.address.url} does not stream its events"
            ) from None

    def doubt(self, why: str) -> None:
        """A call has failed: find out whether the engine is there, before anybody calls again."""
        if self._up.is_set() and self._events:
            self._up.clear()
            self._doubt = why
            self._events.reschedule(asyncio.get_running_loop().time())

    # The connection.

    async def _talk(self) -> str:
        """Read events until they end, and say why they did."""
        since = str(int(time.time()) - 1)  # an engine begins to listen a little after it has answered
        filters = json.dumps({"type": ["container"], "label": [self._label], "event": WANTED})
        try:
            async with (
                asyncio.timeout(None) as self._events,
                self.engine.stream("GET", ("events",), {"filters": filters, "since": since}) as content,
            ):
                await self._tidy()
                self._came()
                async for said in documents(content):
                    self._observe(event(said))
        except TimeoutError:
            return self._doubt
        except (EngineAbsent, Refusal) as error:
            return str(error)
        finally:
            self._events = None
        return str(absent(self.engine.address, ConnectionError()))

    def _came(self) -> None:
        super()._came()
        for user in list(self._users):
            user.engine_came()

    async def _try_again(self) -> None:
        await self.engine.negotiate()

    async def close(self) -> None:
        await self.engine.close()

    def _observe(self, event: Event | None) -> None:
        for user in list(self._users):
            if event and user.container == event.container:
                user.happened(event)

    # What is nobody's.

    @property
    def _label(self) -> str:
        return f"{create.OWNER}={self._owner}"

    async def _tidy(self) -> None:
        """Remove containers of runs that nobody knows, and networks without any. Raises EngineAbsent."""
        self.is_clean = True
        ours = {"all": "1", "filters": json.dumps({"label": [self._label]})}
        for listed in await self.engine.get(("containers", "json"), ours):
            run = create.run_of(labels_of(listed))
            if run not in self._runs():
                log.warning("removing %s: %s is no longer known", create.name(run.key) if run else "?", run)
                self.is_clean &= await remove(self.engine, listed["Id"])
        for listed in await self.engine.get(("networks",), ours):
            await self.networks.drop(self.engine, labels_of(listed).get(create.PROJECT, ""))


async def remove(engine: Engine, container: str) -> bool:
    """Remove a container, whatever it does, with its anonymous volumes. Whether it is gone.

    Raises EngineAbsent.
    """
    try:
        await engine.delete(("containers", container), {"force": "1", "v": "1"})
    except Refusal as refusal:
        if refusal.status == 404:
            return True
        log.warning("container %.12s could not be removed: %s", container, refusal)
        return False
    return True
