"""What follows when a run ends by itself: another one, rest, or failure; and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from locald.linux import procfs
from whole.looking import at, is_healthy, is_in, is_unhealthy
from whole.machine import Events, Gate, is_alive, kill, wait_for
from whole.programs import PRELUDE, SERVE, command

if TYPE_CHECKING:
    from pathlib import Path

    from whole.machine import Machine

Row = dict[str, Any]


def web(rest: str) -> str:
    return f"[services.web]\n{rest}"


def follow(machine: Machine, until: str) -> list[Row]:
    """Every row of `web` that is told, to the one in this state."""
    rows: list[Row] = []
    with Events(machine.home / "run" / "locald.sock") as events:
        while not rows or rows[-1]["state"] != until:
            events.next(30)
            rows += [events.rows["web"]] if "web" in events.rows else []
    return rows


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


# Crashes.


def test_a_crash_is_retried_with_growing_delays_and_given_up_after_so_many(machine: Machine) -> None:
    """100, 200, 400 ms: each told while it lasts."""
    starts = machine.folder / "starts"
    code = f"append({str(starts)!r}, time.time()); sys.exit(7)"
    machine.write(web(f"max_restarts = 3\ncommand = {command(code)}"))
    machine.locald("server", "start")
    begun = time.monotonic()
    with machine.begin("up") as up:
        told = [row["because"] for row in follow(machine, "failed") if row["state"] == "backoff"]
        assert up.wait(30) == 1
        assert time.monotonic() - begun < 20
        assert up.stderr
        said = up.stderr.read()
    assert told == [
        "exited with code 7, restart 1 of 3 in 100ms",
        "exited with code 7, restart 2 of 3 in 200ms",
        "exited with code 7, restart 3 of 3 in 400ms",
    ]
    moments = list(map(float, lines(starts)))
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    for pause, least in zip(pauses, (0.1, 0.2, 0.4), strict=True):
        assert least <= pause < least + 1.5
    row = machine.status()["web"]
    assert (row["run"], row["restarts"], row["exit_code"]) == (4, 3, 7)
    assert "crash loop: 3 restarts in 60s (max_restarts)" in row["because"]
    for sentence in told:
        assert sentence in said
    assert f"web failed: {row['because']}" in said


def test_up_goes_on_waiting_through_backoff_until_it_is_healthy(machine: Machine) -> None:
    starts = machine.folder / "starts"
    code = (
        f"append({str(starts)!r}, 'x'); len(open({str(starts)!r}).readlines()) < 3 and sys.exit(1)\n"
        "kept = listen(); stay()"
    )
    machine.write(web(f"command = {command(code)}"))
    row = machine.up()["web"]
    assert (row["health"], row["run"], row["restarts"]) == ("healthy", 3, 2)


def test_health_starts_anew_with_each_run(machine: Machine) -> None:
    second = Gate(machine.folder)
    once = machine.folder / "once"
    code = (
        f"os.path.exists({str(once)!r}) and gate({str(second.path)!r}); append({str(once)!r}, 'x')\n"
        "kept = listen(); stay()"
    )
    machine.write(web(f"command = {command(code)}"))
    before = machine.up()["web"]
    kill(before["pid"])
    row = machine.until("web", lambda row: row["run"] == 2 and row["pid"])
    assert (row["state"], row["health"], row["source"]) == ("starting", "starting", "none")
    assert row["ready_at"] is None
    assert row["exit_code"] is None
    second.open()
    row = machine.until("web", is_healthy)
    assert (row["source"], row["restarts"]) == ("tcp", 1)
    assert at(row["ready_at"]) > at(before["ready_at"])


def test_failures_are_forgotten_by_the_next_up(machine: Machine) -> None:
    mended = machine.folder / "mended"
    code = f"os.path.exists({str(mended)!r}) or sys.exit(1)\nkept = listen(); stay()"
    machine.write(web(f"max_restarts = 1\ncommand = {command(code)}"))
    assert machine.locald("up").returncode == 1
    assert machine.status()["web"]["restarts"] == 1
    assert machine.locald("up").returncode == 1
    row = machine.status()["web"]
    assert (row["restarts"], row["run"]) == (1, 4)
    mended.touch()
    row = machine.up()["web"]
    assert (row["health"], row["restarts"]) == ("healthy", 0)


def test_a_start_timeout_is_not_retried(machine: Machine) -> None:
    starts = machine.folder / "starts"
    code = f"append({str(starts)!r}, 'x'); stay()"
    machine.write(web(f'start_timeout = "500ms"\nrestart = "always"\ncommand = {command(code)}'))
    assert machine.locald("up").returncode == 1
    row = machine.status()["web"]
    assert (row["state"], row["run"], row["restarts"]) == ("failed", 1, 0)
    assert lines(starts) == ["x"]


# Policies.


@pytest.mark.parametrize(
    ("policy", "end", "state"),
    [
        ("no", 0, "stopped"),
        ("no", 3, "failed"),
        ("on-failure", 0, "stopped"),
        ("on-failure", 3, "running"),
        ("always", 0, "running"),
        ("always", 3, "running"),
    ],
)
def test_the_policy_says_which_ends_are_followed_by_another_run(
    machine: Machine, policy: str, end: int, state: str
) -> None:
    gate = Gate(machine.folder)
    code = (
        "kept = listen()\n"
        "if os.path.exists('second'): stay()\n"
        f"open('second', 'w'); gate({str(gate.path)!r}); sys.exit({end})"
    )
    machine.write(web(f'restart = "{policy}"\ncommand = {command(code)}'))
    machine.up()
    gate.open()
    row = machine.until("web", lambda row: row["run"] == 2 or row["state"] in ("stopped", "failed"))
    if state == "running":
        row = machine.until("web", is_healthy)
        assert (row["state"], row["run"], row["restarts"]) == ("running", 2, 1)
    else:
        assert (row["state"], row["run"], row["restarts"]) == (state, 1, 0)
        assert (row["health"], row["exit_code"]) == ("unknown", end)
        assert f"exited with code {end}" in row["because"]


def test_what_exits_with_0_before_it_was_ever_ready_has_failed(machine: Machine) -> None:
    machine.write(web('command = "true"'))
    up = machine.locald("up")
    assert up.returncode == 1
    assert "exited with code 0 before becoming ready" in up.stderr
    assert 'type = "task"' in up.stderr
    row = machine.status()["web"]
    assert (row["state"], row["run"], row["exit_code"]) == ("failed", 1, 0)


def test_what_forks_away_is_told_to_stay_and_its_children_are_ended(machine: Machine) -> None:
    pids = machine.folder / "pids"
    machine.write(web(f'command = "setsid sleep 1000 & echo $! > {pids}"'))
    up = machine.locald("up")
    assert up.returncode == 1
    left = pids.read_text().strip()
    assert f"went to the background: exited with code 0, leaving pid {left} (" in up.stderr
    assert "foreground" in up.stderr
    assert not is_alive(int(pids.read_text()))


def test_helpers_that_end_with_their_parent_went_nowhere(machine: Machine) -> None:
    """As hypercorn's do when its application cannot be imported: it exits with 0, its last lines say why."""
    code = (
        "import subprocess, atexit\n"
        "helper = subprocess.Popen(['sh', '-c', 'read line'], stdin=subprocess.PIPE)\n"
        "print('no such module: shop', flush=True); os._exit(0)"
    )
    machine.write(web(f"command = {command(code)}"))
    up = machine.locald("up")
    assert up.returncode == 1
    assert "exited with code 0 before becoming ready" in up.stderr
    assert "no such module: shop" in up.stderr
    assert "background" not in up.stderr
    assert "foreground" not in up.stderr


