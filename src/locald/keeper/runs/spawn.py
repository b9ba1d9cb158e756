"""From a forked keeper to the service's program: everything that happens between fork and exec.

Two forks are made. The first child takes a new session, in the run's cgroup, and ends; the second becomes
the program, the run's *leader*. So the leader is in a session of its own but does not lead it, and cannot get
a controlling terminal by merely opening one (`echo oops > /dev/stderr` would do it): a terminal that
disappears with a killed keeper hangs up nobody. Only a run that is to have a terminal of its own takes a
session once more, with that as its controlling terminal, or no key could interrupt it.

Orphaned at once, the leader becomes the child of the nearest subreaper, which is who waits for it.

How it went comes back through a close-on-exec pipe: the leader's pid and when it began, then nothing when
exec succeeded, or what failed. The keeper reads it in its loop, so a program on a dead network disk delays
nobody else.

Every other descriptor is close-on-exec; signals that the keeper handles are blocked from before the fork
until they have their defaults back, so that none is lost in one of its handlers.
"""

from __future__ import annotations

import errno
import fcntl
import json
import marshal
import os
import resource
import signal
import termios

from locald.linux import cgroup
from locald.linux.clock import since_boot

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from locald.keeper.wire.protocol import Order

HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that are not at their default in the keeper."""

_DEFAULT_PATH = b"/usr/local/bin:/usr/bin:/bin"
_SHELL = [b"/bin/sh", b"-c"]
"""how the commands begin that are written as a string"""


class Refusal:
    """Why a run never began. `stage`: what was being done: "program", "workdir" or "resources"."""

    __slots__ = ("errno", "stage", "text")

    def __init__(self, stage: str, number: int, text: str) -> None:
        self.stage = stage
        self.errno = number
        self.text = text

    @classmethod
    def of(cls, stage: str, error: Exception) -> Refusal:
        if isinstance(error, OSError):
            return cls(stage, error.errno or 0, error.strerror or str(error))
        return cls(stage, 0, f"{type(error).__name__}: {error}")


class Child:
    """What the forked child is given. `given`: its standard input;
    `report`: the pipe's writing end; `own_files`: the limit to restore."""

    __slots__ = (
        "argv",
        "cwd",
        "env",
        "err",
        "given",
        "limits",
        "out",
        "own_files",
        "report",
        "terminal",
        "umask",
        "watchdog_usec",
    )

    def __init__(
        self,
        order: Order,
        env: dict[bytes, bytes],
        files: tuple[int, int, int, int],
        own_files: tuple[int, int],
    ) -> None:
        """`files`: its standard input, output and error, `report`."""
        self.argv = order.argv
        self.cwd = order.cwd
        self.umask = order.umask
        self.limits = order.limits
        self.watchdog_usec = order.watchdog_usec
        self.terminal = order.terminal
        self.env = env
        self.own_files = own_files
        self.given, self.out, self.err, self.report = files

    @property
    def files(self) -> tuple[int, int, int, int]:
        return self.given, self.out, self.err, self.report

    def pack(self) -> bytes:
        """All but the files, for `unpack` in another process of the same Python."""
        usual = self.argv, self.cwd, self.umask, self.limits, self.watchdog_usec, self.env, self.own_files
        return marshal.dumps((*usual, self.terminal))

    @classmethod
    def unpack(cls, packed: bytes, files: tuple[int, int, int, int]) -> Child:
        child = cls.__new__(cls)
        (
            child.argv,
            child.cwd,
            child.umask,
            child.limits,
            child.watchdog_usec,
            child.env,
            child.own_files,
            child.terminal,
        ) = marshal.loads(packed)
        child.given, child.out, child.err, child.report = files
        return child


def written(child: Child) -> int:
    """A file without a name that holds all of it but its files. Raises OSError."""
    order = os.memfd_create("order", os.MFD_CLOEXEC)
    try:
        os.write(order, child.pack())
    except OSError:
        os.close(order)
        raise
    return order


def read(order: int, files: tuple[int, int, int, int]) -> Child:
    """What was written."""
    return Child.unpack(os.pread(order, os.fstat(order).st_size, 0), files)


def close_others(keep: list[int], most: int) -> None:
    """In a process of the keeper's: all that the keeper holds open is none of its business, and would be held
    open by it."""
    first = 3
    for file in sorted(keep):
        os.closerange(first, file)
        first = file + 1
    os.closerange(first, most)


