"""Whatever is put in, what comes out is a sentence, a hint and the right exit code; and the rest goes on.

That no traceback is to be found in the logs either is looked at after every test of this folder.
"""

from __future__ import annotations

import array
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from locald.adapters.state.reading import load
from whole import programs
from whole.machine import PATIENCE, free_port, is_alive, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from whole.machine import Machine
    from whole.puppet import Puppet

    Make = Callable[[str], Puppet]

SLEEPER = 'type = "worker"\ncommand = "exec sleep 9999"\n'


def sentence(done: subprocess.CompletedProcess[str], code: int) -> str:
    """What it says, which must be a sentence with a hint, on standard error alone."""
    assert done.returncode == code, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    heads = [line.partition(":")[0] for line in done.stderr.splitlines()]
    assert "hint" in heads[heads.index("error") :], done.stderr
    return done.stderr


# The command line.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sttaus",), "run `locald status`"),
        (("up", "--jsno"), "run `locald up --json`"),
        (("up", "--timeout", "soon"), "soon"),
        (("logs", "-n", "many"), "many"),
        (("logs", "--grep", "("), "regular expression"),
        (("logs", "--since", "yesterday"), "yesterday"),
        (("why",), "why needs a service"),
        (("exec", "web"), "for example `locald exec web -- env`"),
        (("-C", "/nowhere", "up"), "/nowhere"),
        (("up", "a:b:c"), "a:b:c"),
        (("up", "web", "other:api"), "more than one project"),
        (("status", "nowhere:web"), "nowhere"),
        (("up", "wbe"), 'did you mean "web"'),
        (("stop", "wbe"), 'did you mean "web"'),
        (("why", "wbe"), 'did you mean "web"'),
        (("logs", "wbe"), 'did you mean "web"'),
        (("config", "chekc"), "run `locald config check`"),
        (("completion", "tcsh"), "unsupported shell: tcsh (bash, zsh, fish)"),
        (("down", "web"), "run `locald stop web`"),
    ],
)
def test_a_wrong_command_line_is_told_with_the_next_step(
    machine: Machine, arguments: tuple[str, ...], words: str
) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    machine.up()
    assert words in sentence(machine.locald(*arguments), 2)


# The file.

FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "[project] is missing"),
    "not TOML": (b"[project\nname = 1", "locald.toml:1: not valid TOML"),
    "no UTF-8": (b'[project]\nname = "\xff"', "locald.toml:2: is not UTF-8"),
    "binary": (b"\x7fELF\0\0\1\2", "locald.toml:1"),
    "brackets": (b"a = " + b"[" * 5000, "locald.toml"),
    "no command": (
        b'[project]\nname = "shop"\n[services.web]\nport = 80',
        "services.web: command is missing",
    ),
    "a cycle": (
        b'[project]\nname = "shop"\n[services.a]\ncommand = "x"\ndepends_on = ["b"]\n'
        b'[services.b]\ncommand = "x"\ndepends_on = ["c"]\n[services.c]\ncommand = "x"\ndepends_on = ["a"]\n',
        "dependency cycle: a -> b -> c -> a",
    ),
    "itself": (
        b'[project]\nname = "shop"\n[services.a]\ncommand = "x"\ndepends_on = ["a"]',
        '"a" depends on itself',
    ),
    "one port twice": (
        b'[project]\nname = "shop"\n[services]\na = { command = "x", port = 80 }\n'
        b'b = { command = "x", port = 80 }',
        "80",
    ),
    "a reference to nothing": (
        b'[project]\nname = "shop"\n[services.a]\ncommand = "x"\nenv = { A = "${services.x.port}" }',
        "x",
    ),
    "a variable that is not set": (
        b'[project]\nname = "shop"\n[services.a]\ncommand = "x"\nenv = { A = "${NOT_SET}" }',
        "${NOT_SET} is not set",
    ),
    "an env file that is not there": (
        b'[project]\nname = "shop"\n[services.a]\ncommand = "x"\nenv_file = "gone.env"',
        "gone.env",
    ),
    "a NUL": (b'[project]\nname = "shop"\n[services.a]\ncommand = "a\\u0000b"', "NUL"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_bad_file_is_told_and_starts_nothing(machine: Machine, what: str) -> None:
    content, words = FILES[what]
    (machine.folder / "locald.toml").write_bytes(content)
    assert words in sentence(machine.locald("up"), 2)
    everything = machine.locald("status", "--all", "--json")
    assert json.loads(everything.stdout)["services"] == []


def test_up_tells_warnings_beside_errors_and_alone_they_stop_nothing(machine: Machine) -> None:
    machine.write(f'[services.web]\n{SLEEPER}workdir = "gone"\nprot = 1\nhealth_check = "/no-such"')
    told = sentence(machine.locald("up"), 2).splitlines()
    assert [" ".join(line.split()[:3]) for line in told if line.startswith(("warning", "error"))] == [
        "warning: locald.toml:6: services.web.workdir:",
        "error: locald.toml:7: services.web.prot:",
        "warning: locald.toml:8: services.web.health_check:",
    ]
    machine.write(f'[services.web]\n{SLEEPER}health_check = "/bin/true"\n[services.db]\n{SLEEPER}')
    assert "warning" not in machine.locald("up").stderr
    machine.write(f'[services.web]\n{SLEEPER}health_check = "localhost:80"')
    done = machine.locald("up", "-d")
    assert done.returncode == 0
    assert "hint: did you mean `health_check = {" in done.stderr


def test_what_is_no_file_is_told(machine: Machine) -> None:
    (machine.folder / "locald.toml").mkdir()
    sentence(machine.locald("up"), 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"A=1\nthis is no assignment\n", ".env:2"), (b"A='unclosed\n", ".env:1"), (b"A=\xff\n", ".env:1")],
)
def test_a_bad_env_file_is_told_by_its_line(machine: Machine, content: bytes, words: str) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    (machine.folder / ".env").write_bytes(content)
    assert words in sentence(machine.locald("up"), 2)


