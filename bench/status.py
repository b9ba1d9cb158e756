"""How fast a command starts: what people and scripts call all day should feel like nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from bench.instance import ROOT, Instance
from bench.table import Measure

TIMES = 40
WORKER = {"type": "worker", "command": ["sleep", "100000"]}


def measure() -> list[Measure]:
    """`locald status` of five services with a running daemon, over `python3 -c pass`"""
    with Instance() as instance:
        instance.project({f"s{number}": WORKER for number in range(5)})
        instance.up()
        commands = {
            "nothing": [sys.executable, "-c", "pass"],
            "installed": [sys.executable.replace("/python", "/locald"), "status"],
            "checkout": [str(ROOT / "locald"), "status"],
        }
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(TIMES):
            for name, command in commands.items():  # in turn, so that a busy moment is shared
                took[name].append(_seconds(command, instance))
    nothing = median(took["nothing"])
    return [
        Measure("`locald status` over `python3 -c pass`", median(took["installed"]) / nothing, "x", 6),
        Measure("`./locald status` over `python3 -c pass`", median(took["checkout"]) / nothing, "x", 6),
        Measure("`locald status`", 1000 * median(took["installed"]), "ms"),
        Measure("`python3 -c pass`", 1000 * nothing, "ms"),
    ]


def _seconds(command: list[str], instance: Instance) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=instance.folder, env=instance.environment, check=True, capture_output=True)
    return time.perf_counter() - began
