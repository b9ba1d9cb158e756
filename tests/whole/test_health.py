"""What counts as healthy, who says so, and what ends it: seen through `up`, `status` and `why`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from locald.linux import procfs
from whole.looking import (
    at,
    details,
    hints,
    is_healthy,
    is_in,
    is_settled,
    is_there,
    is_unhealthy,
    seconds_until_ready,
)
from whole.machine import Gate, free_port, is_alive, wait_for
from whole.programs import (
    PRELUDE,
    SERVE,
    STAY,
    command,
    http_told_by,
    listener,
    saying,
    serve_after,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from whole.machine import Machine


def iter_until(stream: IO[str], beginning: str) -> Iterator[str]:
    """The lines of a stream as they come, up to one that begins so."""
    for line in stream:
        yield line
        if line.startswith(beginning):
            return


def web(rest: str) -> str:
    return f"[services.web]\n{rest}"


# The port.


def test_a_port_that_opens_after_a_second_is_waited_for(machine: Machine) -> None:
    machine.write(web(f"command = {command('time.sleep(1); kept = listen(); stay()')}"))
    machine.locald("server", "start")
    begun = time.monotonic()
    row = machine.up()["web"]
    assert 1 <= time.monotonic() - begun < 5
    assert (row["state"], row["health"], row["source"]) == ("running", "healthy", "tcp")
    assert row["fallback"] is True
    assert row["check"] is None
    assert row["because"].startswith(f"pid {row['pid']} (")
    assert row["because"].endswith(f"accepts connections on 127.0.0.1:{row['port']}")
    assert row["url"] == f"http://127.0.0.1:{row['port']}/"


def test_readiness_is_seen_the_moment_the_port_opens(machine: Machine) -> None:
    """It is not healthy before, and a look at the port comes every few milliseconds, not every second."""
    gate, opened = Gate(machine.folder), machine.folder / "opened"
    code = f"gate({str(gate.path)!r}); kept = listen(); append({str(opened)!r}, time.time()); stay()"
    machine.write(web(f"command = {command(code)}"))
    machine.locald("up", "-d")
    row = machine.until("web", is_there)
    assert (row["state"], row["health"], row["source"]) == ("starting", "starting", "none")
    assert row["ready_at"] is None
    gate.open()
    row = machine.until("web", is_healthy)
    wait_for(lambda: opened.exists() and opened.read_text().endswith("\n"), "it has written when that was")
    assert -0.1 < at(row["ready_at"]) - float(opened.read_text()) < 0.5


def test_a_port_that_never_opens_fails_at_the_start_timeout_and_says_what_was_tried(machine: Machine) -> None:
    code = "print('I am here, port or no port'); stay()"
    machine.write(web(f'start_timeout = "1s"\ncommand = {command(code)}'))
    begun = time.monotonic()
    up = machine.locald("up")
    assert 1 <= time.monotonic() - begun < 10
    assert up.returncode == 1
    row = machine.status()["web"]
    assert (row["state"], row["pid"], row["restarts"]) == ("failed", None, 0)
    assert f"not listening on port {row['port']}" in up.stderr
    assert "not healthy within 1s" in up.stderr
    assert "I am here, port or no port" in up.stderr
    assert 'type = "worker"' in up.stderr
    assert up.stdout == ""


def test_nothing_is_left_of_what_did_not_become_healthy(machine: Machine) -> None:
    pids = machine.folder / "pids"
    machine.write(
        web(f'start_timeout = "500ms"\ncommand = "setsid sleep 1000 & echo $$ $! > {pids}; sleep 1000"')
    )
    assert machine.locald("up").returncode == 1
    assert [pid for pid in map(int, pids.read_text().split()) if is_alive(pid)] == []


def test_who_ignores_port_is_told_where_it_listens_and_how_its_framework_takes_it(machine: Machine) -> None:
    other = free_port()
    vite = machine.file("vite", f"#!{sys.executable}\nimport socket, signal\n")
    with vite.open("a") as file:
        file.write(f"kept = socket.create_server(('127.0.0.1', {other}))\nwhile True: kept.accept()\n")
    vite.chmod(0o755)
    port = other + 500
    machine.write(web(f'port = {port}\ncommand = "./vite"\nstart_timeout = "1500ms"'))
    up = machine.locald("up")
    assert up.returncode == 1
    said = f"listens on 127.0.0.1:{other}, but PORT is {port}"
    assert said in up.stderr
    assert "vite --port $PORT" in up.stderr
    why = machine.why("web")
    assert said in why["because"]
    assert "vite --port $PORT" in hints(why)


def test_a_port_that_is_another_than_the_fixed_one_is_told_by_up_while_it_waits(machine: Machine) -> None:
    other, port = free_port(), free_port() + 500
    machine.write(web(f"port = {port}\ncommand = {command(f'kept = listen({other}); stay()')}"))
    with machine.begin("up") as up:
        assert up.stderr
        told = list(iter_until(up.stderr, "hint: "))
        row = machine.status()["web"]
        up.send_signal(signal.SIGINT)
        assert up.wait() == 130
    assert told[-2].endswith(f"listens on 127.0.0.1:{other}, but PORT is {port}\n")
    assert "pass $PORT on the command line" in told[-1]
    assert (row["state"], row["hint"]) == ("starting", told[-1].removeprefix("hint: ").strip())


def test_a_program_that_finds_its_port_in_use_is_told_who_has_it_and_what_to_write(machine: Machine) -> None:
    port = free_port()
    code = f"kept = listen({port}); stay()"
    again = f'command = "exec {sys.executable} -m http.server {port} --bind 127.0.0.1"\nrestart = "no"'
    machine.write(f"{web(f'port = {port}')}\ncommand = {command(code)}\n[services.docs]\n{again}")
    assert machine.up("web")
    up = machine.locald("up", "docs")
    assert up.returncode == 1
    pid = machine.status()["web"]["pid"]
    held = f"port {port} is already in use by pid {pid} "
    write = f"or write `exec {sys.executable} -m http.server $PORT --bind 127.0.0.1`"
    (hint,) = [line for line in up.stderr.splitlines() if held in line]
    assert hint.startswith("hint: ")
    assert hint.endswith(f"(service shop:web): run `locald stop shop:web`, {write}")
    assert hint.removeprefix("hint: ") == machine.why("docs")["hints"][0]


def test_up_says_how_a_program_that_ends_with_its_input_stays(machine: Machine) -> None:
    machine.write('[services.jobs]\ntype = "worker"\ncommand = "cat"\n')
    up = machine.locald("up")
    assert up.returncode == 1
    assert 'hint: set stdin = "open", since cat exits when its standard input ends' in up.stderr


def test_while_it_starts_why_names_the_port_that_it_listens_on_instead(machine: Machine) -> None:
    other = free_port()
    machine.write(web(f"command = {command(f'kept = listen({other}); stay()')}"))
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: str(other) in row["because"])
    assert (row["state"], row["health"], row["source"]) == ("starting", "starting", "tcp")
    assert f"127.0.0.1:{other}, but PORT is {row['port']}" in row["because"]
    assert "PORT" in hints(machine.why("web"))


def test_a_fixed_port_that_somebody_holds_is_refused_and_the_holder_named(machine: Machine) -> None:
    port, ran = free_port(), machine.folder / "ran"
    machine.write(web(f'port = {port}\ncommand = "touch {ran}; sleep 1000"'))
    with listener(port):
        up = machine.locald("up")
    assert up.returncode == 1
    for named in (f"port {port}", f"pid {os.getpid()}", procfs.program(os.getpid())):
        assert named in up.stderr
    row = machine.status()["web"]
    assert (row["state"], row["health"], row["restarts"]) == ("failed", "unknown", 0)
    assert not ran.exists()
    assert machine.locald("up", "-d").returncode == 0
    machine.until("web", is_in("starting"))


def test_a_stale_process_that_answers_on_the_port_is_not_believed(machine: Machine) -> None:
    gate, port = Gate(machine.folder), free_port()
    machine.write(web(f"port = {port}\ncommand = {serve_after(gate.path)}"))
    machine.locald("up", "-d")
    machine.until("web", is_there)
    with listener(port):
        row = machine.until("web", lambda row: f"pid {os.getpid()}" in row["because"])
        assert row["health"] == "starting"
        assert f"port {port} is already in use by pid {os.getpid()}" in row["because"]
        assert f"stop pid {os.getpid()}" in hints(machine.why("web"))
    gate.open()
    assert machine.until("web", is_healthy)["source"] == "tcp"


def test_a_stranger_that_joins_the_port_later_is_named_while_it_is_there(machine: Machine) -> None:
    shared = (
        "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); s.bind(('127.0.0.1', PORT)); s.listen()"
    )
    machine.write(web(f"command = {command(f's = socket.socket(); {shared}; serve(s)')}"))
    own = machine.up()["web"]
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", own["port"]))
        stranger.listen()
        row = machine.until("web", lambda row: str(os.getpid()) in row["because"])
        assert (row["health"], row["because"].startswith(own["because"])) == ("healthy", True)
        assert f"run `kill {os.getpid()}`" in hints(machine.why("web"))
    machine.until("web", lambda row: row["because"] == own["because"])
    (note,) = [line for line in machine.logs("web") if "a process outside the service" in line]
    assert f"connections to port {own['port']} can reach it instead" in note


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_nor_does_a_check_of_the_own_port_believe_it(machine: Machine, kind: str) -> None:
    """A check that names no port asks the service, not whoever listens in its place."""
    gate, port = Gate(machine.folder), free_port()
    code = f"gate({str(gate.path)!r}); answer(listen(accept=False), lambda: '200 OK')"
    check = f'health_check = {{ type = "{kind}" }}'
    machine.write(web(f"port = {port}\n{check}\ncommand = {command(code)}"))
    machine.locald("up", "-d")
    machine.until("web", is_there)
    with listener(port):
        row = machine.until("web", lambda row: row["source"] == "explicit")
        assert row["health"] == "starting"
        assert f"not listening on port {port}" in row["because"]
    gate.open()
    assert machine.until("web", is_healthy)["source"] == "explicit"


def test_a_check_that_names_a_port_accepts_any_listener_there(machine: Machine) -> None:
    port = free_port()
    check = f'health_check = {{ type = "tcp", port = {port} }}'
    machine.write(web(f'type = "worker"\n{check}\ncommand = {STAY}'))
    with listener(port):
        row = machine.up()["web"]
    assert (row["health"], row["source"], row["check"]) == ("healthy", "explicit", "tcp")


def test_a_server_on_the_ipv6_loopback_alone_is_found(machine: Machine) -> None:
    code = "kept = listen(PORT, '::1'); stay()"
    machine.write(web(f"command = {command(code)}"))
    row = machine.up()["web"]
    assert (row["health"], row["source"]) == ("healthy", "tcp")
    assert f"[::1]:{row['port']}" in row["because"]


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "127.0.0.5"])
def test_a_server_on_any_address_of_this_machine_is_found(machine: Machine, address: str) -> None:
    code = f"kept = listen(PORT, {address!r}); stay()"
    machine.write(web(f"command = {command(code)}"))
    assert machine.up()["web"]["source"] == "tcp"


def test_a_listener_of_a_process_that_forked_away_is_the_services_own(machine: Machine) -> None:
    machine.file("server.py", f"{PRELUDE}\nkept = listen(); stay()")
    machine.write(web(f'command = "(setsid sh -c \\"{sys.executable} server.py &\\" &); exec sleep 1000"'))
    row = machine.up()["web"]
    assert row["source"] == "tcp"
    assert f"pid {row['pid']} " not in row["because"]


def test_a_listener_that_closes_while_its_process_lives_ends_health_and_one_that_comes_back_renews_it(
    machine: Machine,
) -> None:
    close, open_again = Gate(machine.folder, "close"), Gate(machine.folder, "open")
    code = (
        f"kept = listen(); gate({str(close.path)!r}); kept.close()\n"
        f"gate({str(open_again.path)!r}); kept = listen(); stay()"
    )
    machine.write(web(f"command = {command(code)}"))
    before = machine.up()["web"]
    wait_for(lambda: is_settled(machine.status()["web"]), "to be ready for a second")
    close.open()
    row = machine.until("web", is_unhealthy)
    assert (row["state"], row["pid"]) == ("running", before["pid"])
    assert row["because"] == f"no longer listening on port {row['port']}"
    assert row["since"] > before["since"]
    assert machine.locald("status").returncode == 0
    open_again.open()
    row = machine.until("web", is_healthy)
    assert (row["run"], row["pid"]) == (1, before["pid"])


def test_a_vanished_listener_overrides_what_the_program_said_but_not_an_explicit_check(
    machine: Machine,
) -> None:
    close = Gate(machine.folder, "close")
    code = f"notify('READY=1'); kept = listen(); gate({str(close.path)!r}); kept.close(); stay()"
    own = Gate(machine.folder, "own")
    other = f"notify('READY=1'); kept = listen(); gate({str(own.path)!r}); kept.close(); stay()"
    machine.write(
        web(f"command = {command(code)}")
        + f'\n[services.own]\nhealth_check = {{ type = "notify" }}\ncommand = {command(other)}'
    )
    rows = machine.up()
    assert rows["web"]["source"] == "notify"
    wait_for(
        lambda: all("accepts connections" in details(machine.why(name)) for name in rows), "both to be seen"
    )
    wait_for(lambda: all(map(is_settled, machine.status().values())), "to be ready for a second")
    close.open()
    own.open()
    row = machine.until("web", is_unhealthy)
    assert "no longer listening" in row["because"]
    wait_for(
        lambda: "no longer listening" in details(machine.why("own")), "the end of the listener to be seen"
    )
    row = machine.status()["own"]
    assert (row["health"], row["source"], row["check"]) == ("healthy", "explicit", "notify")


def test_a_process_that_is_killed_is_seen_within_half_a_second(machine: Machine) -> None:
    machine.write(web(f'restart = "no"\ncommand = {SERVE}'))
    pid = machine.up()["web"]["pid"]
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    row = machine.until("web", lambda row: row["health"] != "healthy")
    assert time.monotonic() - begun < 0.5
    row = machine.until("web", is_in("failed"))
    assert (row["health"], row["exit_code"], row["pid"]) == ("unknown", 128 + 9, None)
    assert "SIGKILL" in row["because"]


# Checks that the user configured.


def test_an_http_check_is_healthy_only_after_the_status_that_it_wants(machine: Machine) -> None:
    status = machine.folder / "status"
    machine.write(
        web(f'health_check = {{ type = "http", path = "/health" }}\ncommand = {http_told_by(status)}')
    )
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: "returned 503" in row["because"])
    assert (row["state"], row["health"], row["source"]) == ("starting", "starting", "explicit")
    status.write_text("200 OK")
    row = machine.until("web", is_healthy)
    assert (row["source"], row["check"], row["fallback"]) == ("explicit", "http", False)
    assert f"http://127.0.0.1:{row['port']}/health" in row["because"]
    assert "returned 200" in row["because"]


def test_an_http_check_takes_health_away_after_so_many_failures_and_gives_it_back(machine: Machine) -> None:
    status = machine.folder / "status"
    status.write_text("200 OK")
    check = 'health_check = { type = "http", interval = "50ms", retries = 3 }'
    machine.write(web(f"{check}\ncommand = {http_told_by(status)}"))
    pid = machine.up()["web"]["pid"]
    status.write_text("500 Broken")
    row = machine.until("web", is_unhealthy)
    assert "returned 500" in row["because"]
    assert (row["state"], row["pid"], row["restarts"]) == ("running", pid, 0)
    failed = [each["at"] for each in machine.why("web")["evidence"] if "returned 500" in each["detail"]]
    assert failed
    status.write_text("204 Fine")
    row = machine.until("web", is_healthy)
    assert (row["run"], row["pid"]) == (1, pid)


def test_a_server_that_does_not_answer_in_time_is_not_healthy(machine: Machine) -> None:
    answers = Gate(machine.folder)
    code = f"kept = listen(); gate({str(answers.path)!r}); answer(kept, lambda: '302 Elsewhere')"
    check = 'health_check = { type = "http", timeout = "300ms" }'
    machine.write(web(f"{check}\ncommand = {command(code)}"))
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: "did not answer within 300ms" in row["because"])
    assert row["health"] == "starting"
    answers.open()
    assert "returned 302" in machine.until("web", is_healthy)["because"]


def test_an_http_check_may_want_other_statuses(machine: Machine) -> None:
    status = machine.folder / "status"
    status.write_text("200 OK")
    check = 'health_check = { type = "http", status = [401, 418] }'
    machine.write(web(f"{check}\ncommand = {http_told_by(status)}"))
    machine.locald("up", "-d")
    machine.until("web", lambda row: "returned 200" in row["because"] and not is_healthy(row))
    status.write_text("401 Who Are You")
    assert "returned 401" in machine.until("web", is_healthy)["because"]


def test_fewer_failures_than_retries_change_nothing(machine: Machine) -> None:
    """The server fails twice, then answers, again and again."""
    counts = machine.folder / "count"
    code = (
        "answers = iter(['200 OK'] + ['500 Broken', '500 Broken', '200 OK'] * 1000)\n"
        f"def status():\n    append({str(counts)!r}, 'x')\n    return next(answers)\n"
        "answer(listen(accept=False), status)"
    )
    check = 'health_check = { type = "http", interval = "20ms", retries = 3 }'
    machine.write(web(f"{check}\ncommand = {command(code)}"))
    since = machine.up()["web"]["since"]
    wait_for(lambda: len(counts.read_text()) > 30, "fifteen answers")
    row = machine.status()["web"]
    assert (row["health"], row["since"]) == ("healthy", since)


def test_a_command_check_is_healthy_from_when_its_command_succeeds(machine: Machine) -> None:
    (machine.folder / "app").mkdir()
    machine.write(
        web(
            f'type = "worker"\nworkdir = "app"\nenv = {{ WANTED = "here" }}\n'
            f'health_check = "test -e $WANTED"\ncommand = {STAY}'
        )
    )
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: "exited with code 1" in row["because"])
    assert (row["state"], row["health"], row["source"]) == ("starting", "starting", "explicit")
    (machine.folder / "app" / "here").touch()
    row = machine.until("web", is_healthy)
    assert (row["source"], row["check"], row["fallback"]) == ("explicit", "command", False)


def test_a_wrong_port_is_answered_with_the_users_own_command(machine: Machine) -> None:
    port = free_port()
    machine.write(web(f'command = "python3 -m http.server {port} --bind 127.0.0.1"'))
    machine.locald("up", "-d")
    machine.until("web", lambda row: f"listens on 127.0.0.1:{port}" in row["because"])
    assert machine.why("web")["hints"][0] == (
        f"http.server listens on {port}: write `python3 -m http.server $PORT --bind 127.0.0.1`"
    )


def test_an_unknown_program_is_not_told_the_command_of_another(machine: Machine) -> None:
    port = free_port()
    code = f"kept = listen({port - 1} + 1); stay()"
    machine.write(web(f"command = {command(code)}"))
    machine.locald("up", "-d")
    machine.until("web", lambda row: f"listens on 127.0.0.1:{port}" in row["because"])
    assert machine.why("web")["hints"][0] == (
        f"it listens on {port}: pass $PORT on the command line, or make the program read PORT"
    )


def test_a_check_that_the_shell_cannot_run_is_told_by_its_name_and_what_was_meant(machine: Machine) -> None:
    machine.write(web(f'health_check = "/health"\nstart_timeout = "1s"\ncommand = {SERVE}'))
    done = machine.locald("up")
    assert done.returncode == 1
    assert "the health_check command exited with code 127: " in done.stderr
    assert 'hint: did you mean `health_check = { type = "http", path = "/health" }`?' in done.stderr


def test_a_command_check_that_hangs_is_ended_with_its_children_at_its_timeout(machine: Machine) -> None:
    pids = machine.folder / "pids"
    hangs = f"setsid sleep 1000 & echo $! >> {pids}; echo $$ >> {pids}; sleep 1000"
    check = f'{{ type = "command", timeout = "300ms", command = "{hangs}" }}'
    machine.write(web(f'type = "worker"\nhealth_check = {check}\ncommand = {STAY}'))
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: "did not end within 300ms" in row["because"])
    assert row["health"] == "starting"
    first = list(map(int, pids.read_text().split()[:2]))
    assert [pid for pid in first if is_alive(pid)] == []
    machine.locald("stop")
    wait_for(lambda: not any(map(is_alive, map(int, pids.read_text().split()))), "the end of all checks")


def test_a_log_check_is_healthy_from_the_line_that_matches(machine: Machine) -> None:
    gate = Gate(machine.folder)
    code = f"print('warming up'); gate({str(gate.path)!r}); print('\\x1b[32mnow serving 7\\x1b[0m'); stay()"
    check = 'health_check = { type = "log", pattern = "serving [0-9]+$" }'
    machine.write(web(f'type = "worker"\n{check}\ncommand = {command(code)}'))
    machine.locald("up", "-d")
    row = machine.until("web", is_there)
    assert (row["health"], row["source"]) == ("starting", "none")
    gate.open()
    row = machine.until("web", is_healthy)
    assert (row["source"], row["check"]) == ("explicit", "log")
    assert "now serving 7" in row["because"]


def test_a_notify_check_needs_ready(machine: Machine) -> None:
    gate = Gate(machine.folder)
    code = f"kept = listen(); gate({str(gate.path)!r}); notify('READY=1'); stay()"
    machine.write(web(f'health_check = {{ type = "notify" }}\ncommand = {command(code)}'))
    machine.locald("up", "-d")
    machine.until("web", is_there)
    wait_for(lambda: "accepts connections" in details(machine.why("web")), "the port to be seen")
    row = machine.status()["web"]
    assert row["health"] == "starting"
    assert "READY=1" in row["because"]
    assert "READY=1" in hints(machine.why("web"))
    gate.open()
    row = machine.until("web", is_healthy)
    assert (row["source"], row["check"], row["fallback"]) == ("explicit", "notify", False)


def test_with_the_check_none_a_live_process_is_enough(machine: Machine) -> None:
    machine.write(web(f'health_check = {{ type = "none" }}\ncommand = {STAY}'))
    row = machine.up()["web"]
    assert (row["health"], row["source"], row["check"]) == ("healthy", "explicit", "none")
    assert row["fallback"] is False


def test_an_explicit_check_overrides_everything_that_could_be_inferred(machine: Machine) -> None:
    """READY=1 was said and the port is open, but the user asked for something else."""
    wanted = machine.folder / "wanted"
    ready = saying("READY=1", then="kept = listen(); stay()")
    machine.write(web(f'health_check = "test -e {wanted}"\ncommand = {ready}'))
    machine.locald("up", "-d")
    machine.until("web", lambda row: "exited with code" in row["because"])
    wait_for(
        lambda: all(said in details(machine.why("web")) for said in ("READY=1", "accepts connections")),
        "both to be heard",
    )
    assert machine.status()["web"]["health"] == "starting"
    wanted.touch()
    assert machine.until("web", is_healthy)["source"] == "explicit"


def test_health_never_restarts_a_service(machine: Machine) -> None:
    wanted = machine.folder / "wanted"
    wanted.touch()
    check = (
        f'health_check = {{ type = "command", command = "test -e {wanted}", interval = "20ms", retries = 1 }}'
    )
    machine.write(web(f'restart = "always"\n{check}\ncommand = {SERVE}'))
    before = machine.up()["web"]
    wanted.unlink()
    machine.until("web", is_unhealthy)
    wanted.touch()
    row = machine.until("web", is_healthy)
    assert (row["pid"], row["run"], row["restarts"]) == (before["pid"], 1, 0)


# Workers and tasks.


def test_a_worker_is_healthy_soon_by_its_live_process(machine: Machine) -> None:
    machine.write(web(f'type = "worker"\ncommand = {STAY}'))
    row = machine.up()["web"]
    assert (row["health"], row["source"], row["fallback"]) == ("healthy", "process", True)
    assert (row["port"], row["url"]) == (None, None)
    assert 0.2 <= seconds_until_ready(row) < 2


def test_a_worker_that_speaks_at_once_is_believed_instead_of_its_process(machine: Machine) -> None:
    gate = Gate(machine.folder)
    code = f"gate({str(gate.path)!r}); notify('READY=1'); stay()"
    machine.write(web(f'type = "worker"\ncommand = {saying("STATUS=warming up", then=code)}'))
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: "warming up" in row["because"])
    assert row["health"] == "starting"
    with pytest.raises(AssertionError):
        machine.until("web", is_healthy, patience=0.5)
    gate.open()
    assert machine.until("web", is_healthy)["source"] == "notify"


def test_a_task_is_healthy_when_it_exited_with_0(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(web(f'type = "task"\ncommand = "{gate.wait}"'))
    machine.locald("up", "-d")
    row = machine.until("web", is_there)
    assert (row["state"], row["health"]) == ("starting", "starting")
    gate.open()
    row = machine.until("web", is_healthy)
    assert (row["state"], row["source"], row["fallback"]) == ("completed", "process", False)
    assert (row["exit_code"], row["port"]) == (0, None)
    assert machine.locald("wait").returncode == 0


# Who may say READY=1.


def test_ready_from_a_grandchild_of_a_shell_counts(machine: Machine) -> None:
    machine.file("grandchild.py", PRELUDE + "notify('READY=1'); stay()")
    machine.file("child.sh", f"{sys.executable} grandchild.py; true")
    machine.write(web('command = "sh child.sh; true"'))
    row = machine.up()["web"]
    assert (row["health"], row["source"], row["fallback"]) == ("healthy", "notify", False)
    assert "sent READY=1" in row["because"]


def test_ready_from_somebody_else_is_ignored_and_recorded(machine: Machine) -> None:
    path = machine.folder / "socket"
    code = f"append({str(path)!r}, os.environ['NOTIFY_SOCKET']); stay()"
    machine.write(web(f"command = {command(code)}"))
    machine.locald("up", "-d")
    wait_for(lambda: path.exists() and path.read_text().endswith("\n"), "the path of the socket")
    stranger = (
        "import socket, sys\n"
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', sys.argv[1])\n"
        "input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", stranger, path.read_text().strip()], stdin=subprocess.PIPE
    ) as other:
        ignored = f"ignored READY=1 from pid {other.pid}"
        wait_for(lambda: ignored in details(machine.why("web")), "the datagram to be recorded")
        other.kill()
    assert "a process outside the service" in details(machine.why("web"))
    assert machine.status()["web"]["health"] == "starting"


def test_a_service_with_a_port_that_only_lives_is_never_healthy(machine: Machine) -> None:
    """`sh -c` and its children are alive all the time."""
    gate = Gate(machine.folder)
    machine.write(web(f'command = "{gate.wait}; exec sleep 1000"'))
    machine.locald("up", "-d")
    machine.until("web", is_there)
    with pytest.raises(AssertionError):
        machine.until("web", is_healthy, patience=1)
    gate.open()


def test_wait_waits_for_an_unhealthy_service(machine: Machine) -> None:
    wanted = machine.folder / "wanted"
    wanted.touch()
    check = (
        f'health_check = {{ type = "command", command = "test -e {wanted}", interval = "20ms", retries = 1 }}'
    )
    machine.write(web(f"{check}\ncommand = {SERVE}"))
    machine.up()
    wanted.unlink()
    machine.until("web", is_unhealthy)
    late = machine.locald("wait", "--timeout", "300ms")
    assert late.returncode == 124
    with machine.begin("wait") as waiting:
        wanted.touch()
        assert waiting.wait(30) == 0


# What only looks like a server.


def test_a_port_probe_starts_nobody_and_the_real_server_does(machine: Machine) -> None:
    """Vite and Parcel open their port for a moment to see whether it is free, and serve seconds later."""
    gate = Gate(machine.folder)
    code = f"""
