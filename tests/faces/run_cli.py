"""Run the real `locald` command, with pipes or on a terminal of its own."""

from __future__ import annotations

import codecs
import os
import pty
import select
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keeping import wait_until

if TYPE_CHECKING:
    from locald.wire.home import Home

SOURCES = str(Path(__file__).parents[2] / "src")
COMMAND = [sys.executable, "-m", "locald"]


@dataclass
class Result:
    code: int
    out: str
    err: str


class Cli:
    def __init__(self, home: Home, project: Path) -> None:
        self.project = project
        self.home = str(Path(home.state).parent)
        self._started: list[subprocess.Popen[Any]] = []

    def environment(self, **changes: str) -> dict[str, str]:
        ours = {"LOCALD_HOME": self.home, "PYTHONPATH": SOURCES, "TERM": "xterm-256color"}
        removed = ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR")
        kept = {name: value for name, value in os.environ.items() if name not in removed}
        return {**kept, **ours, **changes}

    def __call__(self, *arguments: str, cwd: Path | None = None, **environment: str) -> Result:
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=cwd or self.project,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Run it in the background, its output in pipes unless told otherwise."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.project, env=self.environment(), **{**streams, **options}
        )
        self._started.append(process)
        return process

    def terminal(self, *arguments: str, columns: int = 100, **environment: str) -> Terminal:
        """Run it on a terminal."""
        environment = self.environment(**environment)
        terminal = Terminal([*COMMAND, *arguments], self.project, environment, columns)
        self._started.append(terminal.process)
        return terminal

    def end_all(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


class Terminal:
    """A command that believes a person is looking."""

    def __init__(self, command: list[str], cwd: Path, env: dict[str, str], columns: int = 100) -> None:
        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        termios.tcsetwinsize(theirs, (24, columns))
        self.process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: _take(theirs),
        )  # fmt: skip
        os.close(theirs)
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # what is read may end within a character
        self.screen = ""

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def is_raw(self) -> bool:
        return not termios.tcgetattr(self._ours)[3] & termios.ECHO

    def type(self, text: str) -> None:
        """As soon as the terminal is the service's."""
        wait_until(self.is_raw, "the terminal is not raw")
        self.press(text.encode())

    def until(self, text: str) -> str:
        """Read until the text was shown."""
        deadline = time.monotonic() + 15
        while text not in self.screen:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.screen!r}"
            if not self._read():
                raise AssertionError(f"it ended without {text!r}: {self.screen!r}")
        return self.screen

    def end(self) -> int:
        """Read until it has ended. Returns its exit code."""
        while self._read():
            pass
        os.close(self._ours)
        return self.process.wait(10)

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 15)[0]:
            raise AssertionError(f"nothing more came: {self.screen!r}")
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # Linux says EIO when nobody has the other end any more
            data = b""
        self.screen += self._decoder.decode(data)
        return bool(data)


def _take(terminal: int) -> None:
    """Make it the terminal of the new session, so that Ctrl-C is sent to the process group."""
    import fcntl

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
