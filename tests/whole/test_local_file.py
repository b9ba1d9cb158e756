"""`locald.local.toml` as a person uses it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from whole.machine import by_name, free_port
from whole.programs import SERVE
from whole.showing import shows

if TYPE_CHECKING:
    from whole.machine import Machine

WEB = f"[services.web]\ncommand = {SERVE}\n"


def test_it_changes_what_runs_and_a_change_of_it_is_applied(machine: Machine) -> None:
    port = free_port()
    machine.write(WEB)
    first = machine.up()["web"]
    machine.file("locald.local.toml", f"[services.web]\nport = {port}\n")
    second = machine.up()["web"]
    assert (second["port"], second["port_source"], second["run"]) == (port, "fixed", first["run"] + 1)
    (machine.folder / "locald.local.toml").unlink()
    assert machine.up()["web"]["port_source"] == "assigned"


@shows("project.instance")
def test_a_label_in_it_names_the_instance(machine: Machine) -> None:
    machine.write(WEB)
    machine.file("locald.local.toml", '[project]\ninstance = "mine"\n')
    assert machine.up()["web"]["instance"] == "mine"
    assert machine.locald("status", "shop@mine:web").returncode == 0
    other = machine.folder.parent / "other"
    machine.write(WEB, folder=other)
    (other / "locald.local.toml").write_text('[project]\ninstance = "mine"\n')
    refused = machine.locald("-C", str(other), "up")
    assert refused.returncode == 2
    assert "locald.local.toml: project.instance" in refused.stderr
    assert str(machine.folder) in refused.stderr


def test_a_mistake_in_it_starts_nothing_and_is_named(machine: Machine) -> None:
    machine.write(WEB)
    machine.file("locald.local.toml", "[services.web]\nprot = 3\n")
    for words in (("up",), ("config", "check")):
        done = machine.locald(*words)
        assert done.returncode == 2
        assert "locald.local.toml:2: services.web.prot: unknown key" in done.stderr
        assert 'did you mean "port"' in done.stderr


def test_the_first_up_reads_it_too(machine: Machine) -> None:
    """The command that starts the daemon reads both files for it."""
    machine.write(WEB)
    machine.file("locald.local.toml", "[services.web]\nlog_size = 5000000\n")
    machine.up()
    shown = machine.locald("config", "show", "--json")
    settings = {each["key"]: each for each in json.loads(shown.stdout)["settings"]}
    assert settings["services.web.log_size"]["from"] == "locald.local.toml:2"
    assert by_name(json.loads(machine.locald("up", "--json").stdout))["web"]["run"] == 1
