"""A run's notify socket, as far as the kernel has a say: who sent which datagram.

Each run has a socket of its own under a new name that nobody can guess, so an earlier run cannot speak for
this one, and a sender that has already exited is still attributed. Datagrams are read at once, for eleven
unread ones block a sender. File descriptors that come along are closed at once, claimed or not, for a
`systemd-notify` waits until they are; and elsewhere, for that may take long (see `throwaway`). Dropped are
datagrams without credentials, from pid 0 (another pid namespace), truncated ones, and those with a NUL
anywhere but at the end. What they say is not our business.

A pid may be used again before we look at it; where the kernel has SO_PASSPIDFD (Linux 6.5) a pidfd comes
with each datagram and tells whether the pid still means the sender.

Source: sd_notify(3), unix(7), and systemd's manager.
"""

from __future__ import annotations

import array
import binascii
import errno
import os
import socket
import struct

from locald.linux import pidfd

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST = 4096
"""bytes; a longer datagram is dropped whole, as systemd does"""
_LONGEST_QUEUE = 10_000
"""datagrams; far more than any machine lets wait (512, where systemd set it)"""
_SO_PASSPIDFD = 76
_SCM_PIDFD = 4
_CREDENTIALS = struct.Struct("iII")
_ANCILLARY = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(4) + socket.CMSG_SPACE(253 * 4)


class Datagram:
    """`pidfd` is None where the kernel gives none; `reaped`: it says that the sender is no more."""

    __slots__ = ("data", "gid", "pid", "pidfd", "reaped", "uid")

    def __init__(self, data: bytes, credentials: tuple[int, int, int], pidfd: int | None) -> None:
        self.data = data
        self.pid, self.uid, self.gid = credentials
        self.pidfd = pidfd if pidfd is not None and pidfd >= 0 else None
        self.reaped = pidfd in (-errno.ESRCH, -errno.EINVAL)

    def is_there(self) -> bool:
        """Whether the pid still means the sender (alive or a zombie)."""
        if self.pidfd is not None:
            return pidfd.still(self.pidfd)
        return not self.reaped and os.path.exists(f"/proc/{self.pid}")

    def close(self) -> None:
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


def new_path(folder: str) -> str:
    """Where nothing ever was. The name is short: the path has to fit where the keeper's own socket fits."""
    name = binascii.b2a_base64(os.urandom(6), newline=False).translate(bytes.maketrans(b"+/", b"-_"))
    return os.path.join(folder, name.decode("ascii"))


class NotifySocket:
    """Listens at `path`, in a folder that is the owner's alone. `throw_away`: closes what came along, without
    ever waiting."""

    __slots__ = ("_socket", "_throw_away")

    def __init__(self, path: str, throw_away: Callable[[list[int]], None]) -> None:
        """Raises OSError."""
        self._throw_away = throw_away
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._ask_for_pidfds()
            self._socket.bind(path)  # last: what arrives before it is asked for has no credentials
        except OSError:
            self._socket.close()
            raise

    def _ask_for_pidfds(self) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_PASSPIDFD, 1)
        except OSError:  # an older kernel
            pass

    @property
    def file(self) -> int:
        return self._socket.fileno()

    def arrived(self, most: int) -> Iterator[Datagram]:
        """What is there now, each to be closed by the caller; more than `most` is left for the next time."""
        for _ in range(most):
            try:
                received = self._socket.recvmsg(LONGEST, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:  # ENOMEM and the like: this one is lost, the next may not be
                continue
            data, ancillary, flags, _ = received
            self._throw_away(_came_along(ancillary))
            datagram = _open(data, ancillary, flags)
            if datagram is not None:
                yield datagram

    def close(self) -> None:
        """Its file stays. What lies in the queue still would be closed with it, so it is taken out before."""
        self._socket.shutdown(socket.SHUT_RD)  # now nothing more can come
        for datagram in self.arrived(_LONGEST_QUEUE):
            datagram.close()
        self._socket.close()


def _came_along(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors that were sent along: ours now."""
    files = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.frombytes(content[: len(content) - len(content) % files.itemsize])
    return list(files)


def _open(data: bytes, ancillary: list[tuple[int, int, bytes]], flags: int) -> Datagram | None:
    """None for what has to be dropped."""
    credentials = sender = None
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            credentials = _CREDENTIALS.unpack(content)
        elif level == socket.SOL_SOCKET and kind == _SCM_PIDFD:
            (sender,) = struct.unpack("i", content)
    torn = flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or b"\0" in data.removesuffix(b"\0")
    if torn or credentials is None or credentials[0] <= 0:
        if sender is not None and sender >= 0:
            os.close(sender)
        return None
    return Datagram(data, credentials, sender)
