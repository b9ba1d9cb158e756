"""Whether one process listens on anything: a TCP port, or a Unix socket.

Its descriptors say which sockets it has, and `/proc/PID/net` which sockets listen in its network namespace.
Reading that takes a millisecond for each few hundred sockets of the machine, so it is for rare questions; and
of a process with very many descriptors, or a machine with very many sockets, only the first are looked at: no
answer takes longer than some milliseconds. (TCP sockets that listen come first in their file.)

Source: proc(5); the flag of a Unix socket: `__SO_ACCEPTCON` in linux/net.h.
"""

from __future__ import annotations

import os

_LISTEN = b"0A"
_ACCEPTS = 0x10000
MOST_DESCRIPTORS = 1000
_MOST_BYTES = 256 * 1024


def listens(pid: int) -> bool:
    """False also when nobody can tell: the process is gone, or not ours to look at."""
    own = sockets(pid)
    if not own:
        return False
    unix = listening_unix(_head(f"/proc/{pid}/net/unix"))
    return not own.isdisjoint(unix) or any(not own.isdisjoint(_tcp(pid, name)) for name in ("tcp", "tcp6"))


def sockets(pid: int) -> set[bytes]:
    """The inodes of the sockets that the process holds, as `/proc` writes them."""
    links: list[bytes] = []
    try:
        with os.scandir(f"/proc/{pid}/fd") as descriptors:
            for descriptor in descriptors:
                links.append(_link(descriptor.path))
                if len(links) == MOST_DESCRIPTORS:
                    break
    except OSError:
        pass
    return {link[8:-1] for link in links if link.startswith(b"socket:[")}


def _link(path: str) -> bytes:
    try:
        return os.fsencode(os.readlink(path))
    except OSError:  # closed meanwhile
        return b""


def _tcp(pid: int, name: str) -> set[bytes]:
    return listening_tcp(_head(f"/proc/{pid}/net/{name}"))


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as table:
            return table.read(_MOST_BYTES)
    except OSError:
        return b""


def listening_tcp(table: bytes) -> set[bytes]:
    """The inodes of those that listen in the content of `/proc/net/tcp` or `tcp6`."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {row[9] for row in rows if len(row) > 9 and row[3] == _LISTEN}


def listening_unix(table: bytes) -> set[bytes]:
    """The same of `/proc/net/unix`."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {row[6] for row in rows if len(row) > 6 and _accepts(row[3])}


def _accepts(flags: bytes) -> bool:
    try:
        return bool(int(flags, 16) & _ACCEPTS)
    except ValueError:
        return False
