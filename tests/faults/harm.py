"""What goes wrong in a round: done to a running locald from outside, and undone again where it can be.

Each fault is a function that does it, and returns what it was: whom it concerns, and how it is undone.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from faults.fleet import CONTAINERS, KINDS
from locald.client.daemon import holder_of
from locald.linux import procfs
from whole.machine import kill

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from engine.session import PrivateDocker
    from faults.clock import SettableClock
    from faults.sight import Process

EVERYBODY = frozenset(KINDS)


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Harm:
    """One that was done. `undo` may be called when locald has gone, too."""

    what: str
    concerned: frozenset[str] = frozenset()
    undo: Callable[[], None] = _nothing
    cuts_logs: bool = False
    """what was printed last may be lost"""
    fills_disk: bool = False
    forgets: bool = False
    """what was wanted is forgotten"""
    unsure: bool = False
    """what was wanted may be forgotten"""


class Victim:
    """A locald that things are done to. `seen`: the processes of its services now. `engine`: that of its
    containers."""

    def __init__(
        self,
        home: Path,
        clock: SettableClock,
        random: Random,
        seen: Callable[[], tuple[Process, ...]],
        engine: PrivateDocker | None = None,
    ) -> None:
        self.home = home
        self.clock = clock
        self.random = random
        self.seen = seen
        self.engine = engine

    @property
    def daemon(self) -> int | None:
        return holder_of(str(self.home / "state" / "daemon.lock"))

    @property
    def keeper(self) -> int | None:
        return holder_of(str(self.home / "run" / "keeper.lock"))

    def helpers(self, *names: str) -> dict[int, str]:
        """Processes of the keeper's own that are called so."""
        below = procfs.descendants(self.keeper) if self.keeper else []
        named = {pid: procfs.program(pid) for pid in sorted(below)}
        return {pid: name for pid, name in named.items() if name in names}

    def helper(self) -> tuple[str, int | None]:
        """One that serves no run."""
        found = self.helpers("locald-zygote", "locald-spare", "locald-closer")
        pid = self.random.choice(list(found)) if found else None
        return (found[pid], pid) if pid else ("helper", None)


def _killed(what: str, pid: int | None) -> str:
    if pid is None:
        return f"(no {what} to kill)"
    kill(pid)
    return f"kill -9 of the {what} ({pid})"


def kill_daemon(on: Victim) -> Harm:
    return Harm(_killed("daemon", on.daemon))


def kill_keeper(on: Victim) -> Harm:
    return Harm(_killed("keeper", on.keeper), EVERYBODY, cuts_logs=True)


def kill_both(on: Victim) -> Harm:
    pids = [("daemon", on.daemon), ("keeper", on.keeper)]
    on.random.shuffle(pids)
    return Harm(", ".join(_killed(*each) for each in pids), EVERYBODY, cuts_logs=True)


def kill_helper(on: Victim) -> Harm:
    return Harm(_killed(*on.helper()))


def kill_reaper(on: Victim) -> Harm:
    reapers = on.helpers("locald-reaper")
    if not reapers:
        return Harm("(no reaper to kill)")
    reaper = on.random.choice(list(reapers))
    below = set(procfs.descendants(reaper))
    hit = frozenset(process.service for process in on.seen() if process.pid in below)
    return Harm(f"{_killed('reaper', reaper)} of {', '.join(hit) or 'nobody'}", hit, cuts_logs=True)


def kill_leaders(on: Victim) -> Harm:
    leaders = [each for each in on.seen() if each.role == "leader"]
    hit = on.random.sample(leaders, min(len(leaders), on.random.choice((1, 1, 2, 4))))
    for each in hit:
        kill(each.pid)
    return Harm(f"kill -9 of {', '.join(map(str, hit)) or 'nobody'}", frozenset(e.service for e in hit))


def kill_child(on: Victim) -> Harm:
    children = [each for each in on.seen() if each.role == "child"]
    if not children:
        return Harm("(no child to kill)")
    hit = on.random.choice(children)
    kill(hit.pid)
    return Harm(f"kill -9 of {hit}")


def _stop(what: str, pid: int | None, concerned: frozenset[str] = frozenset()) -> Harm:
    if pid is None:
        return Harm(f"(no {what} to stop)")
    handle = _signal(pid, signal.SIGSTOP)
    return Harm(f"SIGSTOP of the {what} ({pid})", concerned, lambda: _go_on(handle))


def _signal(pid: int, number: int) -> int | None:
    try:
        handle = os.pidfd_open(pid)
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return None
    return handle


def _go_on(handle: int | None) -> None:
    if handle is None:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGCONT)
    except ProcessLookupError:
        pass
    os.close(handle)


def stop_daemon(on: Victim) -> Harm:
    return _stop("daemon", on.daemon)


