"""How to get to what listens on an address of this machine."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

from locald.adapters.network import THIS_MACHINE, Network

LOOPBACK = ("127.0.0.1", "::1")
"""where a service is looked for when nothing is known of its listener"""


def ways_to(address: str) -> tuple[str, ...]:
    """The addresses to connect to, best first, for a listener on this one."""
    match address:
        case "0.0.0.0":
            return ("127.0.0.1",)
        case "::":
            return ("::1", "127.0.0.1")  # where the loopback interface has no IPv6
        case _:
            return (address,)


async def connect(host: str, port: int) -> None:
    """Make one connection and end it. Raises OSError when it is not made."""
    (await connected(host, port)).close()


async def connected(host: str, port: int, network: Network = THIS_MACHINE) -> socket.socket:
    """A connection that the caller closes. Raises OSError when it is not made. `host`: numeric.

    A connection to a closed port in the range for outgoing connections may meet itself: that is refused too.
    """
    trial = await network.tcp(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        await _connect(trial, (host, port))
        if trial.getsockname()[:2] == trial.getpeername()[:2]:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    except BaseException:
        trial.close()
        raise
    return trial


async def _connect(trial: socket.socket, to: tuple[str, int]) -> None:
    """On this machine the answer is there as soon as the question is out: asked again, the kernel says so,
    which saves a turn of the event loop. Elsewhere it is waited for."""
    trial.connect_ex(to)
    code = trial.connect_ex(to)
    if code in (errno.EINPROGRESS, errno.EALREADY):
        await asyncio.get_running_loop().sock_connect(trial, to)
    elif code not in (0, errno.EISCONN):
        raise OSError(code, os.strerror(code))


def place(host: str, port: int) -> str:
    """`127.0.0.1:24001`, `[::1]:24001`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
