"""Which process holds a socket: the links in `/proc/PID/fd` say `socket:[INODE]`.

There is no index from a socket to its holders, so somebody's descriptors have to be gone through. Who
can, names the few processes that come into question (a descriptor costs about 2 µs); all processes of the
machine are asked only where the holder is foreign. Descriptors of another user's process cannot be
read without privilege: it then holds nothing that we know of.

Source: proc(5).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_PREFIX = "socket:["


def parse_link(link: str) -> int | None:
    """The inode in `socket:[INODE]`; None for every other kind of descriptor."""
    inode = link[len(_PREFIX) : -1]
    return int(inode) if link.startswith(_PREFIX) and inode.isdecimal() else None


def holders(inodes: Collection[int], pids: Iterable[int]) -> dict[int, list[int]]:
    """Who of `pids` holds each of these sockets, lowest pid first; what nobody of them holds is left out."""
    found: dict[int, list[int]] = {}
    for pid in sorted(pids):
        for inode in set(sockets(pid)).intersection(inodes):
            found.setdefault(inode, []).append(pid)
    return found


def holders_anywhere(inodes: Collection[int]) -> dict[int, list[int]]:
    """The same over all processes of the machine: tens of ms when there are many. Raises OSError."""
    return holders(inodes, procfs.all_pids())


def sockets(pid: int) -> Iterator[int]:
    """The inodes of the sockets that a process holds."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return  # it has ended, or is not ours to look into
    for name in names:
        try:
            inode = parse_link(os.readlink(f"{folder}/{name}"))
        except OSError:
            continue
        if inode is not None:
            yield inode
