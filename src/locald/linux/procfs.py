"""What `/proc` says about processes: pure parsers first, small readers after them.

A pid alone names nobody, since pids are used again; a process is named by its pid *and* its start time
(and the boot id, for what is kept on disk). Readers never raise for a process that is not there (any more)
or that is not ours to look at: they return None or something empty, because a process may vanish between
any two lines. A zombie is dead; the exception is one whose main thread has ended while others go on.

A process may call itself anything: names, arguments and paths are made legible here, where they are read, and
nowhere else.

`/proc/PID/task/TID/children` may skip an entry while other children end, so a caller that must find every
process looks again until nothing new turns up. Kernels built without this file are swept by parent instead.

Source: proc(5).
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_ESCAPE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[ -~]?")


def legible(text: str) -> str:
    """What a process says of itself as text for people: without escape sequences, on one line, and without
    whatever else would steer a terminal or a text. Letters of all languages stay."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " for each in _ESCAPE.sub("", text)).strip()


class Stat:
    """A process at one moment. `start` is in clock ticks since boot; `program` has at most 15 bytes.

    `ticks` is the time of the processor that it and its children which it has waited for have had, in clock
    ticks; `terminal` is the number of the one that controls it, 0 for none; `pages` is what it has in memory,
    what it shares with others included.
    """

    __slots__ = (
        "exit_status",
        "pages",
        "pid",
        "ppid",
        "program",
        "session",
        "stack",
        "start",
        "state",
        "terminal",
        "threads",
        "ticks",
    )

    def __init__(self, pid: int, program: str, state: str, fields: list[bytes]) -> None:
        """`fields`: those that follow the state in proc(5), as they are in the file."""
        self.pid = pid
        self.program = program
        self.state = state
        self.ppid = int(fields[0])
        self.session = int(fields[2])
        self.terminal = int(fields[3])
        self.ticks = sum(map(int, fields[10:14]))
        self.threads = int(fields[16])
        self.start = int(fields[18])
        self.pages = int(fields[20])
        self.stack = int(fields[24])
        self.exit_status = int(fields[48]) if len(fields) > 48 else 0

    @property
    def alive(self) -> bool:
        return self.state not in "ZXx" or (self.state == "Z" and self.threads > 1)

    @property
    def stands_still(self) -> bool:
        """A signal has stopped it, or a tracer holds it."""
        return self.state in "Tt"

    @property
    def is_at_work(self) -> bool:
        """It runs, or would if a processor or a disk had time for it: it does not wait for anything else."""
        return self.state in "RD"


# Parsers: bytes in, facts out.


def parse_stat(data: bytes) -> Stat:
    """The content of `/proc/PID/stat`; the program's name may hold spaces, parentheses, line feeds.

    Raises ValueError or IndexError when it is something else.
    """
    opened, closed = data.index(b"("), data.rindex(b")")
    program = legible(data[opened + 1 : closed].decode("utf-8", "replace"))
    state, *fields = data[closed + 2 :].split()
    return Stat(int(data[:opened]), program, state.decode("ascii"), fields)


def parse_cmdline(data: bytes) -> list[str]:
    """The arguments in `/proc/PID/cmdline`; a program may have overwritten them with anything."""
    text = data.decode("utf-8", "replace").rstrip("\0")
    return [legible(argument) for argument in text.split("\0")] if text else []


def parse_environ(data: bytes) -> dict[str, str]:
    """The variables in `/proc/PID/environ`; of a name given twice the first counts, as for getenv(3)."""
    variables: dict[str, str] = {}
    for entry in data.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if equals:
            variables.setdefault(os.fsdecode(name), os.fsdecode(value))
    return variables


def parse_tracer(data: bytes) -> int:
    """The pid of the process that traces one, from `/proc/PID/status`; 0 where none does."""
    line = next((line for line in data.splitlines() if line.startswith(b"TracerPid:")), b"")
    numbers = line.split()[1:]
    return int(numbers[0]) if numbers else 0


def parse_inner_pid(data: bytes) -> int | None:
    """The number that a process has in its own pid namespace, from `/proc/PID/status`; None where this kernel
    does not tell."""
    line = next((line for line in data.splitlines() if line.startswith(b"NSpid:")), b"")
    numbers = line.split()[1:]
    return int(numbers[-1]) if numbers else None


def by_parent(parents: Mapping[int, int]) -> dict[int, list[int]]:
    """Each process's children, given each process's parent."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    return children


def below(children: Mapping[int, list[int]], roots: Iterable[int]) -> set[int]:
    """All that descend from `roots` (which are not included themselves), given each process's children."""
    found: set[int] = set()
    todo = list(roots)
    while todo:
        new = [pid for pid in children.get(todo.pop(), ()) if pid not in found]
        found.update(new)
        todo.extend(new)
    return found


