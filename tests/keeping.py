"""A real keeper, and a daemon's side of the conversation with it.

A `House` is a folder in which there is a keeper when one is needed; `Keeping` is one test's use of it, and
ends what the test left; `Daemon` sends requests and waits for events; `Gate` is a named pipe with which a
service and its test wait for each other.
"""

from __future__ import annotations

import errno
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from locald.capture import frames
from locald.keeper import launch
from locald.linux import procfs, tree

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

Event = dict[str, Any]
once = pytest.mark.parametrize("kind", ["reaper"], indirect=True)
"""For promises that have nothing to do with how a run's processes are held together."""
grouped = pytest.mark.parametrize("kind", ["cgroup"], indirect=True)
"""For promises that can only be kept by a cgroup."""
own_house = pytest.mark.usefixtures("house")
"""For promises that are about a keeper's beginning or its size."""
PATIENCE = 20.0
"""seconds: far beyond what anything here takes, also on a busy machine"""
NOTIFY = "import os,socket,sys;s=socket.socket(1,2);s.connect(os.environ['NOTIFY_SOCKET']);s.send({})"
ENV = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}


def remove(folder: str | Path) -> None:
    """All of a keeper's folder, however much of it the keeper makes anew meanwhile."""
    while True:
        try:
            return shutil.rmtree(folder)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def notify(text: str) -> list[str]:
    """A program that sends this to its notify socket and ends."""
    return python(NOTIFY.format(repr(text.encode())))


def sh(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def wait_dead(pids: Iterable[int]) -> None:
    """Return when all have ended; zombies count as ended."""
    for pid in pids:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ready, _, _ = select.select([pidfd], [], [], PATIENCE)
        os.close(pidfd)
        assert ready, f"pid {pid} is still there"


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """For what nobody tells."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.01)


def files_of(pid: int) -> list[str]:
    """What its descriptors are, in order. A keeper closes and opens some at any moment, for it reads what
    processes are and hears who connects."""
    found = []
    with suppress(FileNotFoundError):
        for number in sorted(map(int, os.listdir(f"/proc/{pid}/fd"))):
            with suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    return found


def wait_files(pid: int, most: int) -> None:
    """Return when it has no more than this open."""
    wait_until(lambda: len(files_of(pid)) <= most, f"more than {most} files stay open")


class Gate:
    """A named pipe: a service writes its pid or a word into it and the test reads, or the other way round."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._file = os.open(path, os.O_RDWR)

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> str:
        """The next line that somebody writes."""
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._file], [], [], PATIENCE)
            assert ready, f"nobody wrote to {self.path.name}"
            line += os.read(self._file, 1)
        return line.decode().strip()

    def write(self, line: str = "") -> None:
        os.write(self._file, f"{line}\n".encode())

    def close(self) -> None:
        os.close(self._file)


class Daemon:
    """A connection to the keeper. Each wait takes one event out and leaves the others where they are."""

    def __init__(self, run: str, logs: Path) -> None:
        self.socket = launch.connect(run)
        self.socket.settimeout(PATIENCE)
        self.logs = logs
        self.events: list[Event] = []
        self._taken: set[int] = set()
        self._rest = b""

    def hello(self) -> Event:
        self.send(do="hello", protocol=1)
        return self.wait("hello")

    def send(self, **request: object) -> None:
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def spawn(self, run: str, argv: list[str], **changed: object) -> None:
        order: dict[str, object] = {
            "run": run,
            "argv": argv,
            "cwd": "/",
            "env": ENV,
            "umask": 0o022,
            "limits": {},
            "tty": True,
            "watchdog_usec": None,
            "logs": str(self.logs),
            "log_size": 50_000_000,
        }
        self.send(do="spawn", **(order | changed))

    def start(self, run: str, argv: list[str], **changed: object) -> Event:
        """Spawn and wait until the program was executed."""
        self.spawn(run, argv, **changed)
        return self.wait("spawned", run)

    def wait(self, kind: str, run: str | None = None, **facts: object) -> Event:
        """The first event with these facts that was not taken yet, already here or still to come."""
        return self.wait_for(
            lambda event: (
                event["event"] == kind
                and (run is None or event.get("run") == run)
                and all(event.get(name) == value for name, value in facts.items())
            ),
            f"{kind} {run or ''} {facts or ''}",
        )

    def wait_for(self, wanted: Callable[[Event], bool], what: str) -> Event:
        until = time.monotonic() + PATIENCE
        seen = 0
        while True:
            for place in range(seen, len(self.events)):
                if place not in self._taken and wanted(self.events[place]):
                    self._taken.add(place)
                    return self.events[place]
            seen = len(self.events)
            assert time.monotonic() < until, f"no {what} among {self.events}"
            self._receive(what)

    def _receive(self, what: str) -> None:
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise AssertionError(f"no {what} among {self.events}") from None
        if not data:
            raise ConnectionAbortedError(f"the keeper closed the connection before {what}")
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.events += map(json.loads, lines)

    def fence(self) -> None:
        """Return when all that was asked for before has been carried out."""
        self.send(do="tail", run="nobody#1", on=True)
        self.wait("error", "nobody#1")

    def of(self, run: str) -> list[str]:
        """The kinds of all events of this run so far, in order."""
        return [event["event"] for event in self.events if event.get("run") == run]

    def until_closed(self) -> None:
        """Return when the keeper has closed this connection."""
        while True:
            try:
                if not self.socket.recv(65536):
                    return
            except ConnectionResetError:
                return

    def close(self) -> None:
        self.socket.close()

    # What the captures hold.

    def frames(self, run_number: int = 1) -> list[tuple[float, int, bytes]]:
        found = []
        for path in sorted(self.logs.glob(f"{run_number:08d}-*.cap")):
            found += [(at, stream, data) for at, stream, data, _ in frames.decode(path.read_bytes())]
        return found

    def printed(self, stream: int = 0, run_number: int = 1) -> bytes:
        return b"".join(data for _, number, data in self.frames(run_number) if number == stream)


