"""The commands that change something and wait: `up`, `restart`, `wait`, `stop`, `down`."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from faces.fake_daemon import (
    FakeDaemon,
    Stream,
    change,
    document,
    down_row,
    entry,
    gated,
    lines,
    no,
    row,
    snapshot,
)
from locald.cli.commands.up import ENGINES
from locald.domain.project.spec import Engine

if TYPE_CHECKING:
    from pathlib import Path

    from faces.run_cli import Cli
    from locald.wire.home import Home

WAITING = down_row("web", "waiting", "waiting for db to be healthy", waiting_on=["db"])
STARTING = row(
    "db", health="starting", source="none", because="nothing listens on port 24001 yet", ready_at=None
)
FAILED = down_row("db", "failed", "exited with code 1, 5 times within a minute", exit_code=1)
BLOCKED = down_row("web", "blocked", "db has failed")


def accept(daemon: FakeDaemon, *pieces: bytes | threading.Event, command: str = "up") -> None:
    """The daemon takes the command, and then tells these events."""
    answer = {"project": "shop", "services": ["db", "web"], "warnings": []}
    daemon.on(f"POST /v1/{command}", answer)
    daemon.on("GET /v1/events", lambda _: Stream(gated(*pieces)))


def test_up_waits_until_all_are_healthy_and_tells_each_change(
    cli: Cli, daemon: FakeDaemon, project: Path
) -> None:
    accept(daemon, snapshot(STARTING, WAITING), change(row("db")), change(row("web"), settled=True))

    result = cli("up")

    assert (result.code, result.out) == (0, "")
    told = result.err.splitlines()
    assert told[:2] == [
        "starting: db",
        "waiting: web (for db)",
    ]
    assert told[2].startswith("db: healthy (tcp, fallback) after 800ms: pid 4790")
    assert told[3].startswith("web: healthy (")
    assert told[4].startswith("2 services ready after ")
    assert len(told) == 5
    asked = daemon.asked("GET /v1/events")[0].query
    assert asked == [("directory", str(project)), ("service", "db"), ("service", "web"), ("until", "ready")]


def test_up_sends_the_engine_and_the_images_that_were_named(cli: Cli, daemon: FakeDaemon) -> None:
    accept(daemon, snapshot(row("db"), row("web"), settled=True))
    cli("up")
    cli("up", "--on", "swarm", "--image", "web=shop/web:1")
    plain, there = (each.body for each in daemon.asked("POST /v1/up"))
    assert not plain.keys() & {"engine", "images"}
    assert (there["engine"], there["images"]) == ("swarm", {"web": "shop/web:1"})


def test_up_says_that_services_move_to_another_engine(cli: Cli, daemon: FakeDaemon) -> None:
    answer = {"project": "shop", "services": ["db"], "ends": {"db": 1}, "moved": {"db": "swarm"}}
    daemon.on("POST /v1/up", answer)
    daemon.on("GET /v1/events", lambda _: Stream(gated(snapshot(row("db", run=2), settled=True))))
    assert "restarting: db (moves to swarm)" in cli("up", "--on", "swarm").err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--on", "swrm"), "unknown --on: swrm\nhint: use one of local, swarm, systemd, kubernetes"),
        (("--image", "web"), '"web" is not SERVICE=REF'),
    ],
)
def test_an_engine_or_an_image_that_is_none_is_refused_without_a_daemon(
    cli: Cli, daemon: FakeDaemon, words: tuple[str, str], told: str
) -> None:
    result = cli("up", *words)
    assert result.code == 2
    assert told in result.err
    assert daemon.asked("POST /v1/up") == []


def test_every_engine_can_be_named_and_completed() -> None:
    assert tuple(Engine) == ENGINES


def test_up_sends_the_shell_that_asked(cli: Cli, daemon: FakeDaemon, project: Path) -> None:
    accept(daemon, snapshot(row("db"), row("web"), settled=True))
    umask = os.umask(0o027)
    try:
        cli("up", "web", "db", COLOUR="grün")
    finally:
        os.umask(umask)

    body = daemon.asked("POST /v1/up")[0].body
    assert (body["directory"], body["services"]) == (str(project), ["web", "db"])
    assert body["caller"]["env"]["COLOUR"] == "grün"
    assert body["caller"]["umask"] == 0o027
    assert len(body["caller"]["limits"]["nofile"]) == 2


def test_up_of_a_service_from_anywhere_finds_its_folder(cli: Cli, daemon: FakeDaemon, tmp_path: Path) -> None:
    accept(daemon, snapshot(row("web"), settled=True))
    daemon.on("GET /v1/status", document(row("web")))

    assert cli("up", "shop:web", cwd=tmp_path).code == 0
    assert daemon.asked("POST /v1/up")[0].body["directory"] == "/shop"


def test_up_of_an_unknown_project_is_refused(cli: Cli, daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.on("GET /v1/status", document())

    result = cli("up", "shop:web", cwd=tmp_path)

    assert result.code == 2
    assert "no such project: shop" in result.err


def test_detached_up_returns_without_waiting(cli: Cli, daemon: FakeDaemon) -> None:
    accept(daemon)
    daemon.on("GET /v1/status", document(STARTING, WAITING))

    result = cli("up", "-d", "web")

    assert result.code == 0
    assert "starting: db, web\nhint: run `locald wait`" in result.err
    assert daemon.asked("GET /v1/events") == []


def test_warnings_of_up_are_shown(cli: Cli, daemon: FakeDaemon) -> None:
    accept(daemon, snapshot(row("web"), settled=True))
    warning = {
        "what": "PORT is set by locald",
        "where": "locald.toml:9: services.web.env.PORT",
        "hint": "remove it",
    }
    daemon.on("POST /v1/up", {"project": "shop", "services": ["web"], "warnings": [warning]})

    told = cli("up").err.splitlines()

    assert told[:2] == [
        "warning: locald.toml:9: services.web.env.PORT: PORT is set by locald",
        "hint: remove it",
    ]


def test_a_refused_up_exits_2_with_all_problems(cli: Cli, daemon: FakeDaemon) -> None:
    problems = [{"what": "unknown key", "where": f"locald.toml:{n}", "hint": ""} for n in (3, 7)]
    refusal = no("", exit=2)
    refusal.document["problems"] = problems
    daemon.on("POST /v1/up", lambda _: refusal)

    result = cli("up")

    assert result.code == 2
    assert result.err.splitlines() == [
        "error: locald.toml:3: unknown key",
        "error: locald.toml:7: unknown key",
    ]


def test_a_failed_service_is_explained_with_reason_lines_hints_and_what_it_blocks(
    cli: Cli, daemon: FakeDaemon
) -> None:
    accept(daemon, snapshot(STARTING, WAITING), change(FAILED, BLOCKED, settled=True))
    hints = [
        "port 5432 is held by postgres (pid 812)",
        "`locald logs db` shows all its output",
        "run `locald up db` to try again",
    ]
    daemon.on("GET /v1/why", {"blockers": [], "hints": hints})
    daemon.on(
        "GET /v1/logs",
        lambda _: Stream(lines(entry("one", service="db"), entry("\x1b[31mtwo", service="db"))),
    )

    result = cli("up")

    assert result.code == 1
    assert result.err.splitlines()[-6:] == [
        "error: db failed: exited with code 1, 5 times within a minute",
        "  db | one",
        "  db | two",
        "hint: port 5432 is held by postgres (pid 812)",
        "hint: run `locald why db` for details, `locald logs db` for the full log",
        "error: web is blocked: db has failed",
    ]
    assert dict(daemon.asked("GET /v1/logs")[0].query)["n"] == "20"


@pytest.mark.parametrize(
    ("arguments", "spelled"),
    [(["wait", "db"], "db"), (["wait", "shop:db"], "shop:db"), (["-C", "SHOP", "wait", "db"], "shop:db")],
)
def test_the_commands_of_hints_can_be_given_where_they_are_read(
    cli: Cli, daemon: FakeDaemon, project: Path, tmp_path: Path, arguments: list[str], spelled: str
) -> None:
    """A service is named with its project, unless this is the project's folder."""
    daemon.on("GET /v1/events", lambda _: Stream([snapshot(FAILED, settled=True)]))
    daemon.on("GET /v1/why", {"blockers": [], "hints": ["fix it, then run `locald restart db`"]})
    daemon.on("GET /v1/logs", lambda _: Stream([]))

    is_elsewhere = "SHOP" in arguments
    words = (str(project) if word == "SHOP" else word for word in arguments)
    result = cli(*words, cwd=tmp_path if is_elsewhere else project)

    assert result.err.splitlines()[-2:] == [
        f"hint: fix it, then run `locald restart {spelled}`",
        f"hint: run `locald why {spelled}` for details, `locald logs {spelled}` for the full log",
    ]


