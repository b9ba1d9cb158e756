"""`status` and what every command shares: where the project is, exit codes, how errors are said."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from faces.fake_daemon import FakeDaemon, Nothing, document, down_row, no, row
from faces.run_cli import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

    from faces.run_cli import Cli
    from locald.wire.home import Home


def test_status_prints_a_table_with_the_promised_columns(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(row("web")))

    result = cli("status")

    head, web, *rest = result.out.splitlines()
    assert head.split() == ["SERVICE", "STATE", "HEALTH", "SOURCE", "PORT", "PID", "UPTIME", "URL"]
    assert web.split()[:7] == ["web", "running", "healthy", "tcp", "(fallback)", "24001", "4790"]
    assert web.endswith("http://127.0.0.1:24001/")
    assert (rest, result.err, result.code) == ([], "", 0)


def test_status_says_below_the_table_why_a_service_is_not_healthy(cli: Cli, daemon: FakeDaemon) -> None:
    blocked = down_row("web", "blocked", "db failed: exit code 1")
    daemon.on("GET /v1/status", document(row("db"), blocked))

    result = cli("status")

    assert result.out.splitlines()[-1] == "web: db failed: exit code 1"
    assert "db: " not in result.out.replace("web: db", "")
    assert result.code == 0


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"source": "tcp", "fallback": True}, "tcp (fallback)"),
        ({"source": "notify", "fallback": False}, "notify "),
        ({"source": "explicit", "check": "http", "fallback": False}, "explicit (http)"),
        ({"source": "explicit", "check": "http", "engine": "swarm"}, "explicit (http, swarm)"),
        ({"source": "kubernetes", "engine": "kubernetes", "fallback": False}, "kubernetes "),
        ({"source": "none", "fallback": False, "health": "starting"}, " - "),
    ],
)
def test_status_marks_what_health_rests_on(
    cli: Cli, daemon: FakeDaemon, facts: dict[str, object], shown: str
) -> None:
    daemon.on("GET /v1/status", document(row("web", **facts)))

    assert shown in cli("status").out.splitlines()[1]


def test_status_asks_for_the_project_of_the_nearest_file_upward(
    cli: Cli, daemon: FakeDaemon, project: Path
) -> None:
    daemon.on("GET /v1/status", document(row("web")))
    (project / "a" / "b").mkdir(parents=True)

    cli("status", cwd=project / "a" / "b")

    assert daemon.asked("GET /v1/status")[0].query == [("directory", str(project))]


@pytest.mark.parametrize("before", [True, False])
def test_a_folder_can_be_named_before_and_after_the_command(
    cli: Cli, daemon: FakeDaemon, project: Path, before: bool
) -> None:
    daemon.on("GET /v1/status", document(row("web")))
    where = ("-C", str(project))

    result = (
        cli(*where, "status", cwd=project.parent) if before else cli("status", *where, cwd=project.parent)
    )

    assert result.code == 0
    assert daemon.asked("GET /v1/status")[0].query == [("directory", str(project))]


def test_a_service_of_any_project_can_be_named_from_anywhere(
    cli: Cli, daemon: FakeDaemon, tmp_path: Path
) -> None:
    daemon.on("GET /v1/status", document(row("web"), row("db")))

    result = cli("status", "shop:web", "shop:db", cwd=tmp_path)

    assert result.code == 0
    assert daemon.requests[-1].query == [("project", "shop"), ("service", "web"), ("service", "db")]


@pytest.mark.parametrize(
    "names", [("shop:web", "blog:web"), ("shop:web", "web"), ("a:b:c",), (":web",), ("shop:",)]
)
def test_names_of_no_project_or_of_several_are_refused(
    cli: Cli, daemon: FakeDaemon, names: tuple[str, ...]
) -> None:
    result = cli("status", *names)

    assert result.code == 2
    assert "error: " in result.err
    assert "hint: " in result.err


def test_status_without_a_project_is_a_usage_error_with_a_hint(
    cli: Cli, daemon: FakeDaemon, tmp_path: Path
) -> None:
    result = cli("status", cwd=tmp_path)

    assert result.code == 2
    assert result.err.startswith("error: ")
    assert "hint: " in result.err


def test_status_of_all_projects_names_each_by_its_project(
    cli: Cli, daemon: FakeDaemon, tmp_path: Path
) -> None:
    daemon.on("GET /v1/status", document(row("web"), row("web", project="blog")))

    result = cli("status", "--all", cwd=tmp_path)

    assert [line.split()[0] for line in result.out.splitlines()[1:3]] == ["shop:web", "blog:web"]
    assert daemon.requests[-1].query == []


def test_status_as_json_is_the_document_of_the_daemon(cli: Cli, daemon: FakeDaemon) -> None:
    expected = document(row("web", because="\x1b]0;x\x07fine"))
    daemon.on("GET /v1/status", expected)

    assert json.loads(cli("status", "--json").out) == expected


def test_escape_sequences_of_services_do_not_reach_the_screen(cli: Cli, daemon: FakeDaemon) -> None:
    evil = "STATUS=\x1b]0;owned\x07\x1b[2J\x9b31mfine\r\nreally\x07"
    daemon.on(
        "GET /v1/status", document(row("web", health="unhealthy", because=evil, url="http://\x1b[1mx/"))
    )

    result = cli("status")

    assert result.out.splitlines()[-1] == "web: STATUS=fine really"
    assert "\x1b" not in result.out


def test_without_a_daemon_and_nothing_to_restore_status_starts_nothing(cli: Cli, home: Home) -> None:
    result = cli("status")

    assert result.code == 3
    assert "hint: run `locald up` to start it" in result.err
    assert not os.path.exists(home.run)


@pytest.mark.parametrize("command", [("ping",), ("server", "status")])
def test_ping_and_server_status_never_start_the_daemon(
    cli: Cli, home: Home, command: tuple[str, ...]
) -> None:
    home.make()
    open(home.wanted, "w").close()

    result = cli(*command)

    assert (result.code, result.out) == (3, "")
    assert "hint: " in result.err
    assert not os.path.exists(home.socket)


def test_a_stale_socket_file_is_harmless(cli: Cli, home: Home) -> None:
    home.make()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(home.socket)

    result = cli("ping")

    assert result.code == 3
    assert result.err.splitlines() == [
        "error: daemon is not running",
        "hint: run `locald server start` to start it",
    ]


def test_a_daemon_of_another_run_folder_is_found_by_its_lock(
    cli: Cli, home: Home, daemon: FakeDaemon
) -> None:
    """Cron has no XDG_RUNTIME_DIR: its commands still find the daemon of this state folder."""
    home.make()
    elsewhere = FakeDaemon(f"{cli.home}/elsewhere/locald.sock").start()
    daemon.stop()
    with open(home.lock, "w") as lock:
        lock.write(f"{elsewhere.socket}\n")

    assert cli("ping").code == 0
    assert len(elsewhere.asked("GET /v1/ping")) == 1
    elsewhere.stop()


def test_every_problem_that_the_daemon_names_is_shown_with_its_hint(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on(
        "GET /v1/status",
        lambda _: no(
            "unknown key", exit=2, where="locald.toml:12: services.web.comand", hint='did you mean "command"?'
        ),
    )

    result = cli("status")

    assert result.code == 2
    assert result.err.splitlines() == [
        "error: locald.toml:12: services.web.comand: unknown key",
        'hint: did you mean "command"?',
    ]


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n{", b"SSH-2.0-x\r\n\r\n\r\n"]
)
def test_a_daemon_that_makes_no_sense_is_an_error_and_no_traceback(
    cli: Cli, home: Home, answer: bytes
) -> None:
    home.make()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(home.socket)
        listener.listen()
        process = cli.start("status")
        again = 2 * (not answer.startswith(b"SSH"))  # what breaks off in the middle is asked again
        for expected in (b"", b"GET /v1/status") * (1 + again):  # first it asks whether somebody listens
            connection, _ = listener.accept()
            assert connection.recv(100).startswith(expected)
            if expected:
                connection.sendall(answer)
            connection.close()
        _, err = process.communicate(timeout=10)

    assert process.returncode == 3
    assert re.match("error: (daemon exited before it answered|unexpected answer from the daemon)\n", err)
    assert "Traceback" not in err


def test_without_a_standard_error_talk_goes_nowhere_and_the_exit_code_stays(cli: Cli, home: Home) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$@" 2>&-', "sh", *COMMAND, "ping"],
        env=cli.environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (3, "")


def test_a_daemon_that_dies_slowly_is_outlived_by_the_command(cli: Cli, home: Home) -> None:
    """It takes connections for a while that it will never answer."""
    home.make()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(home.socket)
        listener.listen()
        process = cli.start("status", "--all")
        for _ in range(4):  # to see whether somebody listens, and to ask
            listener.accept()[0].close()
        os.unlink(home.socket)
        successor = FakeDaemon(home.socket)
        successor.on("GET /v1/status", document(row("web")))
        successor.start()
    try:
        out, err = process.communicate(timeout=10)
    finally:
        successor.stop()

    assert (process.returncode, err) == (0, "")
    assert "web" in out


def test_an_older_daemon_is_pointed_out_in_one_line(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(row("web"), version="0.0.9"))

    result = cli("status")

    assert len(result.err.splitlines()) == 1
    assert "0.0.9" in result.err
    assert "locald server restart" in result.err
    assert result.code == 0


def test_an_unexpected_error_is_one_line_and_no_traceback(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", {"daemon": {}, "services": [{"project": "shop"}]})

    result = cli("status")

    assert result.code == 3
    assert result.err.splitlines()[0] == "error: internal: KeyError: 'name'"
    assert "LOCALD_DEBUG=1" in result.err
    assert "Traceback" in cli("status", LOCALD_DEBUG="1").err


def test_a_reader_that_had_enough_is_no_error(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(*(row(f"web{i}") for i in range(2000))))
    shell = f"'{COMMAND[0]}' -m locald status | head -n 1"

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell],
        cwd=cli.project,
        env=cli.environment(),
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert done.stdout.startswith("SERVICE")
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_daemon_that_ends_before_it_has_answered_is_asked_again(cli: Cli, daemon: FakeDaemon) -> None:
    """It may be another one by then, which was started in its place."""
    daemon.on("GET /v1/status", lambda _: document(row("web")) if len(daemon.requests) > 1 else Nothing())
    done = cli("status")
    assert (done.code, len(daemon.requests)) == (0, 2)
    daemon.on("GET /v1/status", lambda _: Nothing())
    done = cli("status")
    assert (done.code, len(daemon.requests)) == (3, 5)
    assert done.err.startswith("error: daemon exited before it answered\nhint: ")


@pytest.mark.parametrize("command", ["status", "--help", "--version"])
def test_a_full_disk_behind_standard_output_is_said(cli: Cli, daemon: FakeDaemon, command: str) -> None:
    daemon.on("GET /v1/status", document(row("web")))
    with open("/dev/full", "w") as full:
        process = cli.start(command, stdout=full)
        _, err = process.communicate(timeout=10)

    assert process.returncode == 3
    assert err == (
        "error: cannot write to standard output: No space left on device\n"
        "hint: free some disk space, or write somewhere else\n"
    )


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["statsu"], "locald status"),
        (["status", "--jsn"], "locald status --json"),
        (["up", "--timeot", "3s"], "locald up --timeout 3s"),
    ],
)
def test_a_mistyped_command_or_option_is_answered_with_the_near_one(
    cli: Cli, arguments: list[str], near: str
) -> None:
    result = cli(*arguments)

    assert result.code == 2
    assert f"hint: run `{near}`\n" in result.err


def test_no_command_at_all_shows_the_help_and_is_a_usage_error(cli: Cli) -> None:
    result = cli()

    assert (result.code, result.out) == (2, "")
    assert "locald COMMAND --help" in result.err


def test_a_home_too_deep_for_a_socket_is_refused_with_a_hint(cli: Cli, project: Path) -> None:
    result = cli("status", LOCALD_HOME=f"{project}/{'deep/' * 30}")

    assert result.code == 2
    assert "107 bytes" in result.err
    assert 'hint: run `export LOCALD_HOME="$HOME/.locald"` to use a shorter path' in result.err


def test_on_a_terminal_the_table_is_coloured_and_fits(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(row("web", url="http://127.0.0.1:24001/" + "x" * 100)))

    terminal = cli.terminal("status")

    assert terminal.end() == 0
    assert "\x1b[32mhealthy\x1b[0m" in terminal.screen
    assert "…" in terminal.screen


def test_no_color_is_honoured_on_a_terminal(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(row("web"), row("db", health="unhealthy")))

    terminal = cli.terminal("status", NO_COLOR="1")

    assert terminal.end() == 0
    assert "\x1b" not in terminal.screen


def test_an_interrupt_while_the_command_line_is_imported_shows_no_traceback(cli: Cli) -> None:
    """It ends as other programs do that know nothing of Ctrl-C."""
    script = (
        "import builtins, os, signal; real = builtins.__import__\n"
        "def slow(name, *rest):\n"
        "    if name == 'locald.cli.main': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name, *rest)\n"
        "from locald.__main__ import main; builtins.__import__ = slow; main()"
    )
    done = subprocess.run([COMMAND[0], "-c", script], env=cli.environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_status_imports_nothing_that_it_does_not_need(cli: Cli, daemon: FakeDaemon) -> None:
    """It has to start as fast as a prompt: each of these takes longer than all of its own work."""
    daemon.on("GET /v1/status", document(row("web"), row("db", health="unhealthy")))
    script = (
        "import sys; before = set(sys.modules); from locald.cli.main import main\n"
        "assert main(['status']) == 0; print(*(set(sys.modules) - before), file=sys.stderr)"
    )

    done = subprocess.run(
        [COMMAND[0], "-c", script],
        cwd=cli.project,
        env=cli.environment(),
        capture_output=True,
        text=True,
        timeout=20,
    )

    imported = set(done.stderr.split())
    assert "locald.cli.commands.status" in imported
    slow = {"typing", "dataclasses", "inspect", "subprocess", "http.client", "asyncio", "logging", "tomllib"}
    assert imported & {*slow, "rich", "aiohttp", "pydantic"} == set()
    assert [
        name for name in imported if name.startswith("locald.cli.") and name.endswith((".up", ".logs"))
    ] == []


def test_a_daemon_that_lost_its_state_says_so(cli: Cli, daemon: FakeDaemon) -> None:
    told = document(row("web"))
    told["daemon"]["trouble"] = "the saved state could not be used; it is kept as state.json.unusable-1"
    daemon.on("GET /v1/status", told)

    result = cli("status")

    expected = "warning: the saved state could not be used; it is kept as state.json.unusable-1\n"
    assert (result.code, result.err) == (0, expected)


@pytest.mark.parametrize("columns", [40, 60, 72, 80, 120])
def test_on_a_terminal_of_any_width_a_row_is_a_line(cli: Cli, daemon: FakeDaemon, columns: int) -> None:
    """What is too wide is cut, and what has no place at all is left out, with its title."""
    daemon.on("GET /v1/status", document(row("a-service-with-a-long-name"), row("web")))

    terminal = cli.terminal("status", columns=columns, NO_COLOR="1")

    assert terminal.end() == 0
    head, *rows = terminal.screen.splitlines()
    assert len(rows) == 2
    assert max(map(len, [head, *rows])) <= columns
    assert head.split()[0] == "SERVICE"
    assert ("UPTIME" in head) is (columns >= 72)
    assert "http" in rows[1]


def past_run(number: int, **facts: object) -> dict[str, object]:
    times = {"started_at": "2026-03-01T12:00:00.000Z", "ready_at": "2026-03-01T12:00:02.000Z"}
    ended = {"ended_at": "2026-03-01T12:01:00.000Z", "exit_code": 3, "cause": None, "said": "no such table"}
    return {"service": "web", "run": number, **times, **ended, **facts}


def test_status_of_one_service_lists_its_latest_runs(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(row("web", run=7)))
    daemon.on("GET /v1/runs", {"runs": [past_run(number) for number in range(7, 0, -1)]})

    result = cli("status", "web")

    table, runs = result.out.split("\n\n")
    assert "web" in table
    head, latest, *others = runs.splitlines()
    assert head.split() == ["RUN", "STARTED", "READY", "AFTER", "LASTED", "END", "CAUSE", "SAID"]
    assert " ".join(latest.split()) == "7 2026-03-01T12:00:00.000Z 2.0s 1m00s exit code 3 - no such table"
    assert [line.split()[0] for line in others] == ["6", "5", "4", "3"]
    assert "2 earlier runs: run `locald timeline --all`" in result.err


def test_the_runs_are_in_the_document_of_one_service_too(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(row("web", run=1)))
    daemon.on("GET /v1/runs", {"runs": [past_run(1, ended_at=None, exit_code=None)]})

    assert [run["run"] for run in json.loads(cli("status", "web", "--json").out)["runs"]] == [1]
    assert "runs" not in json.loads(cli("status", "--json").out)


def test_a_service_that_never_ran_has_no_runs_to_list(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/status", document(row("web", run=0)))

    assert cli("status", "web").code == 0
    assert daemon.asked("GET /v1/runs") == []
