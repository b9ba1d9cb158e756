"""How soon the monitor shows something: on a terminal, in turns with a Python that imports Textual."""

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
SIZE = (40, 120)
"""rows and columns"""


def measure() -> list[Measure]:
    """the first frame of `locald monitor` on a terminal, over `python3 -c "import textual.app"`, in turns"""
    with Instance() as instance:
        instance.project({f"s{number}": WORKER for number in range(SERVICES)})
        instance.up()
        _import()
        _first_frame(instance)
        pairs = [(_first_frame(instance), _import()) for _ in range(TIMES)]
    frame = statistics.median(frame for frame, _ in pairs)
    python = statistics.median(python for _, python in pairs)
    return [
        Measure('monitor: first frame over `python3 -c "import textual.app"`', frame / python, "x", 1.5),
        Measure(f"monitor: first frame, median of {TIMES}", 1000 * frame, "ms"),
        Measure('`python3 -c "import textual.app"`', 1000 * python, "ms"),
    ]


def _import() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import textual.app"], check=True)
    return time.perf_counter() - began


def _first_frame(instance: Instance) -> float:
    """Seconds from its start to the first screen with the services."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    environment = {**instance.environment, "TERM": "xterm-256color"}
    command = [sys.executable, "-I", "-m", "locald", "-C", str(instance.folder), "monitor"]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    until(ours, b"SERVICE")
    took = time.perf_counter() - began
    process.kill()
    process.wait()
    os.close(ours)
    return took