def test_of_what_is_ready_new_reasons_are_not_told(cli: Cli, daemon: FakeDaemon) -> None:
    told = change(row("web", because="pid 1 (web) sent READY=1 (status: 2 customers)"))
    accept(daemon, snapshot(row("web"), STARTING), told, change(row("db"), settled=True))
    result = cli("up")
    assert result.err.count("web: healthy") == 1


def test_wait_for_a_blocked_service_explains_the_root_outside_of_what_was_asked(
    cli: Cli, daemon: FakeDaemon
) -> None:
    daemon.on("GET /v1/events", lambda _: Stream([snapshot(BLOCKED, settled=True)]))
    root = {"service": "db", "state": "failed", "health": "unknown", "because": "exited with code 1"}
    daemon.on("GET /v1/why", {"blockers": [root], "hints": []})
    daemon.on("GET /v1/logs", lambda _: Stream(lines(entry("no space", service="db"))))

    result = cli("wait", "web")

    assert result.code == 1
    assert "error: db failed: exited with code 1\n  db | no space\n" in result.err
    assert "error: web is blocked: db has failed" in result.err


def test_wait_without_names_leaves_out_what_nobody_ever_asked_for(cli: Cli, daemon: FakeDaemon) -> None:
    never = down_row("web", "stopped", "never started", run=0)
    daemon.on("GET /v1/events", lambda _: Stream([snapshot(row("db"), never, settled=True)]))
    result = cli("wait")
    assert result.code == 0, result.err
    assert result.err == "1 service already running\n"


