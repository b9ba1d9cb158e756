"""A program begins with exactly what its order says, or is refused with a reason and leaves nothing."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keeping import (
    ENV,
    Daemon,
    House,
    Keeping,
    children_of,
    files_of,
    once,
    python,
    sh,
    sockets_in,
    wait_dead,
)
from locald.linux import procfs

WEB = "shop:web#1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def output_of(daemon: Daemon, argv: list[str], **changed: object) -> str:
    daemon.spawn(WEB, argv, **changed)
    daemon.wait("gone", WEB)
    return daemon.printed().decode()


# With exactly what its order says.


@once
def test_the_environment_is_the_given_one_and_two_variables(daemon: Daemon, keeping: Keeping) -> None:
    env = {"PATH": ENV["PATH"], "EMPTY": "", "TEXT": "zwei\nZeilen = ü", "BYTES": "\udcff"}
    daemon.spawn(WEB, ["env", "-0"], env=env)
    daemon.wait("gone", WEB)
    found = procfs.parse_environ(daemon.printed())
    spawned = daemon.wait("spawned", WEB)
    assert found.pop("LOCALD_RUN") == spawned["token"]
    assert os.path.dirname(found.pop("NOTIFY_SOCKET")) == os.path.join(keeping.run, "n")
    assert found == env


@once
def test_a_program_began_when_it_did_however_late_the_keeper_hears_of_it(
    daemon: Daemon, keeping: Keeping
) -> None:
    """On a busy machine the keeper may be kept from the processor; here the program itself stops it."""
    gate = keeping.gate("began")
    code = (
        "import os, signal, time; began = time.clock_gettime(time.CLOCK_BOOTTIME);"
        f"os.kill({keeping.pid}, signal.SIGSTOP); print(began, file=open({str(gate)!r}, 'w'))"
    )
    daemon.spawn(WEB, python(code))
    began = float(gate.read())
    os.kill(keeping.pid, signal.SIGCONT)
    spawned = daemon.wait("spawned", WEB)
    epoch = next(event["epoch"] for event in daemon.events if event["event"] == "hello")
    assert spawned["at"] - epoch <= began


@once
def test_the_caller_cannot_override_where_to_notify(daemon: Daemon) -> None:
    env = ENV | {"NOTIFY_SOCKET": "/mine", "LOCALD_RUN": "mine"}
    printed = output_of(daemon, ["env"], env=env)
    assert "/mine" not in printed
    assert "LOCALD_RUN=mine" not in printed


def test_a_watchdog_is_announced_to_the_leader_only_when_asked_for(daemon: Daemon) -> None:
    script = "import os; print(os.environ['WATCHDOG_USEC'], os.environ['WATCHDOG_PID'], os.getpid())"
    usec, pid, own = output_of(daemon, [sys.executable, "-c", script], watchdog_usec=3_000_000).split()
    assert (usec, pid) == ("3000000", own)
    daemon.spawn("shop:web#2", sh("echo ${WATCHDOG_USEC-none} ${WATCHDOG_PID-none}"))
    daemon.wait("gone", "shop:web#2")
    assert daemon.printed(run_number=2) == b"none none\n"


def test_behind_a_shell_a_watchdog_is_announced_to_whatever_the_shell_starts(daemon: Daemon) -> None:
    """A program that finds the shell's pid in WATCHDOG_PID would not take the promise for its own."""
    script = sh("echo $WATCHDOG_USEC ${WATCHDOG_PID-anybody}")
    assert output_of(daemon, script, watchdog_usec=3_000_000) == "3000000 anybody\n"


@once
def test_folder_and_umask_are_the_given_ones(daemon: Daemon, folder: Path) -> None:
    printed = output_of(daemon, sh("pwd -P; umask"), cwd=str(folder), umask=0o037)
    assert printed.split() == [str(folder), "0037"]


def test_limits_are_the_given_ones_and_else_those_the_keeper_was_started_with(daemon: Daemon) -> None:
    given = output_of(
        daemon, sh("ulimit -Sn; ulimit -Hn; ulimit -Sc"), limits={"nofile": [77, 99], "core": [0, 0]}
    )
    assert given.split() == ["77", "99", "0"]
    daemon.spawn("shop:web#2", sh("ulimit -Sn; ulimit -Hn"))
    daemon.wait("gone", "shop:web#2")
    own = subprocess.run(sh("ulimit -Sn; ulimit -Hn"), capture_output=True, check=True).stdout
    assert daemon.printed(run_number=2) == own


@once
def test_a_limit_beyond_what_we_may_give_does_not_stop_the_program(daemon: Daemon) -> None:
    assert (
        output_of(daemon, ["echo", "here"], limits={"nofile": [2**40, 2**40], "unheard_of": [1, 1]})
        == "here\n"
    )


