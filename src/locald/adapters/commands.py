"""Runs a check's command by `sh -c`, and ends what it leaves behind.

The command gets a session of its own, no input, and one pipe for what it prints, of which only the end is
kept. Its exit is news from a pidfd. Then its process group is ended, while the zombie still keeps the
number from going to anybody else; what made itself a daemon on purpose goes on. But at the timeout, or
when nobody wants to know any more, everything that came of it is ended, wherever it went: its descendants,
its session, and orphans of other sessions, which carry a variable with a random value in their
environment. All are stopped first and killed then, so that none can fork in between or lose the
parent by which we know it.

Starting goes through posix_spawn, which shares the memory until the new program is there: it takes a
millisecond however large we are. The search for descendants goes through all of `/proc`, in a thread.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT = 4096
"""bytes of output, the last ones"""
TOKEN = "LOCALD_CHECK"
ROUNDS = 20
ROUND = 0.01
"""seconds between two searches for remaining processes"""
DYING = 1.0
"""seconds to wait for a killed command; one that is stuck in the kernel is reaped whenever it ends"""

_SHELL = "/bin/sh"
_IN_PLACE = f'umask "$3" && cd "$1" && exec {_SHELL} -c "$2"'
"""posix_spawn can change neither the folder nor the umask"""


class Ended(NamedTuple):
    """`code` is None after a timeout, and negative (minus the signal's number) after a signal."""

    code: int | None
    output: str
    """the end of what was printed"""


async def run(command: str, cwd: str, env: Mapping[str, str], timeout: float, umask: int = 0o022) -> Ended:
    """Run it to its end, or for `timeout` seconds. Raises OSError or ValueError when it cannot be started."""
    child = _Child(command, cwd, env, umask)
    code: int | None = None
    try:
        async with asyncio.timeout(timeout):
            code = await asyncio.shield(child.ended)
    except TimeoutError:
        pass
    finally:
        await child.end()
    return Ended(code, child.output)


class _Child:
    """The running command. Its maker awaits `end`."""

    def __init__(self, command: str, cwd: str, env: Mapping[str, str], umask: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._token = secrets.token_hex(16)
        self._printed = b""
        self._pipe, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        try:
            self._pid = _spawn(command, cwd, {**env, TOKEN: self._token}, umask, writing)
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(writing)
        self._pidfd = os.pidfd_open(self._pid)
        self._start = procfs.start_time(self._pid)
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(self._pipe, self._read)
        self._loop.add_reader(self._pidfd, self._reap)

    @property
    def output(self) -> str:
        return self._printed.decode("utf-8", "replace")

    async def end(self) -> None:
        """End whatever is left of it."""
        try:
            if not self.ended.done():
                await self._kill()
                await asyncio.wait([self.ended], timeout=DYING)
        finally:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    async def _kill(self) -> None:
        try:
            await asyncio.to_thread(_kill_all, self._pid, self._start, self._token)
        except OSError:  # no descriptor is left to look for what has left its group
            _end_group(self._pid)

    def _read(self) -> bool:
        """Take a piece of output, a piece at a time so that nobody else has to wait. False: there is none."""
        try:
            data = os.read(self._pipe, 65536)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._pipe)
        self._printed = (self._printed + data)[-KEPT:]
        return bool(data)

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        _end_group(self._pid)
        _, status = os.waitpid(self._pid, 0)  # it has ended: this does not wait
        for _ in range(16):  # what a pipe holds at most
            if self._pipe < 0 or not self._read():
                break
        if not self.ended.done():
            self.ended.set_result(os.waitstatus_to_exitcode(status))


def _spawn(command: str, cwd: str, env: Mapping[str, str], umask: int, output: int) -> int:
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
    ]
    return os.posix_spawn(
        _SHELL,
        ["sh", "-c", _IN_PLACE, "sh", cwd, command, f"{umask:04o}"],
        env,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass  # nobody is left but the zombie, or it is another user's


# Ending all of it. In a thread.


def _kill_all(root: int, start: int | None, token: str) -> None:
    for _ in range(ROUNDS):
        stopped = _stop_all(root, start, token)
        for pidfd in stopped.values():
            _signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        if not stopped:
            return
        time.sleep(ROUND)


def _stop_all(root: int, start: int | None, token: str) -> dict[int, int]:
    """Stop all that came of `root`, until nobody new turns up; their pidfds."""
    stopped: dict[int, int] = {}
    for _ in range(ROUNDS):
        new = [each for each in _offspring(root, start, token) if each.pid not in stopped]
        for each in new:
            if (pidfd := _open(each)) is not None:
                stopped[each.pid] = pidfd
                _signal(pidfd, signal.SIGSTOP)
        if not new:
            break
    return stopped


def _offspring(root: int, start: int | None, token: str) -> list[procfs.Stat]:
    """All that are alive and came of `root`, itself included while the number is still its own."""
    found = {each.pid: each for each in map(procfs.stat, procfs.all_pids()) if each is not None}
    roots = {root} if root in found and found[root].start == start else set()
    related = roots | procfs.family({each.pid: each.ppid for each in found.values()}, roots)
    return [
        each
        for each in found.values()
        if each.alive
        and (each.pid in related or each.session == root or procfs.has_variable(each.pid, TOKEN, token))
    ]


def _open(process: procfs.Stat) -> int | None:
    """Its pidfd, unless it has ended and the number may be another's by now."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:
        return None
    if procfs.start_time(process.pid) == process.start:
        return pidfd
    os.close(pidfd)
    return None


def _signal(pidfd: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except OSError:
        pass  # it has ended, or it is another user's
