"""What the connections to engines have in common: they are there for as long as somebody uses them, go away,
are tried again ever more rarely, and come back.

Each time that an engine is there (again), what is ours on it and belongs to no run that anybody knows is
removed. An engine that may have something of ours is written down, and looked for until that is gone: after
its last user has left while it was away, and by a daemon that comes later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from locald.adapters.containers.engine import EngineAbsent, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from locald.adapters.containers.engines_used import EnginesUsed

log = logging.getLogger(__name__)

SOONEST, LATEST = 0.1, 2.0
"""seconds between two attempts at an engine that has gone: doubled each time"""
RARELY = 60.0
"""seconds at most between two attempts at one on which only something of ours may be left"""


class User(Protocol):
    """A run that needs the engine."""

    def engine_went(self, why: str) -> None: ...


U = TypeVar("U", bound=User)


class Connection(Generic[U]):
    """`_talk`, `_try_again` and `close` are each engine's own."""

    KIND = "engine"
    """what it is a connection to"""

    def __init__(self, address: Any) -> None:
        self.address = address
        self.is_away = False
        self.is_clean = True
        """nothing that was to be removed is left, as far as is known"""
        self._users: set[U] = set()
        self._up = asyncio.Event()

    def use(self, user: U) -> None:
        self._users.add(user)

    def leave(self, user: U) -> None:
        self._users.discard(user)

    @property
    def is_used(self) -> bool:
        return bool(self._users)

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    async def came(self) -> None:
        """Wait until it is there, and what is nobody's has been removed."""
        await self._up.wait()

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
            await self.close()

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

    async def close(self) -> None:
        """It is not used any more."""
        raise NotImplementedError


C = TypeVar("C", bound=Connection[Any])
A = TypeVar("A", bound=Hashable)
"""how an engine is addressed"""


class Connections(Generic[C, A]):
    """Those that are open, by the addresses of their engines: each begins with its first user, and ends with
    its last."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        used: EnginesUsed[A],
        connect: Callable[[tuple[A, ...]], Awaitable[C]],
    ) -> None:
        """`used`: where something of ours may be, written down for a later daemon. `connect` makes one to the
        first of some engines that answers, or raises EngineAbsent."""
        self._group, self._used, self._connect = tasks, used, connect
        self._open: dict[Hashable, tuple[C, asyncio.Task[None]]] = {}
        self._turn = asyncio.Lock()
        self._tidying: dict[A, asyncio.Task[None]] = {}
        self._reading: list[asyncio.Task[None]] = []

    async def reach(self, user: Any, candidates: tuple[A, ...]) -> C:
        """The first of these that is open, or else to the first that answers. Raises EngineAbsent."""
        async with self._turn:
            found = await self._opened(candidates)
            found.use(user)
            return found

    def leave(self, user: Any, connection: C, *, is_removed: bool) -> None:
        """`is_removed`: nothing of the user is left there. With the last one the connection ends."""
        connection.leave(user)
        connection.is_clean &= is_removed and connection.is_up
        self._end_if_unused(connection)

    def tidy(self) -> None:
        """Have what is nobody's removed from the engines that were used before, as soon as they are there.
        Call it when all that is known has been adopted."""
        work = self._tidy_used()
        self._reading.append(self._group.create_task(work, name="where something of ours may be left"))

    def tasks(self) -> list[asyncio.Task[None]]:
        return [*(task for _, task in self._open.values()), *self._tidying.values(), *self._reading]

    async def _opened(self, candidates: Collection[A]) -> C:
        """Raises EngineAbsent."""
        for each in candidates:
            if each in self._open:
                return self._open[each][0]
        made = await self._connect(tuple(candidates))
        try:
            await asyncio.to_thread(self._used.add, made.address)
        except BaseException:
            await made.close()
            raise
        task = self._group.create_task(made.hold(), name=f"{made.KIND} at {made.address}")
        self._open[made.address] = made, task
        return made

    def _end_if_unused(self, connection: C) -> None:
        address: A = connection.address
        if connection.is_used or address in self._tidying or address not in self._open:
            return
        _, task = self._open.pop(address)
        task.cancel()
        if connection.is_clean:
            self._group.create_task(self._strike_off(address), name="an engine without anything of ours")
        elif not connection.is_up:
            self._tidy(address)

    async def _strike_off(self, address: A) -> None:
        async with self._turn:
            if address not in self._open:
                await asyncio.to_thread(self._used.strike_off, address)

    # What is left of runs that nobody knows.

    async def _tidy_used(self) -> None:
        for address in await asyncio.to_thread(self._used.all):
            self._tidy(address)

    def _tidy(self, address: A) -> None:
        if address in self._tidying:
            return
        work = self._until_tidy(address)
        self._tidying[address] = self._group.create_task(work, name=f"what is left at {address}")

    async def _until_tidy(self, address: A) -> None:
        """Be there when the engine is, however long that takes."""
        try:
            connection = await self._patiently(address)
            await connection.came()
        finally:
            del self._tidying[address]
        self._end_if_unused(connection)

    async def _patiently(self, address: A) -> C:
        pause = SOONEST
        while True:
            try:
                async with self._turn:
                    return await self._opened((address,))
            except (EngineAbsent, OSError) as error:
                log.debug("what may be left at %s is not removed yet: %s", address, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, RARELY)
