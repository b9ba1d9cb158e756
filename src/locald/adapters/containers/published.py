"""Whether a container serves its port, seen from outside of its network: by connections to it.

A published port is opened by the engine's proxy before anything listens inside; a connection to it then ends
at once. So a connection is made every few milliseconds, which costs next to nothing and does not reach
the service before it listens; when one is not ended at once, the truth is looked up.

Where the container's processes are of this machine, the truth is in `/proc/PID/net/tcp`: the sockets of its
network, of which one must listen on the port inside, on an address that is not its loopback. That table
costs milliseconds, whence the connections first. It also shows, from time to time, what else is listened
on, and that a listener has gone, of which there is no news for networks other than ours. Whether the
program takes connections cannot be seen in this way.

Elsewhere (an engine in a virtual machine, or far away) a connection that stays open for a moment has to do,
and once there was one, no more are made: services count connections that say nothing against their
callers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from locald.adapters.containers.create import LOCALHOST
from locald.adapters.containers.seen import listeners, own
from locald.adapters.reach import connected
from locald.domain.lifecycle.messages import Listener, Process
from locald.linux.sockdiag import read_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.adapters.containers.seen import Target, Telling

HERE, ELSEWHERE = 0.01, 0.1
"""seconds for which a connection has to stay open before it is believed to lead to somebody"""
CONNECTS_WITHIN = 1.0
WIDE = 1.0
"""seconds between two looks at all that is listened on, while the port is not"""
STILL = 5.0
"""seconds between two looks whether the port is still listened on"""


def pace(waited: float) -> float:
    """Seconds until the next look, after `waited` seconds in vain."""
    if waited < 10:
        return 0.01
    return 0.05 if waited < 60 else 0.5


class Published:
    """Looks at one container until cancelled."""

    def __init__(self, target: Target, telling: Telling, clock: Callable[[], float]) -> None:
        self._target, self._telling, self._clock = target, telling, clock

    async def listen(self) -> None:
        while True:
            await self._until_open()
            if not self._target.pid:
                return
            await self._until_closed()

    async def _until_open(self) -> None:
        began_at = wide_at = self._clock()
        while True:
            now = self._clock()
            lasted = await answers(
                self._target.published, HERE if self._target.pid else ELSEWHERE, self._target.host
            )
            if not self._target.pid:
                if self._is_told_elsewhere(lasted, now - began_at):
                    return
            elif lasted or now >= wide_at:
                wide_at = now + WIDE
                seen = await self._look()
                accepts = lasted and own(self._target, seen) is not None
                self._telling.tell(seen, accepts=accepts, unproven=accepts)
                if accepts:
                    return
            await asyncio.sleep(pace(now - began_at))

    def _is_told_elsewhere(self, lasted: bool, waited: float) -> bool:
        """Nothing but the connection can be seen. What an earlier daemon saw is not denied at once."""
        if lasted:
            seen = (Listener(self._target.host, self._target.published, Process(0)),)
            self._telling.tell(seen, accepts=True, unproven=True)
        elif waited >= WIDE:
            self._telling.tell(())
        return lasted

    async def _until_closed(self) -> None:
        while True:
            await asyncio.sleep(STILL)
            seen = await self._look()
            if own(self._target, seen) is None:
                self._telling.tell(seen)
                return

    async def _look(self) -> tuple[Listener, ...]:
        return await asyncio.to_thread(
            lambda: listeners(self._target, read_tables(f"/proc/{self._target.pid}/net"))
        )


async def connects(port: int, host: str = LOCALHOST) -> bool:
    """Whether a connection to the published port is made: the engine's own part of the way."""
    try:
        async with asyncio.timeout(CONNECTS_WITHIN):
            (await connected(host, port)).close()
    except OSError:  # TimeoutError is one
        return False
    return True


async def answers(port: int, patience: float, host: str = LOCALHOST) -> bool:
    """Whether a connection to the port leads to somebody: it says something, or stays open for a while."""
    try:
        async with asyncio.timeout(CONNECTS_WITHIN):
            trial = await connected(host, port)
    except OSError:
        return False
    with trial:
        try:
            async with asyncio.timeout(patience):
                return bool(await asyncio.get_running_loop().sock_recv(trial, 1))
        except TimeoutError:
            return True
        except OSError:
            return False
