"""Which TCP sockets listen, and the news that one does no more.

The kernel answers both through netlink's `SOCK_DIAG`, without privilege. A *dump* lists every listening
socket of this network namespace (0.04 ms for ten, about a millisecond for a thousand). Members of the
multicast groups `SKNLGRP_INET_TCP_DESTROY` and `SKNLGRP_INET6_TCP_DESTROY` are told of each TCP socket
that has been destroyed, connections too; a small filter inside the kernel lets through only those that
never had a peer, so that other programs' traffic wakes nobody. There is no news of a socket that begins to
listen, nor of one that ends it by shutdown(2) without closing.

Where netlink is not permitted (some sandboxes), `/proc/net/tcp` and `tcp6` tell the same, slower.

Neither a dump nor a file of `/proc` waits for anything: the kernel makes the answer up while it is asked.

Sources: sock_diag(7), netlink(7), linux/inet_diag.h, linux/filter.h, proc(5).
"""

from __future__ import annotations

import array
import errno
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Callable

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_DUMP = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
TCP_LISTEN = 10
GROUPS_TCP_DESTROY = 1 << 0 | 1 << 2
"""SKNLGRP_INET_TCP_DESTROY and SKNLGRP_INET6_TCP_DESTROY, as the bit mask that bind(2) takes"""
SO_ATTACH_FILTER = 26