def stop_keeper(on: Victim) -> Harm:
    return _stop("keeper", on.keeper)


def stop_helper(on: Victim) -> Harm:
    return _stop(*on.helper())


def stop_leader(on: Victim) -> Harm:
    leaders = [each for each in on.seen() if each.role == "leader"]
    if not leaders:
        return Harm("(no leader to stop)")
    hit = on.random.choice(leaders)
    return _stop(f"leader of {hit.service}", hit.pid)


def fill_disks(on: Victim) -> Harm:
    """One, or more, of those that the box has made for the home. Each is filled to the last byte."""
    disks = [folder for folder in (on.home, on.home / "state", on.home / "logs") if os.path.ismount(folder)]
    if not disks:
        return Harm("(the home has no disk of its own to fill)")
    chosen = on.random.sample(disks, on.random.choice((1, 1, 1, len(disks))))
    fillings = [_filled(folder) for folder in chosen]

    def undo() -> None:
        for filling in fillings:
            filling.unlink(missing_ok=True)

    names = " and ".join(folder.name if folder != on.home else "the home" for folder in chosen)
    return Harm(f"the disk of {names} is full", undo=undo, fills_disk=True)


def _filled(folder: Path) -> Path:
    path = folder / "filling"
    with path.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    return path


def lose_run_folder(on: Victim) -> Harm:
    shutil.rmtree(on.home / "run", ignore_errors=True)
    return Harm("the run folder is removed")


def lose_sockets(on: Victim) -> Harm:
    names = on.random.choice((["locald.sock"], ["keeper.sock"], ["locald.sock", "keeper.sock"]))
    for name in names:
        (on.home / "run" / name).unlink(missing_ok=True)
    return Harm(f"{' and '.join(names)} removed")


def spoil_state(on: Victim) -> Harm:
    """Noise in place of what is saved, when no daemon is there to write it again."""
    what = _killed("daemon", on.daemon)
    noise = on.random.randbytes(400)
    try:
        on.home.joinpath("state", "state.json").write_bytes(noise)
    except OSError:  # the disk is full, too: then it is empty
        pass
    return Harm(f"{what}, the saved state is noise", EVERYBODY, cuts_logs=True, forgets=True)


def cut_state(on: Victim) -> Harm:
    what = _killed("daemon", on.daemon)
    path = on.home / "state" / "state.json"
    size = path.stat().st_size if path.exists() else 0
    cut = on.random.choice((1, 30, size // 2))
    if size > cut:
        os.truncate(path, size - cut)
    return Harm(
        f"{what}, the saved state is cut by {cut} of {size} bytes", EVERYBODY, cuts_logs=True, unsure=True
    )


def out_of_files(pid: int) -> tuple[int, int]:
    """From now on it can open nothing more than it has open now. Its limits before. Raises OSError."""
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    free = next(number for number in count() if number not in used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, before[1]))
    return before


def take_files(on: Victim) -> Harm:
    """No descriptor left for the daemon, or for the keeper."""
    what = on.random.choice(("daemon", "keeper"))
    pid = on.daemon if what == "daemon" else on.keeper
    if pid is None:
        return Harm(f"(no {what} to take files from)")
    try:
        before = out_of_files(pid)
    except OSError:
        return Harm(f"({what} has gone)")

    def undo() -> None:
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        except OSError:
            pass

    return Harm(f"the {what} ({pid}) has no descriptors left", undo=undo)


def kill_engine(on: Victim) -> Harm:
    """The next one ends the containers that this one has left."""
    if on.engine is None:
        return Harm("(no engine to kill)")
    on.engine.kill()
    return Harm("kill -9 of the engine", CONTAINERS, on.engine.start)


def freeze_engine(on: Victim) -> Harm:
    """It takes connections and answers nobody; its containers go on."""
    if on.engine is None:
        return Harm("(no engine to stop)")
    on.engine.freeze()
    return Harm("SIGSTOP of the engine", undo=on.engine.thaw)


HOURS = (-26, -1, 0, 1, 1000)


def set_clock(on: Victim) -> Harm:
    """It stays so."""
    if not on.clock.env:
        return Harm("(no clock to set)")
    hours = on.random.choice(HOURS)
    on.clock.set(hours * 3600)
    return Harm(f"the clock is set to {hours:+d} h")


FAULTS: tuple[Callable[[Victim], Harm], ...] = (
    *(kill_daemon, kill_daemon, kill_daemon, kill_keeper, kill_both, kill_helper, kill_helper, kill_reaper),
    *(kill_leaders, kill_leaders, kill_child, stop_daemon, stop_keeper, stop_helper, stop_leader, fill_disks),
    *(
        lose_run_folder,
        lose_sockets,
        spoil_state,
        cut_state,
        take_files,
        set_clock,
        kill_engine,
        freeze_engine,
    ),
)