probe = listen(accept=False); time.sleep(0.02); probe.close()
gate({str(gate.path)!r})
answer(listen(accept=False), lambda: "200 OK")
"""
    fetch = "import urllib.request; urllib.request.urlopen(os.environ['AT'], timeout=5)"
    fetching = f"""
[services.fetch]
type = "task"
command = {command(fetch)}
depends_on = ["web"]
env = {{ AT = "${{services.web.url}}" }}
"""
    machine.write(web(f"command = {command(code)}\n{fetching}"))
    machine.locald("up", "-d")
    wait_for(lambda: "a probe, not the server" in details(machine.why("web")), "the probe is told in why")
    rows = machine.status()
    assert (rows["web"]["health"], rows["web"]["ready_at"]) == ("starting", None)
    assert rows["fetch"]["run"] == 0
    gate.open()
    assert machine.up()["web"]["run"] == 1
    assert (machine.status()["fetch"]["state"], machine.status()["fetch"]["run"]) == ("completed", 1)


def test_a_parent_that_listens_for_a_loading_child_is_ready_when_the_child_is(machine: Machine) -> None:
    """Flask's reloader, gunicorn: connections are completed by the kernel, and nobody takes them."""
    gate = Gate(machine.folder)
    code = f"""
kept = listen(accept=False)
if os.fork():
    os.wait()
gate({str(gate.path)!r})
answer(kept, lambda: "200 OK")
"""
    machine.write(web(f"command = {command(code)}"))
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: "has not accepted a connection yet" in row["because"])
    assert (row["health"], row["ready_at"]) == ("starting", None)
    gate.open()
    row = machine.until("web", is_healthy)
    assert row["source"] == "tcp"
    assert f"child of {row['pid']}, accepted a connection on 127.0.0.1:{row['port']}" in row["because"]


