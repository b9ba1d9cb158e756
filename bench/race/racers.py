"""Who races: this locald, another build of it, dekit, and a driver of a few lines that only starts programs.

Each has a folder of its own and is asked for the same: to start services and wait until they are ready, to
say how they are, to stop them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Sequence

READY_WITHIN = 240
"""seconds until a racer gives up"""


@dataclass(frozen=True, slots=True)
class Raced:
    """A service. `notifies`: it sends READY=1; else it is ready when it runs."""

    name: str
    argv: tuple[str, ...]
    needs: tuple[str, ...] = ()
    notifies: bool = True
    keeps: str = "20MB"
    """how much of its output"""


class Racer:
    """`name`: of its column. `begin` is to be called before each `up`: its daemon runs, if it has one."""

    name = ""
    environment: dict[str, str]

    def write(self, services: Sequence[Raced]) -> None:
        """These are the services from now on."""
        raise NotImplementedError

    def begin(self) -> None:
        pass

    def up(self) -> None:
        """Until all are ready."""
        raise NotImplementedError

    def status(self) -> None:
        raise NotImplementedError

    def logs(self, service: str, *, last: int = 0, pattern: str = "") -> list[str]:
        """The command that prints these lines (all, without either)."""
        raise NotImplementedError

    def stop(self) -> None:
        """Until the services are gone, as far as it knows."""
        raise NotImplementedError

    def end(self) -> None:
        """Nothing of it runs."""

    def tools(self) -> list[int]:
        """Its own processes."""
        return []

    def close(self) -> None:
        pass


class Locald(Racer):
    """A build of locald: the checkout `root`, whose environment is made."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self._instance = Instance()
        self._has_begun = False
        self.environment = self._instance.environment
        self._command = (str(root / ".venv" / "bin" / "python"), "-I", "-m", "locald")
        if not Path(self._command[0]).exists():
            raise SystemExit(f"error: {root} has no environment\nhint: {root}/locald --version")

    def _run(self, *arguments: str) -> str:
        return _run([*self._command, "-C", str(self._instance.folder), *arguments], self.environment)

    def write(self, services: Sequence[Raced]) -> None:
        self._instance.project({each.name: self._table(each) for each in services})

    def _table(self, each: Raced) -> dict[str, object]:
        table: dict[str, object] = {"command": list(each.argv), "log_size": each.keeps}
        if each.needs:
            table["depends_on"] = list(each.needs)
        return table if each.notifies else table | {"type": "worker"}

    def begin(self) -> None:
        """It has started something already, of another project: its keeper runs, and it has imported what
        that takes."""
        self._run("server", "start")
        if not self._has_begun:
            self._has_begun = True
            folder = self._instance.folder / "first"
            folder.mkdir(exist_ok=True)
            folder.joinpath("locald.toml").write_text(
                '[project]\nname = "first"\n[services.first]\ntype = "task"\ncommand = "true"\n'
            )
            for what in ("up", "down"):
                _run([*self._command, "-C", str(folder), what], self.environment)

    def up(self) -> None:
        self._run("up")

    def status(self) -> None:
        self._run("status")

    def logs(self, service: str, *, last: int = 0, pattern: str = "") -> list[str]:
        which = ["--grep", pattern] if pattern else []
        number = str(last or 10_000_000)
        command = [*self._command, "-C", str(self._instance.folder)]
        return [*command, "logs", service, "-n", number, *which]

    def stop(self) -> None:
        self._run("down")

    def end(self) -> None:
        self._run("server", "stop")
        self._has_begun = False

    def tools(self) -> list[int]:
        return [*self._instance.keepers, self._daemon()]

    def _daemon(self) -> int:
        return int(json.loads(self._run("status", "--json", "--all"))["daemon"]["pid"])

    def close(self) -> None:
        self._instance.__exit__()


class Before(Locald):
    """An earlier build of locald, or another one."""


