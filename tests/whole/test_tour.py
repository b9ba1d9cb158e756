"""A walk through the commands with the real program, as somebody new would take it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from whole import programs
from whole.machine import PATIENCE, is_alive, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whole.machine import Json, Machine
    from whole.puppet import Puppet

    Make = Callable[[str], Puppet]

SLEEPER = 'type = "worker"\ncommand = "exec sleep 9999"\n'


# From nothing to something that runs.


def test_from_a_procfile_to_services_that_run(machine: Machine) -> None:
    """`init`, `config check`, `up`, a look around, `down`: each step says what comes next."""
    machine.file("Procfile", f"web: {sys.executable} -m http.server $PORT --bind 127.0.0.1\n")
    begun = machine.locald("init")
    assert begun.returncode == 0, begun.stderr
    assert "locald up" in begun.stderr
    checked = machine.locald("config", "check")
    assert checked.returncode == 0, checked.stderr
    assert "is valid: 1 service" in checked.stderr
    up = machine.locald("up")
    assert up.returncode == 0, up.stderr
    assert "web: healthy (tcp, fallback)" in up.stderr
    head, row = machine.locald("status").stdout.splitlines()[:2]
    assert head.split() == ["SERVICE", "STATE", "HEALTH", "SOURCE", "PORT", "PID", "UPTIME", "URL"]
    assert row.split()[:3] == ["web", "running", "healthy"]
    with urllib.request.urlopen(row.split()[-1], timeout=PATIENCE) as page:
        assert b"Procfile" in page.read()
    assert "accepts connections" in machine.locald("why", "web").stdout
    assert "GET / HTTP" in machine.locald("logs", "web").stdout
    assert machine.locald("down").returncode == 0
    assert machine.status()["web"]["state"] == "stopped"


def test_init_touches_no_file_that_is_there(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    before = (machine.folder / "locald.toml").read_text()
    done = machine.locald("init")
    assert done.returncode == 2
    assert "hint: " in done.stderr
    assert (machine.folder / "locald.toml").read_text() == before


def test_config_commands_need_no_daemon(machine: Machine) -> None:
    machine.write('[services.web]\ncommand = "x"\nport = 4000\nstart_timeout = 90')
    assert machine.locald("config", "check").returncode == 0
    shown = machine.locald("config", "show").stdout
    assert re.search(r"services\.web\.port = 4000 +# locald\.toml:5", shown), shown
    assert re.search(r'services\.web\.start_timeout = "1m30s" +# locald\.toml:6', shown), shown
    assert re.search(r'services\.web\.restart = "on-failure" +# default', shown), shown
    schema = json.loads(machine.locald("config", "schema").stdout)
    assert schema["additionalProperties"] is False
    (machine.folder / "locald.toml").write_text(shown)
    assert machine.locald("config", "check").returncode == 0, "what is shown is itself such a file"
    assert list(machine.home.iterdir()) == []


# try


def test_try_gives_a_port_and_says_when_somebody_listens(machine: Machine, tmp_path: Path) -> None:
    """Without a project and without a daemon; nothing of the command stays."""
    code = "os.fork() or (append('child', os.getpid()), stay()); kept = listen(); stay()"
    command = json.loads(programs.command(code))
    with subprocess.Popen(
        [sys.executable, "-m", "locald", "try", *command],
        cwd=tmp_path,
        env=machine.env,
        stderr=subprocess.PIPE,
        text=True,
    ) as trying:
        assert trying.stderr
        port = re.fullmatch(r"PORT=(\d+)\n", trying.stderr.readline())
        assert port
        assert f"http://127.0.0.1:{port[1]}/" in trying.stderr.readline()
        child = tmp_path / "child"
        wait_for(lambda: child.exists() and child.read_text().endswith("\n"), "the child")
        trying.send_signal(signal.SIGTERM)
        trying.communicate(timeout=PATIENCE)
    assert trying.returncode == 128 + signal.SIGTERM
    assert not is_alive(int(child.read_text()))
    assert list(machine.home.iterdir()) == []


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("no-such-program", 127)])
def test_try_returns_the_code_of_the_command(machine: Machine, script: str, code: int) -> None:
    assert machine.locald("try", "sh", "-c", script).returncode == code


# exec


def test_exec_runs_where_and_with_what_the_service_runs(machine: Machine) -> None:
    (machine.folder / "back").mkdir()
    machine.file(".env", "FILE=1\n")
    machine.write(
        f'[services.web]\ncommand = {programs.SERVE}\nworkdir = "back"\n'
        f'env = {{ URL = "${{services.db.url}}" }}\n[services.db]\ncommand = {programs.SERVE}\n'
    )
    assert machine.locald("up", env={"MINE": "shell"}).returncode == 0
    rows = machine.status()
    show = 'echo "$PWD $PORT $PORT_DB $URL $FILE $MINE $LOCALD_SERVICE ${NOTIFY_SOCKET-none}"; cat; exit 7'
    done = machine.locald("exec", "web", "--", "sh", "-c", show, input="what is typed")
    assert done.returncode == 7, done.stderr
    db = rows["db"]["port"]
    expected = [str(machine.folder / "back"), rows["web"]["port"], db, f"http://127.0.0.1:{db}/"]
    told = " ".join(map(str, [*expected, "1", "shell", "web", "none"]))
    assert done.stdout == f"{told}\nwhat is typed"
    assert machine.status() == rows, "the service has not noticed"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("web", "sh", "-c", "kill -TERM $$"), 143), (("web", "--", "no-such-program"), 127)],
)
def test_exec_returns_the_code_of_the_command(
    machine: Machine, arguments: tuple[str, ...], code: int
) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    assert machine.locald("exec", *arguments).returncode == code


# timeline


def test_timeline_shows_what_the_start_waited_for(machine: Machine, puppet: Make) -> None:
    """The critical path is the chain that decided how long it took, not what was ready meanwhile."""
    names = ("db", "api", "web")
    services = {name: puppet(name) for name in names}
    machine.write(
        f"""
        [services]
        quick = {{ command = {programs.SERVE} }}
        db = {{ command = {services["db"].command} }}
        api = {{ command = {services["api"].command}, depends_on = ["db", "quick"] }}
        web = {{ command = {services["web"].command}, depends_on = ["api", "quick"] }}
        """
    )
    up = machine.begin("up")
    for name in names:
        run = services[name].run()
        machine.until("quick", lambda row: row["health"] == "healthy")
        run.listen()
    assert up.communicate(timeout=PATIENCE)
    document: Json = json.loads(machine.locald("timeline", "--json").stdout)
    assert document["project"] == "shop"
    assert document["critical_path"] == list(names)
    parts = {part["name"]: part for part in document["services"]}
    for part in parts.values():
        moments = [part[key] for key in ("queued_at", "spawned_at", "listening_at", "ready_at")]
        assert moments == sorted(moments), part
        assert part["source"] == "tcp"
    assert parts["api"]["spawned_at"] >= parts["db"]["ready_at"]
    assert parts["web"]["spawned_at"] >= parts["api"]["ready_at"]
    assert "db" in parts["api"]["waited_for"]
    assert "api" in parts["web"]["waited_for"]
    assert parts["db"]["waited_for"] == []
    assert document["total_ms"] > 0
    text = machine.locald("timeline").stdout
    assert "critical path: db → api → web" in text
    assert [line.split()[0] for line in text.splitlines()[:1]] == ["SERVICE"]


# Looking after it.


def test_doctor_finds_a_running_daemon_and_changes_nothing(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    before = machine.up()
    done = machine.locald("doctor", "--json")
    assert done.returncode == 0, done.stdout
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert str(machine.daemon_pid()) in checks["daemon"]["detail"]
    assert checks["keeper"]["detail"].startswith("running")
    assert not any(check["level"] == "fail" for check in checks.values())
    for line in machine.locald("doctor").stdout.splitlines():
        assert re.match(r"(ok|warn) +\w+ +\S|  +hint: \S", line), line
    assert machine.status() == before


def test_doctor_names_a_daemon_that_hangs_with_the_way_out(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    before = machine.up()["web"]
    pid = machine.daemon_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        done = machine.locald("doctor")
        assert done.returncode == 1
        failed = [line for line in done.stdout.splitlines() if line.startswith("fail")]
        assert len(failed) == 1
        assert "daemon" in failed[0]
        assert "hint:" in done.stdout
        started = machine.locald("ping")
        assert started.returncode == 3
        assert "hint: " in started.stderr
    finally:
        os.kill(pid, signal.SIGCONT)
    assert machine.status()["web"]["pid"] == before["pid"]


def test_ping_and_server_status_tell_who_is_there(machine: Machine) -> None:
    machine.locald("server", "start")
    pid = machine.daemon_pid()
    assert re.match(rf"daemon answered in (\d+ms|\d\.\ds) \(pid {pid}\)\n", machine.locald("ping").stdout)
    assert json.loads(machine.locald("ping", "--json").stdout)["pid"] == pid
    shown = machine.locald("server", "status").stdout
    for fact in (f"pid {pid}", str(machine.home / "run" / "locald.sock"), str(machine.home / "logs")):
        assert fact in shown
    again = machine.locald("server", "start")
    assert (again.returncode, machine.daemon_pid()) == (0, pid)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands_and_the_services_of_the_project(machine: Machine, shell: str) -> None:
    machine.write(f"[services.web]\n{SLEEPER}[services.api]\n{SLEEPER}")
    script = machine.locald("completion", shell).stdout
    for command in ("up", "timeline", "completion"):
        assert command in script
    assert machine.locald("completion", "services").stdout.split() == ["web", "api"]
    if shell == "bash" and shutil.which("bash"):
        assert completed_by_bash(machine, script, "locald", "stop", "w") == ["web"]
        assert "status" in completed_by_bash(machine, script, "locald", "st")
    assert list(machine.home.iterdir()) == [], "no daemon is started by pressing Tab"


def completed_by_bash(machine: Machine, script: str, *words: str) -> list[str]:
    line = f"""
        locald() {{ {sys.executable} -m locald "$@"; }}
        {script}
        COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; _locald; echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", line],
        cwd=machine.folder,
        env=machine.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


