"""Whether a service's own program takes connections: the one thing that makes an open port worth believing.

The kernel completes connections as soon as somebody listens, long before they are served: for a tool that
only tries whether a port is free, for a parent whose workers are still loading. So one connection is made and
kept, and its server's end is looked at until it has an owner. Nothing is sent.

Where the end tells nothing (a listener that defers, something between that answers for it, a kernel that is
not asked), the listener itself is believed, provided that it is still the same one a moment later.
"""

from __future__ import annotations

import asyncio
import socket
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from locald.adapters.network import THIS_MACHINE, Network
from locald.adapters.reach import connected, ways_to
from locald.linux import socket_owners
from locald.linux.server_end import ESTABLISHED, SYN_RECV, End, ServerEnds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

CONNECT = 1.0
"""seconds that a connection may take"""
SAME = 0.05
"""seconds after which a listener that cannot be asked has to be the same one still"""
AT_ONCE = 8
"""looks at an end between which only what else is due is done: a program that waits for connections takes
one within a fraction of a millisecond, which is less than a timer can wait"""
FIRST, LAST = 0.001, 0.005
"""seconds between two looks that follow: at first, and from a few looks on"""
PATIENT = 10.0
"""seconds after which looks become rarer still"""
RARE = 0.05
UNSEEN = 0.05
"""seconds for which an end whose owner is not found is looked for: it may be a child, just born"""


class Answer(Enum):
    REFUSED = "refused"
    """there is no connection"""
    GONE = "gone"
    """the listener was closed before its program took the connection: a probe of the port"""
    FOREIGN = "foreign"
    """a process outside the service took it"""
    TAKEN = "taken"


class Acceptance(NamedTuple):
    """`pid`: who took the connection; 0 where that is not known."""

    answer: Answer
    pid: int = 0


class Door:
    """Tries the listeners of a network, through one socket to the kernel that all tries share."""

    def __init__(self, network: Network = THIS_MACHINE) -> None:
        self._network = network
        try:
            self._ends: ServerEnds | None = ServerEnds(network.netlink)
        except OSError:  # not permitted here
            self._ends = None

    def close(self) -> None:
        if self._ends:
            self._ends.close()

    async def try_listener(
        self,
        address: str,
        port: int,
        pids: Callable[[], Collection[int]],
        is_there: Callable[[], bool],
        untaken: Callable[[], None],
    ) -> Acceptance:
        """One connection to what listens there, kept until its program has taken it.

        `pids`: the service's processes. `is_there`: whether the listener is still the same one.
        `untaken` is called once when the connection is made and not taken at once.
        """
        trial = await self._connect(address, port)
        if trial is None:
            return Acceptance(Answer.REFUSED)
        with trial:
            return await self._await_owner(trial, pids, is_there, untaken)

    async def _connect(self, address: str, port: int) -> socket.socket | None:
        """A connection to what listens there, by one of the ways to it."""
        for host in ways_to(address):
            try:
                async with asyncio.timeout(CONNECT):
                    return await connected(host, port, self._network)
            except OSError:  # TimeoutError is one
                continue
        return None

    async def _await_owner(
        self,
        trial: socket.socket,
        pids: Callable[[], Collection[int]],
        is_there: Callable[[], bool],
        untaken: Callable[[], None],
    ) -> Acceptance:
        looks, waited, wait, told = 0, 0.0, FIRST, False
        while True:
            end = self._end(trial)
            if end is None or end.state == SYN_RECV:
                return await _believed(trial, is_there)
            if end.inode:
                return await self._owner(trial, end, pids)
            if end.state != ESTABLISHED:  # closed already: only who has taken it can do that
                return Acceptance(Answer.TAKEN)
            looks += 1
            if looks < AT_ONCE:
                await asyncio.sleep(0)
                continue
            await asyncio.sleep(wait)
            waited, wait = waited + wait, _next(wait, waited)
            if waited >= SAME and not told:
                told = True
                untaken()

    def _end(self, trial: socket.socket) -> End | None:
        try:
            return self._ends.of(trial) if self._ends else None
        except OSError:
            return None

    async def _owner(self, trial: socket.socket, end: End, pids: Callable[[], Collection[int]]) -> Acceptance:
        """Who holds the end: one of the service, or somebody else. It may be closed while we look."""
        waited = 0.0
        while not (held := socket_owners.holders({end.inode}, pids())):
            now = self._end(trial)
            if now is None or now.inode != end.inode:
                return Acceptance(Answer.TAKEN)
            if waited >= UNSEEN:
                try:
                    anybody = await asyncio.to_thread(socket_owners.holders_anywhere, {end.inode})
                except OSError:  # no descriptor is left to look with, so nobody knows: it is tried again
                    return Acceptance(Answer.GONE)
                # Nobody can be seen: a process of the service that changed its user.
                return Acceptance(Answer.FOREIGN if anybody else Answer.TAKEN, _first(anybody, end.inode))
            await asyncio.sleep(LAST)
            waited += LAST
        return Acceptance(Answer.TAKEN, _first(held, end.inode))


async def _believed(trial: socket.socket, is_there: Callable[[], bool]) -> Acceptance:
    """Nobody can tell whether it was taken: believe the listener if it outlasts a moment."""
    if _was_reset(trial):
        return Acceptance(Answer.GONE)
    await asyncio.sleep(SAME)
    return Acceptance(Answer.TAKEN if is_there() else Answer.GONE)


def _was_reset(trial: socket.socket) -> bool:
    """The end of a listener resets what nobody has taken."""
    try:
        trial.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


def _next(wait: float, waited: float) -> float:
    if waited >= PATIENT:
        return RARE
    return min(wait * 2, LAST)


def _first(held: dict[int, list[int]], inode: int) -> int:
    return held[inode][0] if held.get(inode) else 0
