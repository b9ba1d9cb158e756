"""What is seen from outside, at one moment: nothing of it is locald's own memory.

Processes by `/proc` and the marker in their environment, rows as a client gets them, the journal and the
marks of the services themselves, the logs as the command prints them, what daemon and keeper have open.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults.fleet import CONTAINERS, MARKER
from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Iterable

Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Process:
    """One that bears the marker. `role`: `leader`, `child`, or empty for what is neither (a check, say)."""

    pid: int
    start: int
    service: str
    role: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.role or 'other'} of {self.service})"


@dataclass(frozen=True, slots=True)
class Happened:
    """A line of the journal. `at`: nanoseconds on the machine's monotonic clock."""

    at: int
    event: str
    service: str
    incarnation: str
    pid: int


@dataclass(frozen=True, slots=True)
class Printed:
    """A line as `logs --json` has it."""

    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class Size:
    """What a process of locald's holds: open files, and bytes of memory."""

    pid: int
    start: int
    files: int
    memory: int
    services: int
    """how many of them run meanwhile"""

    def is_of_same(self, other: Size) -> bool:
        return (self.pid, self.start) == (other.pid, other.start)


@dataclass(frozen=True, slots=True)
class Sight:
    processes: tuple[Process, ...] = ()
    rows: Rows = field(default_factory=dict)
    journal: tuple[Happened, ...] = ()
    marks: Mapping[tuple[str, str, int], int] = field(default_factory=dict)
    """(service, incarnation, stream): how many lines were printed wholly"""
    logs: Mapping[str, tuple[Printed, ...]] = field(default_factory=dict)
    is_kept: bool = True
    """there is a keeper"""
    unsaved: str = ""
    """what status says of a state that cannot be saved"""
    dashboard: str = ""
    """what the next daemon is to know of the dashboard: its port, and who is signed in"""
    texts: Mapping[str, str] = field(default_factory=dict)
    """what was written for people, by where"""

    def of(self, service: str, role: str | None = None) -> list[Process]:
        return [p for p in self.processes if p.service == service and role in (None, p.role)]


def processes(token: str) -> tuple[Process, ...]:
    """All of this machine that bear the marker with this token, but for zombies."""
    found = (_process(pid, f"{MARKER}={token}/".encode()) for pid in procfs.all_pids())
    return tuple(process for process in found if process)


def _process(pid: int, marker: bytes) -> Process | None:
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    names = [each.removeprefix(marker) for each in environ.split(b"\0") if each.startswith(marker)]
    stat = procfs.stat(pid)
    if not names or stat is None or not stat.alive:
        return None
    name = names[0].decode()
    if name in CONTAINERS:
        return Process(pid, stat.start, name, "leader" if _is_first_of_container(pid) else "")
    words = procfs.cmdline(pid)
    at = next((number for number, word in enumerate(words) if word.endswith("/actor.py")), None)
    role = words[at + 1] if at is not None and at + 1 < len(words) else ""
    return Process(pid, stat.start, name, role)


def _is_first_of_container(pid: int) -> bool:
    try:
        return procfs.parse_inner_pid(Path(f"/proc/{pid}/status").read_bytes()) == 1
    except OSError:
        return False


def journal(path: Path, offset: int = 0) -> tuple[Happened, ...]:
    """Its whole lines, from a byte on."""
    with path.open("rb") as file:
        file.seek(offset)
        lines = file.read().split(b"\n")[:-1]
    return tuple(map(_happened, lines))


def _happened(line: bytes) -> Happened:
    at, event, service, incarnation, pid = line.decode().split()
    return Happened(int(at), event, service, incarnation, int(pid))


_MARK = re.compile(r"(.+?)\.(.+)\.(\d)")


def marks(folder: Path) -> dict[tuple[str, str, int], int]:
    found = {}
    for path in folder.iterdir():
        named = _MARK.fullmatch(path.name)
        if named and (text := path.read_text()):
            found[named[1], named[2], int(named[3])] = int(text)
    return found


def printed(lines: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Printed, ...]]:
    """The documents of `logs --json`, by service."""
    found: dict[str, list[Printed]] = {}
    for line in lines:
        found.setdefault(line["service"], []).append(Printed(line["stream"], line["line"]))
    return {service: tuple(each) for service, each in found.items()}


def size(pid: int, services: int) -> Size | None:
    try:
        files = len(os.listdir(f"/proc/{pid}/fd"))
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    memory = re.search(r"RssAnon:\s+(\d+) kB", status)
    start = procfs.start_time(pid)
    return Size(pid, start, files, int(memory[1]) * 1024, services) if memory and start is not None else None