class Dekit(Racer):
    """dekit as its own help says: `ready: {sd_notify: true}`, output also in files."""

    name = "dekit"

    def __init__(self, program: Path) -> None:
        self._program = str(program)
        self._folder = Path(tempfile.mkdtemp(prefix="ldd"))
        self.environment = dict(os.environ)
        for name in ("RUNTIME_DIR", "STATE_HOME", "CONFIG_HOME", "DATA_HOME", "CACHE_HOME"):
            self.environment[f"XDG_{name}"] = str(self._folder / name)
            (self._folder / name).mkdir(mode=0o700)
        self._logs = self._folder / "output"

    def _run(self, *arguments: str) -> str:
        return _run([self._program, "-C", str(self._folder), *arguments], self.environment)

    def write(self, services: Sequence[Raced]) -> None:
        tasks = {each.name: self._task(each) for each in services}
        self._folder.joinpath("dekit.yaml").write_text(json.dumps({"tasks": tasks}))  # which is YAML

    def _task(self, each: Raced) -> dict[str, object]:
        return {
            "cmd": list(each.argv),
            "deps": list(each.needs),
            "autostart": True,
            "log": str(self._logs),
        } | ({"ready": {"sd_notify": True}} if each.notifies else {})

    def begin(self) -> None:
        self._run("runner", "start")

    def up(self) -> None:
        self._run("up", "--wait")

    def status(self) -> None:
        self._run("ls")

    def logs(self, service: str, *, last: int = 0, pattern: str = "") -> list[str]:
        return _of_file(self._logs / f"{service}.log", last, pattern)

    def stop(self) -> None:
        """Its `stop` does not wait for the ends; that of its runner does."""
        self._run("runner", "stop")

    def end(self) -> None:
        with contextlib.suppress(SystemExit):
            self._run("runner", "stop")

    def tools(self) -> list[int]:
        return [int(json.loads(self._run("runner", "status", "--json"))["pid"])]

    def close(self) -> None:
        self.end()
        shutil.rmtree(self._folder, ignore_errors=True)


class Bare(Racer):
    """The least that can be had: programs started one after the other, each with a notify socket and a file
    for its output. Its status is a Python that does nothing."""

    name = "bare"

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ldn"))
        self.environment = dict(os.environ)
        self._services: Sequence[Raced] = ()
        self._running: list[subprocess.Popen[bytes]] = []

    def write(self, services: Sequence[Raced]) -> None:
        self._services = services

    def up(self) -> None:
        ready: dict[str, socket.socket] = {}
        for each in self._services:  # a dependency is always named before
            for need in each.needs:
                ready[need].recv(100)
            listener = ready[each.name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            listener.settimeout(READY_WITHIN)
            path = self._folder / each.name
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            environment = os.environ | {"NOTIFY_SOCKET": str(path)}
            with open(self._folder / f"{each.name}.log", "wb") as output:
                self._running.append(subprocess.Popen(each.argv, env=environment, stdout=output))
        ready[self._services[-1].name].recv(100)
        for listener in ready.values():
            listener.close()

    def status(self) -> None:
        _run([sys.executable, "-I", "-S", "-c", "pass"], dict(os.environ))

    def logs(self, service: str, *, last: int = 0, pattern: str = "") -> list[str]:
        return _of_file(self._folder / f"{service}.log", last, pattern)

    def stop(self) -> None:
        for process in self._running:
            process.terminate()
            process.wait()
        self._running = []

    end = stop

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _of_file(file: Path, last: int, pattern: str) -> list[str]:
    if pattern:
        return ["grep", pattern, str(file)]
    return ["tail", "-n", str(last), str(file)] if last else ["cat", str(file)]


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=READY_WITHIN
    )
    if done.returncode:
        raise SystemExit(f"`{' '.join(command)}` exited {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """Seconds of a command whose output goes into a pipe that is read, and the output."""
    began = time.perf_counter()
    output = _run(command, environment)
    return time.perf_counter() - began, output