ELSEWHERE = {
    **STARTING,
    "because": "pid 7 (node) listens on 127.0.0.1:5173, but PORT is 24001",
    "reason": "pid 7 (node) listens on 127.0.0.1:5173, but PORT is 24001",
    "hint": "Vite listens on 5173: write `vite --port $PORT`",
}


def test_what_listens_elsewhere_is_told_once_while_it_starts_with_the_command_to_paste(
    cli: Cli, daemon: FakeDaemon
) -> None:
    ready, again = threading.Event(), {**ELSEWHERE, "since": "2026-03-01T12:00:01.000Z"}
    accept(daemon, snapshot(ELSEWHERE), change(again), ready, change(row("db"), settled=True))
    began = time.monotonic()
    process = cli.start("up")
    assert process.stderr is not None

    told = [process.stderr.readline() for _ in range(3)]
    waited = time.monotonic() - began
    ready.set()
    _, rest = process.communicate(timeout=10)

    assert told[1:] == [f"db: {ELSEWHERE['because']}\n", f"hint: {ELSEWHERE['hint']}\n"]
    assert 1.0 <= waited < 3.0 + 1.0, "the command itself has to start, too"
    assert "5173" not in rest


def test_on_a_terminal_it_stands_below_its_service(cli: Cli, daemon: FakeDaemon) -> None:
    ready = threading.Event()
    accept(daemon, snapshot(ELSEWHERE), ready, change(row("db"), settled=True))
    terminal = cli.terminal("up", columns=200)

    terminal.until(f"hint: {ELSEWHERE['hint']}")
    assert ELSEWHERE["because"] in terminal.screen
    ready.set()

    assert terminal.end() == 0
    shown = seen(terminal.screen, 200)
    assert [line.split()[:3] for line in shown if "db" in line] == [["●", "db", "healthy"]]
    assert not [line for line in shown if "hint" in line], "what was wrong is over"


