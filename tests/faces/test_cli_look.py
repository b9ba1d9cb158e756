"""`why`, `timeline`, `ping`, `server`, `doctor`, `completion`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from faces.fake_daemon import FakeDaemon, Stream, change, document, down_row, entry, lines, row, snapshot
from locald.cli.commands.completion import SHELLS
from locald.cli.described import commands

if TYPE_CHECKING:
    from pathlib import Path

    from faces.run_cli import Cli
    from locald.wire.home import Home

WHY: dict[str, Any] = {
    "service": "web",
    "project": "shop",
    "state": "blocked",
    "health": "unknown",
    "source": "none",
    "because": "api is blocked: db has failed",
    "blockers": [
        {"service": "api", "state": "blocked", "health": "unknown", "because": "db has failed"},
        {"service": "db", "state": "failed", "health": "unknown", "because": "exited with code \x1b[31m1"},
    ],
    "evidence": [
        {
            "source": "explicit",
            "check": "http",
            "ok": False,
            "at": "2026-03-01T12:00:00.000Z",
            "detail": "HTTP 500",
        }
    ],
    "hints": ["see `locald logs db`"],
}
TIMELINE: dict[str, Any] = {
    "project": "shop",
    "services": [
        {
            "name": "db",
            "queued_at": "2026-03-01T12:00:00.000Z",
            "spawned_at": "2026-03-01T12:00:00.010Z",
            "listening_at": "2026-03-01T12:00:00.500Z",
            "ready_at": "2026-03-01T12:00:00.510Z",
            "source": "tcp",
            "waited_for": [],
            "median_ms": None,
        },
        {
            "name": "web",
            "queued_at": "2026-03-01T12:00:00.000Z",
            "spawned_at": "2026-03-01T12:00:00.520Z",
            "listening_at": None,
            "ready_at": "2026-03-01T12:00:01.500Z",
            "source": "notify",
            "waited_for": ["db"],
            "median_ms": 400,
        },
    ],
    "critical_path": ["db", "web"],
    "total_ms": 1500,
}


def test_why_names_the_blockers_down_to_the_root_the_evidence_and_hints(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/why", WHY)
    daemon.on("GET /v1/status", document(row("web", waiting_on=["api"]), row("api", waiting_on=["db"])))
    said = [entry("begins", service="db"), entry("\x1b[31mno room", service="db", stream="stderr")]
    daemon.on("GET /v1/logs", lambda _: Stream(lines(*said)))

    result = cli("why", "web")

    assert result.code == 0
    told = result.out.splitlines()
    assert told[:2] == ["web is blocked", "  api is blocked: db has failed"]
    assert told[3:8] == [
        "Blocked by",
        "    api is blocked",
        "      db has failed",
        "      db has failed",
        "        root cause: exited with code 1",
    ]
    assert told[10].split(maxsplit=2)[1:] == ["ago", "✗ fail  explicit (http)  HTTP 500"]
    assert told[12:15] == ["Last output of db, run 1", "  | begins", "  | no room"]
    assert told[16:] == ["hint: see `locald logs db`"]
    assert "\x1b" not in result.out
    assert daemon.asked("GET /v1/logs")[0].asked("service") == ["db"]


def test_why_of_what_is_ready_asks_for_no_output(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on(
        "GET /v1/why", {**WHY, "state": "running", "health": "healthy", "source": "tcp", "blockers": []}
    )
    daemon.on("GET /v1/status", document(row("web")))

    assert cli("why", "web").out.startswith("web is healthy (tcp, fallback)\n")
    assert not daemon.asked("GET /v1/logs")


def test_a_service_that_runs_is_not_said_to_be_blocked_by_what_it_lost(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/why", {**WHY, "state": "running", "health": "healthy", "source": "tcp"})
    daemon.on("GET /v1/status", document(row("web", waiting_on=["api"])))
    told = cli("why", "web").out.splitlines()
    assert "Running without" in told
    assert "Blocked by" not in told


def test_why_in_one_line_is_the_summary(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on(
        "GET /v1/why", {**WHY, "summary": "shop:web is blocked: db failed \x1b[31m— locald logs shop:db"}
    )
    assert cli("why", "web", "--line").out == "shop:web is blocked: db failed — locald logs shop:db\n"

    daemon.on("GET /v1/why", WHY)
    assert cli("why", "web", "--line").out == "api is blocked: db has failed\n"


@pytest.mark.parametrize(
    ("command", "target", "answer"),
    [(["why", "web"], "GET /v1/why", WHY), (["timeline"], "GET /v1/timeline", TIMELINE)],
)
def test_json_is_the_document_of_the_daemon(
    cli: Cli, daemon: FakeDaemon, command: list[str], target: str, answer: dict[str, object]
) -> None:
    daemon.on(target, answer)

    assert json.loads(cli(*command, "--json").out) == answer
    assert [request.path for request in daemon.requests if request.path != "/v1/ping"] == [target.split()[1]]


def test_timeline_shows_when_what_it_waited_for_and_the_critical_path(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/timeline", TIMELINE)
    daemon.on("GET /v1/status", document(row("db", fallback=False), row("web", source="notify")))

    told = cli("timeline").out.splitlines()

    assert told[1].split() == ["db", "+0ms", "+10ms", "+500ms", "+510ms", "-", "tcp", "-"]
    assert told[2].split() == ["web", "+0ms", "+520ms", "-", "+1.5s", "400ms", "notify", "(fallback)", "db"]
    assert told[-2:] == ["critical path: db → web", "total: 1.5s"]


def test_timeline_tells_apart_what_was_started_earlier(cli: Cli, daemon: FakeDaemon) -> None:
    db, web = TIMELINE["services"]
    moments = ("queued_at", "spawned_at", "listening_at", "ready_at")
    before = {**db, "name": "old", **dict.fromkeys(moments, "2026-02-28T12:00:00.000Z")}
    daemon.on("GET /v1/timeline", {**TIMELINE, "services": [before, db, web]})
    daemon.on("GET /v1/status", document(row("old"), row("db"), row("web")))

    told = cli("timeline").out.splitlines()

    assert [line.split()[:2] for line in told[1:4]] == [
        ["db", "+0ms"],
        ["web", "+0ms"],
        ["old", "earlier"],
    ]


def test_ping_says_who_answers(cli: Cli, daemon: FakeDaemon) -> None:
    assert re.fullmatch(rf"daemon answered in \d+ms \(pid {os.getpid()}\)\n", cli("ping").out)
    assert json.loads(cli("ping", "--json").out) == {"pid": os.getpid(), "version": "0.1.0"}


def test_server_status_shows_where_it_is(cli: Cli, daemon: FakeDaemon, home: Home) -> None:
    daemon.on("GET /v1/status", document(row("web"), down_row("db", "failed", "exited")))

    told = dict(line.split(maxsplit=1) for line in cli("server", "status").out.splitlines())

    assert told["socket"] == home.socket
    assert told["services"] == "2 (1 ready)"
    assert json.loads(cli("server", "status", "--json").out)["pid"] == 4711


def test_server_stop_waits_for_all_services_and_for_the_daemon(cli: Cli, daemon: FakeDaemon) -> None:
    """The end of the daemon ends the waiting: no new one is started to ask."""
    with subprocess.Popen(["sleep", "60"]) as other:
        daemon.on("GET /v1/ping", {"pid": other.pid, "version": "0.1.0"})
        daemon.on("POST /v1/server/stop", {})
        daemon.on("GET /v1/events", lambda _: Stream([snapshot(row("web", state="stopping"))]))
        process = cli.start("server", "stop")
        while not daemon.asked("GET /v1/events"):
            assert process.poll() is None
        assert process.poll() is None
        other.kill()
        other.wait()
        _, err = process.communicate(timeout=10)

    assert (process.returncode, err) == (0, "stopped the daemon and all services\n")


def test_server_stop_without_a_daemon_is_done_already(cli: Cli, home: Home) -> None:
    result = cli("server", "stop")

    assert (result.code, result.err) == (0, "daemon is not running\n")
    assert not os.path.exists(home.run)


def test_doctor_finds_nothing_wrong_here_and_changes_nothing(cli: Cli, home: Home) -> None:
    result = cli("doctor", "--json")

    found = {check["name"]: check for check in json.loads(result.out)["checks"]}
    assert {name for name, check in found.items() if check["level"] == "fail"} == set()
    assert {"home", "disk", "daemon", "keeper", "python", "processes", "files", "docker"} <= set(found)
    assert result.code == 0
    assert not os.path.exists(home.state)


def test_doctor_fails_with_a_hint_for_a_daemon_that_does_not_answer(cli: Cli, home: Home) -> None:
    home.make()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(home.socket)
        silent.listen()
        result = cli("doctor")

    assert result.code == 1
    assert "fail  daemon" in result.out
    assert "hint: " in result.out


def test_doctor_names_a_home_that_cannot_be_used(cli: Cli) -> None:
    result = cli("doctor", LOCALD_HOME="/tmp/" + "x" * 120)

    assert result.code == 1
    assert "107 bytes" in result.out


def test_doctor_finds_the_engine_that_the_docker_command_would_use(cli: Cli, tmp_path: Path) -> None:
    """By its context here, as services that are started from this shell do."""
    path = tmp_path / "docker.sock"
    digest = hashlib.sha256(b"rootless").hexdigest()
    folder = tmp_path / "config" / "contexts" / "meta" / digest
    folder.mkdir(parents=True)
    folder.joinpath("meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": f"unix://{path}"}}}))
    config = str(tmp_path / "config")
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        engine.listen()
        found = cli("doctor", DOCKER_CONFIG=config, DOCKER_CONTEXT="rootless")
        assert f"ok    docker      engine at {path}\n" in found.out
    found = cli("doctor", DOCKER_CONFIG=config, DOCKER_CONTEXT="nowhere")
    assert 'warn  docker      no such docker context: "nowhere"\n' in found.out
    assert "hint: run `docker context ls`" in found.out


def test_doctor_points_out_an_older_daemon(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.version = "0.0.9"

    assert "warn  daemon" in cli("doctor").out


def bash_completes(cli: Cli, line: str, cwd: Path) -> set[str]:
    """What bash offers at the end of the line."""
    words = line.split(" ")
    script = f"""
        locald() {{ {os.fspath(shutil.which("env") or "env")} {" ".join(quoted_command())} "$@"; }}
        eval "$(locald completion bash)"
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
        _locald; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", script], cwd=cwd, env=cli.environment(), capture_output=True, text=True, timeout=20
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def quoted_command() -> list[str]:
    from faces.run_cli import COMMAND

    return [f"'{word}'" for word in COMMAND]


