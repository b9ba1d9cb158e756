"""The daemon dies, is replaced, or was never told what happened: services do not notice.

`kill -9` at any moment, of the daemon, of the keeper, of both; then any command that needs the daemon starts
another, which finds everything as it is.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from locald.adapters.state.reading import load
from locald.client.daemon import holder_of
from locald.client.http import Api, Unreachable
from whole import programs
from whole.looking import is_settled
from whole.machine import Gate, by_name, is_alive, kill, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from whole.machine import Json, Machine
    from whole.puppet import Puppet

    Make = Callable[[str], Puppet]

SLEEPER = 'type = "worker"\ncommand = "exec sleep 9999"\n'


def standing(rows: Json) -> Json:
    """What must be the same after another daemon has taken over."""
    kept = ("state", "health", "source", "pid", "run", "restarts", "port", "started_at", "ready_at", "since")
    return {name: {key: row[key] for key in kept} for name, row in rows.items()}


@pytest.mark.parametrize("question", [["ping"], ["server", "status"]])
def test_who_asks_for_a_daemon_that_died_is_told_that_services_keep_running(
    machine: Machine, question: list[str]
) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    pid = machine.up()["web"]["pid"]
    machine.kill_daemon()

    done = machine.locald(*question)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines() == [
        "error: daemon is not running, services keep running",
        "hint: run `locald server start` to manage them again",
    ]
    assert is_alive(pid)
    machine.locald("server", "stop")
    assert machine.locald(*question).stderr.splitlines() == [
        "error: daemon is not running",
        "hint: run `locald server start` to start it",
    ]


def kill_daemon_later(machine: Machine) -> None:
    """When what it shows has been written down, which takes it a moment."""
    rows = machine.status()

    def saved() -> Json:
        world = load(str(machine.home / "state" / "state.json")).world
        return {key.service: (each.phase.kind, each.runs) for key, each in world.services.items()}

    shown = {name: (row["state"], row["run"]) for name, row in rows.items()}
    wait_for(lambda: saved() == shown, "the saved state is as what is shown")
    machine.kill_daemon()


def is_as_before(machine: Machine, before: Json) -> None:
    machine.until_all(lambda rows: not any(row["because"].startswith("looking for") for row in rows.values()))
    assert standing(machine.status()) == standing(before)


# The services live.


@pytest.fixture(params=["cgroup", "reaper"])
def tree(request: pytest.FixtureRequest, machine: Machine) -> None:
    """Both ways of holding a run's processes, where both are possible."""
    if request.param == "reaper":
        machine.env["LOCALD_TREE"] = "reaper"


@pytest.mark.usefixtures("tree")
def test_services_of_a_killed_daemon_run_on_and_are_found_again(machine: Machine, puppet: Make) -> None:
    """The same pids, healthy again by the same word; what they print meanwhile is kept; stop works."""
    web, queue = puppet("web"), puppet("queue")
    machine.write(
        f"""
        [services]
        web = {{ command = {web.command} }}
        queue = {{ type = "worker", command = {queue.command} }}
        db = {{ command = {programs.SERVE} }}
        seed = {{ type = "task", command = "true" }}
        """
    )
    up = machine.begin("up", "--json")
    runs = web.run(), queue.run()
    runs[0].listen()
    runs[1].do("notify", "READY=1")
    up.communicate()
    before = machine.until_all(lambda rows: rows["queue"]["source"] == "notify")
    runs[0].say("before")
    kill_daemon_later(machine)
    runs[0].say("while nobody listens")
    machine.locald("status")
    is_as_before(machine, before)
    runs[0].say("after")
    wait_for(
        lambda: machine.printed("web") == ["before", "while nobody listens", "after"], "all that it printed"
    )
    assert machine.locald("stop").returncode == 0
    assert not any(is_alive(run.pid) for run in runs)


