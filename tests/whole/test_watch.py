"""`watch`: a service is restarted when its files change, as a person sees it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from datetime import datetime
from typing import TYPE_CHECKING

from whole.machine import wait_for

if TYPE_CHECKING:
    from whole.machine import Json, Machine

WEB = """
    [services.web]
    type = "worker"
    command = "cat src/api.py; exec sleep 1000"
    watch = ["src/**/*.py"]
"""


def watching(machine: Machine) -> None:
    """Wait until the daemon watches folders."""
    pid = machine.daemon_pid()
    wait_for(lambda: folders(pid) > 1, "watched folders")


def folders(pid: int) -> int:
    """How many folders the daemon watches (proc_pid_fdinfo(5))."""
    found = 0
    for each in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{each}") as file:
                found += file.read().count("inotify wd:")
        except OSError:
            pass
    return found


def source(machine: Machine, text: str, name: str = "src/api.py") -> None:
    path = machine.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def begun(machine: Machine, services: str = WEB) -> Json:
    source(machine, "one\n")
    machine.write(services)
    row: Json = machine.up()["web"]
    watching(machine)
    return row


def test_a_change_restarts_the_service_and_it_is_told_why(machine: Machine) -> None:
    begun(machine)
    source(machine, "two\n")
    machine.until("web", lambda row: row["run"] == 2 and row["health"] == "healthy")
    assert machine.printed("web") == ["one", "two"]
    assert machine.why("web")["cause"] == "src/api.py changed"
    assert "restarted: src/api.py changed" in machine.locald("why", "web").stdout
    assert "web restarted: src/api.py changed" in machine.locald("timeline").stdout
    assert "restarting: src/api.py changed" in machine.logs("web")
    assert machine.status()["web"]["restarts"] == 0


def test_a_service_that_failed_on_a_mistake_starts_when_it_is_mended(machine: Machine) -> None:
    source(machine, "exit 3\n")
    machine.write(
        '[services.web]\ntype = "worker"\ncommand = ". ./src/api.py; exec sleep 1000"\n'
        'watch = "src"\nrestart = "no"\n'
    )
    assert machine.locald("up").returncode == 1
    watching(machine)
    source(machine, "echo mended\n")
    machine.until("web", lambda row: row["health"] == "healthy")
    assert machine.printed("web") == ["mended"]


def test_a_checkout_of_two_thousand_files_restarts_once(machine: Machine) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=machine.folder, check=True, capture_output=True)

    git("init", "-q")
    for branch in ("one", "two"):
        git("checkout", "-qb", branch)
        for number in range(2000):
            source(machine, f"{branch}\n", f"src/{number % 40}/{number}.py")
        source(machine, f"{branch}\n")
        git("add", "src")
        git("commit", "-qm", branch)
    machine.write(WEB.replace('watch = ["src/**/*.py"]', 'watch = { paths = ["src"], debounce = "1s" }'))
    machine.up()
    watching(machine)
    git("checkout", "-q", "one")
    row = machine.until("web", lambda row: row["run"] > 1 and row["health"] == "healthy")
    assert row["run"] == 2
    assert "more changed" in machine.why("web")["cause"]
    assert machine.printed("web") == ["two", "one"]


def test_its_files_are_watched_on_after_the_death_of_the_daemon(machine: Machine) -> None:
    begun(machine)
    machine.kill_daemon()
    machine.locald("server", "start")
    watching(machine)
    source(machine, "two\n")
    machine.until("web", lambda row: row["run"] == 2 and row["health"] == "healthy")


def test_a_signal_reaches_the_main_process_alone(machine: Machine) -> None:
    code = (
        "import os, signal, subprocess, sys, time\n"
        "helper = subprocess.Popen(['sleep', '1000'])\n"
        "signal.signal(signal.SIGHUP, lambda *_: print('reloaded', helper.poll(), flush=True))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    machine.file("reload.py", code)
    row = begun(
        machine,
        '[services.web]\ntype = "worker"\ncommand = ["python3", "reload.py"]\n'
        'watch = { paths = ["src"], signal = "HUP", debounce = "50ms" }\n'
        'health_check = { type = "log", pattern = "ready" }\n',
    )
    source(machine, "two\n")
    wait_for(lambda: "reloaded None" in machine.printed("web"), "a reload")
    assert machine.status()["web"]["pid"] == row["pid"]


def test_a_loop_ends_and_is_named(machine: Machine) -> None:
    """It writes a watched file at each start."""
    machine.write(
        '[services.web]\ntype = "worker"\ncommand = "date +%N > src/made.py; exec sleep 1000"\n'
        'watch = { paths = ["src"], debounce = "50ms" }\n'
    )
    source(machine, "one\n")
    machine.up()
    watching(machine)
    source(machine, "two\n")
    row = machine.until("web", lambda row: row["hint"] and "src/made.py" in row["hint"], 60)
    assert 'add ignore = ["src/made.py"]' in row["hint"]
    machine.until("web", lambda row: row["state"] == "running")


def test_a_glob_that_matches_nothing_is_told(machine: Machine) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "exec sleep 1000"\nwatch = ["scr/*.py"]\n')
    machine.up()
    machine.until("web", lambda row: row["hint"] and "nothing matches its `watch`: scr/*.py" in row["hint"])


def test_who_watches_nothing_imports_nothing_for_it(machine: Machine) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "exec sleep 1000"\n')
    machine.up()
    assert folders(machine.daemon_pid()) == 0
    loaded = "import sys, locald.daemon.app; print([name for name in sys.modules if 'watching' in name])"
    done = subprocess.run([*machine.python, "-c", loaded], capture_output=True, text=True, check=True)
    assert "locald.adapters.watching" not in done.stdout


def test_from_the_change_to_the_next_spawn_it_takes_the_debounce_and_little_more(machine: Machine) -> None:
    """On a machine that does other things too: the best of several."""
    begun(machine)
    took = []
    for number in range(2, 7):
        changed_at = time.time()
        source(machine, f"{number}\n", f"src/{number}.py")
        row = machine.until("web", lambda row: row["run"] == number and row["health"] == "healthy")  # noqa: B023
        took.append(datetime.fromisoformat(row["started_at"]).timestamp() - changed_at)
    assert 0.2 <= min(took) < 0.2 + 0.1


def test_earlier_runs_are_listed_with_their_end_and_their_cause(machine: Machine) -> None:
    begun(machine)
    source(machine, "two\n")
    machine.until("web", lambda row: row["run"] == 2 and row["health"] == "healthy")
    machine.kill_daemon()
    machine.locald("server", "start")
    runs = json.loads(machine.locald("timeline", "--all", "--json").stdout)["runs"]
    assert [(run["service"], run["run"], run["exit_code"], run["cause"]) for run in runs] == [
        ("web", 2, None, "src/api.py changed"),
        ("web", 1, 143, None),
    ]
    assert runs[1]["ready_at"] is not None
    shown = machine.locald("timeline", "--all").stdout.splitlines()
    assert "  ".join(shown[0].split()).startswith("SERVICE  RUN  STARTED  READY  AFTER  LASTED  END")
    assert "running" in shown[1]
    assert "src/api.py changed" in shown[1]
    assert "exit code 143" in shown[2]
