"""The clock that rounds set is another one at once, for those that go by it, and only what is meant."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from faults.__main__ import left_out
from faults.clock import SettableClock
from faults.harm import Victim, set_clock

if TYPE_CHECKING:
    from pathlib import Path

CLOCKS = """import time
while True:
    input()
    counted = time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
    print(time.time(), time.time_ns() / 1e9, *counted, flush=True)
"""


@pytest.fixture
def clock(tmp_path: Path) -> SettableClock:
    made = SettableClock(tmp_path)
    if not made.env:
        pytest.skip("there is no compiler")
    return made


@pytest.mark.parametrize("hours", [-26, 1000, 0])
def test_a_process_that_runs_sees_the_clock_that_is_set(clock: SettableClock, hours: int) -> None:
    command = [sys.executable, "-I", "-S", "-c", CLOCKS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=os.environ | clock.env, text=True, **pipes) as process:  # type: ignore[call-overload]
        for ahead in (0, hours * 3600):
            clock.set(ahead)
            process.stdin.write("\n")
            process.stdin.flush()
            wall, again, counted, booted = map(float, process.stdout.readline().split())
            assert wall == pytest.approx(time.time() + ahead, abs=60)
            assert again == pytest.approx(wall, abs=60)
            assert counted == pytest.approx(time.monotonic(), abs=60)
            assert booted == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=60)
        process.kill()


def test_rounds_set_it_to_all_that_they_can(clock: SettableClock, tmp_path: Path) -> None:
    victim = Victim(tmp_path, clock, Random(0), tuple)
    told = {set_clock(victim).what for _ in range(60)}
    assert told == {f"the clock is set to {hours} h" for hours in ("-26", "-1", "+0", "+1", "+1000")}


def test_where_no_compiler_is_none_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    without = SettableClock(tmp_path)
    assert without.env == {}
    assert set_clock(Victim(tmp_path, without, Random(0), tuple)).what == "(no clock to set)"
    assert "clocks that are set, for there is no compiler (cc)" in left_out()