def test_every_env_file_that_cannot_be_used_is_told_and_holds_nobody_up(machine: Machine) -> None:
    """Also one that never ends; what comes after it is done as ever."""
    machine.write(f'[services.web]\n{SLEEPER}env_file = ["a.env", "b.env", "/dev/zero"]')
    machine.file("a.env", "A=1\nno assignment\n")
    machine.file("b.env", "B='unclosed\n")
    told = sentence(machine.locald("up"), 2)
    for words in ("a.env:2", "b.env:1", "/dev/zero: is larger than"):
        assert words in told
    machine.file("a.env", "A=1\n")
    machine.write(f'[services.web]\n{SLEEPER}env_file = ["a.env", "."]')
    assert "locald.toml:6: services.web.env_file: no such file: ." in sentence(machine.locald("up"), 2)


def test_a_folder_that_is_called_like_the_env_file_is_none(machine: Machine) -> None:
    """Some keep their Python in `.env`."""
    machine.write(f"[services.web]\n{SLEEPER}")
    (machine.folder / ".env").mkdir()
    machine.up()


# What cannot be run.


def test_what_cannot_be_started_fails_with_the_reason_and_the_rest_goes_on(machine: Machine) -> None:
    """All in one file: each has its own sentence, what can run does."""
    machine.file("no-program", "#!/bin/sh\n").chmod(0o644)
    machine.file("no-interpreter", "#!/no/such/shell\n").chmod(0o755)
    machine.file("no-format", "\1\2\3").chmod(0o755)
    machine.file("a-file", "")
    port = free_port()
    bad = {
        "absent": ('command = ["no-such-program", "x"]', "no such program: no-such-program"),
        "path": ('command = ["./gone"]', "no such program: ./gone"),
        "folder": (f'command = ["{machine.folder}"]', "Permission denied"),
        "mode": ('command = ["./no-program"]', "./no-program: Permission denied"),
        "shebang": ('command = ["./no-interpreter"]', "interpreter"),
        "format": ('command = ["./no-format"]', "Exec format error"),
        "nowhere": ('command = "true"\nworkdir = "gone"', "gone: No such file or directory"),
        "file": ('command = "true"\nworkdir = "a-file"', "a-file: Not a directory"),
        "taken": (f'command = "true"\nport = {port}', f"port {port} is already in use by pid"),
        "huge": (f'command = "true"\nenv = {{ A = "{"x" * 200_000}" }}', "too long"),
    }
    machine.write(
        "".join(f"[services.{name}]\n{keys}\n" for name, (keys, _) in bad.items())
        + f"[services.good]\ncommand = {programs.SERVE}\n"
    )
    with socket.create_server(("127.0.0.1", port)):
        done = machine.locald("up")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    rows = machine.status()
    assert rows.pop("good")["health"] == "healthy"
    for name, (_, words) in bad.items():
        row = rows[name]
        assert (row["state"], row["pid"], row["run"], row["restarts"]) == ("failed", None, 1, 0), row
        assert words in row["because"], row
        assert f"error: {name} failed: {row['because']}" in done.stderr
        hints = [hint for hint in machine.why(name)["hints"] if not hint.startswith("`locald")]
        assert hints, f"{name} has no hint of its own"
        assert f"hint: {hints[0]}" in done.stderr