def test_a_debugger_that_comes_first_is_no_news(cli: Cli, daemon: FakeDaemon) -> None:
    accept(daemon, snapshot(ELSEWHERE), change(STARTING), change(row("db"), settled=True))

    assert "5173" not in cli("up").err


def test_what_stopped_by_itself_is_told_with_what_to_do_about_it(cli: Cli, daemon: FakeDaemon) -> None:
    hint = 'set stdin = "open", since esbuild exits when its standard input ends'
    ended = down_row("web", "stopped", "exited with code 0, not restarted", hint=hint)
    accept(daemon, snapshot(STARTING, ended, settled=True))

    result = cli("up")

    assert result.code == 1
    assert f"error: web is stopped: exited with code 0, not restarted\nhint: {hint}\n" in result.err


def test_wait_for_a_stopped_service_ends_at_once_and_says_how_to_start_it(
    cli: Cli, daemon: FakeDaemon
) -> None:
    stopped = down_row("web", "stopped", "never started", run=0)
    daemon.on("GET /v1/events", lambda _: Stream([snapshot(stopped, settled=True)]))

    result = cli("wait")

    assert result.code == 1
    assert "error: web is stopped: never started\nhint: run `locald up web` to start it" in result.err


def test_a_completed_task_counts_as_ready(cli: Cli, daemon: FakeDaemon) -> None:
    seed = row("seed", type="task", state="completed", health="healthy", source="process")
    accept(daemon, snapshot(seed, settled=True))

    assert cli("up").code == 0


@pytest.mark.parametrize("command", ["up", "wait", "restart"])
def test_a_timeout_exits_124_and_says_what_is_missing_and_why(
    cli: Cli, daemon: FakeDaemon, command: str
) -> None:
    never = threading.Event()
    accept(daemon, snapshot(row("web"), STARTING), never, command=command)

    result = cli(command, "--timeout", "200ms")

    never.set()
    assert result.code == 124
    missing = "error: db is not ready after 200ms: starting: nothing listens on port 24001 yet"
    assert missing in result.err.splitlines()
    assert "error: web" not in result.err


@pytest.mark.parametrize("command", ["up", "wait", "restart"])
def test_json_is_the_document_of_status_at_the_end(cli: Cli, daemon: FakeDaemon, command: str) -> None:
    accept(daemon, snapshot(STARTING), change(row("db"), settled=True), command=command)

    result = cli(command, "--json")

    assert json.loads(result.out) == document(row("db"))


def test_ctrl_c_leaves_services_running_says_so_and_exits_130(cli: Cli, daemon: FakeDaemon) -> None:
    never = threading.Event()
    accept(daemon, snapshot(STARTING), never)
    process = cli.start("up")
    assert process.stderr is not None
    assert process.stderr.readline() == "starting: db\n"

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)

    never.set()
    assert process.returncode == 130
    assert "services keep running" in err
    assert "Traceback" not in err


def test_ctrl_c_on_a_terminal_restores_the_cursor(cli: Cli, daemon: FakeDaemon) -> None:
    never = threading.Event()
    accept(daemon, snapshot(STARTING), never)
    terminal = cli.terminal("up")
    terminal.until("nothing listens on port 24001 yet")

    terminal.press(b"\x03")

    assert terminal.end() == 130
    never.set()
    assert "services keep running" in terminal.screen
    assert terminal.screen.rindex("\x1b[?25h") > terminal.screen.rindex("\x1b[?25l")


