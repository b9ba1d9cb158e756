"""Reach the daemon, and start it where a command needs it.

Whether it runs is asked of its socket alone: what answers is there, and a stale socket file refuses.
A new daemon is started detached: its own session, the root folder, nothing of the caller's output. Only
its standard error is a pipe to us until it is ready, on which a start that fails says why.

Other shells may start one at the same moment. The daemon's lock decides, not we: the one that loses it ends
at once and without harm, and its starter finds the winner at the socket. So the loop in `start` has one
rule: connect; while somebody else holds the lock, wait for him; start only when nobody does.
"""

from __future__ import annotations

import os
import select
import sys
import time

from locald.client.http import Api, Unreachable
from locald.client.patience import STALLED, Patience
from locald.domain.values.problem import Refused
from locald.wire.home import SERVED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from locald.wire.home import Home

    Answer = TypeVar("Answer")

AGAIN_WITHIN, AGAIN_TIMES = 15.0, 20
"""seconds, and attempts, after which a daemon that ends whenever it is asked is given up"""
LOOK_EVERY = 0.01
"""seconds: the kernel has no news of a socket that begins to listen"""

MOST_FILES = 1 << 16
LOCKS = "/proc/locks"

OF_A_RUN = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LOCALD_RUN",
    "LOCALD_PROJECT",
    "LOCALD_INSTANCE",
    "LOCALD_SERVICE",
)
"""Variables of a service: a daemon started from within one must not pass for a process of it."""


def find(home: Home) -> Api | None:
    """The daemon that runs now, or None. Starts nothing. Refused where its place is somebody else's."""
    for path in home.sockets:
        api = Api(path)
        try:
            if api.answers():
                return api
        except Refused:
            if path == home.socket or holder_of(home.lock):
                raise  # else it is what a killed one left, in a folder that somebody has made since
    return None


def look(home: Home) -> Api:
    """The daemon for a command that only reads: it is started if there is something to restore."""
    if api := find(home):
        return api
    if os.path.exists(home.wanted):
        return start(home)
    raise absent()


def absent() -> Unreachable:
    return Unreachable("daemon is not running", "run `locald up` to start it")


def missing(home: Home) -> Unreachable:
    """No daemon, for a command that starts none: its services may well be there, for they outlive it."""
    what, hint = "daemon is not running", "run `locald server start` to start it"
    if not os.path.exists(home.wanted):
        return Unreachable(what, hint)
    if holder_of(os.path.join(os.path.dirname(home.keeper), "keeper.lock")):
        return Unreachable(f"{what}, services keep running", "run `locald server start` to manage them again")
    return Unreachable(f"{what}, nor are its services", "run `locald server start` to start them again")


