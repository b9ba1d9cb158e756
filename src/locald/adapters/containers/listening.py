"""Whether a container listens on its port: truly, not as its published port pretends.

A published port is opened by the engine's proxy before anything listens inside; a connection to it then ends
at once. So a connection is made every few milliseconds, which costs next to nothing and does not reach
the service before it listens; when one is not ended at once, the truth is looked up.

Where the container's processes are of this machine, the truth is in `/proc/PID/net/tcp`: the sockets of its
network, of which one must listen on the port inside, on an address that is not its loopback. That table
costs milliseconds, whence the connections first. It also shows, from time to time, what else is listened
on, and that a listener has gone, of which there is no news for networks other than ours.

Elsewhere (an engine in a virtual machine, or far away) a connection that stays open for a moment has to do,
and once there was one, no more are made: services count connections that say nothing against their
callers.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from locald.adapters.containers.create import LOCALHOST
from locald.domain.lifecycle.messages import Listener, Listens, Process
from locald.linux import procfs, socket_owners
from locald.linux.sockdiag import parse_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.domain.project.names import Run
    from locald.linux.sockdiag import Listening

HERE, ELSEWHERE = 0.01, 0.1
"""seconds for which a connection has to stay open before it is believed to lead to somebody"""
CONNECTS_WITHIN = 1.0
WIDE = 1.0
"""seconds between two looks at all that is listened on, while the port is not"""
STILL = 5.0
"""seconds between two looks whether the port is still listened on"""
INITS = ("docker-init", "tini", "catatonit")


@dataclass(frozen=True, slots=True)
class Target:
    """A container's first process (0: not of this machine), its port inside, and the one on this machine."""

    pid: int
    inside: int
    published: int


def is_of_this_machine(pid: int, container: str) -> bool:
    """Whether this process of ours is the container's: its cgroup is named after it, and we may look."""
    cgroup = procfs.read(f"/proc/{pid}/cgroup") if pid else None
    return container.encode() in (cgroup or b"") and bool(procfs.read(f"/proc/{pid}/net/tcp"))


def pace(waited: float) -> float:
    """Seconds until the next connection, after `waited` seconds without one that lasted."""
    if waited < 10:
        return 0.01
    return 0.05 if waited < 60 else 0.5


class Ears:
    """Listens for one container, until cancelled; posts `Listens` when something changes."""

    def __init__(
        self, run: Run, target: Target, post: Callable[[Listens], None], clock: Callable[[], float]
    ) -> None:
        self._run, self._target, self._post, self._clock = run, target, post, clock
        self._told: tuple[tuple[Listener, ...], bool] = ((), False)

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
            lasted = await answers(self._target.published, HERE if self._target.pid else ELSEWHERE)
            if lasted and not self._target.pid:
                self._tell((self._listener(Process(0)),), True)
                return
            if lasted or now >= wide_at:
                wide_at = now + WIDE
                seen = await asyncio.to_thread(listeners, self._target)
                self._tell(seen, lasted and bool(self._own(seen)))
                if self._told[1]:
                    return
            await asyncio.sleep(pace(now - began_at))

    async def _until_closed(self) -> None:
        while True:
            await asyncio.sleep(STILL)
            seen = await asyncio.to_thread(listeners, self._target)
            if not self._own(seen):
                self._tell(seen, False)
                return

    def _own(self, seen: tuple[Listener, ...]) -> list[Listener]:
        return [each for each in seen if each.port == self._target.published and each.address == LOCALHOST]

    def _listener(self, owner: Process) -> Listener:
        return Listener(LOCALHOST, self._target.published, owner)

    def _tell(self, seen: tuple[Listener, ...], accepts: bool) -> None:
        if (seen, accepts) != self._told:
            self._told = (seen, accepts)
            self._post(Listens(self._run, seen, accepts, None, self._clock()))


# Looking, in a thread.


def listeners(target: Target) -> tuple[Listener, ...]:
    """What the container listens on. Its own port, where it can be reached from outside, is shown as the one
    that it is published on; everything else as it is inside."""
    seen = [each for each in table(target.pid) if not each.address.startswith("127.0.0.11")]  # the engine's
    held = socket_owners.holders({each.inode for each in seen}, [target.pid, *procfs.descendants(target.pid)])
    found = (_shown(each, target, held.get(each.inode, [])) for each in seen)
    return tuple(
        sorted(set(found), key=lambda each: (each.port != target.published, each.port, each.address))
    )


def table(pid: int) -> list[Listening]:
    """The listening sockets in the network of a process."""
    texts = (procfs.read(f"/proc/{pid}/net/{name}") or b"" for name in ("tcp", "tcp6"))
    return [each for text in texts for each in parse_table(text.decode("ascii", "replace"))]


def _shown(listening: Listening, target: Target, holders: list[int]) -> Listener:
    pid = holders[0] if holders else _speaker(target.pid)
    owner = Process(pid, procfs.program(pid))
    if listening.port == target.inside and not _is_loopback(listening.address):
        return Listener(LOCALHOST, target.published, owner)
    return Listener(listening.address, listening.port, owner)


def _is_loopback(address: str) -> bool:
    """Nobody outside of the container can reach it."""
    return address.startswith("127.") or address == "::1"


def _speaker(pid: int) -> int:
    """The process that people know, where we may not see who holds a socket: the child of the init."""
    if procfs.program(pid) not in INITS:
        return pid
    return min(procfs.children(pid) or [pid])


# Connecting.


async def answers(port: int, patience: float) -> bool:
    """Whether a connection to the port leads to somebody: it says something, or stays open for a while."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as trial:
        try:
            async with asyncio.timeout(CONNECTS_WITHIN):
                await loop.sock_connect(trial, (LOCALHOST, port))
        except OSError:  # TimeoutError is one
            return False
        if trial.getsockname() == trial.getpeername():
            return False
        try:
            async with asyncio.timeout(patience):
                return bool(await loop.sock_recv(trial, 1))
        except TimeoutError:
            return True
        except OSError:
            return False
