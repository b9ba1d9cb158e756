"""What the connections to engines have in common: they are there for as long as somebody uses them, go away,
are tried again ever more rarely, and come back.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from locald.adapters.containers.engine import EngineAbsent, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable

log = logging.getLogger(__name__)

SOONEST, LATEST = 0.1, 2.0
"""seconds between two attempts at an engine that has gone: doubled each time"""


class User(Protocol):
    """A run that needs the engine."""

    def engine_went(self, why: str) -> None: ...


U = TypeVar("U", bound=User)


class Connection(Generic[U]):
    """`_talk`, `_try_again` and `_close` are each engine's own."""

    KIND = "engine"
    """what it is a connection to"""

    def __init__(self, address: Hashable) -> None:
        self.address = address
        self.is_away = False
        self._users: set[U] = set()
        self._up = asyncio.Event()

    def use(self, user: U) -> None:
        self._users.add(user)

    def leave(self, user: U) -> bool:
        """Whether nobody is left."""
        self._users.discard(user)
        return not self._users

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    async def hold(self) -> None:
        """Until cancelled."""
        try:
            while True:
                why = await self._talk()
                self._up.clear()
                self.is_away = True
                log.warning("lost the connection to the %s: %s", self.KIND, why)
                for user in list(self._users):
                    user.engine_went(why)
                await self._come_back()
        finally:
            await self._close()

    async def _come_back(self) -> None:
        pause = SOONEST
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LATEST)
            try:
                await self._try_again()
            except (EngineAbsent, Refusal) as still:
                log.debug("%s", still)
            else:
                return

    def _came(self) -> None:
        """It is there (again)."""
        self.is_away = False
        self._up.set()

    async def _talk(self) -> str:
        """For as long as it is there; says why it is not any more."""
        raise NotImplementedError

    async def _try_again(self) -> None:
        """Raises EngineAbsent, Refusal."""
        raise NotImplementedError

    async def _close(self) -> None:
        raise NotImplementedError


C = TypeVar("C", bound=Connection[Any])


class Connections(Generic[C]):
    """Those that are open, by the addresses of their engines: each begins with its first user, and ends with
    its last."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._group = tasks
        self._open: dict[Hashable, tuple[C, asyncio.Task[None]]] = {}
        self._turn = asyncio.Lock()

    async def reach(
        self, user: Any, candidates: Iterable[Hashable], connect: Callable[[], Awaitable[C]]
    ) -> C:
        """The first of these that is open, or else what `connect` makes, which may raise EngineAbsent."""
        async with self._turn:
            found = next((self._open[each][0] for each in candidates if each in self._open), None)
            if found is None:
                found = await connect()
                task = self._group.create_task(found.hold(), name=f"{found.KIND} at {found.address}")
                self._open[found.address] = found, task
            found.use(user)
            return found

    def is_open(self, address: Hashable) -> bool:
        return address in self._open

    def leave(self, user: Any, connection: C) -> bool:
        """Whether the connection has ended with it."""
        if not connection.leave(user):
            return False
        _, task = self._open.pop(connection.address)
        task.cancel()
        return True

    def tasks(self) -> list[asyncio.Task[None]]:
        return [task for _, task in self._open.values()]
