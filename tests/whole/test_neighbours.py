"""A service hurts itself only: what one does without end makes nobody else wait."""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from whole.machine import Machine

NOTIFY = "import os,socket;s=socket.socket(1,2);s.connect(os.environ['NOTIFY_SOCKET']);s.send(b'READY=1')"
FLOODS = {
    "status": NOTIFY + ";n=0\nwhile True: n+=1;s.send(b'STATUS=%d'%n)",
    "reloads": NOTIFY + ";n=0\nwhile True: s.send(b'RELOADING=1');s.send(b'READY=1')",
    "output": "n=0\nwhile True: n+=1;print('line',n,flush=True)",
}
ROUNDS = 5
MOST = {"status": 1.5, "reloads": 1.5, "output": 3.0}
"""times as long as alone; what prints without end has a core for itself, and the keeper the other"""


def restarted(machine: Machine) -> float:
    """Seconds."""
    began = time.monotonic()
    done = machine.locald("restart", "other")
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


@pytest.mark.parametrize("flood", FLOODS)
def test_a_service_that_never_stops_talking_slows_no_other_down(machine: Machine, flood: str) -> None:
    program = machine.file("flood.py", FLOODS[flood])
    command = f"exec {shlex.join([sys.executable, '-I', str(program)])}"
    machine.write(
        f'[services.flood]\ntype = "worker"\ncommand = """{command}"""\n'
        '[services.other]\ntype = "worker"\ncommand = "exec sleep 1000"'
    )
    machine.up()
    beside, alone = [], []
    for _ in range(ROUNDS):
        machine.locald("up", "flood")
        beside.append(restarted(machine))
        machine.locald("stop", "flood")
        alone.append(restarted(machine))
    assert min(beside) <= MOST[flood] * min(alone), (beside, alone)
