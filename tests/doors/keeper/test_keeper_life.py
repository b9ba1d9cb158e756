"""A run is spawned, its ends are told, and when it is gone nothing of it is left, wherever it went."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from keeping import children_of, grouped, notify, once, python, sh, sockets_in, tree_of, wait_dead
from locald.keeper.runs import kill_rounds
from locald.keeper.runs.kill_rounds import Killing
from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Callable

    from keeping import Daemon, Gate, Keeping

WEB = "shop:web#1"
ORPHAN = "setsid env -i /bin/sh -c '{}' &"
"""A process that sheds its session and its environment; its parent ends at once: `( … )`."""


def shell_pid(gate: Gate) -> int:
    return int(gate.read())


def test_spawned_names_the_leader_its_token_and_its_tree(daemon: Daemon, kind: str) -> None:
    spawned = daemon.start(WEB, ["sleep", "1000"])
    assert procfs.has_variable(spawned["pid"], "LOCALD_RUN", spawned["token"])
    assert ("reaper" if kind == "reaper" else "cgroup") in spawned["tree"]
    assert tree_of(spawned).pids() == [spawned["pid"]]
    assert tree_of(spawned).has(spawned["pid"])
    assert not tree_of(spawned).has(os.getpid())


def test_how_the_leader_ended_is_told(daemon: Daemon) -> None:
    ends = {"exit 0": (0, None), "exit 3": (3, None), "kill -9 $$": (None, 9), "kill -TERM $$": (None, 15)}
    for number, (script, (code, signaled)) in enumerate(ends.items()):
        pid = daemon.start(f"shop:web#{number}", sh(script))["pid"]
        exited = daemon.wait("exited", f"shop:web#{number}")
        assert (exited["pid"], exited["code"], exited["signal"], exited["left"]) == (pid, code, signaled, 0)


def test_a_run_that_ends_is_spawned_then_exited_then_gone_each_once(daemon: Daemon) -> None:
    daemon.spawn(WEB, ["true"])
    daemon.wait("gone", WEB)
    assert daemon.of(WEB) == ["spawned", "exited", "gone"]


def test_when_it_is_gone_nothing_of_it_is_left(daemon: Daemon, keeping: Keeping) -> None:
    spawned = daemon.start(WEB, ["true"])
    daemon.wait("gone", WEB)
    assert sockets_in(keeping.run) == []
    assert os.listdir(os.path.join(keeping.run, "runs")) == []
    assert children_of(keeping.pid) == []
    assert not os.path.exists(spawned["tree"].get("cgroup", "/nowhere"))


def test_a_signal_reaches_every_process_of_the_tree(daemon: Daemon, keeping: Keeping) -> None:
    """The leader, its child, and an orphan that has neither session nor environment in common with them."""
    born, told = keeping.gate("born"), keeping.gate("told")
    trap = f'trap "echo \\$0 > {told}; exit" TERM; echo $$ > {born}; while :; do sleep 1000 & wait; done'
    daemon.start(
        WEB,
        sh(
            f"(setsid env -i /bin/sh -c '{trap}' orphan &);"
            f"/bin/sh -c '{trap}' child &"
            f"trap 'echo leader > {told}; exit' TERM; echo $$ > {born}; while :; do sleep 1000 & wait; done"
        ),
    )
    pids = {shell_pid(born) for _ in range(3)}
    daemon.send(do="signal", run=WEB, signal=signal.SIGTERM)
    assert {told.read() for _ in range(3)} == {"orphan", "child", "leader"}
    wait_dead(pids)


def test_kill_ends_all_that_is_left_wherever_it_went(daemon: Daemon, keeping: Keeping) -> None:
    """Deaf to TERM, forked twice, in a session of its own, with an empty environment."""
    born = keeping.gate("born")
    deaf = f'trap "" TERM HUP INT; echo $$ > {born}; while :; do sleep 1000; done'
    spawned = daemon.start(WEB, sh(f"(setsid env -i /bin/sh -c '{deaf}' &); {deaf}"))
    pids = [shell_pid(born), shell_pid(born)]
    assert spawned["pid"] in pids
    assert all(tree_of(spawned).has(pid) for pid in pids)
    daemon.send(do="signal", run=WEB, signal=signal.SIGTERM)
    daemon.send(do="kill", run=WEB)
    assert daemon.wait("exited", WEB)["signal"] == signal.SIGKILL
    daemon.wait("gone", WEB)
    wait_dead(pids)
    assert tree_of(spawned).pids() == []


def test_kill_ends_a_tree_that_goes_on_forking(daemon: Daemon, keeping: Keeping) -> None:
    born = keeping.gate("born")
    forker = (
        "import os, signal\n"
        "if os.fork() == 0: os.setsid()\n"
        f"open({str(born)!r}, 'w').write('1\\n')\n"
        "for turn in range(3000):\n"
        "    pid = os.fork()\n"
        "    if pid:\n"
        "        os._exit(0)\n"
        "signal.pause()\n"
    )
    spawned = daemon.start(WEB, python(forker))
    born.read()
    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)
    assert tree_of(spawned).pids() == []


def test_an_exit_says_how_many_are_left_and_gone_waits_for_them(daemon: Daemon, keeping: Keeping) -> None:
    born, end, last = keeping.gate("born"), keeping.gate("end"), keeping.gate("last")
    background = f"echo $$ > {born}; read _ < {last}"
    daemon.start(WEB, sh(f"(setsid sh -c '{background}' &) ; read _ < {end}; exit 5"))
    pid = shell_pid(born)
    end.write()
    assert daemon.wait("exited", WEB)["left"] == 1
    daemon.fence()
    assert "gone" not in daemon.of(WEB)
    assert procfs.alive(pid)
    last.write()
    daemon.wait("gone", WEB)
    wait_dead([pid])


def test_a_background_process_on_the_terminal_does_not_delay_the_leaders_exit(daemon: Daemon) -> None:
    spawned = daemon.start(WEB, sh("(while :; do echo tick; done) & exit 4"))
    exited = daemon.wait("exited", WEB)
    assert (exited["code"], exited["left"]) == (4, 1)
    assert len(tree_of(spawned).pids()) >= 1
    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)


def test_a_signal_right_after_the_spawn_is_not_lost(daemon: Daemon) -> None:
    daemon.spawn(WEB, ["sleep", "1000"])
    daemon.send(do="signal", run=WEB, signal=signal.SIGTERM)
    assert daemon.wait("exited", WEB)["signal"] == signal.SIGTERM
    daemon.wait("gone", WEB)


def test_a_kill_right_after_the_spawn_ends_it(daemon: Daemon) -> None:
    daemon.spawn(WEB, ["sleep", "1000"])
    daemon.send(do="kill", run=WEB)
    end = daemon.wait_for(lambda event: event["event"] in ("gone", "refused"), "end")
    assert end["run"] == WEB


def test_that_something_cannot_be_killed_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_rounds, "STUCK_AFTER", 0.0)
    rounds: list[Callable[[], None]] = []
    told: list[str] = []
    loop: Any = SimpleNamespace(after=lambda _, action: rounds.append(action))
    Killing(loop, lambda: False, lambda: told.append("stuck")).go_on()
    for _ in range(3):
        rounds.pop()()
    assert told == ["stuck"]


TWO = """
import os, signal
def tells(word):
    return lambda *_: open({gate!r}, "w").write(word + "\\n")
