"""A command that runs one server after another is healthy with the last, whatever the first ones say."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from whole.looking import details, is_healthy, is_in
from whole.machine import Gate
from whole.programs import PRELUDE

if TYPE_CHECKING:
    from pathlib import Path

    from whole.machine import Json, Machine

SERVER = (
    PRELUDE
    + """
kind, end, *others = sys.argv[1:]
if "unix" in others:
    kept = socket.socket(socket.AF_UNIX)
    kept.bind(end + ".socket")
    kept.listen()
else:
    kept = listen()
notify("READY=1")
if kind == "temporary":
    gate(end)
    if "crashes" not in others:
        notify("STOPPING=1")
    sys.exit()
stay()
"""
)

POSTGRES = """set -e
PATH=/usr/lib/postgresql/15/bin:$PATH
initdb -A trust -D data >init.log
pg_ctl -w start -D data -o "-c listen_addresses= -k $PWD/data -p $PORT"
read _ < {gate}
pg_ctl -w stop -D data
exec postgres -D data -k "$PWD/data" -p $PORT
"""
DROPS = "setpriv --reuid 101 --regid 104 --clear-groups --inh-caps +dac_override --ambient-caps +dac_override"
"""to the user of Debian's PostgreSQL, who may still open what is root's: the notify socket"""

needs_systemd_notify = pytest.mark.skipif(
    shutil.which("systemd-notify") is None, reason="this machine has no systemd-notify"
)
needs_postgres = pytest.mark.skipif(
    not os.path.exists("/usr/lib/postgresql/15/bin/postgres") or shutil.which("setpriv") is None,
    reason="this machine has no PostgreSQL 15",
)


def in_turn(machine: Machine, gate: Gate, *kind: str) -> str:
    """A service that runs a temporary server, until the test opens the gate, and then its own."""
    program = f"{sys.executable} -S {machine.file('server.py', SERVER)}"
    first = " ".join(("temporary", str(gate.path), *kind))
    return f'[services.web]\ncommand = "{program} {first}; exec {program} real -"'


def is_doubted(row: Json) -> bool:
    return row["state"] == "starting" and "is not the main process" in row["because"]


def says_so_itself(row: Json) -> bool:
    """The main process: its open port may be seen before."""
    return is_healthy(row) and row["because"].startswith(f"pid {row['pid']} ") and row["source"] == "notify"


@pytest.mark.parametrize("kind", [("unix",), ("unix", "crashes")], ids=["stops", "crashes"])
def test_a_temporary_server_makes_nothing_healthy(machine: Machine, kind: tuple[str, ...]) -> None:
    gate = Gate(machine.folder)
    machine.write(in_turn(machine, gate, *kind))
    machine.locald("up", "-d")
    assert machine.until("web", is_doubted)["ready_at"] is None
    gate.open()
    machine.until("web", says_so_itself)
    assert "no longer counts" in details(machine.why("web"))


def test_one_on_the_port_itself_is_taken_back_with_what_it_led_to(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(in_turn(machine, gate))
    first = machine.up()["web"]
    assert first["because"] != f"pid {first['pid']} ({_name(first)}) sent READY=1"
    gate.open()
    machine.until("web", lambda row: row["ready_at"] != first["ready_at"])
    row = machine.until("web", says_so_itself)
    assert (row["run"], row["restarts"]) == (1, 0)


def test_the_daemon_s_successor_knows_whose_word_it_was(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(in_turn(machine, gate, "unix"))
    machine.locald("up", "-d")
    machine.until("web", is_doubted)
    machine.kill_daemon()
    machine.locald("up", "-d")
    machine.until("web", is_doubted)
    gate.open()
    machine.until("web", is_healthy)


@needs_systemd_notify
def test_a_helper_speaks_for_the_shell_that_called_it(machine: Machine) -> None:
    """Also below another shell, and also where nobody listens."""
    machine.write('[services.web]\ncommand = "(systemd-notify --ready; true); exec sleep 1000"')
    row = machine.up()["web"]
    assert (row["health"], row["source"]) == ("healthy", "notify")


@needs_postgres
def test_a_database_that_is_set_up_by_a_temporary_server(machine: Machine) -> None:
    """As container images do it: on a Unix socket, so that nobody comes too early."""
    gate = Gate(machine.folder)
    _given_away(machine.folder)
    script = machine.file("init.sh", POSTGRES.format(gate=gate.path))
    drops = DROPS if os.geteuid() == 0 else ""
    machine.write(f'[services.web]\ncommand = "exec {drops} sh {script}"')
    machine.locald("up", "-d")
    assert machine.until("web", is_doubted)["ready_at"] is None
    gate.open()
    row = machine.until("web", is_healthy)
    assert row["because"] in (
        f"pid {row['pid']} (postgres) sent READY=1",
        f"pid {row['pid']} (postgres) answers connections",
    )
    assert machine.status()["web"]["run"] == 1
    machine.locald("stop")
    machine.until("web", is_in("stopped"))


def _given_away(folder: Path) -> None:
    """The database's user makes its folder itself."""
    if os.geteuid() == 0:
        os.chown(folder, 101, 104)


def _name(row: Json) -> str:
    return str(row["because"]).partition("(")[2].partition(")")[0]
