"""Whether daemon and keeper hold more and more: services restart again and again, and one prints a lot."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from bench.instance import Instance, memory
from bench.many import WORKER
from bench.table import Measure

if TYPE_CHECKING:
    from collections.abc import Callable

TOGETHER, RESTARTS = 30, 3_000
"""services that are restarted with one command, and restarts of all of them together"""
LINES, LOUD_FOR = 100_000, 60.0
"""a second, and for how many seconds"""
ONCE = 5.0
"""seconds of lines before anything is measured: what is done for the first time takes memory that it keeps"""
GROWN = 1.1
LOUD = f"""\
import os, time
due, number = time.monotonic(), 0
while True:
    number += {LINES // 20}
    text = b"".join(b"%d lines were printed\\n" % each for each in range(number - {LINES // 20}, number))
    while text:
        text = text[os.write(1, text):]
    due = max(due + 0.05, time.monotonic() - 1)
    time.sleep(max(0.0, due - time.monotonic()))
"""
"""What falls behind by more than a second is not made up for."""


class _Size(NamedTuple):
    memory: float
    files: int


def measure() -> list[Measure]:
    """memory and files of daemon and keeper after 3,000 restarts and a minute of 100,000 lines a second"""
    with Instance() as instance:
        names = [f"s{number}" for number in range(TOGETHER)]
        loud = {"type": "worker", "command": [sys.executable, "-I", "-S", "-c", LOUD], "autostart": False}
        instance.project({**dict.fromkeys(names, WORKER), "loud": loud})
        instance.up()
        _print(instance, ONCE)
        instance.locald("restart", *names)
        processes = {"daemon": instance.daemon, "keeper": instance.keeper}
        before = _sizes(processes)
        rate = _print(instance, LOUD_FOR)
        printed = _sizes(processes)
        for _ in range(RESTARTS // TOGETHER):
            instance.locald("restart", *names)
        after = _sizes(processes)
        return [
            Measure("lines a second that were printed", rate, "lines"),
            *_grown(f"{LOUD_FOR:.0f} s of lines", before, printed),
            *_grown(f"{RESTARTS} restarts too", before, after),
        ]


def _print(instance: Instance, seconds: float) -> float:
    """Lines a second that came into the log meanwhile."""
    instance.locald("up", "loud")
    first, began = _count(instance), time.monotonic()
    time.sleep(seconds)
    rate = (_count(instance) - first) / (time.monotonic() - began)
    instance.locald("stop", "loud")
    return rate


def _count(instance: Instance) -> int:
    said = instance.locald("logs", "-n", "100", "loud").stdout.splitlines()
    return next(int(line.split()[-4]) for line in reversed(said) if line.endswith("were printed"))


def _sizes(processes: dict[str, int]) -> dict[str, _Size]:
    """When what was done is over: the saved state is written, and the last news are told."""
    time.sleep(2)
    return {name: _Size(memory(pid), len(os.listdir(f"/proc/{pid}/fd"))) for name, pid in processes.items()}


def _grown(after: str, first: dict[str, _Size], last: dict[str, _Size]) -> list[Measure]:
    by: dict[str, Callable[[_Size], float]] = {"memory": lambda size: size.memory, "files": lambda s: s.files}
    return [
        Measure(
            f"{what} of the {name} after {after}, by before", of(last[name]) / of(first[name]), "x", GROWN
        )
        for name in first
        for what, of in by.items()
    ]
