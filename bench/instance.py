"""A locald of its own to measure: a temporary LOCALD_HOME with a project in it, and nothing left after.

What it starts it ends: first as anybody would (`down`, `server stop`), then, should that fail, by the ids of
the processes that have this very home in their environment or arguments.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SERVICE = Path(__file__).with_name("service.py")
PROGRAM = f"{sys.executable} -I -S {SERVICE}"
"""The command of a service that becomes ready as its arguments say; see service.py."""


class Instance:
    def __init__(self, **variables: str) -> None:
        """`variables`: of locald's environment, beside those of this process."""
        self.folder = Path(tempfile.mkdtemp(prefix="ldb"))
        self.environment = (
            {
                name: value
                for name, value in os.environ.items()
                if name == "LOCALD_TREE" or not name.startswith(("LOCALD_", "NOTIFY_"))
            }
            | {"LOCALD_HOME": str(self.folder / "home"), "NO_COLOR": "1", "LOCALD_PROXY": "off"}
            | variables
        )

    def __enter__(self) -> Self:
        self.locald("server", "start")
        return self

    def __exit__(self, *_: object) -> None:
        self.locald("down", check=False)
        self.locald("server", "stop", check=False)
        self._end_what_is_left()
        shutil.rmtree(self.folder, ignore_errors=True)

    def locald(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-m", "locald", "-C", str(self.folder), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise SystemExit(f"`locald {' '.join(arguments)}` exited {done.returncode}\n{done.stderr}")
        return done

    def project(self, tables: dict[str, dict[str, Any]]) -> None:
        """Write locald.toml; the name of a project and a service is all that TOML and JSON differ in here."""
        lines = ["[project]", 'name = "bench"']
        for name, table in tables.items():
            lines += [f"[services.{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        (self.folder / "locald.toml").write_text("\n".join(lines) + "\n")

    def up(self) -> float:
        """Seconds that `locald up` took."""
        began = time.perf_counter()
        self.locald("up")
        return time.perf_counter() - began

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.locald("status", "--json").stdout)["services"]
        return rows

    @property
    def state_file(self) -> Path:
        return next(Path(self.environment["LOCALD_HOME"]).rglob("state.json"))

    @property
    def socket(self) -> str:
        """Of the daemon."""
        return os.path.join(self.environment["LOCALD_HOME"], "run", "locald.sock")

    @property
    def daemon(self) -> int:
        return int(json.loads(self.locald("status", "--json", "--all").stdout)["daemon"]["pid"])

    @property
    def keepers(self) -> list[int]:
        """The keeper, if there is one, and the helpers that runs may have beside it; the oldest first."""
        return sorted(self._processes("/locald/keeper"), key=_started)

    @property
    def keeper(self) -> int:
        return self.keepers[0]

    @property
    def helpers(self) -> list[int]:
        return self.keepers[1:]

    @property
    def caddies(self) -> list[int]:
        """The proxy."""
        return list(self._processes("/proxy/config.json"))

    def _processes(self, part: str = "") -> Iterator[int]:
        """Of this home: the keeper with its helpers, or by default all, services included."""
        home = self.environment["LOCALD_HOME"]
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                of = Path("/proc", entry)
                words = of.joinpath("cmdline").read_text(errors="replace").split("\0")
                is_part = any(word.endswith(part) for word in words)
                known_by = [*words, *of.joinpath("environ").read_text(errors="replace").split("\0")]
                if is_part and any(home in word for word in known_by):
                    yield int(entry)

    def _end_what_is_left(self) -> None:
        deadline = time.monotonic() + 15  # the keeper ends by itself some seconds after its last run
        while (left := list(self._processes())) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in left:
            print(f"pid {pid} did not end by itself", file=sys.stderr)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def _started(pid: int) -> int:
    """In clock ticks since boot; proc_pid_stat(5), field 22."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def cpu(*pids: int) -> float:
    """Seconds on a processor so far, of all threads; proc_pid_schedstat, in nanoseconds."""
    return (
        sum(
            int(thread.joinpath("schedstat").read_text().split()[0])
            for pid in pids
            for thread in Path(f"/proc/{pid}/task").iterdir()
        )
        / 1e9
    )


def memory(pid: int, kind: str = "Rss") -> float:
    """Megabytes of a process. `Private_Dirty` is what it shares with nobody: proc_pid_smaps(5)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    return 0.0
