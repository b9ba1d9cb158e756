"""What remains when a keeper was killed: a note on disk for each run, and the end of what it names.

The next keeper ends these leftovers before it accepts anything, for nobody holds the other ends of their
terminals any more. It is careful: after a restart of the machine there are none, a cgroup is ours by its
name, a process by its pid *and* start time, or by the run's token in its environment; a pid that now means
another process is left alone. A run's own subreaper ends its tree itself when its keeper is gone: it is
given the time for that.

The notes may be gone as well, with the folder that they were in. Then a run is known by the notify socket in
that folder which its environment names, if no keeper is above it: one that lives holds it still.
"""

from __future__ import annotations

import json
import os
import signal
import time

from locald.keeper.log import report
from locald.linux import cgroup, procfs

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PATIENCE = 5.0
"""seconds until what cannot be killed is left to the next keeper"""
KEEPER = "locald-keeper"
"""what the process calls itself"""
_PAUSE = 0.01
_SUFFIX = ".json"


class Table:
    """The notes, one file for each run. A note that cannot be written is missed only if we are killed."""

    __slots__ = ("_boot", "_folder")

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._boot = procfs.boot_id()

    def put(self, token: str, known: dict[str, Any], leader: int | None) -> None:
        """`known`: the run, and its tree as far as there is one."""
        note = {**known, "boot": self._boot, "pid": leader}
        for name, pid in (("start", leader), ("reaper_start", known.get("reaper"))):
            note[name] = procfs.start_time(pid) if pid is not None else None
        try:
            self._write(token, json.dumps(note).encode("ascii"))
        except OSError as error:
            report(f"run {note['run']} cannot be recorded: {error}")

    def _write(self, token: str, data: bytes) -> None:
        """In place: what is to be survived is our own death, and one small `write` is done or is not."""
        file = os.open(self._path(token), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, data)
            if os.fstat(file).st_size != len(data):
                os.ftruncate(file, len(data))
        finally:
            os.close(file)

    def has(self, token: str) -> bool:
        return os.path.exists(self._path(token))

    def drop(self, token: str) -> None:
        try:
            os.unlink(self._path(token))
        except OSError:
            pass

    def end_leftovers(self) -> None:
        """End what an earlier keeper left, and forget it. Takes at most PATIENCE, mostly milliseconds."""
        until = time.monotonic() + PATIENCE
        for token, note in self._notes().items():
            if note.get("boot") != self._boot or _end(token, note, until):
                self.drop(token)
            else:
                report(f"run {note.get('run')} cannot be killed")

    def end_unrecorded(self, sockets: str) -> None:
        """The same for those of which there is no note. `sockets`: the folder of their notify sockets.

        Looks at every process of the machine.
        """
        until = time.monotonic() + PATIENCE
        for token, folder in _unrecorded(sockets).items():
            if not _end(token, {"cgroup": folder}, until):
                report(f"what runs with LOCALD_RUN={token} cannot be killed")

    def _notes(self) -> dict[str, dict[str, Any]]:
        names = [name for name in os.listdir(self._folder) if name.endswith(_SUFFIX)]
        return {name.removesuffix(_SUFFIX): self._read(name) for name in names}

    def _read(self, name: str) -> dict[str, Any]:
        """Of a note that cannot be read, the token is left: its name."""
        try:
            note = json.loads(procfs.read(os.path.join(self._folder, name)) or b"")
        except (ValueError, RecursionError):
            note = None
        return note if isinstance(note, dict) else {"boot": self._boot}

    def _path(self, token: str) -> str:
        return os.path.join(self._folder, token + _SUFFIX)


def _unrecorded(sockets: str) -> dict[str, str | None]:
    """Tokens of runs without a keeper, and the cgroup of a member."""
    found: dict[str, str | None] = {}
    for pid in procfs.all_pids():
        env = procfs.environ(pid)
        token, socket = env.get("LOCALD_RUN", ""), env.get("NOTIFY_SOCKET", "")
        if token and os.path.dirname(socket) == sockets and not _is_held(pid):
            found[token] = cgroup.folder_of(pid)
    return found


def _is_held(pid: int) -> bool:
    """Whether a keeper is above it."""
    at = procfs.stat(pid)
    while at is not None and at.program != KEEPER:
        at = procfs.stat(at.ppid)
    return at is not None


def _end(token: str, note: dict[str, Any], until: float) -> bool:
    """Whether nothing is left of the run."""
    _end_cgroup(token, note.get("cgroup"), until)
    while _still(note.get("reaper"), note.get("reaper_start")) and time.monotonic() < until:
        time.sleep(_PAUSE)
    pid = note.get("pid")
    known = {pid: note.get("start")} if isinstance(pid, int) else {}  # if it is still the one is asked below
    while left := _leftovers(token, known):
        for pid, start in left.items():
            _kill(pid, start)
        known = {**known, **left}
        if time.monotonic() >= until:
            return False
        time.sleep(_PAUSE)
    return True


def _end_cgroup(token: str, folder: object, until: float) -> None:
    """By its name alone it is ours: the token is in it."""
    if not token or not isinstance(folder, str) or not folder.endswith("." + token):
        return
    if not os.path.exists(os.path.join(folder, "cgroup.procs")):
        return
    while not cgroup.remove(folder) and time.monotonic() < until:
        cgroup.kill(folder)
        time.sleep(_PAUSE)
    cgroup.remove(os.path.dirname(folder))


def _still(pid: object, start: object) -> bool:
    """Whether the pid means the process of that start time, alive."""
    found = procfs.stat(pid) if isinstance(pid, int) else None
    return found is not None and found.alive and found.start == start


def _leftovers(token: str, known: Mapping[int, Any]) -> dict[int, int]:
    """Pid and start time of what is alive: known processes, those with the token, and all below them."""
    roots = {pid for pid, start in known.items() if _still(pid, start)}
    roots |= {pid for pid in procfs.all_pids() if procfs.has_variable(pid, "LOCALD_RUN", token)}
    roots.discard(os.getpid())
    found = {each.pid: each for each in map(procfs.stat, roots | set(procfs.descendants(*roots))) if each}
    return {pid: each.start for pid, each in found.items() if each.alive and pid != os.getpid()}


def _kill(pid: int, start: int) -> None:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _still(pid, start):  # asked after the pidfd was opened: it is not another process's
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(pidfd)
