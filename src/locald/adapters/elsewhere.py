"""Where else a run serves, while its own port is closed: other TCP ports, and sockets of UDP and Unix.

Each that may matter is tried once, by a connection that is kept until the program has taken it. Nothing is
sent. What may become the service's port is for the domain to say; here it is found out which of it serves.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from locald.domain.lifecycle.messages import Listener, Process
from locald.linux import other_sockets, procfs

if TYPE_CHECKING:
    from collections.abc import Collection

LOOK = 0.05
"""seconds between two looks at a connection to a Unix socket"""
_EVERYWHERE = ("0.0.0.0", "::")
_DISCOVERY = (5353, 1900)
"""multicast DNS and SSDP: what binds them everywhere looks for others, and serves nobody"""

Place = tuple[str, str, int]
"""kind, address (the path, as it was bound) and port"""


def sockets(ports: Collection[int], ephemeral: tuple[int, int]) -> dict[int, Place]:
    """The sockets of UDP and Unix that may stand for a port, by inode. `ports`: those that services have.

    A UDP port of the `ephemeral` range was chosen by the kernel, for who asks and not for who answers.
    """
    first, last = ephemeral
    found: dict[int, Place] = {
        each.inode: ("udp", each.address, each.port)
        for each in other_sockets.udp()
        if each.port in ports or not (first <= each.port <= last or _is_discovery(each.address, each.port))
    }
    found.update((each.inode, ("unix", each.path, 0)) for each in other_sockets.unix())
    return found


def _is_discovery(address: str, port: int) -> bool:
    return port in _DISCOVERY and (address in _EVERYWHERE or address.startswith(("224.", "239.", "ff")))


def socket_at(place: Place, pids: list[int]) -> Listener:
    """The socket as it is told of: a relative path means the folder of its process."""
    kind, address, port = place
    owner = Process(pids[0], procfs.program(pids[0]))
    if kind == "udp":
        return Listener(address, port, owner, "udp")
    return Listener(_absolute(address, owner.pid), 0, owner, "unix")


def _absolute(path: str, pid: int) -> str:
    if path.startswith(("/", "@")):
        return path
    try:
        return os.path.join(os.readlink(f"/proc/{pid}/cwd"), path)
    except OSError:
        return path


async def is_taken(path: str) -> bool:
    """Whether the program takes a connection to its Unix socket: waits for it. False when there is no way."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as trial:
        try:
            trial.connect("\0" + path[1:] if path.startswith("@") else path)
        except OSError:
            return False
        taken = _state(trial)
        while taken is None:
            await asyncio.sleep(LOOK)
            taken = _state(trial)
        return taken


def _state(trial: socket.socket) -> bool | None:
    """Whether it was taken (what was closed by the other side was, too); None: not yet."""
    try:
        trial.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        accepted = other_sockets.has_accepted(trial)
        return None if accepted is False else True
    except OSError:
        return False
    return True