def test_signals_are_at_their_defaults_and_unblocked(daemon: Daemon) -> None:
    status = output_of(daemon, ["cat", "/proc/self/status"])
    masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
    assert {name: int(masks[name], 16) for name in ("SigBlk", "SigIgn", "SigCgt", "SigPnd")} == {
        "SigBlk": 0,
        "SigIgn": 0,
        "SigCgt": 0,
        "SigPnd": 0,
    }


def test_only_three_descriptors_are_open_and_standard_input_is_empty(daemon: Daemon) -> None:
    code = (
        "import os; own = '/proc/self/fd/'\n"
        "print(sorted(map(int, os.listdir(own)))[:-1], os.read(0, 9), os.readlink(own + '0'))"
    )
    daemon.start("shop:other#1", ["sleep", "1000"])
    daemon.spawn("shop:web#2", python(code), tty=False)
    assert output_of(daemon, python(code)) == "[0, 1, 2] b'' /dev/null\n"
    daemon.wait("gone", "shop:web#2")
    assert daemon.printed(run_number=2) == b"[0, 1, 2] b'' /dev/null\n"


def test_a_standard_input_that_is_open_never_ends_while_the_run_lives(
    daemon: Daemon, keeping: Keeping
) -> None:
    """Nobody but the keeper holds its other end: not a run that begins later, and not the run itself."""
    read = "import os; print(os.read(0, 9), flush=True)"
    began = daemon.start(WEB, python(read), stdin="open")
    held = os.readlink(f"/proc/{began['pid']}/fd/0")
    assert files_of(keeping.pid).count(held) == 1

    look = "import os; own = '/proc/self/fd/'; print(sorted(map(int, os.listdir(own)))[:-1])"
    daemon.spawn("shop:web#2", python(look), tty=False, stdin="open")
    daemon.wait("gone", "shop:web#2")
    assert daemon.printed(run_number=2) == b"[0, 1, 2]\n"
    assert procfs.alive(began["pid"])

    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)
    assert daemon.printed() == b""
    assert held not in files_of(keeping.pid)


def test_the_leader_is_in_a_session_of_its_own_but_cannot_get_a_controlling_terminal(daemon: Daemon) -> None:
    """A session's leader that opens a terminal would get it, and SIGHUP when the keeper dies."""
    code = (
        "import os\n"
        "open('/dev/stderr', 'w').write('opened')\n"
        "fields = open('/proc/self/stat').read().rsplit(')', 1)[1].split()\n"
        "print(fields[4], os.getsid(0) not in (0, os.getpid()), os.getpgrp() == os.getpid())"
    )
    assert output_of(daemon, python(code)) == "0 True True\n"
    assert daemon.printed(1) == b"opened"


@once
def test_the_program_is_looked_up_in_the_given_path(daemon: Daemon, folder: Path) -> None:
    for name, mode in (("not-ours", 0o644), ("ours", 0o755)):
        (folder / name).mkdir()
        program = folder / name / "hello"
        program.write_text("#!/bin/sh\necho $0\n")
        program.chmod(mode)
    path = f"/nowhere:{folder}/not-ours:{folder}/ours"
    assert output_of(daemon, ["hello"], env={"PATH": path}) == f"{folder}/ours/hello\n"


@once
def test_a_relative_program_is_looked_up_in_the_given_folder(daemon: Daemon, folder: Path) -> None:
    (folder / "hello").write_text("#!/bin/sh\necho hello\n")
    (folder / "hello").chmod(0o755)
    assert output_of(daemon, ["./hello"], cwd=str(folder)) == "hello\n"


@once
def test_a_program_is_found_without_any_path(daemon: Daemon) -> None:
    assert output_of(daemon, ["echo", "here"], env={}) == "here\n"


@once
def test_each_run_has_its_own_notify_socket_in_a_folder_of_the_owner_alone(
    daemon: Daemon, keeping: Keeping
) -> None:
    seen = set()
    for number in range(1, 4):
        daemon.spawn(f"shop:web#{number}", sh("echo $NOTIFY_SOCKET"))
        daemon.wait("gone", f"shop:web#{number}")
        seen.add(daemon.printed(run_number=number))
    assert len(seen) == 3
    assert stat.S_IMODE(os.stat(os.path.join(keeping.run, "n")).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(os.path.join(keeping.run, "keeper.sock")).st_mode) == 0o600


# Or refused.


def refused(daemon: Daemon, keeping: Keeping, argv: list[str], **changed: object) -> dict[str, Any]:
    daemon.spawn(WEB, argv, **changed)
    event = daemon.wait("refused", WEB)
    assert daemon.of(WEB) == ["refused"]
    assert children_of(keeping.pid) == []
    assert sockets_in(keeping.run) == []
    assert os.listdir(os.path.join(keeping.run, "runs")) == []
    daemon.send(do="forget", run=WEB)
    daemon.start("shop:web#2", ["true"])  # the keeper goes on, and has nothing to complain of
    assert not [event for event in daemon.events if event["event"] == "error"]
    return event


