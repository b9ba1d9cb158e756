"""A cgroup of a run's own: the one thing that holds a process tree together whatever its members do.

A member may fork twice, take a new session and clear its environment; it stays in its cgroup, and so do its
children. We only need the bare hierarchy (cgroup v2, no controllers): a folder made in our own cgroup, a
process that writes itself into it, `cgroup.procs` to see who is there, `cgroup.kill` to end all of them
at once, `cgroup.events` to be told when the last one is gone. Whether we may do this depends on who we are
and where we were started, so it is tried once; every failure means "no cgroup here", never an error.

A run's folder has a name that nobody else uses, so `/proc/PID/cgroup` tells a member by that name alone,
also a zombie, which `cgroup.procs` no longer lists.

Source: the kernel's Documentation/admin-guide/cgroup-v2.rst; mountinfo: proc(5). `cgroup.kill` is there
since Linux 5.14.
"""

from __future__ import annotations

import fcntl
import os

from locald.linux import procfs

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

# Parsers.


def parse_mounts(mountinfo: bytes) -> list[tuple[str, str]]:
    """(root, mount point) of each cgroup2 mount in `/proc/PID/mountinfo`, also of the hybrid layout."""
    found = []
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(b" - ")
        fields = before.split()
        if separator and after.split(b" ", 1)[0] == b"cgroup2" and len(fields) > 4:
            found.append((_unescape(fields[3]), _unescape(fields[4])))
    return found


def _unescape(field: bytes) -> str:
    """mountinfo writes space, tab, line feed and backslash as three octal digits."""
    for octal in (b"040", b"011", b"012", b"134"):
        field = field.replace(b"\\" + octal, bytes([int(octal, 8)]))
    return os.fsdecode(field)


def parse_own(data: bytes) -> str | None:
    """The cgroup v2 path in `/proc/PID/cgroup`, or None where there is only version 1."""
    for line in data.splitlines():
        if line.startswith(b"0::/"):
            return os.fsdecode(line[3:]).removesuffix(" (deleted)")
    return None


def locate(mounts: list[tuple[str, str]], path: str) -> str | None:
    """The folder that shows the cgroup `path`, or None when no mount shows it."""
    for root, point in mounts:
        inside = path if root == "/" else path.removeprefix(root)
        if ".." not in inside and (root == "/" or path == root or path.startswith(root + "/")):
            return point + (inside if inside != "/" else "")
    return None


# Where runs can have folders.


def own_folder() -> str | None:
    """The folder of the cgroup that we are in ourselves, or None."""
    return folder_of("self")


def folder_of(pid: int | str) -> str | None:
    """The folder of the cgroup that a process is in, or None."""
    own = parse_own(procfs.read(f"/proc/{pid}/cgroup") or b"")
    return locate(parse_mounts(procfs.read("/proc/self/mountinfo") or b""), own) if own else None


def usable(name: str) -> str | None:
    """A folder `name` in our own cgroup, made and proven by moving a process, or None."""
    own = own_folder()
    if own is None:
        return None
    base = os.path.join(own, name)
    if _proven(base):
        return base
    remove(base)
    return None


def _proven(base: str) -> bool:
    trial = os.path.join(base, f"trial-{os.getpid()}")
    try:
        claimed = claim(base)
    except OSError:
        return False
    try:
        os.makedirs(trial, 0o755, exist_ok=True)
        return os.path.exists(os.path.join(trial, "cgroup.kill")) and _can_join(trial)
    except OSError:
        return False
    finally:
        remove(trial)
        os.close(claimed)