def test_a_command_that_its_shell_cannot_find_is_told_with_what_the_shell_said(machine: Machine) -> None:
    machine.write('[services.web]\ntype = "worker"\nmax_restarts = 0\ncommand = "no-such-program --serve"')
    told = sentence(machine.locald("up"), 1).splitlines()
    assert any("exited with code 127" in line for line in told)
    assert any("no-such-program" in line and "not found" in line for line in told)


def test_a_service_that_forks_away_is_told_to_stay(machine: Machine) -> None:
    """And what it left behind is ended, also what made a session of its own."""
    code = "os.fork() and os._exit(0); os.setsid(); append('pid', os.getpid()); stay()"
    machine.write(f"[services.web]\ncommand = {programs.command(code)}")
    told = sentence_of_failure(machine)
    assert "went to the background: exited with code 0" in told
    assert "foreground" in told
    pids = machine.folder / "pid"
    assert not (pids.exists() and is_alive(int(pids.read_text())))


def sentence_of_failure(machine: Machine) -> str:
    done = machine.locald("up")
    assert done.returncode == 1, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    hints = [line for line in done.stderr.splitlines() if line.startswith("hint: ")]
    assert errors
    assert hints
    return done.stderr


# What is printed.


def test_a_line_of_ten_megabytes_and_binary_output_harm_nobody(machine: Machine, puppet: Make) -> None:
    """They are kept as text, in lines of at most a megabyte."""
    web, other = puppet("web"), puppet("other")
    machine.write(
        f'[services]\nweb = {{ type = "worker", command = {web.command} }}\n'
        f'other = {{ type = "worker", command = {other.command} }}\n'
    )
    machine.up()
    run = web.run()
    run.do("print", "x" * 10_000_000 + "\nafter\n")
    run.do("print", "".join(chr(0xDC00 + byte) if byte > 127 else chr(byte) for byte in range(256)) + "\n")
    run.do("print", "\x1b]0;never ended and then\nthe end\n")
    other.run().say("still here")
    wait_for(lambda: machine.printed("web", "-n", "1") == ["the end"], "all of it")
    lines = machine.printed("web", "-n", "1000")
    assert lines[-4:-3] != []
    assert sum(len(line) for line in lines if set(line) == {"x"}) == 10_000_000
    assert max(map(len, lines)) <= 1 << 20
    assert "after" in lines
    assert machine.printed("other") == ["still here"]
    for options in (("logs",), ("logs", "--json"), ("logs", "--grep", "e"), ("status",), ("why", "web")):
        assert machine.locald(*options).returncode == 0


