"""`kill_mode = "mixed"`: the main process is asked to end, and sees to its own."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from whole.machine import is_alive, wait_for

if TYPE_CHECKING:
    from whole.machine import Machine

PARENT = (
    "import signal, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-u', 'child.py'])\n"
    "def end(*_):\n"
    "    print('parent ends, child', child.poll(), flush=True)\n"
    "    {ending}\n"
    "    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "print('ready', flush=True)\n"
    "while True: time.sleep(1000)\n"
)
CHILD = (
    "import signal, sys, time\n"
    "def end(*_):\n"
    "    print('child ends', flush=True)\n"
    "    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, {how})\n"
    "print('child here', flush=True)\n"
    "while True: time.sleep(1000)\n"
)


def family(machine: Machine, ending: str = "pass", how: str = "end", more: str = "") -> None:
    machine.file("parent.py", PARENT.format(ending=ending))
    machine.file("child.py", CHILD.format(how=how))
    machine.write(
        '[services.web]\ntype = "worker"\ncommand = "exec python3 parent.py"\nkill_mode = "mixed"\n'
        f'health_check = {{ type = "log", pattern = "child here" }}\n{more}\n'
    )
    machine.up()
    wait_for(lambda: "ready" in machine.printed("web"), "both")


def test_the_main_process_alone_gets_the_stop_signal(machine: Machine) -> None:
    """It waits for its child, and ends that itself."""
    family(machine, ending="time.sleep(0.3); print('still', child.poll()); child.kill()")
    assert machine.locald("stop").returncode == 0
    assert machine.printed("web")[2:] == ["parent ends, child None", "still None"]


def test_what_is_left_when_it_has_exited_gets_the_signal_too(machine: Machine) -> None:
    family(machine)
    assert machine.locald("stop").returncode == 0
    assert machine.printed("web")[2:] == ["parent ends, child None", "child ends"]


def test_what_does_not_end_then_is_killed_when_the_grace_is_over(machine: Machine) -> None:
    family(machine, how="signal.SIG_IGN", more='stop_timeout = "500ms"')
    pid = machine.status()["web"]["pid"]
    assert machine.locald("stop").returncode == 0
    assert not is_alive(pid)
    assert "did not stop in time, sending SIGKILL" in machine.logs("web")
    assert machine.status()["web"]["state"] == "stopped"


def test_a_main_process_that_was_stopped_hears_the_signal(machine: Machine) -> None:
    """Ctrl-Z, or a debugger: SIGCONT follows."""
    family(machine)
    os.kill(machine.status()["web"]["pid"], signal.SIGSTOP)
    assert machine.locald("stop").returncode == 0
    assert "parent ends, child None" in machine.printed("web")


@pytest.mark.skipif(not shutil.which("node"), reason="no node here")
def test_a_wrapper_of_node_that_forwards_sigint_forwards_the_only_one(machine: Machine) -> None:
    """A second one makes many a program quit at once, without cleaning up."""
    machine.file(
        "child.js",
        "let heard = 0\n"
        "process.on('SIGINT', () => {\n"
        "  if (++heard === 1) setTimeout(() => { console.log('heard', heard); process.exit(0) }, 1000)\n"
        "})\n"
        "setInterval(() => {}, 1000)\n"
        "console.log('ready')\n",
    )
    machine.file(
        "wrapper.js",
        "const child = require('child_process').spawn(process.execPath, ['child.js'], { stdio: 'inherit' })\n"
        "process.on('SIGINT', () => child.kill('SIGINT'))\n"
        "child.on('exit', code => process.exit(code))\n",
    )
    machine.write(
        '[services.web]\ntype = "worker"\ncommand = "exec node wrapper.js"\nstop_signal = "SIGINT"\n'
        'kill_mode = "mixed"\nhealth_check = { type = "log", pattern = "ready" }\n'
    )
    machine.up()
    assert machine.locald("stop").returncode == 0
    assert machine.printed("web") == ["ready", "heard 1"]
