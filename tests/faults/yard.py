"""One locald with its two projects, and all ways to look at it: what the rounds of a campaign act on."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

from faults import sight
from faults.clock import SettableClock
from faults.fleet import LOCAL, PROJECT_OF, PROJECTS, file_of
from whole.machine import Command, Machine, kill

if TYPE_CHECKING:
    from pathlib import Path

    from engine.session import PrivateDocker
    from faults.sight import Happened, Process, Rows, Size
    from faults.wishes import Wishes

ANSWER_WITHIN = 5.0
LONGEST_COMMAND = 60.0
"""seconds: one that takes longer has not been answered"""
OURS = "locald.project=dock"
LINES = 8000
"""of a project's logs that are read at once"""


class Yard:
    """`base`: an empty folder. `tree`: how trees are held, as LOCALD_TREE has it. `engine`: for
    containers."""

    def __init__(self, base: Path, tree: str = "", engine: PrivateDocker | None = None) -> None:
        self.token = secrets.token_hex(8)
        self.board = base / "board"
        (self.board / "marks").mkdir(parents=True)
        (self.board / "journal").touch()
        self.projects = LOCAL if engine is None else tuple(PROJECTS)
        self.folders = {project: base / project for project in self.projects}
        self.machine = Machine(self.folders["shop"])
        self.machine.env["LOCALD_TREE"] = tree
        self.clock = SettableClock(self.board)
        self.machine.env |= self.clock.env
        self.engine = engine
        if engine:
            self.machine.env["DOCKER_HOST"] = engine.host
        self.outputs: dict[str, str] = {}
        """what commands have said since it was last asked"""
        self._read: dict[str, tuple[int, int]] = {}

    @property
    def home(self) -> Path:
        return self.machine.home

    def write(self, project: str, wishes: Wishes) -> None:
        folder = self.folders[project]
        folder.mkdir(exist_ok=True)
        text = file_of(project, self.token, self.board, wishes.edits, wishes.left_out)
        (folder / "locald.toml").write_text(text)

    # Commands.

    def begin(self, project: str, *words: str) -> Command:
        self.machine.folder = self.folders[project]
        self.machine.folder.mkdir(exist_ok=True)
        return self.machine.begin(*words)

    def finish(self, command: Command, name: str) -> int | None:
        """Its exit code; None when it had to be killed because it did not end. What it said is kept."""
        try:
            out, err = command.communicate(timeout=LONGEST_COMMAND)
            code: int | None = command.returncode
        except subprocess.TimeoutExpired:
            command.kill()
            out, err = command.communicate()
            code = None
        self.outputs[f"{len(self.outputs)}: {name}"] = f"{out}\n{err}"
        return code

    def run(self, project: str, *words: str) -> tuple[int | None, str]:
        """A command to its end: its exit code, and what it printed."""
        name = f"locald {' '.join(words)}"
        code = self.finish(self.begin(project, *words), name)
        return code, self.outputs[f"{len(self.outputs) - 1}: {name}"]

    # Looks.

    def processes(self) -> tuple[Process, ...]:
        return sight.processes(self.token)

    def status(self) -> tuple[Rows, str] | None:
        """The rows of all projects, and why the state is not saved, empty when it is; asked over the socket.
        None when nobody answers."""
        try:
            document = _ask(self.home / "run" / "locald.sock")
        except (OSError, ValueError):
            return None
        told = document["daemon"].get("trouble", "")
        rows = {row["name"]: row for row in document["services"]}
        return rows, told if "cannot be saved" in told else ""

    def dashboard(self) -> str:
        try:
            return (self.home / "state" / "dashboard.json").read_text()
        except OSError:
            return ""

    def journal(self) -> tuple[Happened, ...]:
        return sight.journal(self.board / "journal")

    def marks(self) -> dict[tuple[str, str, int], int]:
        return sight.marks(self.board / "marks")

    def forget_marks(self, incarnation: str) -> None:
        for path in (self.board / "marks").glob(f"*.{incarnation}.*"):
            path.unlink()

    def logs(self, known: frozenset[str]) -> dict[str, tuple[sight.Printed, ...]]:
        found: dict[str, tuple[sight.Printed, ...]] = {}
        for project in sorted({PROJECT_OF[name] for name in known}):
            done = self.machine.locald(
                "logs", "--json", "-n", str(LINES), cwd=self.folders[project], timeout=LONGEST_COMMAND
            )
            self.outputs[f"{len(self.outputs)}: locald logs"] = done.stderr
            found |= sight.printed(map(json.loads, done.stdout.splitlines()))
        return found

    def texts(self) -> dict[str, str]:
        """What was said since the last time: by commands, and in the logs of daemon and keeper."""
        told, self.outputs = self.outputs, {}
        for path in sorted((self.home / "logs").glob("*.log")):
            told[path.name] = self._further(path)
        return told

    def _further(self, path: Path) -> str:
        with path.open("rb") as file:
            inode, size = os.fstat(file.fileno()).st_ino, os.fstat(file.fileno()).st_size
            before, offset = self._read.get(path.name, (inode, 0))
            file.seek(offset if before == inode and offset <= size else 0)
            text = file.read()
        self._read[path.name] = inode, size
        return text.decode(errors="replace")

    def containers(self) -> list[str]:
        """All that the engine has of ours, running or not."""
        found = self.engine.api.labelled(OURS) if self.engine else []
        return [each["Names"][0] for each in found]

    def close(self) -> None:
        """Leave nothing, whatever was done: the engine may be dead, or stand still."""
        for process in self.processes():
            kill(process.pid)
        if self.engine:
            self.engine.start_again()
            self.engine.api.remove_labelled(OURS)

    def size(self, pid: int | None, services: int) -> Size | None:
        return None if pid is None else sight.size(pid, services)


def _ask(path: Path) -> dict[str, Any]:
    until = time.monotonic() + ANSWER_WITHIN
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_WITHIN)
        connection.connect(str(path))
        connection.sendall(b"GET /v1/status HTTP/1.0\r\n\r\n")
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
            if time.monotonic() > until:
                raise TimeoutError
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found