DATAGRAMS = [
    "",
    "\n\n\n",
    "=",
    "=1",
    "READY",
    "READY=",
    "READY=10",
    "XREADY=1",
    "ready=1",
    " READY=1",
    "READY=1 ",
    "READY=0\nREADY=1",
    "\0",
    "READY=1\0STATUS=x",
    "STATUS=" + "x" * 5000,
    "STATUS=\x1b[2J\x07\r all",
    "STATUS=\udcff\udcfe",
    "STATUS=" + "\udce2\udc80\udcae" * 100,
    "WATCHDOG_USEC=99999999999999999999999999",
    "WATCHDOG_USEC=-1",
    "WATCHDOG_USEC=",
    "WATCHDOG=2",
    "EXTEND_TIMEOUT_USEC=99999999999999999999999999",
    "EXTEND_TIMEOUT_USEC=1e9",
    "MAINPID=1",
    "MAINPID=0",
    "MAINPID=-1",
    "MAINPID=abc",
    "MAINPID=99999999999999999999999999",
    "ERRNO=99999999999999999999999999",
    "EXIT_STATUS=" + "9" * 4000,
    "RELOADING=1\nMONOTONIC_USEC=x",
    "FDSTORE=1\nFDNAME=x",
    "X" * 4096,
    "\udcc0".join("READY=1"),
]


def test_datagrams_of_any_shape_are_survived_and_the_right_one_is_heard(
    machine: Machine, puppet: Make
) -> None:
    """Those that look nearly right do not make it healthy; READY=1 does."""
    web = puppet("web")
    check = 'health_check = { type = "notify" }'
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}\n{check}')
    machine.locald("up", "-d")
    run = web.run()
    daemon = machine.daemon_pid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger, open(os.devnull) as nothing:
        for _ in range(20):  # with more descriptors than anybody would pass
            files = array.array("i", [nothing.fileno()] * 200)
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)]
            stranger.sendmsg([b"READY=1"], ancillary, 0, run.env["NOTIFY_SOCKET"])
    run.do("notify", *(datagram for datagram in DATAGRAMS if "EXTEND" not in datagram))
    run.do("notify", *(f"STATUS={number}" for number in range(3000)))
    row = machine.until("web", lambda row: "2999" in row["because"])
    assert (row["health"], row["pid"]) == ("starting", run.pid)
    run.do("notify", *DATAGRAMS, "READY=1\nSTATUS=here at last")
    row = machine.until("web", lambda row: row["health"] == "healthy")
    assert "here at last" in row["because"]
    assert (row["pid"], row["run"]) == (run.pid, 1)
    assert machine.locald("why", "web").returncode == 0
    assert machine.daemon_pid() == daemon


# Where locald lives.


def test_a_home_that_cannot_be_made_is_told(machine: Machine) -> None:
    """Here below a regular file."""
    machine.write(f"[services.web]\n{SLEEPER}")
    file = machine.file("file", "")
    for command in ("up", "server start", "server run"):
        told = sentence(machine.locald(*command.split(), env={"LOCALD_HOME": str(file / "home")}), 2)
        assert str(file) in told
        assert "LOCALD_HOME" in told