def test_after_a_signal_the_exit_code_is_128_and_its_number(machine: Machine) -> None:
    machine.write(web(f'restart = "no"\ncommand = {SERVE}'))
    kill(machine.up()["web"]["pid"], signal.SIGUSR1)
    row = machine.until("web", is_in("failed"))
    assert row["exit_code"] == 128 + signal.SIGUSR1
    assert "SIGUSR1" in row["because"]


def test_a_task_is_not_retried_unless_it_is_asked_for(machine: Machine) -> None:
    code = "append('runs', 'x'); sys.exit(2)"
    task = f'type = "task"\ncommand = {command(code)}\n'
    machine.write(web(task) + f'[services.again]\n{task}restart = "on-failure"\nmax_restarts = 2')
    assert machine.locald("up").returncode == 1
    rows = machine.status()
    assert [(rows[name]["state"], rows[name]["run"]) for name in ("web", "again")] == [
        ("failed", 1),
        ("failed", 3),
    ]


# What is left of a run.


def test_what_a_dead_leader_leaves_is_ended_before_the_next_run(machine: Machine) -> None:
    """The leftover holds the port: another run could not even begin."""
    pids = machine.folder / "pids"
    holder = f"append({str(pids)!r}, os.getpid()); kept = listen(); stay()"
    machine.file("holder.py", f"exec({(PRELUDE + holder)!r})")
    machine.write(web(f'command = "setsid {sys.executable} holder.py & sleep 1000; wait"'))
    before = machine.up()["web"]
    first = int(lines(pids)[0])
    assert first != before["pid"]
    kill(before["pid"])
    row = machine.until("web", lambda row: row["run"] == 2 and is_healthy(row))
    assert not is_alive(first)
    assert int(lines(pids)[1]) != first
    assert str(lines(pids)[1]) in row["because"]


