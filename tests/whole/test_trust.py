"""Whose daemon is it? Another user's is told nothing, and nobody is served but its owner."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from locald.linux import ownership
from locald.wire.home import USE_ANOTHER
from whole.programs import SERVE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whole.machine import Machine

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

DAEMON = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
os.mkdir(os.path.dirname(sys.argv[1]))
os.chmod(os.path.dirname(sys.argv[1]), 0o777)
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
server.listen()
print("listens", flush=True)
server.settimeout(float(sys.argv[3]))
told = 0
try:
    while True:
        connection, _ = server.accept()
        told += len(connection.recv(100000))
        connection.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n{"services": [], "daemon": {}}')
        connection.close()
except OSError:
    print(told, flush=True)
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A temporary directory of everybody, as /tmp is."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


@pytest.mark.parametrize(
    "command", [["up"], ["status"], ["down"], ["exec", "web", "--", "true"], ["ping"], ["server", "status"]]
)
def test_a_daemon_that_somebody_else_put_in_our_place_is_told_nothing(
    machine: Machine, shared: Path, command: list[str]
) -> None:
    machine.write(f"[services.web]\ncommand = {SERVE}")
    run = shared / f"locald-{os.geteuid()}"
    arguments = [sys.executable, "-S", "-c", DAEMON, str(run / "locald.sock"), str(NOBODY), "3"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as theirs:
        assert theirs.stdout
        assert theirs.stdout.readline() == "listens\n"
        environment = {"TMPDIR": str(shared), "XDG_STATE_HOME": str(machine.folder / "state")}
        done = machine.locald(*command, env={**environment, "LOCALD_HOME": "", "XDG_RUNTIME_DIR": ""})
        assert done.returncode == 2
        assert f"{run}: belongs to {ownership.user(NOBODY)}" in done.stderr
        assert f"hint: {USE_ANOTHER}" in done.stderr
        assert theirs.communicate()[0] == "0\n"


def test_a_runtime_folder_of_somebody_else_is_not_used_whatever_answers_in_it(
    machine: Machine, shared: Path
) -> None:
    """As after `su` or `sudo`, which keep XDG_RUNTIME_DIR."""
    machine.write(f"[services.web]\ncommand = {SERVE}")
    theirs, ours = shared / "theirs", shared / f"locald-{os.geteuid()}"
    theirs.mkdir()
    theirs.chmod(0o777)
    os.chown(theirs, NOBODY, NOBODY)
    state = machine.folder / "state"
    environment = {"TMPDIR": str(shared), "XDG_STATE_HOME": str(state), "LOCALD_HOME": ""}
    environment["XDG_RUNTIME_DIR"] = str(theirs)
    arguments = [sys.executable, "-S", "-c", DAEMON, str(theirs / "locald/locald.sock"), str(NOBODY), "3"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "listens\n"
        try:
            assert machine.locald("up", env=environment).returncode == 0
            assert machine.locald("status", env=environment).returncode == 0
            assert (ours / "locald.sock").is_socket()
        finally:
            machine.locald("server", "stop", env=environment)
        assert other.communicate()[0] == "0\n"


def test_what_is_left_of_another_run_folder_hinders_nobody_when_it_is_somebody_elses(
    machine: Machine, shared: Path
) -> None:
    """A daemon was killed, the machine started anew, and somebody took the place in the temporary folder."""
    machine.write(f"[services.web]\ncommand = {SERVE}")
    run, state = shared / f"locald-{os.geteuid()}", machine.home / "state"
    run.mkdir()
    os.chown(run, NOBODY, NOBODY)
    state.mkdir(0o700)
    (state / "daemon.lock").write_text(f"{run}/locald.sock\n")
    (state / "keeper").write_text(f"{run}\n")
    assert "daemon is not running" in machine.locald("ping").stderr
    assert machine.up()["web"]["health"] == "healthy"
    assert machine.status()["web"]["health"] == "healthy"


def test_a_folder_that_somebody_else_took_while_it_is_in_use_is_named(machine: Machine) -> None:
    """Another daemon and keeper in its place would run every service twice."""
    machine.write(f"[services.web]\ncommand = {SERVE}")
    before = machine.up()["web"]
    run, state = machine.home / "run", machine.home / "state"
    os.chown(run, NOBODY, NOBODY)
    environment = {"LOCALD_HOME": "", "XDG_RUNTIME_DIR": str(machine.folder), "XDG_STATE_HOME": str(state)}
    (state / "locald").symlink_to(state)
    for command in ("status", "up"):
        said = machine.locald(command, env=environment).stderr
        assert f"{run}: belongs to {ownership.user(NOBODY)}" in said
    os.chown(run, os.geteuid(), os.getegid())
    assert machine.status()["web"]["pid"] == before["pid"]


def test_nobody_else_is_served_even_where_the_folder_lets_them_in(machine: Machine) -> None:
    machine.write(f"[services.web]\ncommand = {SERVE}")
    machine.up()
    for path in (*list(machine.home.parents)[:3], machine.home, machine.home / "run"):
        path.chmod(path.stat().st_mode | 0o011)
    path = machine.home / "run" / "locald.sock"
    path.chmod(0o777)
    assert ask_as(NOBODY, path).startswith("HTTP/1.0 403 ")
    assert ask_as(os.geteuid(), path).startswith("HTTP/1.0 200 ")


ASK = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
asked = socket.socket(socket.AF_UNIX)
asked.connect(sys.argv[1])
asked.sendall(b"GET /v1/status HTTP/1.0\\r\\nHost: locald\\r\\n\\r\\n")
print(asked.recv(1000).decode().splitlines()[0])
"""


def ask_as(uid: int, path: Path) -> str:
    arguments = [sys.executable, "-S", "-c", ASK, str(path), str(uid)]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def test_the_keeper_takes_no_orders_from_anybody_else(machine: Machine) -> None:
    machine.write(f"[services.web]\ncommand = {SERVE}")
    before = machine.up()["web"]
    for path in (*list(machine.home.parents)[:3], machine.home, machine.home / "run"):
        path.chmod(path.stat().st_mode | 0o011)
    path = machine.home / "run" / "keeper.sock"
    path.chmod(0o777)
    code = f"""
import os, socket
os.setuid({NOBODY})
asked = socket.socket(socket.AF_UNIX)
asked.connect({str(path)!r})
try:
    asked.sendall(b'{{"do": "hello", "protocol": 1}}\\n')
    print(asked.recv(1000))
except OSError:
    print(b"")
"""
    said = subprocess.run([sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout == "b''\n"
    assert machine.status()["web"]["pid"] == before["pid"]


def test_a_socket_of_ours_is_still_found_through_a_link(machine: Machine, shared: Path) -> None:
    machine.write(f"[services.web]\ncommand = {SERVE}")
    machine.up()
    (shared / "home").symlink_to(machine.home)
    assert machine.locald("status", env={"LOCALD_HOME": str(shared / "home")}).returncode == 0
