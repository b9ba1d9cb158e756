"""Whose socket is at the other end of a TCP connection within this machine.

Anybody here can connect to a port on 127.0.0.1. The kernel knows both ends, and tells of any socket, without
privilege, whose it is: one question of some 20 µs, by the addresses of the connection as the other end sees
them.

Sources: sock_diag(7), linux/inet_diag.h.
"""

from __future__ import annotations

import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1

_HEADER = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port id"""
_QUESTION = struct.Struct("!BBBBI HH 4s12x 4s12x I 8s")
"""inet_diag_req_v2: family, protocol, extensions, -, states; port, peer's port, address, peer's address,
interface, cookie. What has more than one byte is in the network's order, or zero, or all ones."""
_UID_AT = _HEADER.size + 64
"""in inet_diag_msg, after the addresses, expiry and both queues"""
NO_COOKIE = b"\xff" * 8

Address = tuple[str, int]


def uid_of(there: Address, here: Address) -> int | None:
    """The user whose socket `there` is connected to `here`, both IPv4; None when that cannot be known: it is
    gone, not of this machine, or the kernel may not be asked."""
    try:
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        with socket.socket(socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG) as kernel:
            kernel.send(_encode(there, here))
            return _decode(kernel.recv(4096))  # it is there when `send` returns
    except OSError:
        return None


def _encode(there: Address, here: Address) -> bytes:
    addresses = socket.inet_aton(there[0]), socket.inet_aton(here[0])
    ask = (socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF, there[1], here[1], *addresses, 0, NO_COOKIE)
    question = _QUESTION.pack(*ask)
    header = _HEADER.pack(_HEADER.size + len(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0)
    return header + question


def _decode(answer: bytes) -> int | None:
    if len(answer) < _UID_AT + 4 or _HEADER.unpack_from(answer)[1] != SOCK_DIAG_BY_FAMILY:
        return None  # it is gone, and this says so
    return int(struct.unpack_from("=I", answer, _UID_AT)[0])