def test_a_missing_program_is_refused(daemon: Daemon, keeping: Keeping) -> None:
    event = refused(daemon, keeping, ["no-such-program", "x"])
    assert (event["errno"], event["stage"]) == (errno.ENOENT, "program")
    assert event["text"] == "No such file or directory"


@once
def test_a_program_that_may_not_be_executed_is_refused(daemon: Daemon, keeping: Keeping) -> None:
    event = refused(daemon, keeping, ["/etc/passwd"])
    assert (event["errno"], event["stage"]) == (errno.EACCES, "program")


@once
def test_a_missing_interpreter_is_told_from_a_missing_program(
    daemon: Daemon, keeping: Keeping, folder: Path
) -> None:
    (folder / "script").write_text("#!/no/such/interpreter\n")
    (folder / "script").chmod(0o755)
    event = refused(daemon, keeping, ["script"], env={"PATH": str(folder)})
    assert (event["errno"], event["stage"]) == (errno.ENOENT, "program")
    assert "interpreter" in event["text"]


@once
def test_what_is_no_program_is_refused(daemon: Daemon, keeping: Keeping, folder: Path) -> None:
    (folder / "text").write_text("hello")
    (folder / "text").chmod(0o755)
    assert refused(daemon, keeping, [str(folder / "text")])["errno"] == errno.ENOEXEC


@once
def test_too_long_arguments_are_refused(daemon: Daemon, keeping: Keeping) -> None:
    event = refused(daemon, keeping, ["echo", "x" * 3_000_000])
    assert (event["errno"], event["stage"]) == (errno.E2BIG, "program")


@once
def test_a_missing_folder_is_refused(daemon: Daemon, keeping: Keeping, folder: Path) -> None:
    event = refused(daemon, keeping, ["true"], cwd=str(folder / "gone"))
    assert (event["errno"], event["stage"]) == (errno.ENOENT, "workdir")


SENSELESS: list[dict[str, Any]] = [
    {"argv": []},
    {"argv": ["echo", "a\0b"]},
    {"argv": "echo"},
    {"env": {"A=B": "c"}},
    {"env": {"A": 1}},
    {"cwd": "relative"},
    {"limits": {"nofile": [1]}},
    {"umask": -1},
    {"tty": None},
]


@once
def test_an_order_that_makes_no_sense_is_refused(daemon: Daemon, keeping: Keeping) -> None:
    for changed in SENSELESS:
        daemon.spawn(WEB, **({"argv": ["true"]} | changed))
        event = daemon.wait("refused", WEB)
        assert (event["errno"], event["stage"]) == (errno.EINVAL, "program")
    assert children_of(keeping.pid) == []


@pytest.fixture
def poor(house: House, keeping: Keeping) -> Daemon:
    """The daemon of a keeper that may open only a few files."""
    code = (
        "import resource, sys; from locald.keeper import launch;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40));"
        "launch.start(*sys.argv[1:])"
    )
    source = str(Path(__file__).parents[3] / "src")
    subprocess.run(
        [sys.executable, "-c", code, keeping.run, str(keeping.log)],
        check=True,
        env=os.environ | {"PYTHONPATH": source},
    )
    return keeping.daemon()


def test_a_lack_of_resources_refuses_one_run_and_harms_no_other(poor: Daemon, keeping: Keeping) -> None:
    runs = [f"shop:web#{number}" for number in range(1, 13)]
    for run in runs:
        poor.spawn(run, ["sleep", "1000"], limits={"nofile": [30, 40]})
    ends = [
        poor.wait_for(lambda e, run=run: e.get("run") == run and e["event"] in ("spawned", "refused"), run)  # type: ignore[misc]
        for run in runs
    ]
    lacking = [event for event in ends if event["event"] == "refused"]
    assert lacking
    assert {(event["stage"], event["errno"]) for event in lacking} == {("resources", errno.EMFILE)}
    running = [event for event in ends if event["event"] == "spawned"]
    assert len(running) >= 3
    assert len(sockets_in(keeping.run)) == len(running)
    poor.send(do="kill", run=running[0]["run"])
    poor.wait("gone", running[0]["run"])
    again = poor.start("shop:web#20", ["sleep", "1000"], limits={"nofile": [30, 40]})
    poor.send(do="kill", run="shop:web#20")
    poor.wait("gone", "shop:web#20")
    wait_dead([again["pid"]])


def test_where_no_terminal_is_to_be_had_pipes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from locald.keeper.runs import streams

    def none_left() -> tuple[int, int]:
        raise OSError(errno.ENOSPC, "no terminal left")

    monkeypatch.setattr(os, "openpty", none_left)
    ours, theirs = streams.open_pair(tty=True)
    os.write(theirs, b"through\n")
    os.close(theirs)
    stream = streams.Stream(ours, 0)
    data, ended = stream.read()
    assert (bytes(data), ended) == (b"through\n", True)
    os.close(ours)
