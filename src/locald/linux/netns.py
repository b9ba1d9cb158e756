"""Sockets in the network of a container, made from outside of it.

A socket belongs for good to the network namespace in which it was made, whoever uses it and from where. So
somebody enters the namespace of a process, makes the sockets, and is thrown away: a thread, where we are
root; a small process, where the namespace belongs to a user namespace of our own (an engine without root),
which a program with several threads may not enter. Who is neither may not enter at all.

This file is also that small process, and so imports nothing but the standard library.

Sources: network_namespaces(7), user_namespaces(7), setns(2), unix(7) for SCM_RIGHTS.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Kind = tuple[int, int, int]
    """family, type and protocol of a socket"""

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
ENTERS_WITHIN = 5.0
"""seconds for the small process"""
_LIBC = ctypes.CDLL(None, use_errno=True)


class Place:
    """The network of a process, kept even when that ends and another one gets its pid; let go of when nobody
    has this object any more."""

    def __init__(self, pid: int) -> None:
        """Raises OSError where we may not look."""
        self._user = _open(pid, "user")
        try:
            self._net = _open(pid, "net")
        except OSError:
            os.close(self._user)
            raise
        weakref.finalize(self, _close, self._user, self._net)

    def sockets(self, kinds: Sequence[Kind]) -> list[socket.socket]:
        """One socket of each kind in this network. Waits; raises OSError where we may not enter."""
        try:
            return self.by_thread(kinds)
        except PermissionError:
            if os.geteuid() == 0 or self._is_of_our_user_namespace():
                raise
        return self.by_process(kinds)

    def _is_of_our_user_namespace(self) -> bool:
        return os.fstat(self._user).st_ino == os.stat("/proc/self/ns/user").st_ino

    def by_thread(self, kinds: Sequence[Kind]) -> list[socket.socket]:
        """Raises OSError."""
        made: list[socket.socket] = []
        failed: list[OSError] = []

        def make() -> None:
            try:
                _enter(self._net, CLONE_NEWNET)
                made.extend(_make(kinds))
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=make, name="network of a container")
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made

    def by_process(self, kinds: Sequence[Kind]) -> list[socket.socket]:
        """Raises OSError."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            numbers = [theirs.fileno(), self._user, self._net]
            words = [*map(str, numbers), json.dumps(kinds)]
            try:
                done = subprocess.run(
                    [sys.executable, "-I", "-S", __file__, *words],
                    pass_fds=numbers,
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=ENTERS_WITHIN,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise TimeoutError from None
            if done.returncode != 0:
                raise OSError(done.returncode, os.strerror(done.returncode))
            _, files, _, _ = socket.recv_fds(ours, 1, len(kinds))
        received = [socket.socket(fileno=file) for file in files]
        for each in received:
            each.setblocking(False)
        return received


def _open(pid: int, kind: str) -> int:
    return os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def _close(*files: int) -> None:
    for each in files:
        os.close(each)


def _enter(namespace: int, flag: int) -> None:
    """For this thread, until it ends. Raises OSError."""
    if _LIBC.setns(namespace, flag) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _make(kinds: Sequence[Kind]) -> list[socket.socket]:
    made: list[socket.socket] = []
    try:
        for family, type_, protocol in kinds:
            made.append(socket.socket(family, type_ | socket.SOCK_NONBLOCK, protocol))
    except OSError:
        for each in made:
            each.close()
        raise
    return made


def main(answer: int, user: int, net: int, kinds: Sequence[Kind]) -> int:
    """Make them, and send them to the other end of `answer`. Returns errno, or 0."""
    try:
        _enter(user, CLONE_NEWUSER)
        _enter(net, CLONE_NEWNET)
        made = _make(kinds)
        with socket.socket(fileno=answer) as channel:
            socket.send_fds(channel, [b"."], [each.fileno() for each in made])
    except OSError as error:
        return error.errno or 1
    return 0


if __name__ == "__main__":
    answer, user, net = map(int, sys.argv[1:4])
    sys.exit(main(answer, user, net, json.loads(sys.argv[4])))
