"""Whose are the folder and the process at the other end of a Unix socket?

In a shared temporary directory anybody may make the folder in which a socket is looked for, and answer there.
So before the first byte the folder is looked at, not following links, and once there is a connection the
kernel is asked who is at its other end. Ours, and root's, which can do everything anyway.

Source: unix(7), SO_PEERCRED.
"""

from __future__ import annotations

import errno
import os
import pwd
import socket
import struct
import time

FULL_PAUSE = 0.01
"""seconds between two attempts to connect where too many wait already"""
_CREDENTIALS = struct.Struct("=iII")
"""ucred: pid, uid, gid"""


class ForeignOwner(PermissionError):
    """Something that has to be ours is another user's: `filename` is what, `owner` whose."""

    def __init__(self, path: str, uid: int) -> None:
        super().__init__(errno.EPERM, f"belongs to {user(uid)}", path)
        self.owner = user(uid)


def user(uid: int) -> str:
    """`user ann`, or `user 1002` for one without a name."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except (KeyError, OverflowError):
        return f"user {uid}"


def is_trusted(uid: int) -> bool:
    return uid in (os.geteuid(), 0)


def require_own_folder(path: str) -> None:
    """Raises ForeignOwner where the folder, or the link in its place, is another user's; OSError where there
    is none."""
    for found in (os.lstat(path), os.stat(path)):
        if not is_trusted(found.st_uid):
            raise ForeignOwner(path, found.st_uid)


def require_own_peer(connection: socket.socket, path: str) -> None:
    """Raises ForeignOwner where another user's process is at the other end of a connected Unix socket."""
    uid = peer(connection)
    if not is_trusted(uid):
        raise ForeignOwner(path, uid)


def peer(connection: socket.socket) -> int:
    """The user at the other end of a connected Unix socket, as it was when the connection was made."""
    return credentials(connection)[1]


def credentials(connection: socket.socket) -> tuple[int, int]:
    """Process and user at the other end; of a socket that listened they are those of who made it listen."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(data)
    return int(pid), int(uid)


def connect(path: str, timeout: float | None = None) -> socket.socket:
    """A stream to the socket at `path`, which is ours with all that is behind it: nothing was said yet.

    `timeout`: seconds for this and whatever follows; None waits for ever. Raises OSError, ForeignOwner.
    """
    require_own_folder(os.path.dirname(path))
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(timeout)
        _reach(connection, path, timeout)
        require_own_peer(connection, path)
    except OSError:
        connection.close()
        raise
    return connection


def _reach(connection: socket.socket, path: str, timeout: float | None) -> None:
    """Where many come at once, Linux refuses whoever does not wait for room (unix(7): EAGAIN), though
    somebody is there: that is tried again until the time is up."""
    deadline = time.monotonic() + (timeout or 0.0)
    while True:
        try:
            return connection.connect(path)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
        time.sleep(FULL_PAUSE)