def start(
    home: Home,
    command: Sequence[str] = (),
    on_wait: Callable[[], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Api:
    """The daemon, started if it does not run. Unreachable when it cannot be started.

    `command` starts it in place of this interpreter's own `locald.daemon`.
    `on_wait` is called once if that takes longer than a moment, `meanwhile` when it is being started.
    """
    if api := find(home):
        return api
    home.make()
    return _Start(home, command or program(), on_wait, meanwhile).wait()


def program() -> list[str]:
    """The command that is the daemon: this interpreter, isolated from the caller's PYTHONPATH if we are."""
    return [sys.executable, *_isolated(), "-m", "locald.daemon"]


def _isolated() -> list[str]:
    if sys.flags.isolated:
        return ["-I"]
    return ["-E"] * sys.flags.ignore_environment + ["-P"] * sys.flags.safe_path


def again(
    home: Home,
    ask: Callable[[Api], Answer],
    begin: Callable[[Home], Api] = start,
    within: float = AGAIN_WITHIN,
) -> Answer:
    """Ask anew after the daemon went away. It is begun again by `begin`, `start` or `look`.

    A daemon that is just ending may still let us connect and then say nothing: so it is tried for
    some time (seconds), and several times on a machine that has none, then Unreachable.
    """
    deadline, attempts = time.monotonic() + within, 0
    while True:
        api, attempts = begin(home), attempts + 1
        try:
            return ask(api)
        except Unreachable:
            if time.monotonic() > deadline and attempts >= AGAIN_TIMES:
                raise
        time.sleep(5 * LOOK_EVERY)


class _Start:
    """One attempt to have a daemon, until it answers or cannot."""

    def __init__(
        self,
        home: Home,
        command: Sequence[str],
        on_wait: Callable[[], None] | None,
        meanwhile: Callable[[], None] | None,
    ) -> None:
        self._meanwhile = meanwhile
        self._home = home
        self._command = command
        self._on_wait = on_wait
        self._began = time.monotonic()
        self._ours: _Report | None = None
        self._lost = False
        """while ours started, another one held the lock"""
        self._killed = False
        """one of ours ended without a word before"""

    def wait(self) -> Api:
        patience = Patience()
        try:
            while True:
                if api := find(self._home):
                    return api
                self._step()
                self._tell()
                if not patience.holds(self._awaited):
                    what = f"daemon did not start: no progress within {STALLED:g}s"
                    raise Unreachable(what, self._hint())
        finally:
            if self._ours:
                self._ours.close()

    @property
    def _awaited(self) -> int | None:
        """The process that is to become the daemon."""
        return holder_of(self._home.lock) or (self._ours.pid if self._ours else None)

    def _step(self) -> None:
        holder = holder_of(self._home.lock)
        if holder and self._ours and self._ours.pid is None:
            self._ours.read(0.0)  # it may be ours, which was quicker than we are
        if holder and not (self._ours and self._ours.pid == holder):
            self._lost = True
            time.sleep(LOOK_EVERY)
        elif self._ours is None:
            self._ours, self._lost = _Report(spawn(self._command)), False
            if self._meanwhile:
                self._meanwhile()
                self._meanwhile = None
        elif self._ours.ended:
            self._give_up_or_start_anew(self._ours)
        else:
            self._ours.read(LOOK_EVERY)

    def _give_up_or_start_anew(self, ours: _Report) -> None:
        """Ours ended. When it ended for a daemon that has ended since, the place is free again.

        One that ends without a word was killed by somebody, perhaps after it had been ready: once may be.
        """
        killed = ours.silent and not self._killed
        if not self._lost and not ours.found_another and not killed:
            what, hint = ours.reason()
            raise Unreachable(what, hint or self._hint())
        self._killed = self._killed or killed
        ours.close()
        self._ours = None

    def _tell(self) -> None:
        if self._on_wait and time.monotonic() - self._began > 1.0:
            self._on_wait()
            self._on_wait = None

    def _hint(self) -> str:
        return f"run `locald doctor` to find the cause (daemon log: {self._home.log})"


class _Report:
    """What a starting daemon says on its standard error: its pid, then why it fails, if it does.

    It ends when the daemon is ready, or is no more.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._text = b""
        self.ended = False

    @property
    def pid(self) -> int | None:
        first, complete, _ = self._text.partition(b"\n")
        return int(first) if complete else None

    def read(self, wait: float) -> None:
        if select.select([self._pipe], [], [], wait)[0]:
            data = os.read(self._pipe, 65536)
            self._text += data
            self.ended = not data

    @property
    def silent(self) -> bool:
        """It has not said more than its pid."""
        return not self._text.partition(b"\n")[2].strip()

    @property
    def found_another(self) -> bool:
        """By its own word: /proc/locks is told in pieces, and may leave out a lock that is held all along."""
        return SERVED.encode() in self._text

    def reason(self) -> tuple[str, str]:
        """Why it did not start, and what to do. Of a traceback the last line is the reason."""
        lines = [line for line in self._text.decode("utf-8", "replace").splitlines()[1:] if line.strip()]
        hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        said = errors or [line for line in lines if not line.startswith("hint: ")][-1:]
        what = f"daemon did not start: {said[0]}" if said else "daemon did not start and gave no reason"
        return what, hints[0] if hints else ""

    def close(self) -> None:
        os.close(self._pipe)


def spawn(command: Sequence[str]) -> int:
    """Start a process that is nobody's child. Returns the end of its standard error that we read.

    The first line there is its pid. Forked twice, so that it is never a zombie of ours however long we
    live, and by hand, so that a command that finds the daemon does not pay for `subprocess`.
    """
    reading, writing = os.pipe()
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_RUN}
    if home := environment.get("LOCALD_HOME"):
        environment["LOCALD_HOME"] = os.path.abspath(home)  # it will stand elsewhere
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _become(command, environment, writing)
        finally:
            os._exit(127)
    os.close(writing)
    os.waitpid(child, 0)
    return reading


def _become(command: Sequence[str], environment: dict[str, str], errors: int) -> None:
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for target, source in ((0, nothing), (1, nothing), (2, errors)):
        os.dup2(source, target)
        os.set_inheritable(target, True)  # dup2 leaves it alone when both are the same
    os.closerange(3, MOST_FILES)  # what the caller's shell had open
    os.write(2, b"%d\n" % os.getpid())
    try:
        os.execve(command[0], list(command), environment)
    except OSError as error:
        os.write(2, f"error: {command[0]}: {error.strerror}\n".encode())


def holder_of(lock: str) -> int | None:
    """The pid of who holds an flock on this file, or None.

    Read from /proc/locks (proc_pid_locks(5)): to try the lock ourselves could make a daemon that starts
    at this very moment believe that another one runs. A file is named there by its inode number, which files
    of other file systems may have too, and by a device, which is not always the one that stat(2) tells: so
    the process named has to have it open.
    """
    try:
        file = os.stat(lock)
        with open(LOCKS, encoding="ascii") as locks:
            for fields in map(str.split, locks):
                is_alike = fields[1] == "FLOCK" and fields[5].endswith(f":{file.st_ino}")
                if is_alike and _has_open(int(fields[4]), file):
                    return int(fields[4])
    except (OSError, IndexError, ValueError):
        pass
    return None


def _has_open(pid: int, file: os.stat_result) -> bool:
    """Whether the process has this file open; not so of what is not ours to look into."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(_is_same(f"{folder}/{name}", file) for name in names)


def _is_same(path: str, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), file)
    except OSError:  # it was closed a moment ago
        return False


def await_end(home: Home, wait: float) -> None:
    """Wait until the daemon that serves this home has ended, for `wait` seconds at most."""
    if pid := holder_of(home.lock):
        wait_gone(pid, wait)


def outlive(pid: int) -> None:
    """Wait until the daemon with this pid, which was told to end, has. Unreachable when it hangs."""
    patience = Patience()
    while not wait_gone(pid, 0.2):
        if not patience.holds(pid):
            what = f"daemon (pid {pid}) is still running, no progress within {STALLED:g}s"
            raise Unreachable(what, f"run `kill -9 {pid}` to kill it")


def wait_gone(pid: int, wait: float) -> bool:
    """Whether the process `pid` ended within `wait` seconds. It need not be our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], wait)[0])
    finally:
        os.close(handle)