HEADER = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port id"""
_REQUEST = struct.Struct("=BBBBI48x")
"""inet_diag_req_v2: family, protocol, extensions, -, states; an empty socket id"""
_SOCKET = struct.Struct("=BBBB2s2s16s16sI8xIIIII")
"""inet_diag_msg: family, state, -, -, port, peer's port, address, peer's address, interface, …, uid, inode"""
_CODE = struct.Struct("=i")
_PEER_PORT_AT = HEADER.size + 6


class Listening(NamedTuple):
    """A listening TCP socket. `address` is numeric; an IPv4 address in IPv6 clothes is shown as IPv4."""

    address: str
    port: int
    uid: int
    inode: int


# Netlink, pure.


def encode_dump(
    family: int, sequence: int, protocol: int = socket.IPPROTO_TCP, state: int = TCP_LISTEN
) -> bytes:
    """Ask for every socket of the family (AF_INET or AF_INET6) in that state: those that listen."""
    request = _REQUEST.pack(family, protocol, 0, 0, 1 << state)
    length = HEADER.size + len(request)
    return HEADER.pack(length, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, sequence, 0) + request


def decode_dump(data: bytes, sequence: int) -> tuple[list[Listening], bool]:
    """The sockets in one datagram of an answer, and whether it was the last one.

    What answers another question is skipped. Raises OSError with the kernel's errno when it refused.
    """
    found: list[Listening] = []
    for kind, number, at in messages(data):
        if number != sequence:
            continue
        if kind == NLMSG_DONE:
            return found, True
        if kind == NLMSG_ERROR:
            raise refused(data, at)
        found.append(_socket(data, at))
    return found, False


def decode_destroyed(data: bytes) -> set[int]:
    """The ports of the sockets in one datagram of the multicast groups that had no peer."""
    found = (unpacked(_SOCKET, data, at) for kind, _, at in messages(data) if kind >= SOCK_DIAG_BY_FAMILY)
    return {int.from_bytes(port) for _, _, _, _, port, peer, *_ in found if peer == b"\0\0"}


def messages(data: bytes) -> list[tuple[int, int, int]]:
    """(type, sequence, where its content begins) of each whole netlink message."""
    found = []
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, sequence, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size or at + length > len(data):
            break
        found.append((kind, sequence, at + HEADER.size))
        at += (length + 3) & ~3
    return found


def unpacked(layout: struct.Struct, data: bytes, at: int) -> tuple[Any, ...]:
    """Raises OSError for a message that is cut off."""
    try:
        return layout.unpack_from(data, at)
    except struct.error:
        raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG)) from None


def refused(data: bytes, at: int) -> OSError:
    """What the kernel says in a message of the type NLMSG_ERROR."""
    code = -unpacked(_CODE, data, at)[0]
    return OSError(code, os.strerror(code))


def _socket(data: bytes, at: int) -> Listening:
    family, _, _, _, port, _, address, _, interface, *_, uid, inode = unpacked(_SOCKET, data, at)
    shown = _ipv4(address[:4]) if family == socket.AF_INET else _ipv6(address, interface)
    return Listening(shown, int.from_bytes(port), uid, inode)


def _ipv4(packed: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET, packed)


def _ipv6(packed: bytes, interface: int) -> str:
    """Link-local addresses mean something only together with their interface: `fe80::1%2`."""
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return _ipv4(packed[12:])
    shown = socket.inet_ntop(socket.AF_INET6, packed)
    link_local = packed[0] == 0xFE and packed[1] & 0xC0 == 0x80
    return f"{shown}%{interface}" if link_local and interface else shown


# /proc/net/tcp, pure.


def parse_table(text: str, state: int = TCP_LISTEN) -> list[Listening]:
    """The sockets in that state in the content of `/proc/net/tcp`, `tcp6`, `udp` or `udp6`.

    A malformed line is skipped.
    """
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        try:
            if int(fields[3], 16) == state:
                found.append(_row(fields))
        except (ValueError, IndexError):
            continue
    return found


def _row(fields: list[str]) -> Listening:
    """Addresses are 32-bit words in the machine's byte order, each as eight hexadecimal digits."""
    words, port = fields[1].split(":")
    packed = b"".join(int(words[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(words), 8))
    shown = _ipv4(packed) if len(packed) == 4 else _ipv6(packed, 0)
    return Listening(shown, int(port, 16), int(fields[7]), int(fields[9]))


def read_tables(folder: str = "/proc/net") -> list[Listening]:
    """What `/proc` tells (of a process's network in `/proc/PID/net`): a millisecond for each few hundred
    connections there."""
    found = []
    for name in ("tcp", "tcp6"):
        data = procfs.read(f"{folder}/{name}")
        found += parse_table((data or b"").decode("ascii", "replace"))
    return found


# What talks to the kernel.


def netlink() -> socket.socket:
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    return socket.socket(socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG)


class Table:
    """The listening sockets of a network namespace, as often as one likes to ask."""

    def __init__(
        self,
        open: Callable[[], socket.socket] = netlink,
        otherwise: Callable[[], list[Listening]] = read_tables,
    ) -> None:
        """`open`: makes a socket to ask with; raises OSError. `otherwise`: how to know without one."""
        self._open, self._otherwise = open, otherwise
        self._socket: socket.socket | None = None
        self._answers: dict[bytes, tuple[list[Listening], bool]] = {}
        """the datagrams of the last answer, decoded"""
        self._found: list[Listening] = []

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> list[Listening]:
        """Every TCP socket that listens now. Never waits and never fails.

        The very same list as the last time when the kernel's answer is the same, so it is not to be altered.
        """
        try:
            answers = self._dump(socket.AF_INET) | self._dump(socket.AF_INET6)
        except OSError:
            self.close()  # half an answer may be left in it
            return self._otherwise()
        if answers.keys() != self._answers.keys():
            self._answers = answers
            self._found = [each for found, _ in answers.values() for each in found]
        return self._found

    def _dump(self, family: int) -> dict[bytes, tuple[list[Listening], bool]]:
        """One answer. Its sequence number is the family's, each time: what is the same is the same bytes, and
        need not be decoded again."""
        if self._socket is None:
            self._socket = self._open()
        self._socket.send(encode_dump(family, family))
        answers: dict[bytes, tuple[list[Listening], bool]] = {}
        done = False
        while not done:
            data = self._socket.recv(65536)
            answers[data] = self._answers.get(data) or decode_dump(data, family)
            _, done = answers[data]
        return answers

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Deaths:
    """The news of sockets that listen no more: readable when there is some. For an event loop's reader."""

    def __init__(self, open: Callable[[], socket.socket] = netlink) -> None:
        """Raises OSError where such news cannot be had."""
        self._socket = open()
        try:
            _only_without_peer(self._socket)
            self._socket.bind((0, GROUPS_TCP_DESTROY))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> set[int] | None:
        """The ports of sockets destroyed since the last read; None when news was lost: it may be any."""
        ports: set[int] = set()
        try:
            while True:
                ports |= decode_destroyed(self._socket.recv(65536))
        except BlockingIOError:
            return ports
        except OSError as error:
            if error.errno in (errno.ENOBUFS, errno.EBADMSG):
                return None
            raise

    def close(self) -> None:
        self._socket.close()


def _only_without_peer(news: socket.socket) -> None:
    """Let the kernel drop news of connections, which are most of it. Without the filter we drop them here."""
    accept_all, drop = 0xFFFFFFFF, 0
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (0x28, 0, 0, _PEER_PORT_AT),  # load the peer's port
            (0x15, 0, 1, 0),  # if it is 0, go on; else skip one
            (0x06, 0, 0, accept_all),
            (0x06, 0, 0, drop),
        )
    )
    held = array.array("B", program)
    where, _ = held.buffer_info()
    try:
        news.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, where))
    except OSError:
        pass  # it is only a saving
