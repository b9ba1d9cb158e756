"""Whose socket is at the other end of a TCP connection within this machine.

Anybody here can connect to a port on 127.0.0.1. The kernel knows both ends, and tells of any socket, without
privilege, whose it is: one question of some 20 µs, by the addresses of the connection as the other end sees
them.
"""

from __future__ import annotations

from locald.linux.server_end import ServerEnds

Address = tuple[str, int]


def uid_of(there: Address, here: Address) -> int | None:
    """The user whose socket `there` is connected to `here`. None when that cannot be known: it is gone, it is
    not of this machine, or the kernel may not be asked."""
    try:
        kernel = ServerEnds()
    except OSError:
        return None
    try:
        end = kernel.at(there, here)
    except OSError:
        return None
    finally:
        kernel.close()
    return end.uid if end else None
