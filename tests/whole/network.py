"""A network of the tests' own, where that is possible: loopback, and nobody else's ports.

A service gets the same port whenever it has the same name, so tests that run at the same time would take each
other's. Who may (root) runs each test in a network namespace (network_namespaces(7)), of which each test
process has one; others run in the machine's network.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1


class Network:
    """To be entered by the main thread, before it starts processes and threads that are to be inside."""

    def __init__(self) -> None:
        self._ours: int | None = None
        outside = _here()
        try:
            _call("unshare", CLONE_NEWNET)
        except OSError:  # it takes privilege
            os.close(outside)
            return
        try:
            raise_loopback()
            self._ours = _here()
        finally:
            _return(outside)

    @contextmanager
    def inside(self) -> Iterator[None]:
        if self._ours is None:
            yield
            return
        outside = _here()
        _call("setns", self._ours, CLONE_NEWNET)
        try:
            yield
        finally:
            _return(outside)

    @property
    def is_own(self) -> bool:
        return self._ours is not None

    def close(self) -> None:
        if self._ours is not None:
            os.close(self._ours)


def _here() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _return(outside: int) -> None:
    try:
        _call("setns", outside, CLONE_NEWNET)
    finally:
        os.close(outside)


def raise_loopback() -> None:
    """A new namespace has `lo`, but it is down (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def _call(name: str, *arguments: int) -> None:
    """A function of the C library that Python 3.11 lacks."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
