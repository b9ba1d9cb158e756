"""What a service inherits: variables in layers, and umask, limits, signals and descriptors of the shell that
asked for it, as if it were that shell's child; nothing of the daemon, which may have been started by another.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whole import programs
from whole.machine import free_port, kill

if TYPE_CHECKING:
    from collections.abc import Callable

    from whole.machine import Machine
    from whole.puppet import Puppet

    Make = Callable[[str], Puppet]

WORKER = 'type = "worker"\n'


# Variables.


def test_of_a_name_in_several_layers_the_later_layer_wins(machine: Machine, puppet: Make) -> None:
    """Env files, over them the shell, over it `env`."""
    web = puppet("web")
    machine.file(".env", "A=file\nB=file\nC=file\n")
    machine.write(f'[services.web]\n{WORKER}command = {web.command}\nenv = {{ C = "env" }}')
    assert machine.locald("up", env={"B": "shell", "C": "shell"}).returncode == 0
    env = web.run().env
    assert (env["A"], env["B"], env["C"]) == ("file", "shell", "env")


def test_nothing_waits_in_a_pager_for_somebody_to_press_a_key(machine: Machine) -> None:
    """A pager of git's own choice, which would: unless the user has made one of his own."""
    subprocess.run(["git", "init", "-q", str(machine.folder)], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for number in range(30):
        commit = ["commit", "-q", "--allow-empty", "-m", f"number {number}"]
        subprocess.run(["git", *who, *commit], cwd=machine.folder, check=True)
    machine.write('[services.log]\ntype = "task"\ncommand = "git log"')
    assert machine.up()["log"]["state"] == "completed"
    assert any("number 0" in line for line in machine.logs("log", "-n", "1000"))


def test_the_users_own_pager_is_kept(machine: Machine, puppet: Make) -> None:
    web = puppet("web")
    machine.file(".env", "AWS_PAGER=mine\n")
    machine.write(f"[services.web]\n{WORKER}command = {web.command}")
    assert machine.locald("up", env={"PAGER": "less"}).returncode == 0
    env = web.run().env
    pagers = ("PAGER", "GIT_PAGER", "SYSTEMD_PAGER", "AWS_PAGER")
    assert [env[name] for name in pagers] == ["less", "cat", "cat", "mine"]


def test_each_service_is_told_its_name_and_the_ports_of_all_others(machine: Machine, puppet: Make) -> None:
    """Only what has a port gets PORT; what another has is in PORT_<SERVICE>, upper case, `-` as `_`."""
    names = ("web", "queue", "seed")
    services = {name: puppet(name) for name in names}
    machine.write(
        f"""
        [services.my-db]
        command = {programs.SERVE}
        [services.web]
        command = {services["web"].command}
        [services.queue]
        type = "worker"
        command = {services["queue"].command}
        [services.seed]
        type = "task"
        command = {services["seed"].command}
        """
    )
    machine.locald("up", "-d")
    env = {name: services[name].run().env for name in names}
    ports = {name: str(row["port"]) for name, row in machine.status().items() if row["port"]}
    for name in names:
        assert env[name]["LOCALD_PROJECT"] == "shop"
        assert env[name]["LOCALD_SERVICE"] == name
        assert env[name]["PORT_MY_DB"] == ports["my-db"]
    assert env["web"]["PORT"] == ports["web"]
    assert env["queue"]["PORT_WEB"] == env["seed"]["PORT_WEB"] == ports["web"]
    assert not any("PORT" in env[name] for name in ("queue", "seed"))
    assert not any({"PORT_WEB", "PORT_QUEUE", "PORT_SEED"} & env["web"].keys())


def test_each_run_has_a_notify_socket_of_its_own(machine: Machine, puppet: Make) -> None:
    """In a folder of the owner's alone, and gone with the run."""
    web = puppet("web")
    machine.write(f"[services.web]\n{WORKER}command = {web.command}")
    machine.up()
    first = web.run()
    path = first.env["NOTIFY_SOCKET"]
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert machine.locald("restart").returncode == 0
    assert web.run().env["NOTIFY_SOCKET"] != path
    assert not os.path.exists(path)


def test_a_value_of_the_user_s_own_for_a_name_of_locald_is_ignored_with_a_warning(
    machine: Machine, puppet: Make
) -> None:
    """In each layer, with the place where it stands."""
    web = puppet("web")
    machine.file(".env", "LOCALD_SERVICE=mine\n")
    machine.write(
        f"""
        [services.db]
        command = {programs.SERVE}
        [services.web]
        command = {web.command}
        env = {{ PORT = "1", NOTIFY_SOCKET = "/mine" }}
        """
    )
    done = machine.locald("up", "-d", env={"PORT_DB": "2", "WATCHDOG_USEC": "3", "LISTEN_FDS": "4"})
    env, rows = web.run().env, machine.status()
    assert (env["PORT"], env["PORT_DB"]) == (str(rows["web"]["port"]), str(rows["db"]["port"]))
    assert env["LOCALD_SERVICE"] == "web"
    assert env["NOTIFY_SOCKET"] != "/mine"
    assert not {"WATCHDOG_USEC", "LISTEN_FDS"} & env.keys()
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    lines = (machine.folder / "locald.toml").read_text().splitlines()
    line = next(number for number, each in enumerate(lines, 1) if each.strip().startswith("env ="))
    written = f"locald.toml:{line}: services.web.env"
    places = {f"{written}.PORT: PORT ", f"{written}.NOTIFY_SOCKET: NOTIFY_SOCKET ", ".env: LOCALD_SERVICE "}
    places.add("the environment of the shell: PORT_DB ")
    for place in places:
        assert any(line.startswith(f"warning: {place}") for line in warnings), (place, warnings)
    assert "hint: set `port` of the service to choose a port" in done.stderr


def test_the_shell_of_the_latest_up_or_restart_counts_and_not_that_of_the_daemon(
    machine: Machine, puppet: Make
) -> None:
    web = puppet("web")
    machine.write(f"[services.web]\n{WORKER}command = {web.command}")
    machine.locald("server", "start", env={"MINE": "daemon", "DAEMON": "1"})
    machine.locald("up", env={"MINE": "up"})
    env = web.run().env
    assert (env["MINE"], env.get("DAEMON")) == ("up", None)
    machine.locald("restart", env={"MINE": "restart"})
    assert web.run().env["MINE"] == "restart"


def test_a_retry_begins_with_the_shell_that_asked_for_the_service(machine: Machine, puppet: Make) -> None:
    """Also when somebody else asked for something else meanwhile."""
    web = puppet("web")
    machine.write(
        f'[services.web]\n{WORKER}command = {web.command}\n[services.other]\n{WORKER}command = "sleep 99"'
    )
    machine.locald("up", "web", env={"MINE": "first"})
    run = web.run()
    machine.locald("up", "other", env={"MINE": "second"})
    run.do("exit", 1)
    assert web.run().env["MINE"] == "first"


def test_what_is_kept_of_a_shell_for_later_runs_is_the_owner_s_alone(machine: Machine, puppet: Make) -> None:
    """After daemon and keeper were killed, the service starts again with the shell of its `up`."""
    web = puppet("web")
    machine.write(f"[services.web]\n{WORKER}command = {web.command}")
    machine.locald("up", env={"SECRET": "of the first shell"})
    web.run()
    kept = [path for path in machine.home.rglob("*") if path.is_file() and holds(path, b"of the first shell")]
    assert kept
    for path in kept:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700, path
    machine.kill_daemon()
    kill(machine.keeper_pid())
    machine.locald("status", env={"SECRET": "of another"})
    assert web.run().env["SECRET"] == "of the first shell"


def holds(path: os.PathLike[str], content: bytes) -> bool:
    with open(path, "rb") as file:
        return content in file.read()


# What makes a definition.


@pytest.mark.parametrize("change", ["env_file", "env", "${VAR}", "command"])
def test_a_changed_definition_is_restarted_by_up(machine: Machine, change: str) -> None:
    """The contents of env files and the values of `${…}` belong to it."""
    text = (
        '[services.web]\ntype = "worker"\ncommand = "sleep 9999"\nenv = { A = "1", B = "${MINE}" }\n'
        '[services.other]\ntype = "worker"\ncommand = "sleep 9999"\nenv_file = []\n'
    )
    machine.file(".env", "X=1\n")
    machine.write(text)
    machine.locald("up", env={"MINE": "1"})
    before = machine.status()
    if change == "env_file":
        machine.file(".env", "X=2\n")
    changes = {"env": ('A = "1"', 'A = "2"'), "command": ("sleep 9999", "sleep 9998")}
    machine.write(text.replace(*changes.get(change, ("", "")), 1))
    machine.locald("up", env={"MINE": "2" if change == "${VAR}" else "1"})
    after = machine.status()
    assert after["web"]["run"] == 2
    assert after["web"]["pid"] != before["web"]["pid"]
    assert after["other"]["pid"] == before["other"]["pid"]


def test_what_is_no_part_of_a_definition_restarts_nothing(machine: Machine) -> None:
    """Comments, order, defaults that are written out, and other variables of the shell."""
    machine.write(
        '[services.a]\ntype = "worker"\ncommand = "sleep 99"\n'
        '[services.b]\ntype = "worker"\ncommand = "sleep 99"'
    )
    machine.locald("up", env={"OTHER": "1"})
    before = machine.status()
    machine.write(
        '# a comment\n[services.b]\ncommand = "sleep 99"\ntype = "worker"\nworkdir = "."\n'
        '[services.a]\ntype = "worker" # another\nrestart = "on-failure"\ncommand = "sleep 99"\n'
    )
    machine.locald("up", env={"OTHER": "2"})
    after = machine.status()
    assert {name: row["pid"] for name, row in after.items()} == {n: r["pid"] for n, r in before.items()}


# What is not a variable.

GIVEN = """
import json, resource
print(json.dumps({
    "umask": os.umask(0),
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "input": sys.stdin.read(),
    "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
}))
"""


def given(machine: Machine, shell: str, tty: str = "true") -> dict[str, object]:
    """What a service gets when `up` is run by this shell script (`$@` is the command)."""
    machine.write(f'[services.web]\ntype = "task"\ntty = {tty}\ncommand = {programs.command(GIVEN)}')
    up = [sys.executable, "-m", "locald", "up"]
    done = subprocess.run(
        ["bash", "-c", shell, "bash", *up],
        cwd=machine.folder,
        env=machine.env,
        input="words for the command, not for its services",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = machine.printed("web")
    found: dict[str, object] = json.loads(line)
    return found


def test_umask_and_limits_are_the_caller_s(machine: Machine) -> None:
    """Not the daemon's, which raises its own limit of open files."""
    machine.locald("server", "start")
    found = given(machine, 'umask 027; ulimit -Sn 333; ulimit -c 0; exec "$@"')
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert found["umask"] == 0o027
    assert found["nofile"] == [333, hard]
    assert found["core"] == [0, 0]


def test_the_umask_of_who_started_the_daemon_is_nobody_else_s(machine: Machine) -> None:
    """Neither its own, nor that of the command of a check, which is carried out as the service is."""
    locald = [sys.executable, "-m", "locald"]
    machine.write('[services.web]\ntype = "worker"\ncommand = "sleep 9999"\nhealth_check = "umask > mask"')
    for mask, command in (("0777", [*locald, "server", "start"]), ("027", [*locald, "up"])):
        words = ["sh", "-c", f'umask {mask}; exec "$@"', "sh", *command]
        done = subprocess.run(words, cwd=machine.folder, env=machine.env, capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr
    status = Path(f"/proc/{machine.daemon_pid()}/status").read_text()
    assert "\nUmask:\t0077\n" in status
    assert int((machine.folder / "mask").read_text(), 8) == 0o027


@pytest.mark.parametrize("tty", ["true", "false"])
def test_there_are_no_stray_descriptors_and_nothing_to_read(machine: Machine, tty: str) -> None:
    """Also when the shell that started the daemon had some open."""
    found = given(machine, 'exec 7</dev/null 8>/dev/null; exec "$@"', tty)
    assert found["descriptors"] == [0, 1, 2]
    assert found["input"] == ""


def test_signals_are_at_their_defaults(machine: Machine) -> None:
    """Whatever the shell that ran `up` ignored or blocked."""
    machine.write('[services.web]\ntype = "task"\ncommand = ["grep", "Sig", "/proc/self/status"]')

    def ignore() -> None:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})

    subprocess.run(
        [sys.executable, "-m", "locald", "up"],
        cwd=machine.folder,
        env=machine.env,
        preexec_fn=ignore,
        check=True,
        capture_output=True,
        timeout=30,
    )
    told = dict(line.split(":\t") for line in machine.printed("web"))
    assert {name: int(told[name], 16) for name in ("SigBlk", "SigIgn")} == {"SigBlk": 0, "SigIgn": 0}


def test_the_daemon_keeps_nothing_of_who_started_it(machine: Machine) -> None:
    """Not its output, so that whoever reads it sees its end; not its folder, so that it can be unmounted."""
    machine.write(f'[services.web]\n{WORKER}command = "sleep 9999"')
    up = machine.begin("up")
    assert "web: healthy" in up.communicate(timeout=30)[1]  # returns when nobody holds the pipes any more
    for pid in (machine.daemon_pid(), machine.keeper_pid()):
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"


def test_the_limits_of_who_started_the_daemon_do_not_bind_it(machine: Machine) -> None:
    """It lives longer than that shell, and one on the time of the processor would end it one day."""
    start = [sys.executable, "-m", "locald", "server", "start"]
    script = 'ulimit -St 3600; ulimit -Sf 1000; ulimit -Sn 100; exec "$@"'
    whole = ["bash", "-c", script, "bash", *start]
    subprocess.run(whole, env=machine.env, check=True, capture_output=True, timeout=30)
    pid = machine.daemon_pid()
    for each in (resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
        assert resource.prlimit(pid, each)[0] == resource.getrlimit(each)[1]
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] > 100


# Containers.


def test_without_an_engine_a_container_fails_with_what_to_do_and_the_rest_goes_on(machine: Machine) -> None:
    machine.write(
        f'[services.db]\nimage = "postgres:16"\n[services.web]\ncommand = {programs.SERVE}\n'
        f'[services.api]\n{WORKER}command = "sleep 99"\ndepends_on = ["db"]\n'
    )
    done = machine.locald("up", env={"DOCKER_HOST": f"unix://{machine.folder}/nobody.sock"})
    assert done.returncode == 1
    assert "error: db failed: " in done.stderr
    assert "nobody.sock" in done.stderr
    assert "hint: " in done.stderr
    rows = machine.status()
    assert {name: row["state"] for name, row in rows.items()} == {
        "db": "failed",
        "web": "running",
        "api": "blocked",
    }


# Addresses in commands.


def test_command_may_name_other_services_and_is_run_again_when_their_address_changes(
    machine: Machine, puppet: Make
) -> None:
    web, port = puppet("web"), free_port()
    arguments = web.command.rpartition("]")[0]

    def write(port: int) -> None:
        machine.write(
            f"""
            [services.db]
            port = {port}
            command = {programs.SERVE}
            [services.line]
            type = "task"
            command = "echo at ${{services.db.host}}:${{services.db.port}} of ${{LOCALD_SERVICE}}"
            [services.web]
            type = "worker"
            command = {arguments}, "${{services.db.url}}"]
            [services.other]
            type = "worker"
            command = {programs.STAY}
            """
        )

    write(port)
    machine.up()
    assert machine.printed("line") == [f"at 127.0.0.1:{port} of line"]
    first = web.run()
    assert last_argument(first.pid) == f"http://127.0.0.1:{port}/"
    other = free_port()
    write(other)
    rows = machine.up()
    first.wait_end()
    assert last_argument(web.run().pid) == f"http://127.0.0.1:{other}/"
    assert machine.printed("line")[-1] == f"at 127.0.0.1:{other} of line"
    assert {name: row["run"] for name, row in rows.items()} == {"db": 2, "line": 2, "web": 2, "other": 1}


def last_argument(pid: int) -> str:
    """The last argument of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-2].decode()