def test_a_daemon_killed_the_moment_that_up_returns_costs_nothing_either(machine: Machine) -> None:
    """What it had not yet written down, the keeper knows. A task that was done is not done again."""
    machine.write(
        f"[services.web]\ncommand = {programs.SERVE}\n"
        '[services.seed]\ntype = "task"\ncommand = "echo >> done"\n'
    )
    document = json.loads(machine.locald("up", "--json").stdout)
    kill(document["daemon"]["pid"])
    before = by_name(document)
    machine.locald("status")
    rows = machine.until_all(lambda rows: all(row["health"] == "healthy" for row in rows.values()))
    assert (rows["web"]["pid"], rows["web"]["run"]) == (before["web"]["pid"], 1)
    assert (rows["seed"]["state"], rows["seed"]["run"]) == ("completed", 1)
    assert (machine.folder / "done").read_text() == "\n"


def test_what_ended_while_the_daemon_was_away_is_known(machine: Machine, puppet: Make) -> None:
    """Its exit code, or its signal; and the restart policy is asked."""
    ends = {"code": ("exit", 3), "well": ("exit", 0), "again": ("exit", 4)}
    services = {name: puppet(name) for name in (*ends, "killed")}
    machine.write(
        "".join(
            f'[services.{name}]\ntype = "worker"\ncommand = {service.command}\n'
            + ("" if name == "again" else 'restart = "no"\n')
            for name, service in services.items()
        )
    )
    machine.up()
    runs = {name: service.run() for name, service in services.items()}
    machine.kill_daemon()
    for name, end in ends.items():
        runs[name].do(*end)
    kill(runs["killed"].pid)
    for run in runs.values():
        run.wait_end()
    machine.locald("status")
    rows = machine.until_all(
        lambda rows: (
            rows["again"]["run"] == 2
            and rows["again"]["health"] == "healthy"
            and not any(rows[name]["pid"] for name in ("code", "well", "killed"))
        )
    )
    assert rows["again"]["restarts"] == 1
    shown = {name: (rows[name]["state"], rows[name]["exit_code"]) for name in ("code", "well", "killed")}
    assert shown == {"code": ("failed", 3), "well": ("stopped", 0), "killed": ("failed", 128 + 9)}


def test_what_is_ready_or_prints_its_last_while_the_daemon_is_away_is_heard(
    machine: Machine, puppet: Make
) -> None:
    """A READY=1 is not lost, nor is a last line."""
    web, last = puppet("web"), puppet("last")
    machine.write(
        f'[services.web]\ntype = "worker"\nhealth_check = {{ type = "notify" }}\ncommand = {web.command}\n'
        f'[services.last]\ntype = "worker"\nrestart = "no"\ncommand = {last.command}\n'
    )
    machine.locald("up", "-d")
    runs = web.run(), last.run()
    machine.until("last", lambda row: row["health"] == "healthy")
    machine.kill_daemon()
    runs[0].do("notify", "READY=1\nSTATUS=all is well")
    runs[1].say("my last words")
    runs[1].do("exit", 1)
    machine.locald("status")
    rows = machine.until_all(
        lambda rows: rows["web"]["health"] == "healthy" and rows["last"]["state"] == "failed"
    )
    assert "all is well" in rows["web"]["because"]
    assert machine.printed("last") == ["my last words"]


def test_a_listener_that_vanished_meanwhile_is_seen(machine: Machine, puppet: Make) -> None:
    web = puppet("web")
    machine.write(f"[services.web]\ncommand = {web.command}")
    up = machine.begin("up")
    run = web.run()
    run.listen()
    up.communicate()
    wait_for(lambda: is_settled(machine.status()["web"]), "to be ready for a second")
    kill_daemon_later(machine)
    run.do("close")
    machine.locald("status")
    row = machine.until("web", lambda row: row["health"] == "unhealthy")
    assert row["pid"] == run.pid
    run.listen()
    machine.until("web", lambda row: row["health"] == "healthy")


def test_nothing_is_called_healthy_before_it_was_found(machine: Machine) -> None:
    """Here while the keeper, who would know, says nothing; the service dies meanwhile."""
    machine.write(f'[services.web]\nrestart = "no"\n{SLEEPER}')
    pid = machine.up()["web"]["pid"]
    keeper = machine.keeper_pid()
    os.kill(keeper, signal.SIGSTOP)
    try:
        kill_daemon_later(machine)
        kill(pid)
        row = machine.status()["web"]
        shown = machine.locald("status").stdout
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert (row["health"], row["source"], row["pid"]) == ("unknown", "none", None)
    assert row["because"] == f"looking for run 1 (pid {pid}), which was running under the previous daemon"
    assert "unknown" in shown
    machine.until("web", lambda row: row["state"] == "failed")


