"""A locald of a test's own: a home in /tmp, the real command line, the real daemon, real processes.

`Machine` runs commands as a person would and waits for what they promise; `Gate` lets a test decide when a
service goes on. Everything that a test started is ended by the fixture, also when the test failed.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locald.client.daemon import holder_of
from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 30.0
"""seconds: far beyond what anything here takes, also with the other core busy"""

Json = dict[str, Any]


class Machine:
    """One LOCALD_HOME and one project folder, with the commands that act on them."""

    def __init__(self, folder: Path) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="ld", dir="/tmp"))
        self.name = f"t{secrets.token_hex(4)}"
        """a project's name that no other test has, for those that share an engine"""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        kept = ("PATH", "HOME", "LANG", "LOCALD_TREE")
        self.env = {name: os.environ[name] for name in kept if name in os.environ}
        self.env["LOCALD_HOME"] = str(self.home)
        self.env["LOCALD_PROXY"] = "off"  # but for the tests of it: it takes half a second of a core
        self.python = [sys.executable]
        """what runs locald"""

    def write(self, services: str, *, name: str = "shop", folder: Path | None = None) -> None:
        """The project's file: `services` follows a `[project]` table."""
        (folder or self.folder).mkdir(parents=True, exist_ok=True)
        (folder or self.folder).joinpath("locald.toml").write_text(
            f'[project]\nname = "{name}"\n{services}\n'
        )

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def locald(
        self,
        *args: str,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        input: str | None = None,
        timeout: float = PATIENCE,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, without a terminal."""
        return subprocess.run(
            [*self.python, "-m", "locald", *args],
            cwd=cwd or self.folder,
            env={**self.env, **(env or {})},
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def begin(self, *args: str, env: dict[str, str] | None = None) -> Command:
        """Start a command and leave it running; the caller waits for it."""
        return Command(
            [*self.python, "-m", "locald", *args],
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def up(self, *args: str) -> Json:
        """`up --json` that has to succeed; the rows by service name."""
        done = self.locald("up", "--json", *args, timeout=PATIENCE if not args else 2 * PATIENCE)
        assert done.returncode == 0, done.stderr
        return by_name(json.loads(done.stdout))

    def status(self, *args: str) -> Json:
        """The rows of `status --json` by service name."""
        done = self.locald("status", "--json", *args)
        assert done.returncode == 0, done.stderr
        return by_name(json.loads(done.stdout))

    def why(self, service: str) -> Json:
        done = self.locald("why", service, "--json")
        assert done.returncode == 0, done.stderr
        found: Json = json.loads(done.stdout)
        return found

    def logs(self, *args: str) -> list[str]:
        """The lines of `logs --json`, oldest first."""
        done = self.locald("logs", "--json", *args)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["line"] for line in done.stdout.splitlines()]

    def printed(self, service: str, *options: str) -> list[str]:
        """What the service itself printed, without locald's own lines."""
        done = self.locald("logs", service, "--json", *options)
        assert done.returncode == 0, done.stderr
        lines = map(json.loads, done.stdout.splitlines())
        return [line["line"] for line in lines if line["stream"] != "locald"]

    def until(self, service: str, condition: Callable[[Json], object], patience: float = PATIENCE) -> Json:
        """Wait, by the event stream, until a service's row is as it should be; returns the row."""
        rows = self.until_all(lambda rows: service in rows and condition(rows[service]), patience)
        row: Json = rows[service]
        return row

    def until_all(self, condition: Callable[[Json], object], patience: float = PATIENCE) -> Json:
        """The same for all rows at once."""
        deadline = time.monotonic() + patience
        with Events(self.home / "run" / "locald.sock") as events:
            while True:
                if condition(events.rows):
                    return dict(events.rows)
                assert time.monotonic() < deadline, events.rows
                events.next(deadline - time.monotonic())

    def daemon_pid(self) -> int:
        done = self.locald("server", "status", "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return int(found.get("pid") or found["daemon"]["pid"])

    def kill_daemon(self) -> int:
        """SIGKILL, and wait until it is gone. Returns its pid."""
        pid = self.daemon_pid()
        kill(pid)
        return pid

    def lose_state(self) -> None:
        """Kill the daemon, and have the next one find nothing that tells what runs."""
        self.kill_daemon()
        (self.home / "state" / "state.json").write_bytes(b"\0noise")
        assert self.locald("server", "start").returncode == 0

    def keeper_pid(self) -> int:
        """The keeper of this home, which holds a lock for as long as it lives."""
        pid = holder_of(str(self.home / "run" / "keeper.lock"))
        assert pid, "there is no keeper"
        return pid

    def keeper_pids(self) -> list[int]:
        """All that has this home in its command line: the keeper and its like."""
        home = str(self.home)
        return [
            pid
            for pid in procfs.all_pids()
            if pid != os.getpid() and any(home in word for word in procfs.cmdline(pid)[1:])
        ]

    def close(self) -> None:
        """End everything of this home. Whatever happened in it, nobody should have met a traceback."""
        try:
            self.locald("server", "stop", timeout=60)
        except subprocess.TimeoutExpired:
            pass
        for pid in self.keeper_pids():
            kill(pid)
        logs = {log.name: log.read_text() for log in (self.home / "logs").glob("*.log*")}
        shutil.rmtree(self.home, ignore_errors=True)
        for name, text in logs.items():
            assert "Traceback" not in text, f"{name}:\n{text}"


class Command(subprocess.Popen[str]):
    """A command that runs: a `with` around it waits for its end, unless the test has failed meanwhile."""

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


class Events:
    """The daemon's event stream, read to the rows as they are now."""

    def __init__(self, socket: Path) -> None:
        import socket as sockets

        self._socket = sockets.socket(sockets.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(socket))
        self._socket.sendall(b"GET /v1/events HTTP/1.0\r\n\r\n")
        self._buffer = b""
        self.rows: Json = {}

    def __enter__(self) -> Events:
        try:
            self.next(PATIENCE)
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def next(self, patience: float) -> None:
        """Wait for one more event; heartbeats are none."""
        deadline = time.monotonic() + patience
        while True:
            event, found, rest = self._buffer.partition(b"\n\n")
            if found:
                self._buffer = rest
                data = [line[6:] for line in event.splitlines() if line.startswith(b"data: ")]
                if data:
                    self._take(json.loads(b"".join(data)))
                    return
                continue
            left = max(deadline - time.monotonic(), 0.0)
            ready, _, _ = select.select([self._socket], [], [], left)
            assert ready, f"no news within {patience:.1f} s; rows: {self.rows}"
            more = self._socket.recv(1 << 20)
            assert more, f"the daemon has gone; rows: {self.rows}"
            self._buffer += more

    def _take(self, news: Json) -> None:
        if "daemon" in news:
            self.rows.clear()
        self.rows.update({row["name"]: row for row in news["services"]})
        for gone in news.get("removed", []):
            self.rows.pop(gone["name"], None)


class Gate:
    """A named pipe: a service that reads it goes on when the test opens it. Use `gate.wait` in sh."""

    def __init__(self, folder: Path, name: str = "gate") -> None:
        self.path = folder / name
        os.mkfifo(self.path)

    @property
    def wait(self) -> str:
        """A shell command that ends when the gate is opened."""
        return f"read _ < {self.path}"

    def open(self) -> None:
        """Let whoever waits go on; waits for it to come, if nobody does yet."""
        with self.path.open("w") as pipe:
            pipe.write("\n")


def free_port() -> int:
    """A port that nobody has, outside of what locald assigns and of what the kernel gives to connections."""
    for port in range(31000 + os.getpid() % 500, 32000):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")


def by_name(document: Json) -> Json:
    return {row["name"]: row for row in document["services"]}


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process that the test (or its locald) started, and wait until it has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, number)
        assert select.select([handle], [], [], PATIENCE)[0], f"pid {pid} did not end"
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def is_alive(pid: int) -> bool:
    return procfs.alive(pid)


def wait_for(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """For what the system offers no news of (a file that appears, say): look often, fail late."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        time.sleep(0.01)
