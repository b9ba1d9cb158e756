"""The wall clock is set while services run, as NTP sets it: what is told of times stays right."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from faults.clock import SettableClock
from whole.harbour import harbour, image, write
from whole.machine import wait_for
from whole.test_mcp import client, told

if TYPE_CHECKING:
    from pathlib import Path

    from engine.session import Docker
    from whole.machine import Machine

__all__ = ["harbour"]

STEPS = (1000 * 3600, -26 * 3600)
WEB = """
[services.web]
type = "worker"
command = "echo begun; exec sleep 4242"
"""


@pytest.fixture
def clock(machine: Machine, tmp_path: Path) -> SettableClock:
    made = SettableClock(tmp_path)
    if not made.env:
        pytest.skip("there is no compiler")
    machine.env |= made.env
    return made


@pytest.mark.parametrize("step", STEPS)
def test_how_long_ago_something_was_is_told_as_before(
    machine: Machine, clock: SettableClock, step: int
) -> None:
    machine.write(WEB)
    machine.up()
    clock.set(step)
    uptime = machine.locald("status").stdout.splitlines()[1].split()
    assert any(re.fullmatch(r"\d+ms|\d+\.\ds|[1-5]?\ds", word) for word in uptime), uptime
    daemon = next(line for line in machine.locald("server", "status").stdout.splitlines() if " up " in line)
    assert re.search(r" up (\d+ms|\d\.\ds|[1-5]?\ds)\b", daemon), daemon
    runs = machine.locald("timeline", "--all").stdout
    assert re.search(r" (\d+ms|\d\.\ds|[1-5]?\ds) +running ", runs), runs


@pytest.mark.parametrize("step", STEPS)
def test_the_lines_of_the_last_minutes_are_found(machine: Machine, clock: SettableClock, step: int) -> None:
    machine.write(WEB)
    machine.up()
    clock.set(step)
    assert machine.printed("web", "--since", "10m") == ["begun"]
    assert machine.printed("web", "--until", "10m") == []
    assert machine.printed("web", "--since", "10m", "--until", "1ms") == ["begun"]


@pytest.mark.parametrize("step", STEPS)
async def test_agents_find_them_too(machine: Machine, clock: SettableClock, step: int) -> None:
    machine.write(WEB)
    machine.up()
    clock.set(step)
    async with client(machine) as agent:
        found = await told(agent, "logs", since="10m")
    assert [line["line"] for line in found["lines"] if line["stream"] != "locald"] == ["begun"]


@pytest.mark.parametrize("step", STEPS)
def test_a_container_keeps_its_times_when_the_clock_is_set_while_the_daemon_is_away(
    harbour: Machine, docker: Docker, tmp_path: Path, step: int
) -> None:
    """When it was begun, looked at and ended the engine tells by the wall clock."""
    clock = SettableClock(tmp_path)
    if not clock.env:
        pytest.skip("there is no compiler")
    harbour.env |= clock.env
    write(harbour, f'[services.db]\n{image("healthy")}restart = "no"\n')
    before = harbour.up()["db"]
    harbour.kill_daemon()
    clock.set(step)
    harbour.status()  # starts the next daemon
    after = harbour.until("db", lambda row: row["health"] == "healthy")
    assert (after["run"], after["started_at"]) == (1, before["started_at"])

    assert after["since"] >= before["started_at"], after

    state = harbour.home / "state" / "state.json"
    wait_for(lambda: '"ready_at"' in state.read_text().splitlines()[-1], "what it knows is saved")
    harbour.kill_daemon()
    docker.api.post(f"/containers/{before['container']}/kill")
    harbour.status()
    harbour.until("db", lambda row: row["state"] == "failed")
    (run,) = json.loads(harbour.locald("timeline", "--all", "--json").stdout)["runs"]
    assert before["started_at"] == run["started_at"] < run["ready_at"] <= run["ended_at"], run
