"""One daemon for each state folder, by an flock: it goes with the process, however that ends.

The file's only line is the path of the daemon's socket, so a process that finds the lock held knows where to
ask.
"""

from __future__ import annotations

import fcntl
import os
from typing import Self

from locald.wire.home import SERVED


class Held(Exception):
    """Another daemon serves this state folder."""


class Lock:
    def __init__(self, path: str, socket: str) -> None:
        self._path, self._socket = path, socket
        self._file = -1

    def __enter__(self) -> Self:
        """Take the lock. Raises Held, or OSError for a folder that cannot be written."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with open(self._file, encoding="utf-8", errors="surrogateescape") as file:
                where = file.readline().strip()
            raise Held(f"{SERVED}, listening on {where}") from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, os.fsencode(self._socket) + b"\n", 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
