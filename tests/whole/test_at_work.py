"""A server in the background, while the main process goes on: a temporary one is never believed, one that
is to stay soon."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from whole.looking import details, is_healthy
from whole.machine import Gate
from whole.programs import PRELUDE

if TYPE_CHECKING:
    from whole.machine import Json, Machine

DAEMON = (
    PRELUDE
    + """
listener = listen(accept=False)
for leads in (True, False):
    if os.fork():
        os._exit(0)
    if leads:
        os.setsid()
append(sys.argv[1], os.getpid())
serve(listener)
"""
)
CLIENT = PRELUDE + "kept = socket.create_connection(('127.0.0.1', PORT)); gate(sys.argv[1])\n"
WAITS = PRELUDE + "gate(sys.argv[1])\n"
REAL = PRELUDE + "kept = listen(); stay()\n"
STOP = "kill $(cat pid); while kill -0 $(cat pid) 2>/dev/null; do sleep 0.02; done"


def script(machine: Machine, *steps: str, shell: str = "exec sh run.sh") -> None:
    """A service whose main process is a shell that does this, one step after the other."""
    for name, text in (("daemon", DAEMON), ("client", CLIENT), ("waits", WAITS), ("real", REAL)):
        machine.file(f"{name}.py", text)
    text = "\n".join(steps).replace("python", f"{sys.executable} -S")
    machine.file("run.sh", f"{text}\n")
    machine.write(f'[services.web]\ncommand = "{shell} $PORT"')


def is_held(row: Json) -> bool:
    return row["state"] == "starting" and "in the background" in row["because"]


def times_healthy(machine: Machine) -> int:
    return sum(line.startswith("healthy") for line in machine.logs("web"))


@pytest.mark.parametrize("step", ["client", "waits"])
def test_a_temporary_server_on_the_port_itself_is_not_believed(machine: Machine, step: str) -> None:
    gate = Gate(machine.folder)
    script(machine, "python daemon.py pid", f"python {step}.py {gate.path}", STOP, "exec python real.py")
    machine.locald("up", "-d")
    row = machine.until("web", is_held)
    assert row["ready_at"] is None
    gate.open()
    row = machine.until("web", is_healthy)
    assert row["because"].startswith(f"pid {row['pid']} "), "the main process itself"
    assert (times_healthy(machine), row["restarts"]) == (1, 0)


@pytest.mark.parametrize(
    ("steps", "shell"),
    [
        (("python daemon.py pid", "tail -f /dev/null"), "exec sh run.sh"),
        (("python daemon.py pid", "exec tail -f /dev/null"), "exec sh run.sh"),
        (("python daemon.py pid", "sleep infinity", "true"), "sh run.sh"),
        (("python daemon.py pid", "while :; do sleep 0.2; done"), "exec sh run.sh"),
        (("python daemon.py pid", "python waits.py nothing"), "mkfifo nothing; exec sh run.sh"),
    ],
    ids=["tail", "exec", "sleep", "loop", "another program"],
)
def test_one_that_is_to_stay_is(machine: Machine, steps: tuple[str, ...], shell: str) -> None:
    script(machine, *steps, shell=shell)
    row = machine.up()["web"]
    assert is_healthy(row)
    assert times_healthy(machine) == 1
    server = machine.folder.joinpath("pid").read_text().strip()
    assert f"pid {server} (" in row["because"]


def test_a_server_below_the_main_process_is_held_by_nothing(machine: Machine) -> None:
    script(machine, "python real.py &", "while :; do sleep 0.05; date; done")
    row = machine.up()["web"]
    assert is_healthy(row)
    assert "in the background" not in details(machine.why("web"))


@pytest.mark.skipif(shutil.which("setsid") is None, reason="no setsid")
def test_one_that_stays_in_a_session_of_its_own_is_believed(machine: Machine) -> None:
    script(machine, "setsid --wait python real.py", "true")
    assert is_healthy(machine.up()["web"])