def test_a_home_that_cannot_be_written_is_told(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    folder = machine.folder / "home"
    folder.mkdir()
    done = on_disk_of_its_own(machine, folder, "ro", "up", env={"LOCALD_HOME": str(folder)})
    told = sentence(done, 2)
    assert str(folder) in told
    assert "Read-only" in told


@pytest.mark.parametrize("command", ["up", "status", "ping", "server start", "server run", "stop"])
def test_a_home_whose_sockets_would_have_too_long_a_path_is_told(machine: Machine, command: str) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    home = f"/tmp/{'x' * 100}"
    told = sentence(machine.locald(*command.split(), env={"LOCALD_HOME": home}), 2)
    assert "107 bytes" in told
    assert "LOCALD_HOME" in told
    assert not os.path.exists(home)


def on_disk_of_its_own(
    machine: Machine, folder: Path, options: str, *command: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command, and the daemon that it starts, with a small disk of theirs mounted on the folder."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root may mount a small disk")
    mount = f'mount -t tmpfs -o {options} small "{folder}" && exec "$@"'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", sys.executable, "-m", "locald", *command],
        cwd=machine.folder,
        env={**machine.env, **(env or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("which", ["logs", "state"])
def test_a_full_disk_stops_nothing(machine: Machine, puppet: Make, which: str) -> None:
    """Services are not held up by output that cannot be kept, nor by a state that cannot be saved."""
    web = puppet("web")
    machine.write(
        f"[services.web]\ncommand = {web.command}\n[services.queue]\n{SLEEPER}"
        '[services.seed]\ntype = "task"\ncommand = "true"\n'
    )
    folder = machine.home / which
    folder.mkdir(mode=0o700)
    full = "size=64k,mode=700" if which == "logs" else "size=4k,mode=700"
    done = on_disk_of_its_own(machine, folder, full, "up", "-d")
    assert done.returncode == 0, done.stderr
    run = web.run()
    run.say("x" * 60_000)
    run.say(*("y" * 1000 for _ in range(2000)))
    run.listen()
    rows = machine.until_all(
        lambda rows: len(rows) == 3 and all(row["health"] == "healthy" for row in rows.values())
    )
    assert rows["web"]["pid"] == run.pid
    run.do("exit", 1)
    again = web.run()
    again.listen()
    machine.until("web", lambda row: row["health"] == "healthy" and row["run"] == 2)
    for command in (("status",), ("why", "web"), ("logs", "-n", "1"), ("timeline",)):
        assert machine.locald(*command).returncode == 0
    assert machine.locald("stop").returncode == 0
    assert machine.locald("server", "stop").returncode == 0


def test_a_line_that_falls_on_a_full_disk_is_seen_by_the_check_that_waits_for_it(
    machine: Machine, puppet: Make
) -> None:
    """It is in no log, and is not printed again."""
    web = puppet("web")
    check = 'health_check = { type = "log", pattern = "open for business" }'
    machine.write(f'[services.web]\ntype = "worker"\ntty = false\ncommand = {web.command}\n{check}')
    folder = machine.home / "logs"
    folder.mkdir(mode=0o700)
    assert on_disk_of_its_own(machine, folder, "size=4k,mode=700", "up", "-d").returncode == 0
    web.run().say("open for business" + "x" * 8000)
    row = machine.until("web", lambda row: row["health"] == "healthy")
    assert "open for business" in row["because"]
    assert "open for business" not in machine.locald("logs", "web").stdout
    assert machine.locald("server", "stop").returncode == 0


def test_output_that_could_not_be_kept_is_counted_once_there_is_room_again(
    machine: Machine, puppet: Make
) -> None:
    """More is printed than a pipe can hold (64 KiB), so some of it is read while there is no room."""
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ntty = false\ncommand = {web.command}')
    folder = machine.home / "logs"
    folder.mkdir(mode=0o700)
    assert on_disk_of_its_own(machine, folder, "size=200k,mode=700", "up").returncode == 0
    seen_by_daemon = f"/proc/{machine.daemon_pid()}/root{folder}"
    run = web.run()
    run.say("before")
    ballast = os.path.join(seen_by_daemon, "ballast")
    with open(ballast, "wb", buffering=0) as file:
        while file_grows(file.fileno()):
            pass
    run.say(*("lost" * 100 for _ in range(200)))
    os.unlink(ballast)
    run.say("after")
    wait_for(lambda: machine.printed("web", "-n", "1") == ["after"], "the line after")
    assert re.search(r"[0-9]+ bytes of output lost", machine.locald("logs", "web", "-n", "1000").stdout)


def test_a_state_that_cannot_be_saved_is_told_in_status_and_saved_once_there_is_room(
    machine: Machine, puppet: Make
) -> None:
    """What was saved before is there all the time, and a new run starts without."""
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}')
    folder = machine.home / "state"
    folder.mkdir(mode=0o700)
    assert on_disk_of_its_own(machine, folder, "size=200k,mode=700", "up").returncode == 0
    seen_by_daemon = f"/proc/{machine.daemon_pid()}/root{folder}"
    state = os.path.join(seen_by_daemon, "state.json")
    wait_for(lambda: saved_run(state) == 1, "the first run is saved")
    ballast = os.path.join(seen_by_daemon, "ballast")
    with open(ballast, "wb", buffering=0) as file:
        while file_grows(file.fileno()):
            pass
    # A line may still fit into the last page of the file, so there are many of them.
    number = 1
    while not (trouble := json.loads(machine.locald("status", "--json").stdout)["daemon"].get("trouble")):
        assert machine.locald("restart").returncode == 0
        number += 1
    assert trouble == f"the state cannot be saved in {folder}/state.json: No space left on device"
    assert f"warning: {trouble}" in machine.locald("status").stderr
    assert machine.status()["web"]["run"] == number
    assert 1 <= saved_run(state) <= number
    refused = machine.locald("server", "restart")
    assert refused.returncode == 3
    assert f"error: {trouble}; another daemon would not know what was asked for since" in refused.stderr
    assert machine.status()["web"]["run"] == number
    os.unlink(ballast)
    wait_for(lambda: saved_run(state) == number, "the latest run is saved")
    wait_for(lambda: "trouble" not in machine.locald("status", "--json").stdout, "it is no longer told")


def saved_run(state: str) -> int:
    """The number of the last run of which the state file tells."""
    found = load(state)
    assert not found.trouble
    (service,) = found.world.services.values()
    return service.runs


def file_grows(file: int) -> bool:
    try:
        return os.write(file, b"x" * 4096) > 0
    except OSError:
        return False


def test_a_reader_of_talk_that_had_enough_changes_no_exit_code(machine: Machine) -> None:
    """As in `locald up 2>&1 | head -n 1`: what was said to nobody has no say in how it ends."""
    machine.write(f"[services.web]\n{SLEEPER}")
    for command in ("up", "wait", "restart", "stop"):
        process = machine.begin(command)
        assert process.stderr
        assert process.stdout
        process.stderr.close()
        assert process.wait(PATIENCE) == 0, command
        process.stdout.close()


# Who speaks to the daemon.


def test_nonsense_on_the_socket_of_the_daemon_harms_nobody(machine: Machine) -> None:
    """Neither bytes that are no HTTP, nor requests that are left half-way, nor wrong bodies."""
    machine.write(f"[services.web]\n{SLEEPER}")
    before = machine.up()
    for said in (
        b"\x00\xff" * 1000,
        b"GET",
        b"POST /v1/up HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
    ):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(machine.home / "run" / "locald.sock"))
            caller.sendall(said)
    for body in ("[]", "{", '{"directory": 5}', '{"directory": "/", "services": 5}', '{"caller": []}'):
        answer = json.loads(post(machine, "/v1/up", body))
        assert answer["exit"] == 2
        assert answer["problems"]
    assert machine.status() == before


def post(machine: Machine, path: str, body: str) -> str:
    """The body of the answer."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(PATIENCE)
        caller.connect(str(machine.home / "run" / "locald.sock"))
        caller.sendall(f"POST {path} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = b"".join(iter(lambda: caller.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2].decode()


def test_a_keeper_that_hears_nonsense_goes_on(machine: Machine) -> None:
    machine.write(f"[services.web]\n{SLEEPER}")
    before = machine.up()
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(machine.home / "run" / "keeper.sock"))
        caller.sendall(b'\xff\x00{\n{"do": 5}\n[]\n{"do":"kill","run":"shop:web#1"}\n' + b"x" * 100_000)
    assert machine.status() == before
    assert machine.locald("restart").returncode == 0


# Names that are no text.


def test_a_project_may_be_in_a_folder_whose_name_is_not_utf_8(machine: Machine) -> None:
    """Older archives and disks have such names. It goes through the API and the saved state as it is."""
    folder = Path(os.fsdecode(os.fsencode(machine.folder) + b"/latin\xe9"))
    machine.write(
        f'[services.web]\n{SLEEPER}[services.seed]\ntype = "task"\ncommand = "pwd"\n', folder=folder
    )
    there = ("-C", os.fspath(folder))
    assert machine.locald(*there, "config", "check").returncode == 0
    assert machine.locald(*there, "up").returncode == 0
    rows = json.loads(machine.locald(*there, "status", "--json").stdout)["services"]
    assert {row["directory"] for row in rows} == {os.fspath(folder)}
    assert machine.locald(*there, "exec", "web", "--", "sh", "-c", "touch seen").returncode == 0
    assert (folder / "seen").exists()
    machine.kill_daemon()
    for command in (("server", "start"), ("restart", "web"), ("why", "web"), ("timeline",), ("logs",)):
        done = machine.locald(*there, *command)
        assert (done.returncode, "gone" in done.stderr) == (0, False), done.stderr
    assert machine.locald(*there, "status").returncode == 0
    assert machine.locald(*there, "down").returncode == 0
