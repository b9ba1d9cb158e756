"""How long a key takes to its echo: through `locald attach`, and on a terminal of its own, in turn.

The program echoes nothing by itself: its terminal does, in the kernel. So what is measured is the way there
and back. On the way through `attach` lie two terminals, the client, and the keeper.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.instance import Instance
from bench.table import Measure

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = 300
WITHIN = 30.0
"""seconds in which the other end has to answer"""


def measure() -> list[Measure]:
    """a key to its echo through attach, beyond what a bare terminal takes, median of 300 keys, in turn"""
    with Instance() as instance:
        instance.project({"cat": {"type": "worker", "command": ["cat"], "stdin": "terminal"}})
        instance.up()
        attach = [sys.executable, "-I", "-m", "locald", "-C", str(instance.folder), "attach", "cat"]
        with _terminal(attach, instance.environment) as far, _terminal(["cat"], dict(os.environ)) as near:
            until(far, b"leaves it")
            _echo(near)
            _echo(far)
            pairs = [(_echo(far), _echo(near)) for _ in range(KEYS)]
            os.write(far, b"\x1c")
    more = [1000 * (through - bare) for through, bare in pairs]
    return [
        Measure(f"key to echo through attach over a bare terminal, median of {KEYS}", _median(more), "ms", 3),
        Measure("key to echo on a bare terminal", 1000 * _median([bare for _, bare in pairs]), "ms"),
    ]


def _median(numbers: list[float]) -> float:
    return statistics.median(numbers)


@contextlib.contextmanager
def _terminal(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    """A program on a terminal of its own; yields our end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    yield ours
    process.kill()
    process.wait()
    os.close(ours)


def _echo(terminal: int) -> float:
    """Seconds from a key to what comes back."""
    began = time.perf_counter()
    os.write(terminal, b"x")
    until(terminal, b"x")
    return time.perf_counter() - began


def until(terminal: int, wanted: bytes) -> None:
    seen = b""
    while wanted not in seen:
        if not select.select([terminal], [], [], WITHIN)[0]:
            raise SystemExit(f"nothing came within {WITHIN:g} s: {seen!r}")
        seen += os.read(terminal, 4096)