def test_who_asks_a_new_daemon_is_told_what_it_has_found(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    before = machine.up()
    kill_daemon_later(machine)
    assert standing(machine.status()) == standing(before)


# In the middle of something.


def test_a_daemon_killed_in_the_middle_of_a_start_costs_the_start_nothing(
    machine: Machine, puppet: Make
) -> None:
    """What starts goes on starting in its run; what waits for it still waits, and comes after it."""
    db = puppet("db")
    machine.write(
        f"[services.db]\ncommand = {db.command}\n[services.web]\ncommand = {programs.SERVE}\n"
        'depends_on = ["db"]\n'
    )
    up = machine.begin("up", "--json")
    run = db.run()
    machine.until("web", lambda row: row["waiting_on"] == ["db"])
    machine.kill_daemon()
    run.listen()
    out, err = up.communicate(timeout=30)  # it starts the daemon again, and goes on to wait
    assert up.returncode == 0, err
    rows = {row["name"]: row for row in json.loads(out)["services"]}
    assert (rows["db"]["pid"], rows["db"]["run"]) == (run.pid, 1)
    assert rows["web"]["started_at"] >= rows["db"]["ready_at"]


@pytest.mark.parametrize("moment", [0.0, 0.03, 0.1, 0.3])
def test_up_succeeds_at_whatever_moment_the_daemon_is_killed(machine: Machine, moment: float) -> None:
    """Before it can answer, while it answers, while services start."""
    machine.write(
        f"[services.db]\ncommand = {programs.SERVE}\n[services.seed]\ntype = 'task'\ncommand = 'true'\n"
        f"[services.web]\ncommand = {programs.SERVE}\ndepends_on = ['db', 'seed']\n"
    )
    up = machine.begin("up", "--json")
    lock = str(machine.home / "state" / "daemon.lock")
    wait_for(lambda: holder_of(lock), "the daemon begins")
    pid = holder_of(lock)
    assert pid
    time.sleep(moment)
    kill(pid)
    out, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
    rows = by_name(json.loads(out))
    assert all(row["health"] == "healthy" for row in rows.values())
    assert all(row["pid"] is None or is_alive(row["pid"]) for row in rows.values())


def test_a_start_timeout_goes_on_while_the_daemon_is_away(machine: Machine) -> None:
    machine.write(f'[services.web]\nstart_timeout = "1s"\ncommand = {programs.STAY}')
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: row["pid"])
    machine.kill_daemon()
    machine.locald("status")
    failed = machine.until("web", lambda row: row["state"] == "failed")
    assert "1s" in failed["because"]
    assert not is_alive(row["pid"])


def test_a_daemon_killed_in_the_middle_of_a_stop_is_followed_by_one_that_ends_it(
    machine: Machine, puppet: Make
) -> None:
    """Here of a service that does not heed the signal."""
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\nstop_timeout = "3s"\ncommand = {web.command}')
    machine.up()
    run = web.run()
    run.do("ignore", "SIGTERM")
    child = run.do("fork")
    daemon = machine.daemon_pid()
    stop = machine.begin("stop")
    machine.until("web", lambda row: row["state"] == "stopping")
    kill(daemon)  # whom to ask for now takes seconds on a busy machine, and the stop is over then
    done = machine.locald("status")
    assert done.returncode == 0, done.stderr
    row = machine.until("web", lambda row: row["state"] == "stopped")
    assert row["exit_code"] == 128 + signal.SIGKILL
    assert not is_alive(run.pid)
    assert not is_alive(child)
    assert stop.wait(30) == 0, stop.communicate()
    stop.communicate()


