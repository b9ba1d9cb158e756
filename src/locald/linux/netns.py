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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Kind = tuple[int, int, int]
    """family, type and protocol of a socket"""

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
ENTERS_WITHIN = 5.0
"""seconds for the small process"""
_LIBC = ctypes.CDLL(None, use_errno=True)


def sockets(pid: int, kinds: Sequence[Kind]) -> list[socket.socket]:
    """One socket of each kind in the network of a process. Waits; raises OSError where we may not enter."""
    try:
        return _by_thread(pid, kinds)
    except PermissionError:
        if os.geteuid() == 0 or _same_user_namespace(pid):
            raise
    return _by_process(pid, kinds)


def _same_user_namespace(pid: int) -> bool:
    """Raises OSError where even that is not for us to know."""
    return os.stat(f"/proc/{pid}/ns/user").st_ino == os.stat("/proc/self/ns/user").st_ino


# By a thread.


def _by_thread(pid: int, kinds: Sequence[Kind]) -> list[socket.socket]:
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def make() -> None:
        try:
            _enter(pid, "net", CLONE_NEWNET)
            made.extend(_make(kinds))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=make, name="network of a container")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made


def _enter(pid: int, kind: str, flag: int) -> None:
    """For this thread, until it ends. Raises OSError."""
    namespace = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.setns(namespace, flag) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(namespace)


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


# By a process.


def _by_process(pid: int, kinds: Sequence[Kind]) -> list[socket.socket]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        words = [sys.executable, "-I", "-S", __file__, str(pid), str(theirs.fileno()), json.dumps(kinds)]
        try:
            done = subprocess.run(
                words,
                pass_fds=[theirs.fileno()],
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


def main(pid: int, answer: int, kinds: Sequence[Kind]) -> int:
    """Make them, and send them to the other end of `answer`. Returns errno, or 0."""
    try:
        _enter(pid, "user", CLONE_NEWUSER)
        _enter(pid, "net", CLONE_NEWNET)
        made = _make(kinds)
        with socket.socket(fileno=answer) as channel:
            socket.send_fds(channel, [b"."], [each.fileno() for each in made])
    except OSError as error:
        return error.errno or 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])))