def seen(written: str, columns: int) -> list[str]:
    """The lines that a terminal shows for what was written: it wraps behind its last column."""
    lines, at, column = [""], 0, 0
    for found in re.finditer(r"\x1b\[(\d*)([A-Za-z])|\x1b\[\?\d+[hl]|(\r)|(\n)|([^\x1b])", written):
        count, sequence, back, down, letter = found.groups()
        if sequence == "A":
            at = max(at - int(count or 1), 0)
        elif sequence == "K":
            lines[at] = "" if count == "2" else lines[at][:column]
        elif back:
            column = 0
        elif down or (letter and column == columns):
            at, column = at + 1, column if down else 0
            lines += [""] * (at + 1 - len(lines))
        if letter:
            lines[at] = lines[at][:column].ljust(column) + letter + lines[at][column + 1 :]
            column += 1
    return lines


@pytest.mark.parametrize("command", ["up", "wait"])
def test_ctrl_c_leaves_each_service_once_on_a_terminal(cli: Cli, daemon: FakeDaemon, command: str) -> None:
    """Though the terminal itself writes `^C` behind the last line."""
    never = threading.Event()
    long = {**STARTING, "reason": "not listening on port 24001 yet, " * 10}
    accept(daemon, snapshot(long, {**long, "name": "web"}), never)
    terminal = cli.terminal(command, columns=80)
    terminal.until("web")

    terminal.press(b"\x03")

    assert terminal.end() == 130
    never.set()
    shown = seen(terminal.screen, 80)
    assert "^C" in terminal.screen
    assert [line.split()[1] for line in shown if "◐" in line] == ["db", "web"]


def test_on_a_terminal_each_service_has_a_line_that_changes_in_place(cli: Cli, daemon: FakeDaemon) -> None:
    ready = threading.Event()
    accept(daemon, snapshot(STARTING, WAITING), ready, change(row("db"), row("web"), settled=True))
    terminal = cli.terminal("up")

    terminal.until("for db to be healthy")
    ready.set()

    assert terminal.end() == 0
    assert "\x1b[32m●" in terminal.screen
    assert "http://127.0.0.1:24001/" in terminal.screen
    assert "2 services ready after " in terminal.screen


def test_escape_sequences_of_services_do_not_disturb_the_live_display(cli: Cli, daemon: FakeDaemon) -> None:
    ready = threading.Event()
    evil = {**STARTING, "reason": "STATUS=\x1b]0;owned\x07\x1b[2J[red]loading"}
    accept(daemon, snapshot(evil), ready, change(row("db"), settled=True))
    terminal = cli.terminal("up")

    terminal.until("STATUS=[red]loading")
    ready.set()

    assert terminal.end() == 0
    assert "owned" not in terminal.screen
    assert "\x1b[2J" not in terminal.screen


def test_more_services_than_lines_show_those_that_are_not_ready(cli: Cli, daemon: FakeDaemon) -> None:
    ready = threading.Event()
    many = [row(f"s{i:02}") for i in range(40)]
    last = {**STARTING, "name": "last"}
    accept(daemon, snapshot(*many, last), ready, change({**last, "health": "healthy"}, settled=True))
    terminal = cli.terminal("up")

    terminal.until("more services")
    ready.set()

    assert terminal.end() == 0
    assert "last" in terminal.screen


def test_a_daemon_that_dies_meanwhile_is_reached_again(cli: Cli, daemon: FakeDaemon) -> None:
    """What was wanted still is, so the waiting goes on."""
    accept(daemon)
    streams = [[snapshot(STARTING)], [snapshot(row("db"), settled=True)]]
    daemon.on("GET /v1/events", lambda _: Stream(streams.pop(0)))

    assert cli("up").code == 0
    assert streams == []


