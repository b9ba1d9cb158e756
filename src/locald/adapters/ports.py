"""Which port a service gets, whether it is free, and who holds it.

A service without a port of its own in the file gets one that is drawn from its name and from the folder of
this locald's state: the same every day, so that bookmarks and OAuth settings stay right, another one for
another locald on this machine, so that the two do not meet, and outside the range from which the kernel takes
ports for outgoing connections, so that no browser holds it by chance. Only when that one is taken does the
next come, and what a service once got is remembered while it is free.

"Free" is found out by binding, on every wildcard and loopback address: a socket that is bound and does not
listen yet counts as taken, one that only waits for late packets (TIME_WAIT) does not.
"""

from __future__ import annotations

import errno
import hashlib
import socket
from typing import TYPE_CHECKING

from locald.adapters.own_listeners import listener_of
from locald.linux import procfs, socket_owners
from locald.linux.sockdiag import Table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from locald.domain.lifecycle.messages import Listener
    from locald.domain.project.names import Key

Range = tuple[int, int]
"""of ports, both ends included"""

PREFERRED: Range = (20000, 29999)
ALLOWED: Range = (10000, 65535)
"""below are the ports that programs are known by"""
ENOUGH = 1000
ADDRESSES = ("127.0.0.1", "0.0.0.0", "::1", "::")


# The choice, pure.


def usable(ephemeral: Range) -> Range:
    """The range to take ports from, given the one the kernel uses for outgoing connections.

    As much as possible of the preferred one; when too little of it is left, the widest range outside the
    kernel's; when that leaves nothing, the preferred one all the same.
    """
    for within in (PREFERRED, ALLOWED):
        widest = max(_outside(within, ephemeral), key=_width)
        if _width(widest) >= ENOUGH:
            return widest
    return PREFERRED


def _outside(within: Range, ephemeral: Range) -> tuple[Range, Range]:
    below = (within[0], min(within[1], ephemeral[0] - 1))
    above = (max(within[0], ephemeral[1] + 1), within[1])
    return below, above


def _width(range_: Range) -> int:
    return range_[1] - range_[0] + 1


def candidates(key: Key, home: str, low: int, high: int) -> Iterator[int]:
    """Every port of the range once, in the service's own order: always the same for the same names. `home`:
    the folder of the state, or anything else that tells one locald from another."""
    digest = hashlib.sha256(f"{home}:{key}".encode(errors="surrogateescape")).digest()
    width = high - low + 1
    start = int.from_bytes(digest[:8]) % width
    return (low + (start + step) % width for step in range(width))


# What the kernel says.


def ephemeral() -> Range:
    """The ports that the kernel takes for outgoing connections; its usual ones when it does not tell."""
    fields = (procfs.read("/proc/sys/net/ipv4/ip_local_port_range") or b"").split()
    return (int(fields[0]), int(fields[1])) if len(fields) == 2 else (32768, 60999)


def assign(key: Key, home: str, remembered: int | None, taken: Collection[int]) -> int:
    """The port for a service: the remembered one, else the first of its candidates that is free.

    `taken` are ports promised to other services, which may not run now. Raises OSError (EADDRINUSE) when
    every port of the range is taken.
    """
    if remembered is not None and remembered not in taken and free(remembered):
        return remembered
    low, high = usable(ephemeral())
    for port in candidates(key, home, low, high):
        if port not in taken and free(port):
            return port
    raise OSError(errno.EADDRINUSE, f"no port from {low} to {high} is free")


def free(port: int) -> bool:
    """Whether a service could listen on the port now, as far as others are concerned."""
    try:
        _bind("::", port, only_ipv6=False)  # what nobody has at all is free at each address
    except OSError:
        return all(_bindable(address, port) for address in ADDRESSES)
    return True


def _bindable(address: str, port: int) -> bool:
    """Whether nobody has the address. One that is not there, or that takes privilege, is no obstacle."""
    try:
        _bind(address, port)
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def _bind(address: str, port: int, *, only_ipv6: bool = True) -> None:
    """Raises OSError."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT does not count
        if trial.family == socket.AF_INET6:
            trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
        trial.bind((address, port))


def holder(port: int) -> Listener | None:
    """Who listens on the port; pid 0 when that cannot be known (another user's process).

    Looks through the descriptors of all processes when somebody does: call it in a thread.
    """
    with Table() as table:
        listening = [each for each in table.read() if each.port == port]
    held = socket_owners.holders_anywhere({each.inode for each in listening}) if listening else {}
    found = (listener_of(each, held.get(each.inode, [])) for each in listening)
    return max(found, key=lambda listener: bool(listener.owner.pid), default=None)
