"""Groups, services that do not start by themselves, and variables of all services: what each key changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from whole.programs import SERVE, STAY, command
from whole.showing import shows

if TYPE_CHECKING:
    from whole.machine import Machine

TELLS = "import os; print(*(f'{name}={os.environ.get(name)}' for name in ('A', 'B', 'C', 'D')))"
SHOP = f"""
[groups]
backend = ["api", "jobs"]
[services.web]
type = "worker"
command = {STAY}
[services.api]
command = {SERVE}
[services.jobs]
type = "worker"
command = {STAY}
depends_on = ["queue"]
[services.queue]
type = "worker"
command = {STAY}
autostart = false
[services.mail]
type = "worker"
command = {STAY}
autostart = false
"""


def states(machine: Machine) -> dict[str, str]:
    return {name: row["state"] for name, row in machine.status().items()}


@shows("groups")
def test_a_group_stands_where_a_service_does(machine: Machine) -> None:
    machine.write(SHOP)
    assert set(machine.up("backend")) == {"api", "jobs", "queue"}
    assert states(machine)["web"] == "stopped"
    assert set(machine.status("backend")) == {"api", "jobs"}
    assert machine.locald("wait", "backend").returncode == 0
    assert machine.locald("restart", "backend").returncode == 0
    assert {name: row["run"] for name, row in machine.status("backend").items()} == {"api": 2, "jobs": 2}
    assert machine.locald("logs", "shop:backend").returncode == 0
    stopped = machine.locald("stop", "backend")
    assert stopped.stderr in ("stopped jobs and api\n", "stopped api and jobs\n")
    assert states(machine)["queue"] == "running"


@shows("autostart")
def test_a_service_that_does_not_start_by_itself_starts_when_it_is_needed_or_named(machine: Machine) -> None:
    machine.write(SHOP)
    started = machine.up()
    assert set(started) == {"web", "api", "jobs", "queue"}, "the queue is needed"
    assert states(machine)["mail"] == "stopped"
    assert set(machine.up("mail")) == {"mail"}
    machine.up()
    assert states(machine)["mail"] == "running", "it is left alone"


def test_where_none_starts_by_itself_up_says_so(machine: Machine) -> None:
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {STAY}\nautostart = false')
    done = machine.locald("up")
    assert done.returncode == 0
    assert "autostart = false" in done.stderr
    assert "hint: run `locald up web` to start one" in done.stderr


@shows("project.env", "project.env_file")
def test_variables_of_all_services_stand_between_the_shell_and_their_own(machine: Machine) -> None:
    machine.file(".env.shared", "A=shared-file\nB=shared-file\nC=shared-file\nD=shared-file")
    machine.file(".env", "B=own-file")
    task = f'type = "task"\ncommand = {command(TELLS)}'
    machine.write(
        f"""
env_file = ".env.shared"
env = {{ C = "project", D = "${{services.db.host}}" }}
[services.db]
command = {SERVE}
[services.plain]
{task}
[services.own]
{task}
env = {{ C = "own" }}
"""
    )
    done = machine.locald("up", env={"A": "shell"})
    assert done.returncode == 0, done.stderr
    assert machine.printed("plain") == ["A=shell B=own-file C=project D=127.0.0.1"]
    assert machine.printed("own") == ["A=shell B=own-file C=own D=127.0.0.1"]


def test_a_change_of_a_variable_of_all_services_restarts_them(machine: Machine) -> None:
    text = f'[services.web]\ntype = "worker"\ncommand = {STAY}'
    machine.write(f'env = {{ A = "1" }}\n{text}')
    machine.up()
    machine.write(f'env = {{ A = "2" }}\n{text}')
    assert machine.up()["web"]["run"] == 2


def test_mistakes_are_told_with_their_lines_once(machine: Machine) -> None:
    machine.write(
        """env = { A = "${NOWHERE}", B = "${services.nobody.port}", PORT = "1" }
env_file = "gone"
[groups]
web = ["web"]
back = ["api", "wbe"]
[services.web]
command = "true"
[services.api]
command = "true"
"""
    )
    done = machine.locald("config", "check", "--json")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    file = str(machine.folder / "locald.toml")
    found = [(each["where"].removeprefix(f"{file}:"), each["what"]) for each in told["problems"]]
    assert [what for _, what in found if "unknown service" in what] == [
        '${services.nobody.port}: unknown service "nobody"',
        'unknown service "wbe"',
    ]
    assert [what for where, what in found if "groups.web" in where] == ["is the name of a service too"]