# How it speaks.


def test_without_a_terminal_there_is_no_colour_and_no_cursor_movement(machine: Machine) -> None:
    machine.write(f'[services.web]\n{SLEEPER}[services.bad]\ntype = "task"\ncommand = "exit 1"')
    commands = (
        "up",
        "status",
        "why bad",
        "timeline",
        "logs",
        "doctor",
        "config show",
        "server status",
        "down",
    )
    for command in commands:
        done = machine.locald(*command.split(), env={"TERM": "xterm-256color", "FORCE_COLOR": "1"})
        assert "\x1b" not in done.stdout + done.stderr, command
        assert "\r" not in done.stdout + done.stderr, command


def test_data_goes_to_standard_output_and_talk_to_standard_error(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    up = machine.locald("up", "--json")
    assert json.loads(up.stdout)["services"][0]["health"] == "healthy"
    assert "web: healthy" in up.stderr
    for command in ("status", "why web", "timeline", "wait", "server status", "ping", "doctor"):
        done = machine.locald(*command.split(), "--json")
        json.loads(done.stdout)
        assert done.returncode == 0
    assert machine.locald("stop").stdout == ""


def test_every_command_explains_itself(machine: Machine) -> None:
    listed = machine.locald("--help").stdout
    commands = re.findall(r"^  ([a-z]+) +\S", listed, re.MULTILINE)
    assert {"up", "stop", "down", "status", "why", "timeline", "logs", "doctor"} <= set(commands)
    for command in commands:
        done = machine.locald(command, "--help")
        assert (done.returncode, done.stderr) == (0, ""), command
        assert "usage: locald" in done.stdout
    assert re.fullmatch(r"locald \d+\.\d+\.\d+\S*\n", machine.locald("--version").stdout)
    alone = machine.locald()
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "locald COMMAND --help" in alone.stderr
