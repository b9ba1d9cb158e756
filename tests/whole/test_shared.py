"""One database for all worktrees: a service that the instances of a project share."""

from __future__ import annotations

import json
import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from whole.looking import is_healthy
from whole.machine import is_alive, wait_for
from whole.programs import SERVE, command
from whole.showing import shows
from whole.worktrees import everything, in_each, up, worktrees

if TYPE_CHECKING:
    from pathlib import Path

    from whole.machine import Json, Machine

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")

ASKS = "socket.create_connection(('127.0.0.1', int(os.environ['DB'])))"
SHOP = f"""
[services.db]
command = {SERVE}
shared = true
[services.web]
command = {SERVE}
depends_on = ["db"]
env = {{ DB = "${{services.db.port}}" }}
[services.seed]
type = "task"
command = {command(ASKS)}
env = {{ DB = "${{services.db.port}}" }}
depends_on = ["db"]
"""


@pytest.fixture
def trees(machine: Machine) -> dict[str, Path]:
    return worktrees(machine, SHOP, "feat", "fix")


def shared(machine: Machine) -> Json:
    return next(row for row in everything(machine) if row["shared"])


@shows("shared")
def test_all_worktrees_have_one(machine: Machine, trees: dict[str, Path]) -> None:
    shown = in_each(machine, trees)
    assert {rows["db"]["pid"] for rows in shown.values()} == {shared(machine)["pid"]}
    assert len({rows["web"]["pid"] for rows in shown.values()}) == 3
    assert len(everything(machine)) == 1 + 2 * 3
    db = shared(machine)
    assert (db["project"], db["instance"], db["run"]) == ("shop", "_", 1)
    assert db["shared_by"] == ["shop", "shop@feat", "shop@fix"]
    assert all(set(rows) == {"db", "web", "seed"} for rows in shown.values())
    assert all(rows["seed"]["state"] == "completed" for rows in shown.values()), "each has reached it"
    socket.create_connection(("127.0.0.1", db["port"]), 5).close()


def test_status_marks_it(machine: Machine, trees: dict[str, Path]) -> None:
    up(machine, trees["feat"])
    first = machine.locald("-C", str(trees["feat"]), "status").stdout.splitlines()[1]
    assert first.startswith("db (shared)  running")
    assert "shop@_:db (shared)" in machine.locald("status", "--all").stdout
    before = machine.status("-C", str(trees["fix"]))
    assert before["db"]["state"] == "running", "also where nobody has said `up` yet"
    assert before["web"]["state"] == "stopped"


def test_it_is_listed_beside_the_instances(machine: Machine, trees: dict[str, Path]) -> None:
    """With the folder in which it runs, and with its own logs, which count for no instance."""
    up(machine, trees["feat"])
    listed = json.loads(machine.locald("instances", "--json").stdout)["instances"]
    shown = {each["instance"]: (each["shared"], each["directory"], each["running"]) for each in listed}
    folder = str(trees["feat"])
    assert shown == {None: (False, folder, 2), "_": (True, folder, 1)}
    assert all(each["disk_bytes"] > 0 for each in listed)
    assert "shop@_ (shared)" in machine.locald("instances").stdout
    shutil.rmtree(trees["feat"])
    pruned = json.loads(machine.locald("instances", "prune", "--json").stdout)
    assert [each["instance"] for each in pruned["removed"]] == [None]
    wait_for(lambda: not everything(machine), "nobody wants it any more")


def test_stop_and_down_leave_it_while_another_wants_it(machine: Machine, trees: dict[str, Path]) -> None:
    pid = in_each(machine, trees)[""]["db"]["pid"]
    stop = machine.locald("-C", str(trees["feat"]), "stop")
    assert stop.returncode == 0
    assert "db keeps running: it is shared with shop and shop@fix" in stop.stderr
    assert "stopped web" in stop.stderr
    down = machine.locald("-C", str(trees["fix"]), "down", "--json")
    assert json.loads(down.stdout)["kept"] == {"db": ["shop"]}
    assert is_alive(pid)
    assert machine.status("-C", str(trees[""]))["web"]["state"] == "running"
    last = machine.locald("-C", str(trees[""]), "down")
    assert (last.returncode, last.stderr) == (0, "shop is down\n")
    assert not is_alive(pid)


def test_who_stops_it_by_name_lets_go_of_it_alone(machine: Machine, trees: dict[str, Path]) -> None:
    in_each(machine, trees)
    stop = machine.locald("-C", str(trees["feat"]), "stop", "db")
    assert stop.returncode == 0, stop.stderr
    assert "db keeps running: it is shared with shop and shop@fix" in stop.stderr
    states = {row["instance"]: row["state"] for row in everything(machine) if row["name"] == "web"}
    assert states == {None: "running", "feat": "blocked", "fix": "running"}
    why = machine.locald("-C", str(trees["feat"]), "why", "web").stdout
    assert "stopped by user" in why
    assert up(machine, trees["feat"])["web"]["state"] == "running"