def test_a_daemon_killed_in_the_middle_of_a_restart_is_followed_by_one_that_starts_it_again(
    machine: Machine, puppet: Make
) -> None:
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}')
    machine.up()
    run = web.run()
    run.do("ignore", "SIGTERM")
    machine.locald("restart", "-d")
    machine.until("web", lambda row: row["state"] == "stopping")
    machine.kill_daemon()
    run.do("exit", 0)
    machine.locald("status")
    row = machine.until("web", lambda row: row["health"] == "healthy")
    assert (row["run"], row["pid"]) == (2, web.run().pid)


def test_a_retry_that_was_due_while_the_daemon_was_away_is_made(machine: Machine) -> None:
    gate = Gate(machine.folder)
    wait = f"test -e failed && sleep 9999; echo > failed; {gate.wait}; exit 1"
    machine.write(f'[services.web]\ntype = "worker"\ncommand = "{wait}"')
    machine.up()
    gate.open()
    machine.until("web", lambda row: row["state"] in ("backoff", "starting", "running") and row["restarts"])
    machine.kill_daemon()
    machine.locald("status")
    row = machine.until("web", lambda row: row["health"] == "healthy" and row["run"] == 2)
    assert row["restarts"] == 1


# It stands still, or is slow.


def test_a_daemon_that_takes_its_time_to_start_is_waited_for_and_that_is_told(machine: Machine) -> None:
    """Longer than any that takes no notice of a busy machine would have waited."""
    machine.write(f"[services.web]\ncommand = {programs.SERVE}")
    with machine.begin("up") as up:
        lock = str(machine.home / "state" / "daemon.lock")
        wait_for(lambda: holder_of(lock), "the daemon begins")
        pid = holder_of(lock)
        assert pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(16)  # nobody tells that nothing has happened
        assert up.poll() is None
        os.kill(pid, signal.SIGCONT)
        _, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
    assert f"waiting for the daemon (pid {pid}), which has not answered yet" in err


def test_a_timeout_holds_for_a_daemon_that_stands_still_too(machine: Machine) -> None:
    machine.write(f"[services.web]\ncommand = {programs.SERVE}")
    machine.up()
    pid = machine.daemon_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        done = machine.locald("up", "--timeout", "500ms")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert done.returncode == 124
    assert "error: timed out after 500ms: the daemon has not answered yet" in done.stderr


# The keeper, and the machine.


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("daemon_too", [False, True])
def test_after_the_keeper_was_killed_leftovers_are_ended_and_services_started_again(
    machine: Machine, puppet: Make, daemon_too: bool
) -> None:
    """Also what left its session. A task that was done is not done again."""
    web = puppet("web")
    machine.write(
        f'[services.web]\ncommand = {web.command}\n[services.seed]\ntype = "task"\ncommand = "echo >> done"\n'
    )
    up = machine.begin("up")
    run = web.run()
    child = run.do("fork")
    run.listen()
    up.communicate()
    keeper = machine.keeper_pid()
    if daemon_too:
        kill_daemon_later(machine)
    kill(keeper)
    machine.locald("status")
    again = web.run()
    assert not is_alive(run.pid)
    assert not is_alive(child)
    again.listen()
    row = machine.until("web", lambda row: row["health"] == "healthy")
    assert (row["pid"], row["run"]) == (again.pid, 2)
    assert (machine.folder / "done").read_text() == "\n"
    assert machine.keeper_pid() != keeper


def test_a_pid_that_belongs_to_somebody_else_by_now_is_never_touched(machine: Machine) -> None:
    """Every note of the killed keeper and daemon names a stranger's pid; its start time tells."""
    machine.write(f"[services.web]\n{SLEEPER}")
    pid = machine.up()["web"]["pid"]
    machine.kill_daemon()
    kill(machine.keeper_pid())
    with subprocess.Popen(["sleep", "9999"], env={"LOCALD_RUN": "0" * 32}) as stranger:
        replace_in_notes(machine, pid, stranger.pid)
        machine.locald("status")
        row = machine.until("web", lambda row: row["health"] == "healthy" and row["run"] == 2)
        assert row["pid"] != stranger.pid
        assert machine.locald("stop").returncode == 0
        assert stranger.poll() is None
        stranger.kill()


