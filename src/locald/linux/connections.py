"""Which sockets are connected to which, on this machine: over TCP, or Unix sockets.

`SOCK_DIAG` lists the connections of both without privilege: a TCP connection within a machine has two ends,
of which each has the other's addresses; a Unix socket names its peer. Some milliseconds where there are
thousands, so this is for rare questions. Where netlink is not permitted nothing is known to be connected.

Sources: sock_diag(7), linux/inet_diag.h, linux/unix_diag.h.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from locald.linux.other_sockets import unix_peers
from locald.linux.sockdiag import (
    NLMSG_DONE,
    NLMSG_ERROR,
    encode_dump,
    messages,
    netlink,
    refused,
    unpacked,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ESTABLISHED = 1
_MAPPED = b"\0" * 10 + b"\xff\xff"
_SOCKET = struct.Struct("=4x2s2s16s16s28xI")
"""inet_diag_msg: …, port, peer's port, address, peer's address, …, inode"""

_End = tuple[bytes, bytes]
"""address and port"""


def connected_to(inodes: Collection[int]) -> set[int]:
    """The sockets at the other end of those. Never waits and never fails."""
    try:
        with netlink() as asked:
            ends = {
                (here, there): inode
                for family in (socket.AF_INET, socket.AF_INET6)
                for here, there, inode in _ends(asked, family)
            }
        peers = unix_peers()
    except OSError:
        return set()
    found = {ends.get((there, here), 0) for (here, there), inode in ends.items() if inode in inodes}
    found.update(peer for inode, peer in peers.items() if inode in inodes)
    return found - {0}


def _ends(asked: socket.socket, family: int) -> Iterator[tuple[_End, _End, int]]:
    """This end, the other end and the inode of every TCP connection."""
    asked.send(encode_dump(family, family, state=ESTABLISHED))
    while True:
        data = asked.recv(65536)
        for kind, _, at in messages(data):
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                raise refused(data, at)
            port, peer_port, address, peer, inode = unpacked(_SOCKET, data, at)
            yield (_plain(address, family), port), (_plain(peer, family), peer_port), inode


def _plain(address: bytes, family: int) -> bytes:
    """An IPv4 address is the same in IPv6 clothes."""
    if family == socket.AF_INET:
        return address[:4]
    return address.removeprefix(_MAPPED)
