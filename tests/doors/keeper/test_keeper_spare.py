"""Where runs have cgroups one process waits for the next run, so that its start takes no fork. Nothing
depends on its being there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keeping import PATIENCE, Daemon, Keeping, grouped, own_house, sh, sockets_in, tree_of, wait_dead
from locald.linux import cgroup, procfs

WEB, DB = "shop:web#1", "shop:db#1"


def spare_of(keeping: Keeping) -> int:
    """The process that waits. It is the keeper's child when the one between them has ended."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        waiting = [pid for pid in procfs.children(keeping.pid) or [] if is_waiting(pid)]
        if len(waiting) == 1:
            return waiting[0]
        time.sleep(0.005)
    raise AssertionError("there is no spare process")


def is_waiting(pid: int) -> bool:
    """It has let go of what the keeper holds: the standard files and its socket are left."""
    if procfs.read(f"/proc/{pid}/comm") != b"locald-spare\n":
        return False
    try:
        return len(os.listdir(f"/proc/{pid}/fd")) == 4
    except OSError:
        return False


@grouped
def test_a_run_is_what_the_spare_becomes_and_then_there_is_another(daemon: Daemon, keeping: Keeping) -> None:
    spare = spare_of(keeping)
    spawned = daemon.start(WEB, sh('echo "$LOCALD_RUN"; exec sleep 1000'))
    assert spawned["pid"] == spare
    assert spawned["tree"]["cgroup"].endswith(f".{spawned['token']}")
    assert tree_of(spawned).pids() == [spare]
    assert os.getsid(spare) != spare
    assert os.getpgid(spare) == spare
    assert spare_of(keeping) != spare
    daemon.send(do="signal", run=WEB, signal=signal.SIGTERM)
    daemon.wait("exited", WEB, pid=spare, signal=15)
    daemon.wait("gone", WEB)
    assert daemon.printed().decode().strip() == spawned["token"]
    assert not os.path.exists(spawned["tree"]["cgroup"])


@grouped
def test_its_program_holds_nothing_of_the_keeper_open(daemon: Daemon, keeping: Keeping) -> None:
    spare_of(keeping)
    daemon.spawn(WEB, sh("ls /proc/self/fd"))
    daemon.wait("gone", WEB)
    assert daemon.printed().split() == [b"0", b"1", b"2", b"3"]  # 3 is the folder that `ls` reads


@grouped
def test_many_at_once_do_not_wait_for_spares(daemon: Daemon, keeping: Keeping) -> None:
    spare_of(keeping)
    runs = [f"shop:s{number}#1" for number in range(5)]
    for run in runs:
        daemon.spawn(run, sh("exec sleep 1000"))
    trees = [tree_of(daemon.wait("spawned", run)) for run in runs]
    assert [len(tree.pids()) for tree in trees] == [1] * 5


@grouped
def test_of_many_that_end_at_once_each_exit_is_told(daemon: Daemon, keeping: Keeping) -> None:
    """Also of the one that the spare became: it may have ended before the keeper has heard of its start."""
    for number in range(1, 21):
        spare_of(keeping)
        runs = [f"shop:s{each}#{number}" for each in range(6)]
        for run in runs:
            daemon.spawn(run, sh("exit 3"))
        for run in runs:
            daemon.wait("gone", run)
            assert daemon.of(run) == ["spawned", "exited", "gone"]


@grouped
def test_a_program_that_does_not_exist_leaves_nothing(daemon: Daemon, keeping: Keeping) -> None:
    spare = spare_of(keeping)
    daemon.spawn(WEB, ["/no/such/program"])
    assert daemon.wait("refused", WEB)["stage"] == "program"
    wait_dead([spare])
    assert sockets_in(keeping.run) == []


@grouped
def test_a_run_begins_also_when_somebody_killed_the_spare(daemon: Daemon, keeping: Keeping) -> None:
    spare = spare_of(keeping)
    os.kill(spare, signal.SIGKILL)
    wait_dead([spare])
    spawned = daemon.start(WEB, sh("exec sleep 1000"))
    assert spawned["pid"] != spare
    assert tree_of(spawned).pids() == [spawned["pid"]]


@grouped
def test_a_run_that_cannot_begin_lets_the_spare_go(daemon: Daemon, keeping: Keeping) -> None:
    """Its notify socket has no place: so it fails after it has taken the spare over."""
    spare = spare_of(keeping)
    folder = cgroup_of(spare)
    os.rename(f"{keeping.run}/n", f"{keeping.run}/elsewhere")
    Path(f"{keeping.run}/n").touch()  # what is only missing would be made again
    try:
        daemon.spawn(WEB, sh("exec sleep 1000"))
        assert daemon.wait("refused", WEB)["stage"] == "resources"
    finally:
        os.unlink(f"{keeping.run}/n")
        os.rename(f"{keeping.run}/elsewhere", f"{keeping.run}/n")
    wait_dead([spare])
    daemon.start(DB, sh("exec sleep 1000"))
    until = time.monotonic() + PATIENCE
    while os.path.exists(folder):
        assert time.monotonic() < until
        time.sleep(0.005)


@grouped
@own_house
def test_the_spare_goes_with_a_keeper_that_is_killed(keeping: Keeping) -> None:
    keeping.daemon()
    spare = spare_of(keeping)
    keeping.kill()
    wait_dead([spare])


@grouped
@own_house
def test_a_keeper_that_ends_leaves_neither_spare_nor_cgroup(keeping: Keeping) -> None:
    daemon = keeping.daemon()
    spare = spare_of(keeping)
    groups = os.path.dirname(cgroup_of(spare))
    daemon.send(do="quit")
    daemon.until_closed()
    wait_dead([spare, keeping.pid])
    assert not os.path.exists(groups)


@grouped
@own_house
def test_a_keeper_whose_spare_somebody_killed_ends_without_complaint(keeping: Keeping) -> None:
    daemon = keeping.daemon()
    spare = spare_of(keeping)
    groups = os.path.dirname(cgroup_of(spare))
    os.kill(spare, signal.SIGKILL)
    until = time.monotonic() + PATIENCE
    while os.path.exists(f"/proc/{spare}"):  # until the keeper knows
        assert time.monotonic() < until
        time.sleep(0.005)
    daemon.send(do="quit")
    daemon.until_closed()
    wait_dead([keeping.pid])
    assert not os.path.exists(groups)


SLOW = """
import os, signal, sys
from locald.keeper.loop import Loop
from locald.keeper.runs import spare
from locald.keeper.runs.children import Children
from locald.linux import prctl

first = spare._in_first_child
fork = os.fork

def fork_and_stay():
    return fork() and signal.pause()

def slowly(*arguments):
    os.fork = fork_and_stay
    first(*arguments)

spare._in_first_child = slowly
prctl.become_subreaper()
loop = Loop()
spare.Spare(sys.argv[1], Children(loop, sys.argv[1]), 100).end_now()
"""


def test_a_spare_is_waited_for_also_before_it_is_the_keepers_child() -> None:
    """The one between them, on a busy machine, has still to end."""
    groups = cgroup.usable(f"locald-test-{os.getpid()}")
    if groups is None:
        pytest.skip("no cgroup can be made here")
    done = subprocess.run([sys.executable, "-c", SLOW, groups], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert cgroup.remove(groups)


def cgroup_of(pid: int) -> str:
    path = cgroup.parse_own(procfs.read(f"/proc/{pid}/cgroup") or b"")
    found = cgroup.locate(cgroup.parse_mounts(procfs.read("/proc/self/mountinfo") or b""), path or "")
    assert found
    return found
