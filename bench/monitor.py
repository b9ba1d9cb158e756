"""How soon the monitor shows the services, and Textual does, in turns with a Python that imports Textual."""

from __future__ import annotations

import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import termios
import time

from bench.attach import until
from bench.instance import Instance
from bench.many import WORKER
from bench.table import Measure

TIMES, SERVICES = 11, 9
LAST = f"s{SERVICES - 1}".encode()
"""the name of the last service"""
MOUSE = b"\x1b[?1000h"
"""what Textual asks the terminal for when it takes over"""
SIZE = (40, 120)
"""rows and columns"""


def measure() -> list[Measure]:
    """the first frames of `locald monitor` on a terminal, and `python3 -c "import textual.app"`, in turns"""
    with Instance() as instance:
        instance.project({f"s{number}": WORKER for number in range(SERVICES)})
        instance.up()
        _import()
        _frames(instance)
        rounds = [(*_frames(instance), _import()) for _ in range(TIMES)]
    first, textual, python = (statistics.median(each) for each in zip(*rounds, strict=True))
    return [
        Measure(f"monitor: first frame with the services, median of {TIMES}", 1000 * first, "ms", 150),
        Measure(
            'monitor: Textual\'s first frame over `python3 -c "import textual.app"`',
            textual / python,
            "x",
            1.5,
        ),
        Measure("monitor: Textual's first frame", 1000 * textual, "ms"),
        Measure('`python3 -c "import textual.app"`', 1000 * python, "ms"),
    ]


def _import() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import textual.app"], check=True)
    return time.perf_counter() - began


def _frames(instance: Instance) -> tuple[float, float]:
    """Seconds from its start to the first screen with all services, and to the first that Textual drew."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    environment = {**instance.environment, "TERM": "xterm-256color"}
    command = [sys.executable, "-I", "-m", "locald", "-C", str(instance.folder), "monitor"]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    until(ours, LAST)
    first = time.perf_counter() - began
    until(ours, MOUSE)
    until(ours, LAST)
    textual = time.perf_counter() - began
    process.kill()
    process.wait()
    os.close(ours)
    return first, textual
