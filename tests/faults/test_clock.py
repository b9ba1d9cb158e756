"""The clock that rounds set is another one, and only for what is meant."""

from __future__ import annotations

import subprocess
import sys
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from faults.harm import Victim, step_clock
from faults.yard import Yard

if TYPE_CHECKING:
    from pathlib import Path

CLOCKS = "import time; print(time.time(), time.monotonic())"


def test_a_clock_that_is_set_is_off_and_what_counts_time_is_not(tmp_path: Path) -> None:
    yard = Yard(tmp_path, steps=True)
    if not yard.clock.exists():
        pytest.skip("libfaketime is not installed")
    random = Random(0)
    harms = {step_clock(Victim(yard.home, random, tuple, yard.clock)).what for _ in range(20)}
    assert "the clock is set to -26 h" in harms
    yard.clock.write_text("-26h")
    command = [sys.executable, "-I", "-S", "-c", CLOCKS]
    said = subprocess.run(command, env=yard.machine.env, capture_output=True, text=True, check=True).stdout
    wall, counted = map(float, said.split())
    assert wall == pytest.approx(time.time() - 26 * 3600, abs=60)
    assert counted == pytest.approx(time.monotonic(), abs=60)


def test_where_none_can_be_set_nothing_is(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    assert "LD_PRELOAD" not in yard.machine.env
    assert step_clock(Victim(yard.home, Random(0), tuple, yard.clock)).what.startswith("(")
