"""How a keeper comes to be: it leaves whoever started it behind, makes sure that it is the only one, ends
what an earlier keeper left, and listens.

Whoever started it reads one line from it: `ready`, `busy` (there is another one), or what went wrong.
Everything is imported before it listens, for it may run for months while the files it was started from
are replaced.
"""

from __future__ import annotations

import binascii
import fcntl
import gc
import os
import resource
import select
import signal
import sys

from locald.keeper.keeper import Keeper
from locald.keeper.leftovers import Table
from locald.linux import cgroup, prctl

MOST_FILES = 1 << 20
_LONGEST_LOG = 1 << 20


def main(folder: str, report: int) -> None:
    """`folder`: where sockets go; `report`: the descriptor to write the one line to."""
    if os.fork():
        os._exit(0)  # so that nobody has to wait for us
    try:
        keeper = _begin(folder, report)
    except OSError as error:
        _say(report, f"{error.filename or folder}: {error.strerror or error}")
        raise
    if keeper is None:
        _say(report, "busy")
        return
    _say(report, "ready")
    gc.collect()
    gc.freeze()  # what is there now stays: forked children share its memory for as long as it is not touched
    keeper.loop.run()
    keeper.close()


def _say(report: int, line: str) -> None:
    try:
        os.write(report, line.encode("utf-8", "replace") + b"\n")
    except OSError:  # nobody listens any more
        pass
    os.close(report)


def _begin(folder: str, report: int) -> Keeper | None:
    """None when another keeper is there. Raises OSError."""
    own_files, most_files = _prepare_process(report)
    for each in ("", "n", "runs"):
        os.makedirs(os.path.join(folder, each), 0o700, exist_ok=True)
    if not _lock(os.path.join(folder, "keeper.lock")):
        return None
    prctl.become_subreaper()
    table = Table(os.path.join(folder, "runs"))
    table.end_leftovers()
    _empty(os.path.join(folder, "n"))
    keeper = Keeper(folder, table, _groups(folder), own_files, most_files)
    _hear_signals(keeper)
    return keeper


def _prepare_process(report: int) -> tuple[tuple[int, int], int]:
    """Inherit nothing. Returns the limits of open files: those that we found, and our own now."""
    prctl.set_name(b"locald-keeper")
    os.chdir("/")
    os.umask(0o077)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(before[1], MOST_FILES) if before[1] != resource.RLIM_INFINITY else MOST_FILES
    os.closerange(3, report)
    os.closerange(report + 1, most)
    os.set_inheritable(report, False)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    if os.fstat(2).st_size > _LONGEST_LOG:
        os.ftruncate(2, 0)
    return before, most


def _lock(path: str) -> bool:
    """Taken for as long as this process lives; the descriptor is never closed."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    return True


def _empty(folder: str) -> None:
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


def _groups(folder: str) -> str | None:
    """LOCALD_TREE=reaper does without cgroups, to try that kind where both are possible."""
    if os.environ.get("LOCALD_TREE") == "reaper":
        return None
    return cgroup.usable(f"locald-{binascii.crc32(os.fsencode(folder)):08x}")


def _hear_signals(keeper: Keeper) -> None:
    """SIGCHLD wakes the loop. What asks us to end is heard only while nothing is held."""
    for number in set(range(1, signal.NSIG)) - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except OSError:  # two are the C library's own
            pass
    news, wake = os.pipe()
    os.set_blocking(news, False)
    os.set_blocking(wake, False)
    keeper.loop.watch(news, select.EPOLLIN, lambda: _woken(keeper, news))
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    ours = os.getpid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: keeper.leave_if_idle() if os.getpid() == ours else None)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _woken(keeper: Keeper, news: int) -> None:
    try:
        os.read(news, 4096)
    except BlockingIOError:
        pass
    keeper.reap()


def start(arguments: list[str]) -> None:
    """The program: `keeper FOLDER DESCRIPTOR`."""
    _, folder, report = arguments
    main(folder, int(report))
    sys.stderr.flush()
