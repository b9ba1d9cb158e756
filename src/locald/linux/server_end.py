"""The server's end of one of our own TCP connections: has its program taken it yet?

The kernel completes a connection by itself, as soon as something listens; the program learns of it when it
calls accept(2). Until then the server's end belongs to nobody: its inode is 0. From then on it has an inode,
and whose that is tells who took the connection (see `owners`). That is asked of `SOCK_DIAG` for exactly this
connection, without privilege and without waiting, in some 50 µs.

Special cases: a listener that defers (TCP_DEFER_ACCEPT) leaves its end in SYN_RECV until the client sends
something. A connection that something else answered (a port that is redirected, a proxy of the kernel) has no
end here at all. An end that the program has closed already is an orphan: its inode is 0 again, but its state
is not ESTABLISHED any more.

Sources: sock_diag(7), linux/inet_diag.h, tcp(7).
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from locald.linux.sockdiag import (
    HEADER,
    NLMSG_ERROR,
    SOCK_DIAG_BY_FAMILY,
    TCP_LISTEN,
    messages,
    netlink,
    refused,
    unpacked,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ESTABLISHED, SYN_RECV = 1, 3
_NLM_F_REQUEST = 1
_NO_COOKIE = b"\xff" * 8
"""INET_DIAG_NOCOOKIE: whichever socket has these addresses"""
_REQUEST = struct.Struct("=BBBBI2s2s16s16sI8s")
"""inet_diag_req_v2: family, protocol, extensions, -, states, port, peer's port, address, peer's address,
interface, cookie"""
_ANSWER = struct.Struct("=BB62xII")
"""the beginning of inet_diag_msg: family, state; and its last fields: uid, inode"""


class End(NamedTuple):
    """`state`: of TCP; `inode`: 0 while no program holds the end; `uid`: whose it is."""

    state: int
    inode: int
    uid: int


class ServerEnds:
    """Asks for the server's end of connections of one network namespace."""

    def __init__(self, open: Callable[[], socket.socket] = netlink) -> None:
        """`open`: makes a socket to ask with. Raises OSError where netlink is not permitted."""
        self._socket = open()
        self._sequence = 0

    def of(self, connection: socket.socket) -> End | None:
        """The end that a connected socket of ours leads to; None when there is none on this machine.

        Never waits. Raises OSError when the kernel refuses the question, or the connection is gone.
        """
        return self.at(connection.getpeername(), connection.getsockname())

    def at(self, here: tuple[str, int], peer: tuple[str, int]) -> End | None:
        """The socket with this address and port, connected to that peer's; None when there is none."""
        self._sequence += 1
        self._socket.send(encode(here, peer, self._sequence))
        while True:
            answered, end = decode(self._socket.recv(65536), self._sequence)
            if answered:
                return end

    def close(self) -> None:
        self._socket.close()


def encode(server: tuple[str, int], client: tuple[str, int], sequence: int) -> bytes:
    """Ask for the socket with this address and port and this peer, as `getpeername` and `getsockname` of the
    client have them."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    addresses = (socket.inet_pton(family, host.partition("%")[0]) for host in (server[0], client[0]))
    ports = (port.to_bytes(2) for port in (server[1], client[1]))
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF, *ports, *addresses, 0, _NO_COOKIE)
    return HEADER.pack(HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, sequence, 0) + request


def decode(data: bytes, sequence: int) -> tuple[bool, End | None]:
    """Whether a datagram answers the question, and the end in it. Raises OSError when the kernel refused."""
    for kind, number, at in messages(data):
        if number != sequence:
            continue
        if kind == NLMSG_ERROR:
            error = refused(data, at)
            if error.errno == errno.ENOENT:
                return True, None
            raise error
        _, state, uid, inode = unpacked(_ANSWER, data, at)
        # Where no connection has these addresses, the kernel answers with the listener that would take one.
        return True, None if state == TCP_LISTEN else End(state, inode, uid)
    return False, None