def test_up_fails_with_3_when_the_daemon_ends_again_and_again(cli: Cli, daemon: FakeDaemon) -> None:
    accept(daemon)
    daemon.on("GET /v1/events", lambda _: Stream([snapshot(STARTING)]))

    result = cli("up")

    assert result.code == 3
    assert "error: daemon keeps exiting" in result.err


@pytest.mark.parametrize(
    ("state", "said"), [("stopped", "stopped db and web\n"), ("completed", "stopped web\n")]
)
def test_a_task_that_is_done_is_not_said_to_be_stopped(
    cli: Cli, daemon: FakeDaemon, state: str, said: str
) -> None:
    rows = down_row("db", state, "exited with 0"), down_row("web", "stopped", "it was told to stop")
    accept(daemon, snapshot(*rows, settled=True), command="stop")
    assert cli("stop").err == said


@pytest.mark.parametrize(("command", "said"), [("stop", "stopped db and web\n"), ("down", "shop is down\n")])
def test_stop_and_down_return_when_everything_is_gone(
    cli: Cli, daemon: FakeDaemon, project: Path, command: str, said: str
) -> None:
    gone = down_row("web", "stopped", "stopped by the user")
    accept(daemon, snapshot(row("web", state="stopping")), change(gone, settled=True), command=command)

    result = cli(command)

    assert (result.code, result.out) == (0, "")
    assert result.err == said
    assert ("until", "down") in daemon.asked("GET /v1/events")[0].query
    assert daemon.asked(f"POST /v1/{command}")[0].body["directory"] == str(project)


def test_stop_tells_after_two_seconds_what_it_waits_for(cli: Cli, daemon: FakeDaemon) -> None:
    gone = threading.Event()
    stopping = row("web", state="stopping", because="pid 4790 (node) ignores SIGTERM, SIGKILL in 8 s")
    accept(
        daemon,
        snapshot(stopping),
        gone,
        change(down_row("web", "stopped", "x"), settled=True),
        command="stop",
    )
    began = time.monotonic()
    process = cli.start("stop", "web")
    assert process.stderr is not None

    told = process.stderr.readline()
    waited = time.monotonic() - began
    gone.set()
    process.communicate(timeout=10)

    assert told == "waiting for web: pid 4790 (node) ignores SIGTERM, SIGKILL in 8 s\n"
    assert 2.0 <= waited < 4.0
    assert process.returncode == 0


def test_down_ends_though_the_project_is_forgotten_by_then(cli: Cli, daemon: FakeDaemon) -> None:
    accept(daemon, command="down")
    daemon.on("GET /v1/events", lambda _: no("no such project", exit=2, status=404))

    assert cli("down").code == 0


@pytest.mark.parametrize(
    ("command", "said"), [("stop", "nothing is running\n"), ("down", "project is not running\n")]
)
def test_stop_and_down_start_no_daemon_when_there_is_nothing(
    cli: Cli, home: Home, command: str, said: str
) -> None:
    result = cli(command)

    assert (result.code, result.err) == (0, said)
    assert not os.path.exists(home.run)