def test_leftovers_get_the_stop_signal_and_the_grace_before_they_are_killed(machine: Machine) -> None:
    said, ready = machine.folder / "said", machine.folder / "ready"
    stubborn = (
        f"signal.signal(signal.SIGTERM, lambda *_: append({str(said)!r}, 'term'))\n"
        f"append({str(ready)!r}, os.getpid()); stay()"
    )
    machine.file("stubborn.py", f"exec({(PRELUDE + stubborn)!r})")
    machine.write(
        web(
            'type = "worker"\nstop_timeout = "300ms"\n'
            f'command = "setsid {sys.executable} stubborn.py & sleep 1000"'
        )
    )
    before = machine.up()["web"]
    wait_for(lambda: lines(ready), "the child")
    os.kill(before["pid"], signal.SIGKILL)
    row = machine.until("web", is_in("stopping"))
    assert "stopping remaining processes" in row["because"]
    assert not is_unhealthy(row)
    machine.until("web", lambda row: row["run"] == 2)
    assert lines(said) == ["term"]
    assert not is_alive(int(lines(ready)[0]))


def test_a_service_that_was_killed_before_its_program_was_there_is_started_again(machine: Machine) -> None:
    """Where a process waits for the next run: it is held up, so that it can be killed in that moment."""
    machine.write(web('type = "worker"\ncommand = "exec sleep 1000"'))
    machine.up()
    wait_for(lambda: spares(machine) or not has_groups(machine), "the process that waits")
    if not has_groups(machine):
        pytest.skip("runs have no cgroups here")
    (spare,) = spares(machine)
    os.kill(spare, signal.SIGSTOP)
    with machine.begin("restart", "web") as again:
        wait_for(lambda: set(spares(machine)) - {spare}, "another that waits, for this one was taken")
        kill(spare)
        _, err = again.communicate()
    row = machine.status()["web"]
    assert (again.returncode, row["run"], row["health"]) == (0, 3, "healthy"), err
    assert "not started: was killed before it could start" in machine.logs("web")


def spares(machine: Machine) -> list[int]:
    """Those that wait: they have let go of all that the keeper holds, but for one socket, and are asleep."""
    return [pid for pid in procfs.children(machine.keeper_pid()) or [] if is_waiting(pid)]


def is_waiting(pid: int) -> bool:
    try:
        has_let_go = len(os.listdir(f"/proc/{pid}/fd")) == 4
    except OSError:
        return False
    found = procfs.stat(pid)
    return has_let_go and found is not None and (found.program, found.state) == ("locald-spare", "S")


def has_groups(machine: Machine) -> bool:
    """Else each run has a subreaper of its own."""
    below = procfs.descendants(machine.keeper_pid())
    return "locald-reaper" not in {procfs.program(pid) for pid in below}