def test_a_program_that_goes_to_the_background_has_failed_and_leaves_nothing(machine: Machine) -> None:
    """nginx and others listen, fork, and let the process that was started exit."""
    pids = machine.folder / "pids"
    code = f"""
kept = listen(accept=False)
if os.fork():
    time.sleep(0.5)
    os._exit(0)
append({str(pids)!r}, os.getpid())
answer(kept, lambda: "200 OK")
"""
    machine.write(
        web(f"command = {command(code)}") + f'\n[services.api]\ncommand = {SERVE}\ndepends_on = ["web"]\n'
    )
    machine.locald("up", "-d")
    row = machine.until("web", is_in("failed"))
    assert row["because"].startswith("went to the background: exited with code 0, leaving pid ")
    assert f"on 127.0.0.1:{row['port']}" in row["because"]
    assert "run it in the foreground" in hints(machine.why("web"))
    wait_for(lambda: not is_alive(int(pids.read_text())), "what was left is ended")


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_what_goes_to_the_background_at_once_is_told_with_its_port(
    machine: Machine, is_elsewhere: bool
) -> None:
    """As nginx does in some milliseconds, and on the port of its own file."""
    port = str(free_port()) if is_elsewhere else "PORT"
    machine.write(web(f"command = {command(f'kept = listen({port}); os.fork() and os._exit(0); stay()')}"))
    machine.locald("up", "-d")
    row = machine.until("web", is_in("failed"))
    assert row["because"].startswith("went to the background: exited with code 0, leaving pid ")
    assert row["because"].endswith(f"on 127.0.0.1:{port if is_elsewhere else row['port']}")


