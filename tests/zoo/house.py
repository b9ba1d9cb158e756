"""A locald for the zoo: the tests' usual one, run by a user who is not root, and empty when it is over.

Most servers refuse to be root. Where the tests are root, locald and all that it starts run as nobody, who
may read everything: this Python may well lie in root's own folder. What is left in the end is found by the
network namespace of the test, where there is one: nobody else is in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from locald.linux import procfs
from whole.machine import Machine, wait_for
from zoo import install
from zoo.server import path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.server import Server

NOBODY = 65534
READER = "+dac_read_search"
LISTENS = "0A"
"""the state of a listening socket in /proc/net/tcp"""
ACCEPTS = 0x10000
"""the flag of one in /proc/net/unix"""


class House(Machine):
    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="zoo", dir="/tmp"))
        super().__init__(folder)
        self.as_user: tuple[str, ...] = ()
        if os.geteuid() == 0:
            self.as_user = (
                *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
                *(f"--inh-caps={READER}", f"--ambient-caps={READER}", "--"),
            )
            self.python = [*self.as_user, *self.python]
            for each in (folder, self.home):
                os.chown(each, NOBODY, NOBODY)
        self.env["HOME"] = str(folder)
        self.env["PATH"] = path(*([install.python(), install.node()] if install.is_installed() else []))
        self.env["LC_ALL"] = "C.UTF-8"

    def furnish(self, server: Server, folder: Path | None = None) -> None:
        """What the server needs in its folder, which is the project's where none is named."""
        folder = folder or self.folder
        for name, text in server.files.items():
            folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
            folder.joinpath(name).write_text(text.replace("@FOLDER@", str(folder)))
        if server.tool:
            found = install.node_modules(server.tool)
            subprocess.run(["cp", "-r", found, folder / "node_modules"], check=True)
        if self.as_user:
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", folder], check=True)
        if server.before:
            self.shell(server.before, folder)

    def shell(self, command: str, folder: Path | None = None) -> str:
        """Run it as locald's user would; what it printed."""
        done = subprocess.run(
            [*self.as_user, "sh", "-ec", command],
            cwd=folder or self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}"
        return done.stdout

    def close(self) -> None:
        """End it, and look what is left of it."""
        super().close()
        try:
            wait_for(lambda: not self.left_behind(), "everything of it has ended", 5)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def left_behind(self) -> list[str]:
        """Processes and listening sockets that are not the test's own."""
        return [*_processes(str(self.folder)), *_listeners(), *_unix_listeners(str(self.folder))]


def _processes(folder: str) -> list[str]:
    ours = _namespace("self")
    alone = ours != _namespace(str(os.getppid()))
    found = []
    for pid in procfs.all_pids():
        if pid == os.getpid() or not procfs.alive(pid):
            continue
        if _namespace(str(pid)) == ours if alone else _works_in(pid, folder):
            found.append(f"pid {pid}: {' '.join(procfs.cmdline(pid))}")
    return found


def _namespace(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def _works_in(pid: int, folder: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/cwd").startswith(folder)
    except OSError:
        return False


def _listeners() -> list[str]:
    """Of a namespace of the test's own only: elsewhere they are other people's."""
    if _namespace("self") == _namespace(str(os.getppid())):
        return []
    files = [Path(f"/proc/self/net/{name}") for name in ("tcp", "tcp6")]
    lines = [line.split() for file in files for line in file.read_text().splitlines()[1:]]
    return [f"listener on {words[1]}" for words in lines if words[3] == LISTENS]


def _unix_listeners(folder: str) -> list[str]:
    lines = [line.split() for line in Path("/proc/self/net/unix").read_text().splitlines()[1:]]
    return [
        f"listener on {words[7]}"
        for words in lines
        if len(words) > 7 and int(words[3], 16) & ACCEPTS and words[7].startswith(folder)
    ]


def seconds(stamp: str) -> float:
    """Of a moment in a row, since the epoch."""
    return datetime.fromisoformat(stamp).timestamp()


@contextmanager
def house() -> Iterator[House]:
    made = House()
    try:
        yield made
    finally:
        made.close()