def replace_in_notes(machine: Machine, old: int, new: int) -> None:
    """Everywhere on disk where locald has written down the pid."""
    found = 0
    for note in (*(machine.home / "run" / "runs").iterdir(), machine.home / "state" / "state.json"):
        text = note.read_text()
        found += f'"pid": {old},' in text or f'"pid":{old},' in text
        note.write_text(
            text.replace(f'"pid": {old},', f'"pid": {new},').replace(f'"pid":{old},', f'"pid":{new},')
        )
    assert found == 2, "both the keeper's note and the saved state should have named it"


def test_after_a_restart_of_the_machine_what_was_wanted_is_started_again(
    machine: Machine, puppet: Make
) -> None:
    """And nothing of before is looked for: a stranger may have its pid, even its start time."""
    web, idle = puppet("web"), puppet("idle")
    machine.write(
        f'[services.web]\ntype = "worker"\ncommand = {web.command}\n'
        f'[services.idle]\ntype = "worker"\ncommand = {idle.command}\n'
    )
    machine.up()
    stranger = web.run()
    idle.run()
    machine.locald("stop", "idle")
    machine.kill_daemon()
    kill(machine.keeper_pid())
    pretend_another_boot(machine)
    machine.locald("status")
    again = web.run()
    row = machine.until("web", lambda row: row["health"] == "healthy")
    assert row["pid"] == again.pid
    assert machine.status()["idle"]["state"] == "stopped"
    assert is_alive(stranger.pid)
    kill(stranger.pid)


def pretend_another_boot(machine: Machine) -> None:
    state = machine.home / "state" / "state.json"
    first, *others = state.read_text().splitlines(keepends=True)
    head = json.loads(first)
    head["boot_id"] = "11111111-2222-3333-4444-555555555555"
    head["epoch"] -= 86400.0
    state.write_text("".join([json.dumps(head) + "\n", *others]))
    for note in (machine.home / "run" / "runs").iterdir():
        note.unlink()  # the run folder is gone after a reboot
    (machine.home / "run" / "keeper.sock").unlink()


# What is on disk is not what it should be.


def test_a_daemon_of_another_environment_finds_the_services_of_the_last(
    machine: Machine,
) -> None:
    """A job of cron has no XDG_RUNTIME_DIR: its sockets are elsewhere, its state folder is the same."""
    machine.write(f"[services.web]\n{SLEEPER}")
    login, temporary = machine.home / "login", machine.home / "tmp"
    for folder in (login, temporary, machine.home / "state"):
        folder.mkdir(mode=0o755)
    del machine.env["LOCALD_HOME"]
    machine.env |= {"XDG_STATE_HOME": str(machine.home / "state"), "TMPDIR": str(temporary)}
    try:
        assert machine.locald("up", env={"XDG_RUNTIME_DIR": str(login)}).returncode == 0
        before = machine.status()
        for environment in ({}, {"XDG_RUNTIME_DIR": str(login)}, {}):
            machine.kill_daemon()
            assert machine.locald("wait", env=environment).returncode == 0
            assert standing(machine.status()) == standing(before)
    finally:
        assert machine.locald("server", "stop").returncode == 0
    assert not is_alive(before["web"]["pid"])


def test_a_home_that_is_relative_is_where_the_caller_stands(machine: Machine) -> None:
    """The daemon stands elsewhere."""
    machine.write(f"[services.web]\n{SLEEPER}")
    relative = {"LOCALD_HOME": os.path.relpath(machine.home, machine.folder)}
    done = machine.locald("up", env=relative)
    assert (done.returncode, done.stderr.count("error")) == (0, 0), done.stderr
    assert machine.status()["web"]["health"] == "healthy"


def test_a_daemon_whose_socket_was_tidied_away_is_found_again(machine: Machine) -> None:
    """By a cleaner of temporary directories, say. It is the same daemon, and no other is begun."""
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.locald("up")
    before, pid = machine.status(), machine.daemon_pid()
    shutil.rmtree(machine.home / "run")
    wait_for((machine.home / "run" / "locald.sock").exists, "the socket is made anew")
    assert machine.daemon_pid() == pid
    assert standing(machine.status()) == standing(before)