def test_its_address_reaches_it_from_anywhere(machine: Machine, trees: dict[str, Path]) -> None:
    pid = in_each(machine, trees)[""]["db"]["pid"]
    here = machine.folder
    assert "started:" in machine.locald("logs", "shop@_:db", cwd=here).stdout
    assert machine.locald("why", "shop@_:db", cwd=here).returncode == 0
    kept = machine.locald("-C", str(trees["feat"]), "restart", "db")
    assert kept.returncode == 0, kept.stderr
    assert "db is shared with shop and shop@fix: not restarted" in kept.stderr
    assert "locald restart shop@_:db" in kept.stderr
    assert is_alive(pid)
    done = machine.locald("restart", "shop@_:db", cwd=here)
    assert done.returncode == 0, done.stderr
    assert not is_alive(pid)
    assert shared(machine)["run"] == 2
    stop = machine.locald("stop", "shop@_:db", cwd=here)
    assert stop.returncode == 0, stop.stderr
    assert {row["state"] for row in everything(machine) if row["name"] == "web"} == {"blocked"}
    again = machine.locald("up", "shop@_:db", cwd=here)
    assert again.returncode == 0, again.stderr
    assert shared(machine)["state"] == "running"


def test_another_definition_is_told_and_restarts_nothing(machine: Machine, trees: dict[str, Path]) -> None:
    pid = in_each(machine, trees)[""]["db"]["pid"]
    file = trees["feat"] / "locald.toml"
    file.write_text(file.read_text().replace("shared = true", "shared = true\nstart_timeout = 7"))
    done = machine.locald("-C", str(trees["feat"]), "up")
    assert done.returncode == 0, done.stderr
    told = "has another start_timeout than what runs, which is shared with shop and shop@fix"
    assert told in done.stderr
    assert "locald stop shop@_:db" in done.stderr
    assert is_alive(pid)
    assert machine.locald("stop", "shop@_:db").returncode == 0
    assert machine.locald("-C", str(trees["feat"]), "up").returncode == 0
    assert shared(machine)["directory"] == str(trees["feat"])


def test_it_outlives_the_folder_that_started_it(machine: Machine, trees: dict[str, Path]) -> None:
    in_each(machine, trees)
    shutil.rmtree(trees[""])
    pruned = machine.locald("instances", "prune")
    assert pruned.returncode == 0, pruned.stderr
    machine.until_all(lambda rows: is_healthy(rows["db"]))
    assert shared(machine)["directory"] in (str(trees["feat"]), str(trees["fix"]))
    assert machine.locald("restart", "shop@_:db").returncode == 0
    assert up(machine, trees["fix"])["web"]["state"] == "running"


def test_a_moved_folder_has_it_still(machine: Machine, trees: dict[str, Path]) -> None:
    before = in_each(machine, trees)
    moved = trees["feat"].rename(machine.folder / "moved")
    shown = machine.status("-C", str(moved))
    assert shown["db"]["pid"] == before[""]["db"]["pid"]
    assert shown["web"]["pid"] == before["feat"]["web"]["pid"]
    assert machine.locald("-C", str(moved), "down").returncode == 0
    assert shared(machine)["shared_by"] == ["shop", "shop@fix"]


def test_another_daemon_goes_on_with_it(machine: Machine, trees: dict[str, Path]) -> None:
    before = in_each(machine, trees)
    assert machine.locald("server", "restart").returncode == 0
    assert machine.status("-C", str(trees["feat"]))["db"]["pid"] == before["feat"]["db"]["pid"]
    for name in ("feat", "fix"):
        assert machine.locald("down", f"shop@{name}").returncode == 0
    assert shared(machine)["state"] == "running"
    assert machine.locald("down", "shop").returncode == 0
    assert everything(machine) == []


def test_a_command_in_its_environment_knows_no_instance(machine: Machine, trees: dict[str, Path]) -> None:
    up(machine, trees["feat"])
    told = machine.locald("-C", str(trees["feat"]), "exec", "db", "--", "env").stdout.splitlines()
    assert "LOCALD_INSTANCE=" in told
    assert "LOCALD_SERVICE=db" in told
    assert not any(line.startswith("PORT_WEB=") for line in told)
    own = machine.locald("-C", str(trees["feat"]), "exec", "web", "--", "env").stdout.splitlines()
    assert f"PORT_DB={shared(machine)['port']}" in own


def test_what_depends_on_an_own_service_cannot_be_shared(machine: Machine) -> None:
    machine.write(SHOP.replace("[services.web]", 'depends_on = ["web"]\n[services.web]', 1))
    done = machine.locald("config", "check")
    assert done.returncode == 2
    assert '"web" is not shared, but "db" is' in done.stderr
