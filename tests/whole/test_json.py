"""What programs are told: with `--json` a document on standard output, also where something goes wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from whole.programs import STAY

if TYPE_CHECKING:
    from whole.machine import Machine

PAIR = f"""
[services.db]
type = "worker"
command = {STAY}
[services.web]
type = "worker"
command = {STAY}
depends_on = ["db"]
"""
BROKEN = "[services.db]\ntype = 'worker'\nrestart = 'no'\ncommand = 'exit 3'\n"


def told(machine: Machine, *arguments: str, code: int) -> Any:
    done = machine.locald(*arguments)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_stop_and_down_tell_what_has_stopped(machine: Machine) -> None:
    machine.write(PAIR)
    machine.up()

    nothing: Any = {"project": "shop", "instance": None, "moved_from": None, "running_again": [], "kept": {}}
    assert told(machine, "stop", "web", "--json", code=0) == {**nothing, "stopped": ["web"]}
    assert told(machine, "down", "--json", code=0) == {**nothing, "stopped": ["db"]}
    assert told(machine, "down", "--json", code=0) == {**nothing, "project": None, "stopped": []}
    assert told(machine, "stop", "--json", code=0) == {**nothing, "project": None, "stopped": []}


def test_stop_says_where_the_project_was_before_it_was_moved(machine: Machine) -> None:
    machine.write(PAIR)
    machine.up()
    before, machine.folder = machine.folder, machine.folder.rename(machine.folder.with_name("moved"))

    assert told(machine, "stop", "--json", code=0)["moved_from"] == str(before)


def test_a_mistake_in_the_file_is_told_as_a_document(machine: Machine) -> None:
    machine.write("[services.web]\ncomand = 'true'\nport = 0")

    found = told(machine, "up", "--json", code=2)

    unknown = found["problems"][0]
    assert len(found["problems"]) >= 2
    assert found["error"] == {
        "code": 2,
        "message": unknown["what"],
        "where": unknown["where"],
        "hint": 'did you mean "command"?',
    }
    assert unknown["where"].startswith("locald.toml:4: services.web.comand")
    assert told(machine, "config", "check", "--json", code=2)["error"] == found["error"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["status"], 3),
        (["stats"], 2),
        (["why", "--jsn"], 2),
        (["stop", "a:b:c"], 2),
        (["down", "web", "db"], 2),
        (["init", "-C", "/nowhere"], 2),
        (["server", "status"], 3),
    ],
    ids=str,
)
def test_every_error_is_a_document_with_json(machine: Machine, words: list[str], code: int) -> None:
    machine.write(PAIR)

    done = machine.locald(*words, "--json")

    assert done.returncode == code
    error = json.loads(done.stdout)["error"]
    assert error["code"] == code
    assert error["message"] in done.stderr
    assert error["hint"] in done.stderr
    assert set(error) == {"code", "message", "where", "hint"}


def test_what_a_command_of_exec_takes_is_not_ours(machine: Machine) -> None:
    machine.write(PAIR)

    assert not machine.locald("exec", "nosuch", "--", "cat", "--json").stdout
    assert not machine.locald("exec", "nosuch", "cat", "--json").stdout


def test_who_failed_is_told_beside_all_services(machine: Machine) -> None:
    machine.write(BROKEN)

    found = told(machine, "up", "--json", code=1)

    assert found["error"]["code"] == 1
    assert found["error"]["message"].startswith("db failed: exited with code 3")
    assert "`locald why db`" in found["error"]["hint"]
    assert [row["state"] for row in found["services"]] == ["failed"]


def test_who_is_late_is_told_beside_all_services(machine: Machine) -> None:
    machine.write(f"[services.web]\ncommand = {STAY}\n")
    machine.locald("server", "start")

    found = told(machine, "up", "--json", "--timeout", "300ms", code=124)

    assert found["error"]["code"] == 124
    assert found["error"]["message"].startswith("web is not ready after 300ms")
    assert [row["state"] for row in found["services"]] == ["starting"]
