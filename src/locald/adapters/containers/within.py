"""Whether a container serves its port, seen from within its network: what listens, and who takes connections.

There the container's port is like that of any process: the kernel lists what listens, tells when a listener
ends, and says of a connection whether the program has taken it. So one is made to the listener itself, past
the engine's proxy, and kept until it is taken (see `acceptance`). The published port only has to be there.
Nothing is sent.

The network of a container may be entered by root, and by the owner of the user namespace in which an engine
without root runs its containers.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.adapters.acceptance import Acceptance, Answer, Door
from locald.adapters.containers import published, seen
from locald.adapters.containers.published import STILL, WIDE, pace
from locald.adapters.network import Inside
from locald.domain.knowledge.servers import server_of
from locald.domain.lifecycle.messages import STALLED, UNTAKEN, Process
from locald.linux import procfs, socket_owners
from locald.linux.sockdiag import Deaths, Table, read_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from locald.adapters.containers.seen import Target, Telling
    from locald.domain.knowledge.servers import Server
    from locald.domain.lifecycle.messages import Listener
    from locald.linux.sockdiag import Listening

_NETLINKS = 3
"""for what listens, for whose a connection is, for what listens no more"""
AGAIN_TOLD = 0.5
"""seconds for which what an earlier daemon saw is tried once more, before it is said that nobody takes it"""


class Within:
    """Looks at one container until cancelled. Close it."""

    def __init__(self, target: Target, network: Inside, telling: Telling, clock: Callable[[], float]) -> None:
        self._target, self._network, self._telling, self._clock = target, network, telling, clock
        self._door = Door(network)
        self._deaths = Deaths(network.netlink)
        self._table = Table(network.netlink, partial(read_tables, f"/proc/{target.pid}/net"))
        self._known: tuple[frozenset[int], float, tuple[Listener, ...]] = (frozenset(), 0.0, ())
        """the listeners that were shown last, by their inodes, and when to look again whose they are"""
        self._probes = 0

    @classmethod
    async def enter(cls, target: Target, telling: Telling, clock: Callable[[], float]) -> Within:
        """Raises OSError where we may not enter, or the container has ended."""
        network = await Inside.enter(target.pid, _NETLINKS)
        try:
            if not seen.is_of_this_machine(target.pid, target.container):
                raise ProcessLookupError
            return cls(target, network, telling, clock)
        except OSError:
            network.close()
            raise

    def close(self) -> None:
        for each in (self._door, self._deaths, self._table, self._network):
            each.close()

    async def listen(self) -> None:
        with self._news() as ended:
            while True:
                taken = await self._until_taken()
                await self._until_closed(taken, ended)

    async def _until_taken(self) -> int:
        """The inode of the listener off which the program has taken a connection."""
        began_at = self._clock()
        while True:
            table = self._table.read()
            shown = await self._shown(table)
            own = next((each for each in table if self._target.is_own(each)), None)
            if own is None:
                self._telling.tell(shown, probes=self._probes)
            elif await self._is_taken(own, shown):
                return own.inode
            await asyncio.sleep(pace(self._clock() - began_at))

    async def _until_closed(self, inode: int, ended: asyncio.Event) -> None:
        while self._is_there(inode):
            ended.clear()
            try:
                async with asyncio.timeout(STILL):
                    await ended.wait()
            except TimeoutError:
                pass

    # What listens.

    async def _shown(self, table: list[Listening]) -> tuple[Listener, ...]:
        """Who holds a socket costs more than which there are, and seldom changes."""
        inodes, now = frozenset(each.inode for each in table), self._clock()
        if inodes != self._known[0] or now >= self._known[1]:
            shown = await asyncio.to_thread(seen.listeners, self._target, table)
            self._known = (inodes, now + WIDE, shown)
        return self._known[2]

    def _is_there(self, inode: int) -> bool:
        return any(each.inode == inode for each in self._table.read())

    @contextmanager
    def _news(self) -> Iterator[asyncio.Event]:
        """Set whenever a listener in the container may have ended."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()

        def observe() -> None:
            ports = self._deaths.read()
            if ports is None or self._target.inside in ports:
                ended.set()

        loop.add_reader(self._deaths.fileno(), observe)
        try:
            yield ended
        finally:
            loop.remove_reader(self._deaths.fileno())

    # Who takes connections.

    async def _is_taken(self, own: Listening, shown: tuple[Listener, ...]) -> bool:
        """One connection, until the program takes it, and what that shows."""
        timers: list[asyncio.TimerHandle] = []
        try:
            acceptance = await self._door.try_listener(
                own.address,
                own.port,
                self._target.pids,
                is_there=lambda: self._is_there(own.inode),
                untaken=lambda: timers.extend(self._tell_untaken(shown)),
            )
        finally:
            for timer in timers:
                timer.cancel()
        if acceptance.answer in (Answer.TAKEN, Answer.FOREIGN):  # an engine puts processes into it, too
            return await self._tell_taken(acceptance, own.inode, shown)
        if not self._is_there(own.inode):
            self._probes += 1
        return False

    def _tell_untaken(self, shown: tuple[Listener, ...]) -> Iterator[asyncio.TimerHandle]:
        """The program leaves a connection waiting: that explains why it is not ready."""
        loop = asyncio.get_running_loop()
        for untaken, later in ((UNTAKEN, 0.0 if self._telling.has_told else AGAIN_TOLD), (STALLED, STALLED)):
            tell = partial(self._telling.tell, shown, untaken=untaken, probes=self._probes)
            yield loop.call_later(later, tell)

    async def _tell_taken(self, acceptance: Acceptance, inode: int, shown: tuple[Listener, ...]) -> bool:
        """The engine's part of the way has to be there, too."""
        own = seen.own(self._target, shown)
        owner = own.owner if own else Process(self._target.pid)
        acceptor = Process(acceptance.pid, procfs.program(acceptance.pid)) if acceptance.pid else None
        if acceptor and acceptance.answer is Answer.FOREIGN:  # what it holds could not be seen before
            shown = tuple(replace(each, owner=acceptor) if each is own else each for each in shown)
        server = await asyncio.to_thread(self._server, inode, acceptor or owner)
        accepts = await published.connects(self._target.published, self._target.host)
        self._telling.tell(
            shown,
            accepts=accepts,
            acceptor=acceptor,
            probes=self._probes,
            server=server,
        )
        return accepts

    def _server(self, inode: int, seen: Process) -> Server | None:
        """Known by who listens: who takes a connection may be a child for it alone, and end with it. `seen`:
        who is asked where nobody can see who listens."""
        pid = min(socket_owners.holders({inode}, self._target.pids()).get(inode, [seen.pid]))
        return server_of(procfs.executable(pid), procfs.cmdline(pid))
