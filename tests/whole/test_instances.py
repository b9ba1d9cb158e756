"""Several folders of one project side by side: git worktrees, and a copy. Nobody configures anything."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from whole.looking import is_healthy
from whole.machine import is_alive, wait_for
from whole.programs import SERVE, STAY, command
from whole.worktrees import everything, up, worktrees

if TYPE_CHECKING:
    from pathlib import Path

    from whole.machine import Machine

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")

TELLS = "import os; print('is', os.environ['LOCALD_PROJECT'], '[' + os.environ['LOCALD_INSTANCE'] + ']')"
SHOP = f"""
[services.web]
command = {SERVE}
env = {{ DB = "${{services.db.port}}" }}
depends_on = ["db", "told"]
[services.db]
command = {SERVE}
[services.told]
type = "task"
command = {command(TELLS)}
[services.jobs]
type = "worker"
command = {STAY}
"""


@pytest.fixture
def trees(machine: Machine) -> dict[str, Path]:
    return worktrees(machine, SHOP, "feat/login", "fix")


def test_worktrees_run_side_by_side_each_with_its_own_of_everything(
    machine: Machine, trees: dict[str, Path]
) -> None:
    begun = [machine.begin("-C", str(folder), "up") for folder in trees.values()]
    for each in begun:
        with each:
            assert each.wait(60) == 0, each.communicate()
    all_rows = everything(machine)
    assert len(all_rows) == 4 * len(trees)
    ports = [row["port"] for row in all_rows if row["port"]]
    assert len(ports) == len(set(ports)) == 2 * len(trees)
    assert {row["project"] for row in all_rows} == {"shop"}
    by_label = {row["instance"]: row for row in all_rows if row["name"] == "told"}
    assert len(by_label) == len(trees), "each has a name of its own"
    for label, row in by_label.items():
        whole = f"shop@{label}" if label else "shop"
        assert row["health"] == "healthy"
        assert f"is shop [{label or ''}]" in machine.locald("logs", f"{whole}:told").stdout


def test_the_first_is_the_project_and_others_are_called_by_their_branch(
    machine: Machine, trees: dict[str, Path]
) -> None:
    names = [up(machine, folder)["web"]["instance"] for folder in trees.values()]
    assert names == [None, "feat-login", "fix"]


def test_what_is_done_in_one_folder_touches_no_other(machine: Machine, trees: dict[str, Path]) -> None:
    before = {name: up(machine, folder) for name, folder in trees.items()}
    login = trees["feat-login"]
    assert machine.locald("-C", str(login), "restart", "web").returncode == 0
    assert machine.locald("-C", str(login), "stop", "jobs").returncode == 0
    assert machine.locald("-C", str(login), "down").returncode == 0
    for name in ("", "fix"):
        for service, row in before[name].items():
            assert row["pid"] is None or is_alive(row["pid"]), (name, service)
    assert not any(is_alive(row["pid"]) for row in before["feat-login"].values() if row["pid"])
    assert {row["instance"] for row in everything(machine)} == {None, "fix"}
    again = up(machine, login)["web"]
    assert (again["instance"], again["port"]) == ("feat-login", before["feat-login"]["web"]["port"])


def test_an_instance_is_reached_by_its_name_from_anywhere(machine: Machine, trees: dict[str, Path]) -> None:
    for folder in trees.values():
        up(machine, folder)
    elsewhere = machine.folder
    one = machine.locald("status", "shop@fix:web", "--json", cwd=elsewhere)
    assert [row["instance"] for row in json.loads(one.stdout)["services"]] == ["fix"]
    whole = machine.locald("stop", "shop@fix", cwd=elsewhere)
    assert whole.returncode == 0, whole.stderr
    assert "stopped shop@fix:" in whole.stderr
    states = {row["instance"]: row["state"] for row in everything(machine) if row["name"] == "web"}
    assert states == {None: "running", "feat-login": "running", "fix": "stopped"}
    for name, left in (("shop@fix", {None, "feat-login"}), ("shop", {"feat-login"})):
        down = machine.locald("down", name, cwd=elsewhere)
        assert (down.returncode, down.stderr) == (0, f"{name} is down\n")
        assert {row["instance"] for row in everything(machine)} == left
    shown = machine.locald("status", "--all", cwd=elsewhere).stdout
    assert "shop@feat-login:web" in shown


def test_instances_are_what_they_were_behind_another_daemon(machine: Machine, trees: dict[str, Path]) -> None:
    before = {name: up(machine, folder) for name, folder in trees.items()}
    assert machine.locald("server", "restart").returncode == 0
    for name, folder in trees.items():
        after = machine.status("-C", str(folder))
        same = ("instance", "port", "pid", "run")
        for service, row in before[name].items():
            assert {each: after[service][each] for each in same} == {each: row[each] for each in same}


def test_two_folders_with_one_label_are_refused(machine: Machine, trees: dict[str, Path]) -> None:
    label = {"LOCALD_INSTANCE": "mine"}
    first = machine.locald("-C", str(trees["fix"]), "up", "jobs", env=label)
    assert first.returncode == 0, first.stderr
    second = machine.locald("-C", str(trees["feat-login"]), "up", "jobs", env=label)
    assert second.returncode == 2
    assert str(trees["fix"]) in second.stderr
    wrong = machine.locald("-C", str(trees[""]), "up", "jobs", env={"LOCALD_INSTANCE": "My Feature"})
    assert wrong.returncode == 2
    assert 'as in "my-feature"' in wrong.stderr


def test_the_first_folder_may_go_while_others_run(machine: Machine, trees: dict[str, Path]) -> None:
    for folder in trees.values():
        up(machine, folder, "jobs")
    shutil.rmtree(trees[""])
    machine.until_all(lambda rows: is_healthy(rows["jobs"]))
    assert {row["instance"] for row in everything(machine) if row["state"] == "running"} == {
        None,
        "feat-login",
        "fix",
    }
    assert machine.locald("down", "shop").returncode == 0
    assert {row["instance"] for row in everything(machine)} == {"feat-login", "fix"}


def test_instances_are_listed_with_what_runs_in_each(machine: Machine, trees: dict[str, Path]) -> None:
    for folder in trees.values():
        up(machine, folder)
    machine.locald("down", "shop@fix")
    listed = json.loads(machine.locald("instances", "--json").stdout)["instances"]
    shown = {each["instance"]: (each["directory"], each["branch"], each["running"]) for each in listed}
    assert shown == {
        None: (str(trees[""]), "main", 3),
        "feat-login": (str(trees["feat-login"]), "feat/login", 3),
        "fix": (str(trees["fix"]), "fix", 0),
    }
    assert all(each["disk_bytes"] > 0 for each in listed if each["running"])
    table = machine.locald("instances").stdout.splitlines()
    assert table[0].split() == ["INSTANCE", "RUNNING", "DISK", "BRANCH", "FOLDER"]
    assert any(line.startswith("shop@feat-login  3/4") for line in table)


def test_what_is_left_of_folders_that_are_gone_is_pruned(machine: Machine, trees: dict[str, Path]) -> None:
    pids = [up(machine, folder, "jobs")["jobs"]["pid"] for folder in trees.values()]
    assert machine.locald("instances", "prune").stderr == "nothing to prune: every folder is there\n"
    for name in ("", "fix"):
        shutil.rmtree(trees[name])
    done = machine.locald("instances", "prune")
    assert (done.returncode, done.stderr) == (0, "removed shop and shop@fix (folder is gone)\n")
    wait_for(lambda: [is_alive(pid) for pid in pids] == [False, True, False], "two of three have ended")
    listed = json.loads(machine.locald("instances", "--json").stdout)["instances"]
    assert [each["instance"] for each in listed] == ["feat-login"]


def test_instances_that_are_up_are_completed_in_a_shell(machine: Machine, trees: dict[str, Path]) -> None:
    for folder in trees.values():
        up(machine, folder, "jobs")
    offered = machine.locald("-C", str(trees[""]), "completion", "services").stdout.split()
    assert offered == ["web", "db", "told", "jobs", "shop@feat-login", "shop@fix"]
    for_down = machine.locald("completion", "projects").stdout.split()
    assert for_down == ["shop", "shop@feat-login", "shop@fix"]


def test_six_worktrees_of_eight_services_come_up_at_once(machine: Machine) -> None:
    """Nothing is told twice: no port, no label."""
    servers = [f"[services.s{number}]\ncommand = {SERVE}\n" for number in range(4)]
    workers = [f'[services.w{number}]\ntype = "worker"\ncommand = {STAY}\n' for number in range(4)]
    trees = worktrees(machine, "".join(servers + workers), *(f"b{number}" for number in range(5)))
    begun = [machine.begin("-C", str(folder), "up") for folder in trees.values()]
    for each in begun:
        with each:
            assert each.wait(120) == 0, each.communicate()
    rows = everything(machine)
    assert len(rows) == 6 * 8
    assert {row["health"] for row in rows} == {"healthy"}
    ports = [row["port"] for row in rows if row["port"]]
    assert len(ports) == len(set(ports)) == 6 * 4
    assert len({row["instance"] for row in rows}) == 6


def test_without_a_daemon_and_anything_to_know_nothing_is_started(machine: Machine) -> None:
    done = machine.locald("instances")
    assert (done.returncode, done.stderr) == (0, "no instances\n")
    assert not (machine.home / "run").exists()
