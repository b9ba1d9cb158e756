"""The wall clock is set while services run, as NTP sets it: what is told of times stays right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from faults.clock import SettableClock
from whole.test_mcp import client, told

if TYPE_CHECKING:
    from pathlib import Path

    from whole.machine import Machine

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