@pytest.mark.parametrize("how", ["prctl", "argv"])
def test_what_only_calls_itself_a_known_server_is_never_sent_a_byte(machine: Machine, how: str) -> None:
    """By prctl(PR_SET_NAME), as any process may, or by the name that it was started under."""
    told = machine.folder / "told"
    code = f"""
import ctypes
if {how!r} == "prctl":
    ctypes.CDLL(None).prctl(15, b"redis-server", 0, 0, 0)
listener = listen(accept=False)
while True:
    connection, _ = listener.accept()
    with connection:
        append({str(told)!r}, connection.recv(4096))
"""
    python, *arguments = json.loads(command(code))
    called = os.path.join(
        os.path.dirname(os.path.realpath(python)), "redis-server"
    )  # where its library is found
    shell = shlex.join(["exec", "-a", called, os.path.realpath(python), *arguments])
    line = json.dumps(["bash", "-c", shell]) if how == "argv" else command(code)
    machine.write(f"[services.web]\ncommand = {line}\n")
    web = machine.up()["web"]
    assert (web["source"], web["check"]) == ("tcp", None)
    wait_for(told.exists, "the connection to end")
    assert {each["source"] for each in machine.why("web")["evidence"]} == {"tcp"}
    assert set(told.read_text().splitlines()) == {"b''"}
