"""Ports are the same every day; a mistake in the file is told by its line, and changes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whole import programs
from whole.looking import is_healthy, is_in
from whole.machine import Gate, free_port, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable

    from whole.machine import Machine
    from whole.puppet import Puppet

    Make = Callable[[str], Puppet]

SERVE = f"command = {programs.SERVE}\n"
SLEEPER = 'type = "worker"\ncommand = "exec sleep 9999"\n'


# Ports.


@pytest.mark.parametrize(
    "end", [("restart",), ("stop",), ("down",), ("server", "stop"), ("server", "restart")]
)
def test_a_port_is_the_same_after(machine: Machine, end: tuple[str, ...]) -> None:
    machine.write(f"[services.web]\n{SERVE}")
    before = machine.up()["web"]["port"]
    machine.locald(*end)
    assert machine.up()["web"]["port"] == before


def test_a_port_is_outside_of_what_the_kernel_gives_to_connections(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SERVE}[services.api]\n{SERVE}")
    ports = {row["port"] for row in machine.up().values()}
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert len(ports) == 2
    assert not any(first <= port <= last for port in ports)
    assert min(ports) > 1023


def test_a_stopped_service_keeps_its_port_from_others_and_gets_another_only_when_it_is_taken(
    machine: Machine,
) -> None:
    machine.write(f"[services.web]\n{SERVE}")
    before = machine.up()["web"]["port"]
    machine.locald("stop")
    machine.write(f"[services.api]\nport = {before + 1}\n{SERVE}", name="other", folder=machine.folder / "o")
    assert machine.locald("-C", "o", "up").returncode == 0
    with socket.create_server(("127.0.0.1", before)):
        taken = machine.up()["web"]
        assert taken["health"] == "healthy"
        assert taken["port"] not in (before, before + 1)
    machine.locald("restart")
    assert machine.status()["web"]["port"] == taken["port"], "it is free, and remembered"


def test_equal_names_in_two_projects_get_ports_of_their_own(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SERVE}")
    machine.write(f"[services.web]\n{SERVE}", name="other", folder=machine.folder / "other")
    machine.up()
    assert machine.locald("-C", "other", "up").returncode == 0
    rows = json.loads(machine.locald("status", "--all", "--json").stdout)["services"]
    assert len({row["port"] for row in rows}) == 2


def test_a_port_that_is_lost_while_its_service_waits_gives_way_to_another(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(
        f"[services.seed]\ntype = 'task'\ncommand = {json.dumps(gate.wait)}\n"
        f"[services.web]\ndepends_on = ['seed']\n{SERVE}"
        "[services.ask]\ntype = 'task'\ndepends_on = ['web']\n"
        "command = 'echo ${services.web.port} $PORT_WEB $URL'\nenv = { URL = '${services.web.url}' }\n"
    )
    assert machine.locald("up", "-d").returncode == 0
    given = machine.until("web", is_in("waiting"))["port"]
    with socket.create_server(("127.0.0.1", given)):
        gate.open()
        row = machine.until("web", is_healthy)
        port = row["port"]
        assert (port != given, row["port_source"], row["run"]) == (True, "assigned", 2)
        machine.until("ask", is_in("completed"))
        assert machine.printed("ask") == [f"{port} {port} http://127.0.0.1:{port}/"]
        (line,) = [line for line in machine.logs("web") if "already in use" in line]
        assert f"port {given} is already in use by pid {os.getpid()}" in line
        assert line.endswith(f": uses port {port} instead")
        rows = machine.up("web")
        assert (rows["web"]["run"], rows["web"]["port"]) == (2, port), "nothing has changed"
    machine.locald("restart", "web")
    assert machine.status()["web"]["port"] == port, "it is stable from now on"


def test_a_port_that_is_taken_before_its_program_could_bind_it_gives_way_at_the_next_try(
    machine: Machine,
) -> None:
    gate, began = Gate(machine.folder), machine.folder / "began"
    first = f"test -e {began} || {{ touch {began}; {gate.wait}; }}"
    serve = f"exec {sys.executable} -m http.server $PORT --bind 127.0.0.1"
    machine.write(f"[services.web]\ncommand = {json.dumps(f'{first}; {serve}')}\n")
    assert machine.locald("up", "-d").returncode == 0
    given = machine.until("web", lambda row: row["pid"])["port"]
    with socket.create_server(("127.0.0.1", given)):
        gate.open()
        row = machine.until("web", is_healthy)
        assert (row["port"] != given, row["restarts"], row["port_source"]) == (True, 1, "assigned")
    (line,) = [line for line in machine.logs("web") if line.endswith(f": uses port {row['port']} instead")]
    assert f"port {given} is already in use by pid {os.getpid()}" in line


def test_others_are_told_the_port_that_status_shows(machine: Machine, puppet: Make) -> None:
    """By PORT_<SERVICE> and by `${services.x.port}`, the same after a restart."""
    web = puppet("web")
    machine.write(
        f"[services.my-api]\n{SERVE}[services.web]\ntype = 'worker'\ncommand = {web.command}\n"
        'env = { API = "${services.my-api.port}" }\n'
    )
    for _ in range(2):
        port = str(machine.up()["my-api"]["port"])
        env = web.run().env
        assert (env["PORT_MY_API"], env["API"]) == (port, port)
        machine.locald("stop")


def test_a_fixed_port_of_another_service_is_refused_with_its_name(machine: Machine) -> None:
    port = free_port()
    machine.write(f"[services.web]\nport = {port}\n{SERVE}")
    machine.write(f"[services.api]\nport = {port}\n{SERVE}", name="other", folder=machine.folder / "other")
    machine.up()
    done = machine.locald("-C", "other", "up")
    assert done.returncode == 1
    assert "(service shop:web)" in done.stderr
    assert "hint: run `locald stop shop:web`, or set another `port`" in done.stderr


def test_a_project_whose_folder_is_gone_can_be_forgotten(machine: Machine) -> None:
    other = machine.folder / "other"
    machine.write('[services.api]\ntype = "worker"\ncommand = "sleep 999"', name="other", folder=other)
    assert machine.locald("-C", "other", "up").returncode == 0
    shutil.rmtree(other)
    done = machine.locald("up", "other:api")
    assert done.returncode == 2
    assert (
        f"hint: the folder no longer exists, run `locald down {other}` to remove the project" in done.stderr
    )
    assert machine.locald("down", str(other)).returncode == 0
    assert json.loads(machine.locald("status", "--all", "--json").stdout)["services"] == []


def test_a_fixed_port_of_somebody_else_is_refused_with_the_name_of_who_has_it(machine: Machine) -> None:
    port = free_port()
    machine.write(f"[services.web]\nport = {port}\n{SERVE}")
    with socket.create_server(("127.0.0.1", port)):
        done = machine.locald("up")
        row = machine.status()["web"]
    assert (done.returncode, row["state"], row["pid"]) == (1, "failed", None)
    assert f"error: web failed: port {port} is already in use by pid" in done.stderr
    assert "python" in done.stderr
    assert "hint: " in done.stderr
    assert machine.up()["web"]["health"] == "healthy"


def test_a_start_that_was_refused_is_in_the_history_and_not_explained_by_the_run_before(
    machine: Machine,
) -> None:
    port = free_port()
    machine.write(f"[services.web]\nport = {port}\n{SERVE}")
    machine.up()
    machine.locald("stop")
    with socket.create_server(("127.0.0.1", port)):
        done = machine.locald("up")
    refused = f"not started: port {port} is already in use by pid"
    assert refused in machine.logs("web")[-1]
    assert f"error: web failed: port {port} is already in use by pid" in done.stderr
    assert [line for line in done.stderr.splitlines() if " | " in line] == []


# The file.

MISTAKES = """\
[project]
name = "shop"
nmae = "shop"