def fork(how: Callable[[], int] = os.fork) -> int:
    """Fork with the handled signals blocked; in the child they stay blocked. Raises OSError."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        pid = how()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def in_first_child(child: Child, folder: str | None) -> NoReturn:
    """What the first child does where the run has a cgroup: enter it, unless it was born there (`folder` is
    None then), fork the leader, end."""
    try:
        os.setsid()
        if folder is not None:
            cgroup.join(folder)
        if os.fork() == 0:
            lead(child)
    except BaseException as error:
        tell(child.report, "resources", error)
    os._exit(0)


def lead(child: Child) -> NoReturn:
    """Become the service's program. Does not return."""
    stage = "resources"
    try:
        os.write(child.report, b"%d %d\n" % (os.getpid(), 1e9 * since_boot()))
        _lead_group(child)
        os.dup2(child.given, 0)
        os.dup2(child.out, 1)
        os.dup2(child.err, 2)
        stage = "workdir"
        os.chdir(child.cwd)
        stage = "program"
        _restore(child)
        _execute(child.argv, _complete(child))
    except BaseException as error:
        tell(child.report, stage, error)
    os._exit(127)


def _lead_group(child: Child) -> None:
    if child.terminal:
        os.setsid()
        fcntl.ioctl(child.given, termios.TIOCSCTTY, 0)
    else:
        os.setpgid(0, 0)


def _restore(child: Child) -> None:
    """The umask, limits and signals that the program is to have instead of the keeper's."""
    os.umask(child.umask)
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _limit(resource.RLIMIT_NOFILE, *child.own_files)
    for which, soft, hard in child.limits:
        _limit(which, soft, hard)


def _limit(which: int, soft: int, hard: int) -> None:
    """As near as we may: what is higher than our own hard limit is for root alone."""
    try:
        resource.setrlimit(which, (soft, hard))
    except (OSError, ValueError):
        ours = resource.getrlimit(which)[1]
        hard = _lower(hard, ours)
        try:
            resource.setrlimit(which, (_lower(soft, hard), hard))
        except (OSError, ValueError):  # the program then runs with the keeper's
            pass


def _lower(one: int, other: int) -> int:
    limited = [each for each in (one, other) if each != resource.RLIM_INFINITY]
    return min(limited, default=resource.RLIM_INFINITY)


def _complete(child: Child) -> dict[bytes, bytes]:
    if child.watchdog_usec is None:
        return child.env
    promise = {b"WATCHDOG_USEC": b"%d" % child.watchdog_usec}
    # Who finds another pid than its own takes the promise for somebody else's (sd_watchdog_enabled(3)), and a
    # shell is not who keeps it, but the program that it starts. Without the variable anybody may.
    if child.argv[:2] != _SHELL:
        promise[b"WATCHDOG_PID"] = b"%d" % os.getpid()
    return child.env | promise


def _execute(argv: list[bytes], env: dict[bytes, bytes]) -> None:
    """exec the program, looked up in the PATH that it is given itself. Raises the most telling OSError."""
    program = argv[0]
    if b"/" in program:
        os.execve(program, argv, env)
    telling = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in env.get(b"PATH", _DEFAULT_PATH).split(b":"):
        path = os.path.join(folder or b".", program)
        try:
            os.execve(path, argv, env)
        except (FileNotFoundError, NotADirectoryError):
            if os.path.exists(path):
                raise
        except PermissionError as error:  # a later folder may hold one that we may execute: execvp(3)
            telling = error  # type: ignore[assignment]
    raise telling


def tell(report: int, stage: str, error: BaseException) -> None:
    """Say what failed, in one write of less than PIPE_BUF bytes."""
    number = error.errno if isinstance(error, OSError) and error.errno else 0
    text = os.strerror(number) if number else f"{type(error).__name__}: {error}"[:500]
    if isinstance(error, FileNotFoundError) and stage == "program" and _exists(error.filename):
        text += " (the interpreter in its first line)"
    try:
        os.write(report, json.dumps([stage, number, text]).encode("ascii") + b"\n")
    except OSError:
        pass


def _exists(path: bytes | None) -> bool:
    return path is not None and os.path.exists(path)


class Report:
    """What came through the pipe. `began`: when the leader did, seconds since boot; the keeper may read of it
    much later, on a busy machine. `refusal`: why its program could not begin."""

    __slots__ = ("began", "leader", "refusal")

    def __init__(self, data: bytes) -> None:
        self.leader: int | None = None
        self.began = 0.0
        self.refusal: Refusal | None = None
        for line in data.splitlines():
            if line.startswith(b"["):
                self.refusal = Refusal(*json.loads(line))
            else:
                leader, began = line.split()
                self.leader, self.began = int(leader), int(began) / 1e9
        if self.leader is None and self.refusal is None:
            self.refusal = Refusal("resources", 0, "was killed before it could start")
