"""Where a run can have no cgroup its subreaper is forked from a process that does nothing else."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from keeping import is_zygote, once, own_house, python, wait_dead
from locald.linux import procfs

if TYPE_CHECKING:
    from pathlib import Path

    from keeping import Daemon, Keeping

RUNS = 20
LARGEST = 1.0
"""MB of its own that the subreaper of a run may take"""


def zygotes(keeper: int) -> list[int]:
    return [pid for pid in procfs.children(keeper) or [] if is_zygote(pid)]


def the_zygote(daemon: Daemon, keeping: Keeping) -> int:
    """It has its name when it has answered once."""
    daemon.start("shop:first#1", ["true"])
    (zygote,) = zygotes(keeping.pid)
    return zygote


def own_memory(pid: int) -> float:
    """MB that nobody shares."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_")) / 1000


@once
@own_house
def test_the_subreaper_of_a_run_takes_less_than_a_megabyte_for_itself(daemon: Daemon) -> None:
    trees = [daemon.start(f"shop:web#{number}", ["sleep", "1000"])["tree"] for number in range(RUNS)]
    assert max(own_memory(tree["reaper"]) for tree in trees) < LARGEST


@once
@own_house
def test_a_subreaper_is_the_keeper_s_own_child(daemon: Daemon, keeping: Keeping) -> None:
    """So that its end is heard of, and nothing is lost with the zygote."""
    spawned = daemon.start("shop:web#1", ["sleep", "1000"])
    assert spawned["tree"]["reaper"] in (procfs.children(keeping.pid) or [])
    (zygote,) = zygotes(keeping.pid)
    assert procfs.children(zygote) == []


@once
@own_house
def test_with_the_zygote_killed_runs_live_on_and_new_ones_begin(daemon: Daemon, keeping: Keeping) -> None:
    before = daemon.start("shop:web#1", ["sleep", "1000"])
    (zygote,) = zygotes(keeping.pid)
    os.kill(zygote, signal.SIGKILL)
    wait_dead([zygote])
    daemon.start("shop:web#2", ["true"])
    daemon.wait("gone", "shop:web#2")
    assert procfs.alive(before["pid"])


@once
@own_house
def test_a_zygote_that_does_not_answer_is_ended_and_what_it_was_told_is_done_once(
    daemon: Daemon, keeping: Keeping, tmp_path: Path
) -> None:
    zygote = the_zygote(daemon, keeping)
    os.kill(zygote, signal.SIGSTOP)
    began, gate = tmp_path / "began", keeping.gate("gate")
    daemon.start("shop:web#1", ["sh", "-c", f"echo >> {began}; echo > {gate}; sleep 1000"])
    wait_dead([zygote])
    daemon.start("shop:web#2", ["true"])
    daemon.wait("gone", "shop:web#2")
    gate.read()
    assert began.read_text() == "\n"


@once
@own_house
def test_the_zygote_goes_with_its_keeper(daemon: Daemon, keeping: Keeping) -> None:
    """And does not hold the lock for it: the next one can begin."""
    daemon.start("shop:web#1", ["true"])
    found = zygotes(keeping.pid)
    keeping.kill()
    wait_dead(found)
    keeping.start()


@once
def test_an_environment_may_be_as_large_as_exec_allows(daemon: Daemon) -> None:
    """Far larger than a message to the zygote can be."""
    env = {f"V{number}": "x" * 100_000 for number in range(15)}
    code = "import os; print(sum(map(len, os.environ.values())) >= 1_500_000)"
    daemon.start("shop:web#1", python(code), env={**env, "PATH": os.environ["PATH"]})
    daemon.wait("gone", "shop:web#1")
    assert daemon.printed() == b"True\r\n" or daemon.printed() == b"True\n"
