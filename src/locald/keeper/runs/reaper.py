"""A subreaper of one run's own, for machines where a run can have no cgroup.

An orphan becomes the child of the nearest subreaper above it, whatever it did to its session and
environment. So a process that does nothing but be the subreaper of one run holds the run's tree together:
the tree is what descends from it, and when it has no child left the tree is empty. It is forked, from the
zygote, and never becomes another program, so it shares most of its memory.

It tells the keeper of each child that ended (before it reaps it, so that the status is never lost), ends
when there is none, and when the keeper's end of the socket closes, for the keeper died, it kills the tree.
Nothing is ever sent to it.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import struct

from locald.keeper.runs import spawn
from locald.keeper.runs.children import next_zombie
from locald.linux import prctl
from locald.linux.tree import Family

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

ENDED = struct.Struct("ii")
"""(pid, wait status) of a child that has ended."""

_BETWEEN_KILLS = 20  # milliseconds


def in_reaper(
    files: tuple[int, ...], lead: Callable[[], NoReturn], control: int, report: int, most_files: int
) -> NoReturn:
    """What the forked process does, signals still blocked. Does not return.

    `lead`: what the leader does; `files` are for it alone, and so is `report`, which is one of them.
    """
    try:
        gc.disable()
        os.setsid()
        prctl.become_subreaper()
        prctl.set_name(b"locald-reaper")
        spawn.close_others([control, *files], most_files)
        if os.fork() == 0:
            lead()
    except BaseException as error:
        spawn.tell(report, "resources", error)
        os._exit(0)
    try:
        for file in files:
            os.close(file)
        _serve(control)
        os._exit(0)
    finally:
        os._exit(1)


def _serve(control: int) -> None:
    news = _hear_of_children()
    poll = select.poll()
    poll.register(news, select.POLLIN)
    poll.register(control, select.POLLIN)
    keeper_lives = True
    while not _reap(control):
        ready = dict(poll.poll(None if keeper_lives else _BETWEEN_KILLS))
        if news in ready:
            os.read(news, 4096)
        if control in ready:
            poll.unregister(control)
            keeper_lives = False
        if not keeper_lives:
            Family(os.getpid()).kill()


def _hear_of_children() -> int:
    """A descriptor that is readable after a child ended (or after one of the signals that do nothing here:
    the keeper's handlers know which process is the keeper, and nothing but SIGKILL ends us from outside)."""
    news, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return news


def _reap(control: int) -> bool:
    """Report and reap all children that have ended; whether none is left."""
    while True:
        try:
            zombie = next_zombie()
        except ChildProcessError:
            return True
        if zombie is None:
            return False
        _report(control, *zombie)
        os.waitpid(zombie[0], 0)


def _report(control: int, pid: int, status: int) -> None:
    try:
        os.write(control, ENDED.pack(pid, status))
    except OSError:  # the keeper died: then nobody wants to know
        pass