def test_bash_completes_commands_options_and_services(cli: Cli, project: Path) -> None:
    assert bash_completes(cli, "locald st", project) == {"stop", "status"}
    assert bash_completes(cli, "locald up --t", project) == {"--timeout"}
    assert bash_completes(cli, "locald logs -f ", project) >= {"web", "db", "--grep"}
    assert bash_completes(cli, "locald server re", project) == {"restart"}
    assert bash_completes(cli, f"locald -C {project} why w", project.parent) == {"web"}


def fish_completes(cli: Cli, line: str, cwd: Path) -> set[str]:
    script = f"""
        function locald; {os.fspath(shutil.which("env") or "env")} {" ".join(quoted_command())} $argv; end
        locald completion fish | source
        complete -C '{line}'
    """
    done = subprocess.run(
        ["fish", "-N", "-c", script],
        cwd=cwd,
        env=cli.environment(),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.stderr == ""
    return {offered.partition("\t")[0] for offered in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_an_action_has_options_of_its_own_and_words_are_offered_where_they_are_possible(
    cli: Cli, project: Path, shell: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    completes = {"bash": bash_completes, "fish": fish_completes}[shell]

    assert completes(cli, "locald config schema --", project) == {"--help", "--local"}
    assert completes(cli, "locald config check --", project) == {"--help", "--json"}
    assert completes(cli, "locald config ch", project) == {"check"}
    assert completes(cli, "locald instances p", project) == {"prune"}
    assert completes(cli, "locald export s", project) == {"systemd"}
    assert completes(cli, "locald logs --level ", project) == {"error", "warn", "info", "debug"}


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_every_command_is_in_the_script_of_each_shell(shell: str) -> None:
    script = SHELLS[shell](commands())

    assert [command.name for command in commands() if command.name not in script] == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_has_no_syntax_error(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    script = SHELLS[shell](commands())

    done = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, timeout=20)

    assert (done.stderr, done.returncode) == ("", 0)


def test_zsh_leaves_what_is_behind_exec_s_dashes_to_the_other_program() -> None:
    script = SHELLS["zsh"](commands())

    (arguments,) = (line for line in script.splitlines() if line.strip().startswith("exec)"))
    assert "_arguments -S " in arguments
    assert "'*:::command:_normal'" in arguments


def test_completing_services_never_says_an_error(cli: Cli, tmp_path: Path) -> None:
    result = cli("completion", "services", cwd=tmp_path)

    assert (result.code, result.out.strip(), result.err) == (0, "", "")


def test_services_and_groups_of_both_files_are_completed(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "locald.toml").write_text('[services.web]\n[services.api]\n[groups]\nback = ["api"]')
    (tmp_path / "locald.local.toml").write_text("[services.mine]\n[services.web]")
    assert cli("completion", "services", cwd=tmp_path).out.split() == ["web", "api", "mine", "back"]
    (tmp_path / "locald.local.toml").write_text("[services")
    assert cli("completion", "services", cwd=tmp_path).out.split() == ["web", "api", "back"]


def test_a_shell_that_is_not_known_is_a_usage_error(cli: Cli) -> None:
    assert cli("completion", "tcsh").code == 2


def test_stop_of_a_change_stream_with_removed_rows_ends(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("POST /v1/down", {"project": "shop", "services": ["web"]})
    gone = change(settled=True, removed=["web"])
    daemon.on("GET /v1/events", lambda _: Stream([snapshot(row("web", state="stopping")), gone]))

    assert cli("down").code == 0
