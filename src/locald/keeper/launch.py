"""For the daemon: make sure that a keeper is there, and connect to it.

A keeper holds a lock for as long as it lives, so of several that are started at once one stays and the
others say `busy`. It is started with nothing of ours: an empty environment, no descriptors, its own session,
the root folder, and it forks once more, so that nobody has to wait for it.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from locald.linux import ownership, procfs

if TYPE_CHECKING:
    import socket

_PATIENCE = 15.0
_PAUSE = 0.02
_KEPT = ("LD_LIBRARY_PATH", "LOCALD_TREE")
"""Variables that the keeper itself needs: some interpreters do not start without the first."""


class CannotStart(Exception):
    """No keeper could be started; the text is one sentence that says why."""


def start(run: str, log: str) -> None:
    """Return when a keeper accepts connections in the folder `run`; `log` is its log file.

    Blocks: about 0.1 s when one has to be started, more while it ends what a killed one left.
    Raises CannotStart.
    """
    until = time.monotonic() + _PATIENCE
    while not answers(run):
        if time.monotonic() > until:
            raise CannotStart(f"the keeper in {run} does not answer")
        said = begin(run, log).line(until)
        if said == "busy":  # it is starting, or ending: there is no news to wait for
            time.sleep(_PAUSE)
        elif said != "ready":
            raise CannotStart(said or f"the keeper exited without a message, see {log}")


def connect(run: str) -> socket.socket:
    """A connection to our own keeper in the folder `run`, blocking. Raises OSError when there is none.

    A keeper that is about to end may close it before it says hello: then `start` and connect again.
    """
    return ownership.connect(os.path.join(run, "keeper.sock"))


def answers(run: str) -> bool:
    """Whether there is a keeper in the folder `run`. Its daemon loses it: only the next daemon may ask.

    Raises CannotStart where somebody else's is.
    """
    try:
        connect(run).close()
    except ownership.ForeignOwner as foreign:
        raise CannotStart(f"{foreign.filename} {foreign.strerror}") from None
    except OSError:
        return False
    return True


def lives(run: str) -> bool:
    """Whether a process of ours was started as the keeper of this folder, wherever its socket is now."""
    return any(_keeps(procfs.cmdline(pid), run) and _is_ours(pid) for pid in procfs.all_pids())


def _keeps(command: list[str], run: str) -> bool:
    """It may be the keeper of another installation."""
    return run in command and any(each.endswith("/locald/keeper") for each in command)


def _is_ours(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except OSError:
        return False


class Begun:
    """A keeper that is starting. It forks when it has been imported, and this process ends."""

    def __init__(self, process: subprocess.Popen[bytes], listen: int) -> None:
        """`listen`: the end of a pipe through which its one line comes."""
        self._process, self._listen = process, listen

    def line(self, until: float | None = None) -> str:
        """Its one line, or "" when it ended without, or had none by then. To be asked for once."""
        try:
            return _line(self._listen, time.monotonic() + _PATIENCE if until is None else until)
        finally:
            os.close(self._listen)
            self._process.wait()


def begin(run: str, log: str) -> Begun:
    """Start one, without waiting for it. Raises CannotStart."""
    listen, tell = os.pipe()
    try:
        for folder in (run, os.path.dirname(log)):
            os.makedirs(folder, 0o700, exist_ok=True)
        return Begun(_popen(run, log, tell), listen)
    except OSError as error:
        os.close(listen)
        raise CannotStart(f"{error.filename}: {error.strerror}") from None
    finally:
        os.close(tell)


def _popen(run: str, log: str, tell: int) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-I", "-S", "-X", "utf8", os.path.dirname(os.path.abspath(__file__))]
    with open(log, "ab", opener=_private) as file:
        return subprocess.Popen(
            [*program, os.path.abspath(run), str(tell)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            pass_fds=(tell,),
            cwd="/",
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            start_new_session=True,
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _line(listen: int, until: float) -> str:
    said = b""
    poll = select.poll()
    poll.register(listen, select.POLLIN)
    while poll.poll(max(0.0, until - time.monotonic()) * 1000):
        part = os.read(listen, 4096)
        if not part:
            break
        said += part
    return said.decode("utf-8", "replace").strip()