def test_a_stale_socket_is_in_nobody_s_way(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    before = machine.up()
    machine.kill_daemon()
    kill(machine.keeper_pid())
    for name in ("locald.sock", "keeper.sock"):
        assert (machine.home / "run" / name).is_socket()
    assert machine.locald("ping").returncode == 3
    after = machine.up()
    assert after["web"]["pid"] != before["web"]["pid"]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half-written": lambda state: state.splitlines()[0][:50],
    "rubbish in it": lambda state: state.replace(b"\n", b"}}\n", 1),
    "not JSON": lambda _: b"\x00\xff{",
    "another shape": lambda _: b"[1, 2]",
    "a wrong type": lambda state: state.replace(b'"services":[', b'"services":5,"x":['),
    "newer": lambda state: state.replace(b'"schema":3', b'"schema":999'),
    "an unknown desired state": lambda state: state.replace(b'"desired":"up"', b'"desired":"sideways"'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_saved_state_that_cannot_be_used_is_kept_aside_and_everything_works(
    machine: Machine, damage: str
) -> None:
    """What it said is gone, so what ran is ended and started again; a person is told, without a traceback."""
    machine.write(f"[services.web]\ncommand = {programs.SERVE}")
    before = machine.up()["web"]
    machine.kill_daemon()
    state = machine.home / "state" / "state.json"
    damaged = DAMAGES[damage](state.read_bytes())
    assert damaged != state.read_bytes()
    state.write_bytes(damaged)
    done = machine.locald("up")
    assert done.returncode == 0, done.stderr
    row = machine.status()["web"]
    assert row["health"] == "healthy"
    assert row["port"] == before["port"]
    assert row["pid"] != before["pid"]
    assert not is_alive(before["pid"])
    (aside,) = state.parent.glob("state.json.*")
    assert aside.read_bytes() == damaged
    assert "the saved state is unusable" in done.stderr
    assert str(aside) in done.stderr
    for said in (done.stdout, done.stderr, (machine.home / "logs" / "daemon.log").read_text()):
        assert "Traceback" not in said


def test_who_asks_in_the_first_moment_finds_the_port_as_it_was(machine: Machine) -> None:
    """What ran without anybody who knows of it is ended before a port is chosen."""
    machine.write(f"[services.web]\ncommand = {programs.SERVE}")
    before = machine.up()["web"]
    machine.kill_daemon()
    (machine.home / "state" / "state.json").unlink()
    asked = threading.Thread(target=ask_for_all, args=[machine])
    asked.start()
    machine.locald("server", "start")
    asked.join()
    row = machine.until("web", lambda row: row["health"] == "healthy")
    assert row["port"] == before["port"]
    assert not is_alive(before["pid"])


def ask_for_all(machine: Machine) -> None:
    """As soon as a daemon can be connected to."""
    api = Api(str(machine.home / "run" / "locald.sock"))
    caller = {"env": {"PATH": os.environ["PATH"]}, "umask": 0o22, "limits": {}}
    while True:
        try:
            api.post("/v1/up", {"directory": str(machine.folder), "caller": caller})
        except Unreachable:
            time.sleep(0.0002)
        else:
            return


def test_a_saved_state_that_cannot_be_read_now_costs_nothing(machine: Machine) -> None:
    """The disk fails for a while: no daemon begins without the state, and what runs goes on until one can."""
    machine.write(f"[services.web]\ncommand = {programs.SERVE}")
    before = machine.up()["web"]
    machine.kill_daemon()
    state = machine.home / "state" / "state.json"
    kept = state.rename(state.with_name("kept"))
    state.symlink_to("/proc/self/mem")  # reading it is a real EIO
    for _ in range(2):
        done = machine.locald("up")
        assert done.returncode == 3
        assert f"daemon did not start: {state}: Input/output error" in done.stderr
        assert "Traceback" not in done.stderr
    assert is_alive(before["pid"])
    kept.replace(state)
    row = machine.up()["web"]
    assert (row["pid"], row["run"]) == (before["pid"], before["run"])


def test_what_services_print_after_the_state_was_lost_comes_after_what_they_had_printed(
    machine: Machine,
) -> None:
    """Nobody knows how many runs there were, but for the histories on disk."""
    count = machine.folder / "count"
    said = f"echo >> {count}; echo run $(wc -l < {count}); exec sleep 9999"
    machine.write(f'[services.web]\ntype = "worker"\ncommand = "{said}"')
    machine.up()
    machine.locald("restart")
    wait_for(lambda: machine.printed("web") == ["run 1", "run 2"], "both runs")
    machine.kill_daemon()
    (machine.home / "state" / "state.json").write_bytes(b"noise")
    machine.locald("status")
    machine.locald("server", "restart")
    row = machine.up()["web"]
    wait_for(lambda: machine.printed("web") == ["run 1", "run 2", "run 3"], "all that was printed, in order")
    assert row["run"] == 3


# Answering at once.


def test_status_answers_within_a_second_while_ten_slow_services_are_restored(machine: Machine) -> None:
    gate = machine.folder / "gate"
    slow = programs.command(
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.05)\nkept = listen(); stay()"
    )
    machine.write("".join(f"[services.s{number}]\ncommand = {slow}\n" for number in range(10)))
    machine.locald("up", "-d")
    machine.until_all(lambda rows: all(row["pid"] for row in rows.values()))
    machine.kill_daemon()
    kill(machine.keeper_pid())
    machine.locald("server", "start")
    took = []
    for _ in range(3):
        began = time.monotonic()
        rows = machine.status()
        took.append(time.monotonic() - began)
        assert len(rows) == 10
        assert not any(row["health"] == "healthy" for row in rows.values())
    assert min(took) < 1.0
    gate.touch()
    assert machine.locald("wait").returncode == 0


# By hand.


def test_server_restart_leaves_services_running(machine: Machine) -> None:
    machine.write(f"[services.web]\ncommand = {programs.SERVE}\n[services.queue]\n{SLEEPER}")
    before, daemon = machine.up(), machine.daemon_pid()
    done = machine.locald("server", "restart")
    assert done.returncode == 0, done.stderr
    assert machine.daemon_pid() != daemon
    assert not is_alive(daemon)
    is_as_before(machine, before)


def test_a_strict_check_of_the_own_port_does_not_fail_for_another_daemon(machine: Machine) -> None:
    check = 'health_check = { type = "tcp", retries = 1, interval = "50ms" }'
    machine.write(f"[services.web]\n{check}\ncommand = {programs.SERVE}")
    before = machine.up()
    failed = sum(not each["ok"] for each in machine.why("web")["evidence"])
    machine.locald("server", "restart")
    evidence = machine.why("web")["evidence"]
    wait_for(lambda: machine.why("web")["evidence"][0]["at"] > evidence[0]["at"], "another look")
    is_as_before(machine, before)
    assert sum(not each["ok"] for each in machine.why("web")["evidence"]) == failed


def test_server_stop_ends_everything_and_every_wish(machine: Machine, puppet: Make) -> None:
    """Services, their children, the daemon and the keeper are gone; nothing comes back by itself."""
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}')
    machine.up()
    run = web.run()
    child, daemon, keeper = run.do("fork"), machine.daemon_pid(), machine.keeper_pid()
    assert machine.locald("server", "stop").returncode == 0
    assert not any(map(is_alive, (run.pid, child, daemon)))
    wait_for(lambda: not is_alive(keeper), "the keeper ends when it holds nothing")
    done = machine.locald("status")
    assert done.returncode == 3
    assert not (machine.home / "run" / "locald.sock").exists()
    machine.locald("server", "start")
    assert machine.status()["web"]["state"] == "stopped"


