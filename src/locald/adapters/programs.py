"""What is known of the program that listens: whether it can send READY=1, and whether it is a known server.

A program can send READY=1 when it knows the name of the variable, NOTIFY_SOCKET. The word stands in the
program itself (a static one, a script, the code on a command line) or in libsystemd, which it has mapped.
That it can speak does not mean that it will: it is given a moment for it, once (see
`lifecycle/observations`). A file is searched once, and again when it has changed.

Source: sd_notify(3), proc(5).
"""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from locald.domain.knowledge.servers import Server, server_of
from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

WORD = b"NOTIFY_SOCKET"
BLOCK = 1 << 18
"""bytes that are read and searched at once: nobody else in this process waits for long"""
LARGEST_SCRIPT = 1_000_000
"""bytes: an argument that names a larger file is no script but something that a program works on"""

_File = tuple[int, int, int, int]
"""device, inode, size and time of change: what a file is known by"""


class Program(NamedTuple):
    """`server`: None for a program that is not known."""

    can_notify: bool = False
    server: Server | None = None


class Programs:
    """Remembers what was found in each file. Reads disks: to be asked in a thread."""

    def __init__(self) -> None:
        self._known: dict[_File, bool] = {}
        self._locks: dict[_File, Lock] = {}
        """so that no two threads search the same file"""

    def of(self, pid: int) -> Program:
        """What this process runs; nothing is known of one that we may not look into."""
        return Program(self.can_notify(pid), server_of(procfs.executable(pid), procfs.cmdline(pid)))

    def prepare(self, pids: Collection[int]) -> bool:
        """Search the programs of these processes before it is asked: most of them load for longer than that
        takes. Whether the file of one of them has the word; its libraries and scripts are not looked into."""
        return any([self._has_word(f"/proc/{pid}/exe") for pid in pids])

    def can_notify(self, pid: int) -> bool:
        """Whether the program of this process can send READY=1; False for one that we may not look into."""
        command = procfs.read(f"/proc/{pid}/cmdline") or b""
        if WORD in command:
            return True
        return any(map(self._has_word, _files(pid, command)))

    def _has_word(self, path: str) -> bool:
        try:
            if (has := self._known.get(_identity(os.stat(path)))) is not None:
                return has
            with open(path, "rb") as file:
                known = _identity(os.fstat(file.fileno()))
                with self._locks.setdefault(known, Lock()):
                    if known not in self._known:
                        self._known[known] = _search(file.fileno())
                    return self._known[known]
        except (OSError, ValueError):
            return False


def _identity(found: os.stat_result) -> _File:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _search(file: int) -> bool:
    """A program of 100 MB takes long, and a map of it would hold up every other thread for all of that."""
    block, at, overlap = bytearray(BLOCK), 0, len(WORD) - 1
    while (length := os.preadv(file, [block], at)) > overlap:
        if block.find(WORD, 0, length) >= 0:
            return True
        at += length - overlap
    return False


def _files(pid: int, command: bytes) -> Iterator[str]:
    """The program, its libraries that may speak for it, and the script that it runs, where it is one's."""
    root = f"/proc/{pid}/root"
    yield f"/proc/{pid}/exe"
    yield from (root + path for path in _libraries(procfs.read(f"/proc/{pid}/maps") or b""))
    for argument in command.split(b"\0")[1:3]:
        path = os.path.join(f"/proc/{pid}/cwd", os.fsdecode(argument))
        if argument and not argument.startswith(b"-") and _is_script(path):
            yield path


def _libraries(maps: bytes) -> list[str]:
    """The files of libsystemd among those that a process has mapped."""
    if b"systemd" not in maps:
        return []
    paths = (line.partition(b"/")[2] for line in maps.splitlines() if b"systemd" in line)
    return [f"/{os.fsdecode(path)}" for path in dict.fromkeys(paths) if path]


def _is_script(path: str) -> bool:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return False
    return os.path.isfile(path) and found.st_size <= LARGEST_SCRIPT
