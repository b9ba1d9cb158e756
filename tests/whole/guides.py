"""The guides' own lines: the commands that a section shows, carried out as its reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whole.machine import Machine

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
PROMPT = "    $ "


class Section:
    """What stands below a heading of a guide."""

    def __init__(self, guide: str, heading: str) -> None:
        """An empty heading: what stands before the first."""
        text = GUIDES.joinpath(f"{guide}.md").read_text(encoding="utf-8")
        parts = {part.partition("\n")[0]: part.partition("\n")[2] for part in re.split(r"(?m)^## ", text)}
        self.text = text.partition("\n## ")[0] if not heading else parts[heading]

    @property
    def commands(self) -> list[str]:
        """Each line that it shows at a prompt."""
        shown = [line for line in self.text.splitlines() if line.startswith(PROMPT)]
        return [line.removeprefix(PROMPT).partition("  #")[0].strip() for line in shown]

    def printed(self, command: str) -> str:
        """What it shows below that command."""
        after = self.text.partition(f"{PROMPT}{command}\n")[2]
        lines = after.splitlines(keepends=True)
        shown: list[str] = []
        for line in lines:
            if not line.startswith("    ") or line.startswith(PROMPT):
                break
            shown.append(line.removeprefix("    "))
        return "".join(shown)

    def indented(self, first: str) -> str:
        """The block that begins with this line."""
        (found,) = re.findall(rf"(?m)^    {re.escape(first)}\n(?:(?:    .*)?\n)*", self.text)
        return "".join(line.removeprefix("    ") for line in found.splitlines(keepends=True))


class Reader:
    """Somebody who types the lines of a guide, in the project's folder."""

    def __init__(self, machine: Machine, *around: str) -> None:
        """`around`: what stands before a command, where it runs in a box."""
        self._machine, self._around = machine, around
        programs = machine.home.with_name(f"{machine.home.name}-bin")
        programs.mkdir()
        script = programs / "locald"
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m locald "$@"\n')
        script.chmod(0o755)
        self._programs = programs
        self.env = {**machine.env, "PATH": f"{programs}:{os.environ['PATH']}"}

    def types(self, line: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._around, "sh", "-c", line],
            cwd=self._machine.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def prints(self, line: str, timeout: float = 30.0) -> str:
        """Both streams of a command that has to succeed."""
        done = self.types(line, timeout)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def close(self) -> None:
        for path in self._programs.iterdir():
            path.unlink()
        self._programs.rmdir()