def run_in_foreground(machine: Machine, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "locald", "server", "run"],
        cwd=machine.folder,
        env={**machine.env, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_server_run_stays_in_the_foreground_until_ctrl_c(machine: Machine, number: signal.Signals) -> None:
    """It is the daemon; at its end it says so, services run on, and the next daemon finds them."""
    machine.write(f"[services.web]\n{SLEEPER}")
    with run_in_foreground(machine) as server:
        assert server.stderr
        assert any("ready" in line for line in server.stderr)
        before = machine.up()
        assert machine.daemon_pid() == server.pid
        server.send_signal(number)
        out, err = server.communicate(timeout=30)
        assert server.returncode == 0, err
        assert out == ""
        assert "stopping, services keep running" in err
        assert "Traceback" not in err
    assert is_alive(before["web"]["pid"])
    machine.locald("status")
    is_as_before(machine, before)


def test_server_run_tells_its_own_supervisor_that_it_is_ready_and_stopping(machine: Machine) -> None:
    """And does not hand that socket on to its services."""
    import socket

    path = str(machine.home / "n")
    show = 'type = "task"\ncommand = "echo $NOTIFY_SOCKET"'
    machine.write(f"[services.web]\n{show}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(path)
        supervisor.settimeout(30)
        with run_in_foreground(machine, NOTIFY_SOCKET=path) as server:
            assert supervisor.recv(4096) == b"READY=1"
            assert machine.locald("ping").returncode == 0
            machine.locald("up", env={"NOTIFY_SOCKET": path})
            assert machine.printed("web") not in ([path], [""])
            server.send_signal(signal.SIGINT)
            assert supervisor.recv(4096) == b"STOPPING=1"
            server.communicate(timeout=30)


def test_of_two_daemons_at_once_one_serves_and_the_other_says_who(machine: Machine) -> None:
    machine.locald("server", "start")
    pid = machine.daemon_pid()
    with run_in_foreground(machine) as second:
        _, err = second.communicate(timeout=30)
    assert second.returncode == 3
    error, hint = err.strip().splitlines()
    assert error.startswith("error: ")
    assert str(machine.home / "run" / "locald.sock") in error
    assert hint.startswith("hint: ")
    assert machine.daemon_pid() == pid


def test_many_commands_that_start_the_daemon_at_once_start_one(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    ups = [machine.begin("up", "--json") for _ in range(4)]
    told = [(up.communicate(timeout=60), up.returncode) for up in ups]
    assert [code for _, code in told] == [0] * 4, told
    documents = [json.loads(out) for (out, _), _ in told]
    assert len({document["daemon"]["pid"] for document in documents}) == 1
    assert {document["services"][0]["run"] for document in documents} == {1}


# Who starts the daemon.


@pytest.mark.parametrize("command", [("status",), ("why", "web"), ("timeline",), ("logs",), ("wait",)])
def test_a_command_that_reads_starts_nothing_when_there_is_nothing_to_restore(
    machine: Machine, command: tuple[str, ...]
) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    done = machine.locald(*command)
    assert (done.returncode, done.stdout) == (3, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert list(machine.home.iterdir()) == [], "nothing was even made"


@pytest.mark.parametrize("command", [("ping",), ("server", "status")])
def test_ping_and_server_status_never_start_the_daemon(machine: Machine, command: tuple[str, ...]) -> None:
    """Not even when there is something to restore."""
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    assert machine.locald(*command).returncode == 0
    machine.kill_daemon()
    done = machine.locald(*command)
    assert (done.returncode, done.stdout) == (3, "")
    assert "hint: " in done.stderr
    told = machine.locald(*command, "--json")
    assert told.returncode == 3
    assert json.loads(told.stdout)["error"]["hint"]


@pytest.mark.parametrize("command", [("status",), ("why", "web"), ("timeline",), ("logs",), ("wait",)])
def test_a_command_that_reads_starts_the_daemon_when_something_is_to_be_restored(
    machine: Machine, command: tuple[str, ...]
) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    machine.kill_daemon()
    done = machine.locald(*command, "--json")
    assert done.returncode == 0, done.stderr
    assert machine.locald("ping").returncode == 0


@pytest.mark.parametrize("end", [("stop",), ("down",), ("server", "stop")])
def test_stop_and_down_end_the_wish(machine: Machine, end: tuple[str, ...]) -> None:
    """After them, and the end of the daemon, there is nothing to restore."""
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    assert machine.locald(*end).returncode == 0
    if end[0] != "server":
        wait_for(lambda: not (machine.home / "state" / "wanted").exists(), "the desired state is cleared")
        machine.kill_daemon()
    assert machine.locald("status").returncode == 3