[services.web]
comand = "sleep 9999"
start_timeout = "never"
depends_on = ["databse"]

[services.database]
command = "sleep 9999"
port = 99999
restart = "allways"

[services.worker]
type = "worker"
command = "sleep 9999"
port = 80
health_check = { type = "htttp" }
"""


@pytest.mark.parametrize("command", ["up", "config check"])
def test_all_mistakes_are_told_at_once_each_with_its_line_and_what_was_meant(
    machine: Machine, command: str
) -> None:
    machine.file("locald.toml", MISTAKES)
    done = machine.locald(*command.split())
    assert (done.returncode, done.stdout) == (2, "")
    found = re.findall(r"error: locald.toml:(\d+): (.*)\n(?:hint: (.*)\n)?", done.stderr)
    told = {int(line): f"{what} / {hint}" for line, what, hint in found}
    expected = {
        3: ("project.nmae: unknown key", 'did you mean "name"?'),
        6: ("services.web.comand: unknown key", 'did you mean "command"?'),
        7: ("services.web.start_timeout", "1m30s"),
        8: ("databse", 'did you mean "database"?'),
        12: ("services.database.port", "65535"),
        13: ("services.database.restart", 'did you mean "always"?'),
        18: ("services.worker.port", "worker"),
        19: ("services.worker.health_check", 'did you mean "http"?'),
    }
    assert told.keys() == expected.keys(), done.stderr
    for line, parts in expected.items():
        assert all(part in told[line] for part in parts), told[line]
    assert list(told) == sorted(told), "from top to bottom"


def test_a_mistake_leaves_everything_as_it_is(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}[services.api]\n{SLEEPER}")
    before = machine.up()
    machine.write(f'[services.web]\n{SLEEPER}restart = "sometimes"\n')
    done = machine.locald("up")
    assert done.returncode == 2
    assert machine.status() == before
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    assert list(machine.status()) == ["web"], "what is removed is stopped once the file is right"


def test_a_folder_that_was_moved_is_found_by_what_runs_there(machine: Machine, tmp_path: Path) -> None:
    """`status`, `stop` and `down` act on it in its new place, and say so."""
    machine.write(f"[services.web]\n{SLEEPER}")
    pid = machine.up()["web"]["pid"]
    moved = tmp_path / "elsewhere"
    machine.folder.rename(moved)
    said = f"the project was moved here from {machine.folder}, its services run as of there\n"

    status = machine.locald("status", "--json", cwd=moved)
    assert (json.loads(status.stdout)["services"][0]["pid"], status.stderr) == (pid, said)
    stop = machine.locald("stop", cwd=moved)
    assert (stop.returncode, stop.stderr) == (0, f"{said}stopped web\n")
    assert not is_alive(pid)
    down = machine.locald("down", cwd=moved)
    assert (down.returncode, down.stderr) == (0, f"{said}shop is down\n")
    assert "project is not running" in machine.locald("down", cwd=moved).stderr
    machine.folder.mkdir()


def test_another_project_in_the_folder_of_one_that_is_gone_is_another_project(
    machine: Machine, tmp_path: Path
) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    pid = machine.up()["web"]["pid"]
    moved = tmp_path / "elsewhere"
    machine.folder.rename(moved)
    machine.write(f"[services.web]\n{SLEEPER}", name="other", folder=moved)

    assert "project is not running" in machine.locald("down", cwd=moved).stderr
    assert is_alive(pid)
    machine.folder.mkdir()


def test_a_project_that_has_lost_its_file_is_shown_stopped_and_removed_all_the_same(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    pid = machine.up()["web"]["pid"]
    (machine.folder / "locald.toml").unlink()
    below = machine.folder / "below"
    below.mkdir()
    said = f"no locald.toml in {machine.folder}, its services run as of the last `locald up`\n"

    status = machine.locald("status", "--json", cwd=below)
    assert (json.loads(status.stdout)["services"][0]["pid"], status.stderr) == (pid, said)
    stop = machine.locald("stop", "web")
    assert (stop.returncode, stop.stderr) == (0, f"{said}stopped web\n")
    assert not is_alive(pid)
    assert machine.locald("down").stderr == "shop is down\n"
    assert "run `locald init` to write one" in machine.locald("status").stderr


def test_a_folder_that_was_moved_is_the_same_project(machine: Machine) -> None:
    """Its services go on in the new place."""
    first, second = machine.folder / "first", machine.folder / "second"
    machine.write(f"[services.web]\n{SLEEPER}", folder=first)
    assert machine.locald("up", cwd=first).returncode == 0
    before = json.loads(machine.locald("status", "--json", cwd=first).stdout)["services"][0]
    first.rename(second)
    done = machine.locald("up", cwd=second)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(machine.locald("status", "--json", cwd=second).stdout)["services"]
    assert (row["directory"], row["health"], row["run"]) == (str(second), "healthy", 2)
    assert row["pid"] != before["pid"]


def test_a_folder_that_was_deleted_can_still_be_stopped_and_forgotten(machine: Machine) -> None:
    gone = machine.folder / "gone"
    machine.write(f"[services.web]\n{SLEEPER}", folder=gone)
    assert machine.locald("up", cwd=gone).returncode == 0
    shutil.rmtree(gone)
    assert machine.status("--all")["web"]["state"] == "running"
    assert machine.locald("stop", "shop:web").returncode == 0
    assert machine.locald("-C", str(gone), "down").returncode == 0
    assert machine.status("--all") == {}


@pytest.mark.parametrize("ended", [False, True])
def test_a_project_whose_file_is_gone_can_still_be_taken_down_from_its_folder(
    machine: Machine, ended: bool
) -> None:
    """Another branch is checked out, say. It makes no difference whether the daemon runs."""
    machine.write(f"[services.web]\n{SLEEPER}")
    pid = machine.up()["web"]["pid"]
    (machine.folder / "locald.toml").unlink()
    if ended:
        machine.kill_daemon()
    done = machine.locald("down")
    assert (done.returncode, done.stderr) == (0, "shop is down\n")
    assert not is_alive(pid)
    assert machine.status("--all") == {}


def test_a_file_is_found_upward_and_another_by_c(machine: Machine, tmp_path: Path) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    below = machine.folder / "deep" / "down"
    below.mkdir(parents=True)
    assert machine.locald("up", cwd=below).returncode == 0
    elsewhere = machine.locald("-C", str(machine.folder), "status", "--json", cwd=tmp_path)
    (row,) = json.loads(elsewhere.stdout)["services"]
    assert (row["name"], row["directory"], row["state"]) == ("web", str(machine.folder), "running")
    none = machine.locald("status", cwd=tmp_path)
    assert none.returncode == 2
    assert "locald.toml" in none.stderr
    assert "hint: " in none.stderr
