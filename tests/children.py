"""Small programs as real processes, ended when a test is over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from locald.adapters import ports
from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Iterator

PRELUDE = """
import os, signal, socket, subprocess, sys, threading, time
class Server(socket.socket):
    def close(self):
        try:
            self.shutdown(socket.SHUT_RDWR)  # else whoever waits in accept would keep it open
        except OSError:
            pass
        super().close()
def serve(listener):
    taken = []
    try:
        while True:
            taken.append(listener.accept())
    except OSError:
        pass
def listen(address, port, reuse=False, accept=True):
    listener = Server(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((address, port))
    listener.listen()
    if accept:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    return listener
def told():
    return sys.stdin.readline().strip()
"""


class Child:
    """A Python program that does what it is told, line by line, on its standard input."""

    def __init__(self, code: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", PRELUDE + code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def pids(self) -> list[int]:
        """Its process and all that descends from it."""
        return [self.pid, *procfs.descendants(self.pid)]

    def tell(self, line: str = "") -> None:
        """Let it go on. (A pipe that is nearly empty takes a line without waiting.)"""
        assert self._process.stdin
        os.write(self._process.stdin.fileno(), f"{line}\n".encode())

    def says(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        for pid in reversed(self.pids()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.communicate()


class Children(list[Child]):
    def start(self, code: str) -> Child:
        self.append(Child(code))
        return self[-1]


def free_port() -> int:
    """A port that nobody has, where neither the kernel nor locald takes one: for tests side by side."""
    while not ports.free(port := random.randint(10_000, 19_999)):
        pass
    return port


@pytest.fixture
def children() -> Iterator[Children]:
    started = Children()
    yield started
    for child in started:
        child.end()
