"""Sockets that take what comes without a TCP port: those of UDP that are bound, Unix sockets that listen.

`SOCK_DIAG` lists both, without privilege; of a connection of our own to a Unix socket it also tells whether
the other end has an inode yet, which it gets when its program calls accept(2). Where netlink is not
permitted, `/proc/net/udp`, `udp6` and `unix` tell the same, but for that.

Sources: sock_diag(7), linux/unix_diag.h, linux/inet_diag.h, proc(5).
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import NamedTuple

from locald.linux import procfs
from locald.linux.sockdiag import (
    HEADER,
    NLM_F_REQUEST_DUMP,
    NLMSG_DONE,
    NLMSG_ERROR,
    SOCK_DIAG_BY_FAMILY,
    TCP_LISTEN,
    Listening,
    decode_dump,
    encode_dump,
    messages,
    netlink,
    parse_table,
    refused,
    unpacked,
)

UNCONNECTED = 7
"""TCP_CLOSE: the state of a UDP socket that has no peer"""
_ESTABLISHED = 1
_NLM_F_REQUEST = 1
_SHOW_NAME, _SHOW_PEER, _SHOW_QUEUES = 1, 4, 16
_NAME, _PEER, _QUEUES = 0, 2, 4
"""attributes of an answer"""
_REQUEST = struct.Struct("=BBHIIIQ")
"""unix_diag_req: family, protocol, -, states, inode, what to show, cookie"""
_ANSWER = struct.Struct("=BBBBIQ")
"""unix_diag_msg: family, type, state, -, inode, cookie"""
_ATTRIBUTE = struct.Struct("=HH")
_ANY_COOKIE = 2**64 - 1
_ACCEPTS = 0x10000
"""__SO_ACCEPTCON among the flags in /proc/net/unix"""


class UnixListening(NamedTuple):
    """A Unix socket that listens. `path` as it was bound; `@name` for an abstract one."""

    path: str
    inode: int


def udp() -> list[Listening]:
    """Every UDP socket that is bound and has no peer. Never waits and never fails."""
    try:
        with netlink() as asked:
            return [
                each
                for family in (socket.AF_INET, socket.AF_INET6)
                for each in _dump(asked, family)
                if each.port
            ]
    except OSError:
        tables = (procfs.read(f"/proc/net/{name}") or b"" for name in ("udp", "udp6"))
        return [each for text in tables for each in parse_table(text.decode("ascii", "replace"), UNCONNECTED)]


def _dump(asked: socket.socket, family: int) -> list[Listening]:
    asked.send(encode_dump(family, family, socket.IPPROTO_UDP, UNCONNECTED))
    found: list[Listening] = []
    done = False
    while not done:
        part, done = decode_dump(asked.recv(65536), family)
        found += part
    return found


def unix() -> list[UnixListening]:
    """Every Unix socket that listens under a name. Never waits and never fails."""
    try:
        with netlink() as asked:
            request = _REQUEST.pack(socket.AF_UNIX, 0, 0, 1 << TCP_LISTEN, 0, _SHOW_NAME, _ANY_COOKIE)
            asked.send(_message(request, NLM_F_REQUEST_DUMP))
            return _listening(asked)
    except OSError:
        return parse_unix((procfs.read("/proc/net/unix") or b"").decode("utf-8", "surrogateescape"))


def _listening(asked: socket.socket) -> list[UnixListening]:
    found: list[UnixListening] = []
    while True:
        for kind, at, end in _parts(asked.recv(65536)):
            if kind[0] == NLMSG_DONE:
                return found
            name = attributes(kind[1], at + _ANSWER.size, end).get(_NAME)
            if name:
                found.append(UnixListening(_shown(name), unpacked(_ANSWER, kind[1], at)[4]))


def unix_peers() -> dict[int, int]:
    """The inode of the other end of each Unix socket that is connected, by its own. Raises OSError."""
    found = _connected_unix(_SHOW_PEER)
    return {
        inode: int.from_bytes(peer, sys.byteorder) for inode, told in found if (peer := told.get(_PEER, b""))
    }


def unread_of_the_gone(path: str) -> int:
    """How many bytes the server of this Unix socket has not read yet of connections whose other end is
    closed. Raises OSError."""
    found = _connected_unix(_SHOW_NAME | _SHOW_PEER | _SHOW_QUEUES)
    gone = (told for _, told in found if not any(told.get(_PEER, b"")))
    return sum(
        int.from_bytes(told.get(_QUEUES, b"")[:4], sys.byteorder)
        for told in gone
        if _shown(told.get(_NAME, b"")) == path
    )


def _connected_unix(shown: int) -> list[tuple[int, dict[int, bytes]]]:
    """Each Unix socket that is connected, by its inode, with what is to be shown of it. Raises OSError."""
    found: list[tuple[int, dict[int, bytes]]] = []
    with netlink() as asked:
        request = _REQUEST.pack(socket.AF_UNIX, 0, 0, 1 << _ESTABLISHED, 0, shown, _ANY_COOKIE)
        asked.send(_message(request, NLM_F_REQUEST_DUMP))
        while True:
            for (kind, data), at, end in _parts(asked.recv(65536)):
                if kind == NLMSG_DONE:
                    return found
                told = attributes(data, at + _ANSWER.size, end)
                found.append((unpacked(_ANSWER, data, at)[4], told))


def has_accepted(connection: socket.socket) -> bool | None:
    """Whether the program at the other end of this connection of ours to a Unix socket has taken it.

    None when that cannot be known, because the connection is gone or the kernel is not asked.
    """
    try:
        with netlink() as asked:
            inode = os.fstat(connection.fileno()).st_ino
            request = _REQUEST.pack(socket.AF_UNIX, 0, 0, 0xFFFFFFFF, inode, _SHOW_PEER, _ANY_COOKIE)
            asked.send(_message(request, _NLM_F_REQUEST))
            for (_, data), at, end in _parts(asked.recv(65536)):
                peer = attributes(data, at + _ANSWER.size, end).get(_PEER)
                return None if peer is None else any(peer)
    except OSError:
        pass
    return None


def _message(request: bytes, flags: int) -> bytes:
    return HEADER.pack(HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, flags, 1, 0) + request


def _parts(data: bytes) -> list[tuple[tuple[int, bytes], int, int]]:
    """((type, the datagram), where a message's content begins, where it ends). OSError when refused."""
    found = []
    for kind, _, at in messages(data):
        if kind == NLMSG_ERROR:
            raise refused(data, at)
        length = HEADER.unpack_from(data, at - HEADER.size)[0]
        found.append(((kind, data), at, at - HEADER.size + length))
    return found


def attributes(data: bytes, at: int, end: int) -> dict[int, bytes]:
    """The attributes between two places of a message, by type."""
    found = {}
    while at + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def _shown(name: bytes) -> str:
    if name.startswith(b"\0"):
        return "@" + os.fsdecode(name[1:])
    return os.fsdecode(name.rstrip(b"\0"))


def parse_unix(text: str) -> list[UnixListening]:
    """The listening sockets in the content of `/proc/net/unix`; a malformed line is skipped."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split(maxsplit=7)
        try:
            if int(fields[3], 16) & _ACCEPTS:
                found.append(UnixListening(fields[7], int(fields[6])))
        except (ValueError, IndexError):
            continue
    return found