def family(parents: Mapping[int, int], roots: Iterable[int]) -> set[int]:
    """The same, given each process's parent."""
    return below(by_parent(parents), roots)


# Readers.


def read(path: str) -> bytes | None:
    """A whole file of `/proc`, or None when it is not there or not ours to read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _read_all(file)
    except OSError:
        return None
    finally:
        os.close(file)


def _read_all(file: int) -> bytes:
    parts = []
    while part := os.read(file, 65536):
        parts.append(part)
    return b"".join(parts)


def stat(pid: int) -> Stat | None:
    data = read(f"/proc/{pid}/stat")
    try:
        return parse_stat(data) if data else None
    except (ValueError, IndexError):
        return None


def alive(pid: int) -> bool:
    """Whether the process is there and not a zombie."""
    found = stat(pid)
    return found is not None and found.alive


def stands_still(pid: int) -> bool:
    """Whether a signal has stopped the process, or a tracer holds it."""
    found = stat(pid)
    return found is not None and found.stands_still


def image(pid: int) -> tuple[int, int] | None:
    """What is another when the process has become another program: exec(2) puts its stack elsewhere. None
    when nobody can tell: it has ended, or is somebody else's."""
    found = stat(pid)
    return (found.start, found.stack) if found is not None and found.alive and found.stack > 1 else None


def start_time(pid: int) -> int | None:
    """When the process began, in clock ticks since boot; with the pid, its name for as long as we are up."""
    found = stat(pid)
    return None if found is None else found.start


def program(pid: int) -> str:
    """The short name of the program (at most 15 bytes), or "" when nobody can tell."""
    found = stat(pid)
    return "" if found is None else found.program


def tracer(pid: int) -> int:
    """Who traces it, as a debugger does; 0 for nobody, also when that is not ours to look at."""
    return parse_tracer(read(f"/proc/{pid}/status") or b"")


def inner_pid(pid: int) -> int | None:
    """The number that the process itself knows: another one for a process in a container."""
    return parse_inner_pid(read(f"/proc/{pid}/status") or b"")


def cmdline(pid: int) -> list[str]:
    return parse_cmdline(read(f"/proc/{pid}/cmdline") or b"")


def executable(pid: int) -> str:
    """The path of the program's file, or "" when nobody can tell; a file that is gone is marked as such."""
    try:
        return legible(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def environ(pid: int) -> dict[str, str]:
    """The environment that the process was started with; empty when it is not ours to read."""
    return parse_environ(read(f"/proc/{pid}/environ") or b"")


def has_variable(pid: int, name: str, value: str) -> bool:
    """Whether the process was started with exactly this in its environment."""
    entry = os.fsencode(f"{name}={value}")
    return entry in (read(f"/proc/{pid}/environ") or b"").split(b"\0")


def boot_id() -> str:
    """Names this start of the machine."""
    return (read("/proc/sys/kernel/random/boot_id") or b"").decode("ascii").strip()


def all_pids() -> list[int]:
    """Every process of the machine. Raises OSError where no descriptor is left to look with."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def all_stats() -> dict[int, Stat]:
    """Every process of the machine: one sweep, about 20 µs for each process."""
    found = (stat(pid) for pid in all_pids())
    return {each.pid: each for each in found if each is not None}


def all_parents() -> dict[int, int]:
    """Every process of the machine with its parent: one sweep."""
    return {pid: each.ppid for pid, each in all_stats().items()}


def children(pid: int) -> list[int] | None:
    """The children of all threads of a process, zombies too; None where this kernel does not tell."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        data = read(f"/proc/{pid}/task/{thread}/children")
        if data is None and not _tells_children():
            return None
        found.extend(map(int, (data or b"").split()))
    return found


def _tells_children() -> bool:
    return os.path.exists("/proc/thread-self/children")


def descendants(*roots: int) -> list[int]:
    """All that descend from the processes `roots` (not themselves), zombies too, parents before children."""
    found: dict[int, None] = {}
    todo = list(roots)
    for pid in todo:
        born = children(pid)
        if born is None:
            return sorted(family(all_parents(), roots))
        new = [child for child in born if child not in found]
        found.update(dict.fromkeys(new))
        todo.extend(new)
    return list(found)


def descends(pid: int, ancestor: int) -> bool:
    """Whether `pid` has `ancestor` above it. One whose parent ends on the way is looked at again."""
    for _ in range(4):
        above = _climb(pid, ancestor)
        if above is not None:
            return above
    return False


def _climb(pid: int, ancestor: int) -> bool | None:
    """True or False; None when a process on the way vanished, which gives its children a new parent."""
    at = stat(pid)
    while at is not None and at.ppid not in (0, ancestor):
        at = stat(at.ppid)
    return None if at is None else at.ppid == ancestor
