"""`exec` and `try`: a command in the foreground, its environment, its exit code, nothing left of it."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from faces.fake_daemon import FakeDaemon, no

if TYPE_CHECKING:
    from faces.run_cli import Cli

SERVE = (
    "import os, http.server as h; h.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), None).serve_forever()"
)


def offer(daemon: FakeDaemon, workdir: Path, **environment: str) -> None:
    env = {"PATH": os.environ["PATH"], **environment}
    daemon.on("GET /v1/environment", {"env": env, "workdir": str(workdir), "origins": {}})


def test_exec_runs_in_the_environment_and_folder_of_the_service(
    cli: Cli, daemon: FakeDaemon, tmp_path: Path, project: Path
) -> None:
    offer(daemon, tmp_path, PORT="24001", NOTIFY_SOCKET="/run/x", LOCALD_RUN="token")

    result = cli("exec", "web", "--", "sh", "-c", "pwd; env", ONLY_HERE="1")

    folder, *env = result.out.splitlines()
    assert folder == str(tmp_path)
    assert "PORT=24001" in env
    assert not [line for line in env if line.startswith(("ONLY_HERE=", "NOTIFY_SOCKET=", "LOCALD_RUN="))]
    assert daemon.requests[-1].query == [("directory", str(project)), ("service", "web")]


WAY_IN = {"id": "4f5e6d7c", "docker": {"DOCKER_HOST": "unix:///run/d.sock"}}


def offer_container(daemon: FakeDaemon, way_in: object) -> None:
    told = {"env": {"PORT": "5432"}, "workdir": "/", "origins": {}, "container": way_in}
    daemon.on("GET /v1/environment", told)


def test_exec_says_how_to_enter_a_pod(cli: Cli, daemon: FakeDaemon) -> None:
    told: dict[str, object] = {"env": {}, "workdir": "/", "container": None, "engine": "kubernetes"}
    daemon.on("GET /v1/environment", told)
    result = cli("exec", "db", "--", "sh")
    assert result.code == 2
    assert "db is on Kubernetes, where locald enters no pod" in result.err
    assert "kubectl get pods -A -l locald.service=db" in result.err


def test_exec_goes_into_a_container_by_the_docker_command(
    cli: Cli, daemon: FakeDaemon, tmp_path: Path
) -> None:
    """At the engine that has it, whatever the shell here says."""
    offer_container(daemon, WAY_IN)
    program = tmp_path / "docker"
    program.write_text('#!/bin/sh\necho "$@, at $DOCKER_HOST$DOCKER_CONTEXT"\nexit 7\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"

    result = cli("exec", "db", "--", "psql", "-l", PATH=path, DOCKER_CONTEXT="other")

    assert result.out == "exec -i 4f5e6d7c psql -l, at unix:///run/d.sock\n"
    assert result.code == 7


def test_exec_says_what_is_missing_to_go_into_a_container(
    cli: Cli, daemon: FakeDaemon, tmp_path: Path
) -> None:
    offer_container(daemon, None)
    stopped = cli("exec", "db", "--", "psql")
    assert (stopped.code, "hint: run `locald up db` to start it" in stopped.err) == (2, True)

    offer_container(daemon, WAY_IN)
    without = cli("exec", "db", "--", "psql", PATH=str(tmp_path))
    assert (without.code, "no docker command found" in without.err) == (2, True)


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)])
def test_exec_and_try_return_the_code_of_the_command(
    cli: Cli, daemon: FakeDaemon, tmp_path: Path, script: str, code: int
) -> None:
    offer(daemon, tmp_path)

    assert cli("exec", "web", "--", "sh", "-c", script).code == code
    assert cli("try", "sh", "-c", script).code == code


def test_options_of_the_command_are_not_ours(cli: Cli, daemon: FakeDaemon, tmp_path: Path) -> None:
    offer(daemon, tmp_path)

    assert cli("exec", "web", "--", "echo", "-C", "--json", "--", "-h").out == "-C --json -- -h\n"
    assert cli("exec", "web", "echo", "--json").out == "--json\n"
    assert cli("try", "echo", "--help", "-f").out == "--help -f\n"


@pytest.mark.parametrize("arguments", [("exec", "web"), ("exec", "web", "--"), ("try",), ("exec",)])
def test_a_missing_command_is_a_usage_error(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).code == 2


def test_a_command_that_does_not_exist_is_said_in_one_line(
    cli: Cli, daemon: FakeDaemon, tmp_path: Path
) -> None:
    offer(daemon, tmp_path)

    for result in (cli("exec", "web", "--", "no-such-program"), cli("try", "no-such-program")):
        assert result.code == 127
        assert "error: no-such-program: No such file or directory" in result.err
        assert "Traceback" not in result.err


def test_an_unknown_service_is_refused_by_exec(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/environment", lambda _: no("no service `wbe`", exit=2, hint="did you mean `web`?"))

    assert cli("exec", "wbe", "--", "true").code == 2


def test_try_gives_a_free_port_and_says_when_it_is_ready(cli: Cli) -> None:
    process = cli.start("try", sys.executable, "-c", SERVE)
    assert process.stderr is not None

    port = re.fullmatch(r"PORT=(\d+)\n", process.stderr.readline())
    ready = process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)

    assert port
    assert re.fullmatch(rf"ready on http://127\.0\.0\.1:{port[1]}/ after (\d+ms|\d\.\ds)\n", ready)
    assert process.returncode == 128 + signal.SIGTERM


def test_try_warns_of_a_server_that_listens_elsewhere(cli: Cli) -> None:
    process = cli.start("try", sys.executable, "-c", "import os; os.environ['PORT'] = '0'; " + SERVE)
    assert process.stderr is not None
    process.stderr.readline()

    told, hint = process.stderr.readline(), process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)

    assert hint == "hint: pass PORT to the command: `locald try sh -c 'python3 -m http.server $PORT'`\n"
    assert re.match(r"warning: listening on http://127\.0\.0\.1:\d+/, not on PORT \d+", told)


def test_try_leaves_no_process_behind(cli: Cli, tmp_path: Path) -> None:
    """Not even one that took a session of its own and does not mind SIGTERM."""
    pids, stubborn = tmp_path / "pids", tmp_path / "stubborn"
    stubborn.write_text(f"trap '' TERM; echo $$ >> {pids}; while :; do sleep 0.1; done")
    script = (
        f"setsid sh {stubborn} & sleep 60 & echo $! >> {pids}; until [ $(wc -l < {pids}) = 2 ]; do :; done"
    )

    result = cli("try", "bash", "-c", f"{script}; exit 3")

    left = [pid for pid in pids.read_text().split() if Path(f"/proc/{pid}").exists()]
    assert (result.code, left) == (3, [])


def test_ctrl_c_on_a_terminal_reaches_the_command_once(cli: Cli) -> None:
    counting = (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "print('up', flush=True)\n"
        "while signal.sigtimedwait([signal.SIGINT], 0.5 if 'seen' in globals() else 20):\n"
        "    seen = print('got one', flush=True)\n"
    )
    terminal = cli.terminal("try", sys.executable, "-c", counting)
    terminal.until("up")

    terminal.press(b"\x03")

    assert terminal.end() == 0
    assert terminal.screen.count("got one") == 1


def test_a_signal_to_the_command_line_alone_is_passed_on(
    cli: Cli, daemon: FakeDaemon, tmp_path: Path
) -> None:
    offer(daemon, tmp_path)
    script = "trap 'echo hup; exit 4' HUP; echo up; while :; do sleep 0.05; done"
    process = cli.start("exec", "web", "--", "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"

    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=10)

    assert (process.returncode, out) == (4, "hup\n")