signal.signal(signal.SIGUSR1, lambda *_: os._exit(4))
if os.fork() == 0:
    signal.signal(signal.SIGUSR1, tells("hit"))
    signal.signal(signal.SIGUSR2, tells("asked"))
    tells(str(os.getpid()))()
while True:
    signal.pause()
"""


def test_a_signal_to_the_main_process_reaches_no_other(daemon: Daemon, keeping: Keeping) -> None:
    said = keeping.gate("said")
    daemon.start(WEB, python(TWO.format(gate=str(said))))
    child = int(said.read())
    daemon.send(do="signal", run=WEB, signal=signal.SIGUSR1, main=True)
    assert daemon.wait("exited", WEB)["code"] == 4
    os.kill(child, signal.SIGUSR2)
    assert said.read() == "asked"
    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)


@once
def test_signals_to_a_run_that_is_gone_hit_nobody(daemon: Daemon) -> None:
    daemon.spawn(WEB, ["true"])
    daemon.wait("gone", WEB)
    daemon.send(do="signal", run=WEB, signal=signal.SIGKILL)
    daemon.send(do="kill", run=WEB)
    daemon.start("shop:web#2", ["true"])
    assert daemon.of(WEB) == ["spawned", "exited", "gone"]


def test_runs_are_apart(daemon: Daemon) -> None:
    daemon.start("shop:web#1", ["sleep", "1000"])
    other = daemon.start("shop:api#1", ["sleep", "1000"])
    daemon.send(do="kill", run="shop:web#1")
    daemon.wait("gone", "shop:web#1")
    assert tree_of(other).pids() == [other["pid"]]


def test_many_runs_at_once_are_all_told_and_ended(daemon: Daemon) -> None:
    runs = [f"shop:web#{number}" for number in range(1, 51)]
    for run in runs:
        daemon.spawn(run, ["sleep", "1000"])
    pids = [daemon.wait("spawned", run)["pid"] for run in runs]
    for run in runs:
        daemon.send(do="kill", run=run)
    for run in runs:
        daemon.wait("gone", run)
    wait_dead(pids)


def test_orphans_of_a_run_do_not_stay_zombies(daemon: Daemon, keeping: Keeping) -> None:
    born = keeping.gate("born")
    daemon.start(WEB, sh(f"(setsid env -i /bin/sh -c 'echo $$ > {born}' &); exec sleep 1000"))
    orphan = shell_pid(born)
    wait_dead([orphan])
    daemon.start("shop:web#2", notify("READY=1"))  # its gone comes after the keeper reaped what ended before
    daemon.wait("gone", "shop:web#2")
    assert procfs.stat(orphan) is None


@once
def test_a_subreaper_that_is_killed_takes_its_run_with_it_and_no_other(
    daemon: Daemon, keeping: Keeping
) -> None:
    born = keeping.gate("born")
    lost = daemon.start(
        WEB, sh(f"(setsid env -i /bin/sh -c 'echo $$ > {born}; exec sleep 1000' &); exec sleep 1000")
    )
    orphan = shell_pid(born)
    other = daemon.start("shop:api#1", ["sleep", "1000"])
    os.kill(lost["tree"]["reaper"], signal.SIGKILL)
    daemon.wait("gone", WEB)
    wait_dead([orphan, lost["pid"]])
    assert tree_of(other).pids() == [other["pid"]]


@grouped
@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root leaves a cgroup")
def test_a_leader_that_moved_to_another_cgroup_is_ended_all_the_same(daemon: Daemon) -> None:
    spawned = daemon.start(WEB, ["sleep", "1000"])
    procs = os.path.join(os.path.dirname(spawned["tree"]["cgroup"]), "cgroup.procs")
    with open(procs, "w") as file:
        file.write(str(spawned["pid"]))
    assert not tree_of(spawned).has(spawned["pid"])
    daemon.send(do="signal", run=WEB, signal=signal.SIGTERM)
    assert daemon.wait("exited", WEB)["signal"] == signal.SIGTERM
    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)


@once
def test_what_is_forgotten_takes_no_memory(daemon: Daemon, keeping: Keeping) -> None:
    """At once: a service that restarts for weeks would fill it with environments of runs that are over."""
    env = {f"LARGE_{number}": "x" * 100_000 for number in range(5)}

    def restart(times: range) -> None:
        for number in times:
            run = f"shop:web#{number}"
            daemon.spawn(run, ["true"], env=env)
            daemon.wait("gone", run)
            daemon.send(do="forget", run=run)

    restart(range(5))
    before = resident(keeping.pid)
    restart(range(5, 65))
    assert resident(keeping.pid) - before < 10


def resident(pid: int) -> float:
    """MB of memory."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
