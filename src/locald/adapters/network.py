"""The network in which something is looked at: that of this machine, or a container's own.

Both are asked in the same way, through sockets; what differs is where those come from. In the network of a
container `127.0.0.1` is the container's, and no engine's proxy stands between.
"""

from __future__ import annotations

import asyncio
import socket

from locald.linux import netns, sockdiag

_NETLINK = (socket.AF_NETLINK, socket.SOCK_DGRAM, sockdiag.NETLINK_SOCK_DIAG)


class Network:
    """That of this machine."""

    def netlink(self) -> socket.socket:
        """A socket to ask the kernel with. Never waits; raises OSError where that is not permitted."""
        return sockdiag.netlink()

    async def tcp(self, family: int) -> socket.socket:
        """A socket that is not connected yet. Raises OSError."""
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)


class Inside(Network):
    """That of a container's process. Close it."""

    def __init__(self, place: netns.Place, netlinks: list[socket.socket]) -> None:
        self._place, self._netlinks = place, netlinks

    @classmethod
    async def enter(cls, pid: int, netlinks: int) -> Inside:
        """With so many sockets to the kernel. Raises OSError where we may not enter."""
        place = await asyncio.to_thread(netns.Place, pid)
        return cls(place, await _made(place, [_NETLINK] * netlinks))

    def netlink(self) -> socket.socket:
        if not self._netlinks:
            raise OSError("all sockets to the kernel are in use")
        return self._netlinks.pop()

    async def tcp(self, family: int) -> socket.socket:
        return (await _made(self._place, [(family, socket.SOCK_STREAM, 0)]))[0]

    def close(self) -> None:
        while self._netlinks:
            self._netlinks.pop().close()


async def _made(place: netns.Place, kinds: list[netns.Kind]) -> list[socket.socket]:
    """Called off in the middle, what is made all the same is closed."""
    making = asyncio.get_running_loop().run_in_executor(None, place.sockets, kinds)
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_close)
        raise


def _close(making: asyncio.Future[list[socket.socket]]) -> None:
    if not making.cancelled() and making.exception() is None:
        for each in making.result():
            each.close()


THIS_MACHINE = Network()