def _can_join(folder: str) -> bool:
    """Moving a process takes rights over both cgroups and their common ancestor, so it has to be tried."""
    pid = os.fork()
    if pid == 0:
        try:
            join(folder)
        except BaseException:  # a forked child must end here, whatever it is
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def claim(base: str) -> int:
    """Make the folder where it is missing, and show others that it is in use, for as long as the descriptor
    is open. Somebody who sweeps may remove it before it is locked: then it is made again. Raises OSError.
    """
    while True:
        try:
            os.makedirs(base, 0o755, exist_ok=True)
        except FileExistsError:  # it was there, and gone when makedirs looked whether it is a folder
            if os.path.lexists(base) and not os.path.isdir(base):
                raise
            continue
        try:
            file = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        fcntl.flock(file, fcntl.LOCK_SH)  # the sweeper holds the other lock for a moment only
        if _is_at(base, file):
            return file
        os.close(file)


def _is_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def sweep(ours: Callable[[str], object]) -> None:
    """Remove what others of our kind left in our own cgroup: folders with a name that is `ours`, without a
    process in them or below, that nobody claims.
    """
    for folder in _folders_in(own_folder() or "/nowhere"):
        if ours(os.path.basename(folder)):
            _sweep(folder)


def _sweep(folder: str) -> None:
    try:
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if b"populated 0" in (procfs.read(os.path.join(folder, "cgroup.events")) or b""):
            remove(folder)
    except OSError:  # claimed
        pass
    finally:
        os.close(file)


# One folder. `folder` is its absolute path.


def make(base: str, name: str) -> str:
    """Make a run's folder. Raises OSError."""
    folder = os.path.join(base, name)
    os.makedirs(folder, 0o755, exist_ok=True)
    return folder


def join(folder: str) -> None:
    """Move the calling process in; what it forks is born there. Raises OSError."""
    _write(folder, "cgroup.procs", b"0")


def kill(folder: str) -> bool:
    """SIGKILL to all members, those being forked included. False where the folder is gone."""
    try:
        _write(folder, "cgroup.kill", b"1")
    except OSError:
        return False
    return True


def _write(folder: str, name: str, value: bytes) -> None:
    file = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, value)
    finally:
        os.close(file)


def pids(folder: str) -> list[int]:
    """The processes in this cgroup and those below it. Zombies are not among them."""
    found = [int(pid) for pid in (procfs.read(os.path.join(folder, "cgroup.procs")) or b"").split()]
    for below in _folders_in(folder):
        found.extend(pids(below))
    return found


def has(folder: str, pid: int) -> bool:
    """Whether the process, or zombie, is a member; told by the folder's name, which nobody else has."""
    path = parse_own(procfs.read(f"/proc/{pid}/cgroup") or b"")
    return path is not None and os.path.basename(folder) in path.split("/")


def processor_time(folder: str) -> float | None:
    """Seconds that all who ever were in this cgroup or below have had of the processor; None where the
    kernel does not count it."""
    for line in (procfs.read(os.path.join(folder, "cpu.stat")) or b"").splitlines():
        name, _, value = line.partition(b" ")
        if name == b"usage_usec" and value.isdigit():
            return int(value) / 1e6
    return None


def watch(folder: str) -> int:
    """A descriptor that polls EPOLLPRI when `populated` may have changed; read it with `populated`."""
    return os.open(os.path.join(folder, "cgroup.events"), os.O_RDONLY | os.O_CLOEXEC)


def populated(events: int) -> bool:
    """Whether a live process is in the cgroup or below. Reading also re-arms the poll of `watch`."""
    try:
        return b"populated 1" in os.pread(events, 4096, 0)
    except OSError:  # ENODEV: somebody removed the folder, which takes an empty one
        return False


def remove(folder: str) -> bool:
    """Remove the folder and those that the members made in it. False while somebody is in there, and for what
    is no cgroup: whatever a note says, no other folder is ever removed."""
    if not os.path.exists(os.path.join(folder, "cgroup.procs")):
        return not os.path.lexists(folder)
    for below in _folders_in(folder):
        remove(below)
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _folders_in(folder: str) -> list[str]:
    try:
        if os.stat(folder).st_nlink <= 2:  # the kernel counts the folders inside: mostly none
            return []
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
