"""The daemon or the keeper may open nothing more: it is said once, ends nothing, and heals by itself."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from faults import harm
from whole.machine import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whole.machine import Machine

SLEEPER = 'type = "worker"\ncommand = "exec sleep 9999"\n'


@contextmanager
def out_of_files(pid: int) -> Iterator[None]:
    """What this process has open stays; whatever it opens fails."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def logged(machine: Machine, name: str = "daemon") -> str:
    return (machine.home / "logs" / f"{name}.log").read_text()


def test_a_daemon_out_of_files_says_so_once_and_answers_when_there_are_some_again(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    before = machine.up()
    with out_of_files(machine.daemon_pid()):
        asked = machine.begin("status", "--json")
        wait_for(lambda: "has no open files left" in logged(machine), "the daemon says so")
        found = machine.locald("doctor")
        assert found.returncode == 1
        assert "of 3 open files" in found.stdout
    with asked:
        assert '"running"' in asked.communicate(timeout=60)[0]
    wait_for(lambda: "has open files left again" in logged(machine), "it is over")
    assert machine.status() == before
    log = logged(machine)
    assert "Traceback" not in log
    assert log.count("open files left") == 2


def test_a_daemon_that_begins_without_files_says_why_and_leaves_no_traceback(machine: Machine) -> None:
    few = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9));"
        " runpy.run_module('locald.daemon', run_name='__main__')"
    )
    command = [sys.executable, "-c", few]
    done = subprocess.run(command, env=machine.env, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "Too many open files" in done.stderr
    assert "Traceback" not in done.stderr
    log = machine.home / "logs" / "daemon.log"
    assert not log.exists() or "Traceback" not in log.read_text()


def test_a_keeper_out_of_files_ends_nothing_and_goes_on(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}[services.other]\n{SLEEPER}")
    before = machine.up()
    pid = machine.keeper_pid()
    with out_of_files(pid):
        machine.kill_daemon()
        machine.locald("server", "start")
        wait_for(lambda: "Too many open files" in logged(machine, "keeper"), "the keeper says so")
        assert f"the keeper (pid {pid}) has" in machine.locald("doctor").stdout
    machine.until_all(lambda rows: all(row["state"] == "running" for row in rows.values()))
    assert machine.locald("restart", "other").returncode == 0
    after = machine.status()
    assert after["web"]["pid"] == before["web"]["pid"]
    assert machine.keeper_pid() == pid
    log = logged(machine, "keeper")
    assert "Traceback" not in log
    assert log.count("Too many open files") == 1
    assert "Traceback" not in logged(machine)


TALKER = """type = "worker"
command = ["sh", "-c", "trap 'echo told to stop; exit 0' TERM; while :; do sleep 9999 & wait; done"]
stop_timeout = "25s"
"""


@pytest.mark.parametrize("tree", ["reaper", ""])
def test_a_keeper_out_of_files_still_stops_what_it_is_told_to(machine: Machine, tree: str) -> None:
    """By the stop signal, and at once: it keeps some files for that."""
    machine.env["LOCALD_TREE"] = tree
    machine.write(f"[services.web]\n{TALKER}[services.other]\n{SLEEPER}")
    machine.up()
    keeper = machine.keeper_pid()
    before = harm.out_of_files(keeper)
    done = machine.locald("stop", timeout=20)
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, before)
    assert done.returncode == 0, done.stderr
    assert "told to stop" in machine.printed("web")
    assert {row["state"] for row in machine.status().values()} == {"stopped"}
    assert "SIGKILL" not in machine.why("web")["because"]


@pytest.mark.parametrize("name", ["daemon", "keeper"])
def test_what_was_stopped_by_a_signal_is_found_and_goes_on_as_the_hint_says(
    machine: Machine, name: str
) -> None:
    """`kill -STOP -1` in a service of the same user is enough for that."""
    machine.write(f"[services.web]\n{SLEEPER}")
    before = machine.up()["web"]
    pid = machine.daemon_pid() if name == "daemon" else machine.keeper_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        asked = machine.begin("restart", "web")
        found = machine.locald("doctor")
        assert found.returncode == 1
        assert re.search(f"fail  {name} +pid {pid} is stopped by a signal", found.stdout)
        if name == "keeper":
            said = machine.locald("status").stderr
            assert (
                f"warning: the keeper (pid {pid}) is stopped by a signal or by a debugger: no service" in said
            )
        command = re.search("hint: run `(kill .*)`", found.stdout)
        assert command
        subprocess.run(command[1].split(), check=True)
        with asked:
            assert asked.wait(30) == 0
    finally:
        os.kill(pid, signal.SIGCONT)
    assert machine.locald("doctor", "--json").returncode == 0
    assert machine.status()["web"]["pid"] != before["pid"]


def test_a_keeper_that_is_traced_is_found_with_who_traces_it(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    pid = machine.keeper_pid()
    attach = f"ctypes.CDLL(None).ptrace(16, {pid}, 0, 0); os.waitpid({pid}, 0)"
    code = f"import ctypes, os; {attach}; print(flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tracer:
        assert tracer.stdout
        assert tracer.stdout.readline() == b"\n"
        said = machine.locald("doctor").stdout
        assert f"pid {pid} is traced by pid {tracer.pid} (python" in said
        assert f"hint: run `kill {tracer.pid}`" in said
        tracer.terminate()
    assert machine.locald("restart", "web").returncode == 0


def test_a_daemon_whose_socket_cannot_be_made_says_where_and_leaves_no_traceback(machine: Machine) -> None:
    """Something else has its place; a file system may be read-only, or have no sockets."""
    machine.write(f"[services.web]\n{SLEEPER}")
    in_its_place = machine.home / "run" / "locald.sock" / "x"
    in_its_place.mkdir(parents=True)
    done = machine.locald("up")
    assert done.returncode == 3
    assert f"error: daemon did not start: {in_its_place.parent}: Is a directory" in done.stderr
    assert "hint: run `locald doctor`" in done.stderr
    assert "Traceback" not in logged(machine)


def test_a_daemon_that_may_start_no_thread_says_so_and_leaves_no_traceback(machine: Machine) -> None:
    code = """
import sys, threading
def start(self):
    raise RuntimeError("can't start new thread")
import locald.daemon.app
threading.Thread.start = start
sys.exit(locald.daemon.app.main([]))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=machine.env, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "error: no more processes and threads may be started" in done.stderr
    assert "Traceback" not in done.stderr + logged(machine)


def test_a_keeper_that_may_start_no_process_says_so_and_leaves_no_traceback(machine: Machine) -> None:
    code = f"""
import os, sys
def fork():
    raise BlockingIOError(11, "Resource temporarily unavailable")
os.fork = fork
from locald.keeper.main import main
main({str(machine.home / "run")!r}, 1)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=machine.env, capture_output=True, text=True, check=False)
    assert "Resource temporarily unavailable" in done.stdout
    assert "the keeper cannot begin: " in done.stderr
    assert "Traceback" not in done.stderr
