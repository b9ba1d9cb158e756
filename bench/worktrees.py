"""What one more checkout of a project costs, beside one more project; and what an agent in it waits for.

Both take turns in one locald, so that a busy moment is shared: a linked worktree of one project, then a
folder with a project of its own, with the same services in them. Work is time on a processor of daemon and
keeper.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.instance import Instance, cpu
from bench.table import Measure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 12
SERVICES = 8
LOOKS = 10
"""a look is little work, so several are measured together"""
TOLERATED = 1.1
ASKED = 200
WORKER = {"type": "worker", "command": ["sleep", "100000"]}
SERVICE = 'type = "worker"\ncommand = ["sleep", "100000"]'
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main")


def measure() -> list[Measure]:
    """`up`, `status`, `down` in one more worktree over one more project; `status` of `locald mcp`"""
    found = _checkouts() if shutil.which("git") else []
    return [*found, *_agent()]


def _checkouts() -> list[Measure]:
    with Instance() as here:
        shop = here.folder / "shop"
        _write(shop, "shop")
        for words in (["init"], ["add", "."], ["commit", "-m", "begin"]):
            _git(shop, *words)
        here.locald("-C", str(shop), "up")
        spent: dict[str, list[tuple[float, float, float]]] = {"worktree": [], "project": []}
        for number in range(ROUNDS):
            tree, other = here.folder / f"tree{number}", here.folder / f"other{number}"
            _git(shop, "worktree", "add", "-b", f"b{number}", str(tree))
            _write(other, f"other{number}")
            for kind, folder in (("worktree", tree), ("project", other)):
                spent[kind].append(_spent(here, folder))
        here.locald("server", "stop")
    found = []
    for what, one, other_one in zip(("up", "status", "down"), *map(_medians, spent.values()), strict=True):
        found.append(
            Measure(f"`{what}` in a worktree over in a project: work", one / other_one, "x", TOLERATED)
        )
        found.append(Measure(f"`{what}` in a worktree of {SERVICES} services: work", one, "ms"))
    return found


def _medians(spent: list[tuple[float, float, float]]) -> list[float]:
    return [1000 * median(each) for each in zip(*spent, strict=True)]


def _spent(here: Instance, folder: Path) -> tuple[float, float, float]:
    """Of `up`, `status` and `down`; what is down again is up at the end, so that there are more each time."""
    where = ("-C", str(folder))
    up, status, down = (
        _work(here, times, *where, word) for word, times in (("up", 1), ("status", LOOKS), ("down", 1))
    )
    here.locald(*where, "up")
    return up, status, down


def _work(here: Instance, times: int, *words: str) -> float:
    """Of one of so many."""
    daemon, keeper = here.daemon, here.keepers[:1]
    before = cpu(daemon, *keeper)
    for _ in range(times):
        here.locald(*words)
    return (cpu(daemon, *keeper) - before) / times


def _agent() -> list[Measure]:
    with Instance() as here:
        here.project({f"s{each}": WORKER for each in range(SERVICES)})
        here.up()
        with _asking(here) as (server, ask):
            ask()
            before = cpu(server, here.daemon)
            took = [_timed(ask) for _ in range(ASKED)]
            work = cpu(server, here.daemon) - before
    return [
        Measure(f"`status` of `locald mcp`, median of {ASKED}", 1000 * median(took), "ms", 10),
        Measure("`status` of `locald mcp`: work of it and the daemon", 1000 * work / ASKED, "ms", 10),
    ]


def _timed(deed: Any) -> float:
    began = time.perf_counter()
    deed()
    return time.perf_counter() - began


@contextmanager
def _asking(here: Instance) -> Iterator[tuple[int, Any]]:
    """A client that does no more than it has to, so that the server is measured."""
    command = [sys.executable, "-m", "locald", "mcp"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=here.folder, env=here.environment, **pipes) as server:  # type: ignore[call-overload]
        numbers = iter(range(1, 1 << 62))

        def ask(method: str = "tools/call", **params: Any) -> None:
            number = next(numbers)
            body = {"jsonrpc": "2.0", "id": number, "method": method}
            body["params"] = params or {"name": "status", "arguments": {}}
            server.stdin.write(json.dumps(body).encode() + b"\n")
            server.stdin.flush()
            while (answer := json.loads(server.stdout.readline())).get("id") != number:
                pass
            if "error" in answer or answer["result"].get("isError"):
                raise SystemExit(f"locald mcp answered {answer}")

        who = {"name": "bench", "version": "1"}
        ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=who)
        yield server.pid, ask
        server.stdin.close()
        server.wait()


def _write(folder: Path, name: str) -> None:
    folder.mkdir()
    services = "".join(f"[services.s{number}]\n{SERVICE}\n" for number in range(SERVICES))
    (folder / "locald.toml").write_text(f'[project]\nname = "{name}"\n{services}')


def _git(folder: Path, *words: str) -> None:
    subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True)