class House:
    """The folder of one keeper after another. Tests share it: a keeper serves many runs in its life."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="ld"))
        self.run = str(self.home / "run")
        self.log = self.home / "logs" / "keeper.log"

    def start(self) -> None:
        launch.start(self.run, str(self.log))

    def logged(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def close(self) -> None:
        """End the keeper, which holds nothing any more."""
        try:
            daemon = Daemon(self.run, self.home)
        except OSError:
            pass
        else:
            pid = daemon.hello()["pid"]
            daemon.send(do="quit")
            daemon.until_closed()
            daemon.close()
            wait_dead([pid])
        shutil.rmtree(self.home, ignore_errors=True)


class Keeping:
    """What one test does with a keeper. `home`: the test's own folder; `pid`: of the present keeper."""

    def __init__(self, house: House) -> None:
        self.run = house.run
        self.log = house.log
        self.pid = 0
        self.home = Path(tempfile.mkdtemp(prefix="ld"))
        self._house = house
        self._complaints = len(house.logged())
        self._daemons: list[Daemon] = []
        self._gates: list[Gate] = []

    def start(self) -> None:
        self._house.start()

    def daemon(self) -> Daemon:
        """A daemon that has said hello and heard the replay."""
        while True:
            self.start()
            try:
                return self._daemon()
            except (ConnectionError, FileNotFoundError):  # the keeper was idle, and just ending
                pass

    def _daemon(self) -> Daemon:
        daemon = Daemon(self.run, self.home / "logs" / "shop" / "web")
        self._daemons.append(daemon)
        self.pid = daemon.hello()["pid"]
        daemon.wait("replayed")
        return daemon

    def gate(self, name: str) -> Gate:
        gate = Gate(self.home / name)
        self._gates.append(gate)
        return gate

    def kill(self) -> None:
        """As an out-of-memory killer would."""
        os.kill(self.pid, signal.SIGKILL)
        wait_dead([self.pid])

    def close(self) -> None:
        """End all that the test left; then nothing may be complained about."""
        for gate in self._gates:
            gate.close()
        for daemon in self._daemons:
            daemon.close()
        try:
            self._end_runs()
        finally:
            log = self._house.logged()[self._complaints :]
            shutil.rmtree(self.home, ignore_errors=True)
        assert "Traceback" not in log, log

    def _end_runs(self) -> None:
        try:
            daemon = self._daemon()
        except OSError:  # there is no keeper any more
            return
        for run in {event["run"] for event in daemon.events if "run" in event}:
            daemon.send(do="kill", run=run)
            daemon.wait_for(lambda event, run=run: _is_end(event, run), f"end of {run}")  # type: ignore[misc]
            daemon.send(do="forget", run=run)
        daemon.fence()
        daemon.close()


def _is_end(event: Event, run: str) -> bool:
    return event.get("run") == run and event["event"] in ("gone", "refused")


def tree_of(spawned: Event) -> tree.Tree:
    return tree.from_description(spawned["tree"])


def sockets_in(folder: str) -> list[str]:
    return os.listdir(os.path.join(folder, "n"))


def children_of(pid: int) -> list[int]:
    """Those of a keeper, without the three that it has for itself."""
    own = (is_zygote, is_closer, is_spare)
    return [child for child in procfs.children(pid) or [] if not any(is_it(child) for is_it in own)]


def is_spare(pid: int) -> bool:
    """Or a process that has been forked this moment and may become one."""
    return procfs.read(f"/proc/{pid}/comm") in (b"locald-spare\n", b"locald-keeper\n")


def is_zygote(pid: int) -> bool:
    return procfs.read(f"/proc/{pid}/comm") == b"locald-zygote\n"


def is_closer(pid: int) -> bool:
    """It closes what services send along with their notifications, once there was such a thing."""
    return procfs.read(f"/proc/{pid}/comm") == b"locald-closer\n"


def connect_quietly(run: str) -> socket.socket:
    """A connection of somebody who says nothing."""
    return launch.connect(run)
