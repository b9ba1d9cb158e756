"""A clock of a campaign's own, that can be set: as an administrator sets it, or the network after a start.

A small library, compiled here and loaded before all others, adds to the time of day what stands in a file;
who has started with it sees each change at once. What counts time and is set by nobody (`CLOCK_MONOTONIC`,
`CLOCK_BOOTTIME`) stays as it is. (libfaketime 0.9.10 also changes waits on conditions: with it those on the
monotonic clock end at once. Python's threads wait for each other so, and then a daemon does nothing else.)

Sources: ld.so(8) (`LD_PRELOAD`), clock_gettime(2), gettimeofday(2), time(2).
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
FILE = "LOCALD_FAULTS_CLOCK"
_SECONDS = struct.Struct("q")


def compiler() -> str | None:
    return shutil.which("cc")


class SettableClock:
    """`folder`: for the library and the file. Where no compiler is, `env` is empty and nothing can be set."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.env: dict[str, str] = {}
        """of processes that are to go by it"""
        if program := compiler():
            library = folder / "clock.so"
            subprocess.run([program, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
            self.set(0)
            self.env = {"LD_PRELOAD": str(library), FILE: str(self._file)}

    def set(self, seconds: int) -> None:
        """How far it is ahead of the machine's from now on."""
        with self._file.open("r+b" if self._file.exists() else "wb", buffering=0) as file:
            file.write(_SECONDS.pack(seconds))
