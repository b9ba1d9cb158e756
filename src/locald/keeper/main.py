"""How a keeper comes to be: it detaches from its starter, makes sure that it is the only one, ends
what an earlier keeper left, and listens.

Its starter reads one line from it: `ready`, `busy` (there is another one), or what went wrong.
Everything is imported before it listens, for it may run for months while the files it was started from
are replaced.
"""

from __future__ import annotations

import binascii
import gc
import os
import resource
import select
import signal
import sys

from locald.keeper.keeper import Keeper
from locald.keeper.log import report
from locald.keeper.place import Place
from locald.keeper.runs.leftovers import KEEPER, Table
from locald.linux import cgroup, prctl

MOST_FILES = 1 << 20
_LONGEST_LOG = 1 << 20


def main(folder: str, report: int) -> None:
    """`folder`: where sockets go; `report`: the descriptor to write the one line to."""
    starter = os.getppid()
    try:
        first = os.fork()
    except OSError as error:
        return _give_up(report, error.strerror or str(error))
    if first:
        os._exit(0)  # so that nobody has to wait for us
    try:
        keeper = _begin(folder, report)
        if (handle := _opened(starter, report)) is not None:
            keeper.expect(handle)
    except BlockingIOError:
        _say(report, "busy")
        return
    except OSError as error:
        return _give_up(report, f"{error.filename or folder}: {error.strerror or error}")
    _say(report, "ready")
    gc.collect()
    gc.freeze()  # what is there now stays: forked children share its memory for as long as it is not touched
    keeper.prepare()
    keeper.loop.run()
    keeper.close()


def _give_up(report: int, why: str) -> None:
    _say(report, why)
    sys.stderr.write(f"the keeper cannot begin: {why}\n")


def _opened(starter: int, report: int) -> int | None:
    """A pidfd of who started us. None when it has ended: as long as somebody holds the other end of `report`
    it has not, so the pid cannot be another's."""
    poll = select.poll()
    poll.register(report, 0)
    try:
        handle = os.pidfd_open(starter)
    except OSError:
        return None
    if not poll.poll(0):
        return handle
    os.close(handle)
    return None


def _say(report: int, line: str) -> None:
    try:
        os.write(report, line.encode("utf-8", "replace") + b"\n")
    except OSError:  # nobody listens any more
        pass
    os.close(report)


def _begin(folder: str, report: int) -> Keeper:
    """Raises BlockingIOError when another keeper is there, OSError when it cannot be."""
    own_files, most_files = _prepare_process(report)
    place = Place(folder)
    place.take()
    prctl.become_subreaper()
    table = Table(place.notes)
    table.end_leftovers()
    if not place.has_notes:  # they may have been lost
        table.end_unrecorded(place.sockets)
    _empty(place.sockets)
    keeper = Keeper(place, table, _groups(folder), own_files, most_files)
    _hear_signals(keeper)
    return keeper


def _prepare_process(report: int) -> tuple[tuple[int, int], int]:
    """Inherit nothing. Returns the limits of open files: those that we found, and our own now."""
    prctl.set_name(KEEPER.encode("ascii"))
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


def _empty(folder: str) -> None:
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


def _groups(folder: str) -> str | None:
    """LOCALD_TREE=reaper does without cgroups, to try that kind where both are possible."""
    if os.environ.get("LOCALD_TREE") == "reaper":
        return None
    cgroup.sweep(is_group)
    groups = cgroup.usable(f"locald-{binascii.crc32(os.fsencode(folder)):08x}")
    if groups is not None:
        _claim(groups)
    return groups


def is_group(name: str) -> bool:
    """Whether a keeper names its cgroup so."""
    kind, _, number = name.partition("-")
    return kind == "locald" and len(number) == 8 and set(number) <= set("0123456789abcdef")


def _claim(groups: str) -> None:
    """For as long as this process lives: the descriptor is never closed."""
    try:
        cgroup.claim(groups)
    except OSError as error:  # then it may be removed while it is empty, and is made again
        report(f"{groups}: {error.strerror}")


def _hear_signals(keeper: Keeper) -> None:
    """SIGCHLD wakes the loop. Requests to end are read only while nothing is held."""
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
    keeper.children.reap()


def start(arguments: list[str]) -> None:
    """The program: `keeper FOLDER DESCRIPTOR`."""
    _, folder, report = arguments
    main(folder, int(report))
    sys.stderr.flush()