def test_stop_of_what_is_not_up_is_done_already(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("POST /v1/stop", {"project": None, "services": []})
    daemon.on("POST /v1/down", {"project": None, "services": []})

    assert (cli("stop").err, cli("down").err) == ("nothing is running\n", "project is not running\n")
    assert daemon.asked("GET /v1/events") == []


def test_options_may_stand_between_services(cli: Cli, daemon: FakeDaemon) -> None:
    accept(daemon)

    cli("up", "web", "-d", "db")

    assert daemon.asked("POST /v1/up")[0].body["services"] == ["web", "db"]


@pytest.mark.parametrize("given", ["0", "-1s", "soon", "0ms"])
def test_a_timeout_that_is_no_duration_is_a_usage_error(cli: Cli, given: str) -> None:
    result = cli("up", f"--timeout={given}")

    assert result.code == 2
    assert "--timeout" in result.err


def test_services_stopped_by_somebody_else_end_the_waiting(cli: Cli, daemon: FakeDaemon) -> None:
    gone: Any = change(down_row("db", "stopped", "stopped by the user"), settled=True)
    accept(daemon, snapshot(STARTING), gone)

    result = cli("up")

    assert result.code == 1
    assert "error: db is stopped by the user" in result.err


@pytest.mark.parametrize(("command", "asked"), [("up", "db and web"), ("wait", "db and web"), ("wait", "db")])
def test_services_that_somebody_took_away_meanwhile_are_not_ready(
    cli: Cli, daemon: FakeDaemon, command: str, asked: str
) -> None:
    removed = asked.split(" and ")
    rows = [STARTING, WAITING] if "web" in asked else [STARTING]
    accept(daemon, snapshot(*rows), change(removed=removed, settled=True))

    result = cli(command, *([] if "web" in asked else [asked]))

    assert result.code == 1
    verb = "were" if "web" in asked else "was"
    assert f"error: {asked} {verb} removed: taken down, or no longer in locald.toml" in result.err


def test_services_that_are_gone_before_they_could_be_followed_are_not_ready_either(
    cli: Cli, daemon: FakeDaemon
) -> None:
    accept(daemon)
    daemon.on("GET /v1/events", lambda _: no('no project "shop" is up', exit=2, status=422))

    result = cli("up")

    assert result.code == 1
    assert result.err == "error: db and web were removed: taken down, or no longer in locald.toml\n"


def test_waiting_for_a_project_is_not_disturbed_by_a_service_that_leaves_it(
    cli: Cli, daemon: FakeDaemon
) -> None:
    accept(daemon, snapshot(STARTING, WAITING), change(row("db"), removed=["web"], settled=True))

    assert cli("wait").code == 0


def test_a_terminal_gets_its_cursor_back_when_the_command_is_ended(cli: Cli, daemon: FakeDaemon) -> None:
    never = threading.Event()
    accept(daemon, snapshot(STARTING), never)
    terminal = cli.terminal("up")
    terminal.until("nothing listens on port 24001 yet")

    terminal.process.send_signal(signal.SIGTERM)

    assert terminal.end() == 128 + signal.SIGTERM
    never.set()
    assert terminal.screen.rindex("\x1b[?25h") > terminal.screen.rindex("\x1b[?25l")


def test_stop_of_what_is_stopped_says_that_nothing_is_running(cli: Cli, daemon: FakeDaemon) -> None:
    """However often: the daemon tells what the command ends."""
    accept(daemon, command="stop")
    daemon.on("POST /v1/stop", {"project": "shop", "services": ["web", "db"], "ends": {}})

    assert cli("stop").err == "nothing is running\n"
    assert daemon.asked("GET /v1/events") == []


def test_what_is_no_longer_in_the_file_is_said_to_be_stopped(cli: Cli, daemon: FakeDaemon) -> None:
    accept(daemon, snapshot(row("db"), settled=True))
    effect = {"ends": {"web": 1}, "starts": [], "changed": [], "removed": ["web", "old"]}
    daemon.on("POST /v1/up", {"project": "shop", "services": ["db"], "warnings": [], **effect})

    result = cli("up")

    assert result.code == 0
    assert result.err.splitlines() == [
        "stopped web (no longer in locald.toml)",
        "removed old (no longer in locald.toml)",
        "1 service already running",
    ]


def test_up_of_a_file_without_services_says_so(cli: Cli, daemon: FakeDaemon) -> None:
    accept(daemon)
    effect: dict[str, Any] = {"ends": {}, "starts": [], "changed": [], "removed": []}
    daemon.on("POST /v1/up", {"project": "shop", "services": [], "warnings": [], **effect})
    daemon.on("GET /v1/status", document())

    assert (cli("up").code, cli("up").err) == (0, "locald.toml has no services\n")
    assert json.loads(cli("up", "--json").out) == document()
