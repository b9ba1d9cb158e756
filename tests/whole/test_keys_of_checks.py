"""The keys of `health_check`, and each kind of check, shown to decide what is healthy and when."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from whole import programs
from whole.machine import free_port, wait_for
from whole.showing import shows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whole.machine import Machine
    from whole.puppet import Puppet

    Make = Callable[[str], Puppet]


@shows("health_check", "health_check.command", "health_check.command.command")
@pytest.mark.parametrize("form", ['"test -e ready"', '{ type = "command", command = "test -e ready" }'])
def test_a_command_check_passes_when_the_command_exits_with_0(machine: Machine, form: str) -> None:
    """It runs in the service's folder; a string is such a check too."""
    machine.write(f'[services.web]\ntype = "worker"\ncommand = "sleep 1000"\nhealth_check = {form}')
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: "exited with code 1" in row["because"])
    assert (row["health"], row["source"]) == ("starting", "explicit")
    machine.file("ready", "")
    row = machine.until("web", lambda row: row["health"] == "healthy")
    assert (row["source"], row["check"]) == ("explicit", "command")


@shows("health_check.http", "health_check.http.path", "health_check.http.status")
def test_an_http_check_asks_for_a_path_and_minds_the_status(machine: Machine, puppet: Make) -> None:
    ways = {"any": "", "path": ', path = "/health"', "status": ", status = [401, 418]"}
    services = {name: puppet(name) for name in ways}
    machine.write(
        "".join(
            f"[services.{name}]\ncommand = {services[name].command}\n"
            f'health_check = {{ type = "http", interval = "50ms", retries = 1{way} }}\n'
            for name, way in ways.items()
        )
    )
    machine.locald("up", "-d")
    runs = {name: service.run() for name, service in services.items()}
    for run in runs.values():
        run.do("http", {"/": 401, "/health": 204})
    rows = machine.until_all(
        lambda rows: (
            all(rows[name]["health"] == "healthy" for name in ("path", "status"))
            and "returned 401" in rows["any"]["because"]
        )
    )
    assert rows["any"]["health"] == "starting"
    for run in runs.values():
        run.do("http", {"/": 302, "/health": 500})
    machine.until_all(
        lambda rows: (
            {name: row["health"] for name, row in rows.items()}
            == {"any": "healthy", "path": "unhealthy", "status": "unhealthy"}
        )
    )


@shows("health_check.http.port", "health_check.tcp", "health_check.tcp.port")
@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_check_looks_at_the_port_that_it_names_else_at_the_service_s_own(
    machine: Machine, puppet: Make, kind: str
) -> None:
    """A port that the check names may be anybody's."""
    own, named, port = puppet("own"), puppet("named"), free_port()
    machine.write(
        f"""
        [services.own]
        command = {own.command}
        health_check = {{ type = "{kind}" }}
        [services.named]
        type = "worker"
        command = {named.command}
        health_check = {{ type = "{kind}", port = {port} }}
        """
    )
    machine.locald("up", "-d")
    with http_server(port):
        machine.until("named", lambda row: row["health"] == "healthy")
    run = own.run()
    assert machine.status()["own"]["health"] == "starting"
    run.do("http", {"/": 200})
    row = machine.until("own", lambda row: row["health"] == "healthy")
    assert (row["source"], row["check"]) == ("explicit", kind)


SECURE = """
import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("certificate.pem", "key.pem")
listener = listen(accept=False)
while True:
    connection, _ = listener.accept()
    try:
        with context.wrap_socket(connection, server_side=True) as secure:
            asked = secure.recv(65536)
            status = b"200 OK" if b"X-Token: t" in asked else b"401 No"
            secure.sendall(b"HTTP/1.0 " + status + b"\\r\\n\\r\\n")
    except OSError:
        connection.close()
"""


@shows("health_check.http.scheme", "health_check.http.headers")
@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_an_http_check_speaks_tls_and_sends_headers(machine: Machine) -> None:
    """The certificate is nobody's. A plain check learns what is wrong with it."""
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other.test"]
    files = ["-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run([*make, *files], check=True, capture_output=True, cwd=machine.folder)
    checks = {
        "plain": "",
        "secure": ', scheme = "https", headers = { X-Token = "t" }',
        "bare": ', scheme = "https"',
    }
    machine.write(
        "".join(
            f"[services.{name}]\ncommand = {programs.command(SECURE)}\n"
            f'health_check = {{ type = "http"{keys} }}\n'
            for name, keys in checks.items()
        )
    )
    machine.locald("up", "-d")
    rows = machine.until_all(
        lambda rows: (
            rows["secure"]["health"] == "healthy"
            and "returned 401" in rows["bare"]["because"]
            and "speaks TLS" in rows["plain"]["because"]
        )
    )
    assert rows["secure"]["url"].startswith("https://127.0.0.1:")
    assert 'add scheme = "https" to health_check' in machine.why("plain")["hints"]


def test_a_dns_check_of_a_service_on_udp_alone_asks_there(machine: Machine) -> None:
    answers = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", PORT))
while True:
    question, sender = s.recvfrom(512)
    s.sendto(question[:2] + b"\\x81\\x80" + question[4:], sender)
"""
    check = 'health_check = { type = "dns" }'
    machine.write(f"[services.names]\ncommand = {programs.command(answers)}\n{check}\n")
    assert machine.up()["names"]["source"] == "explicit"
    names = machine.until("names", lambda row: row["address"].startswith("udp "))
    assert (names["health"], names["check"]) == ("healthy", "dns")


@shows("health_check.protocol", "health_check.protocol.port")
def test_a_check_of_a_protocol_asks_in_it_whatever_the_program_is(machine: Machine) -> None:
    """Its own port, or the one that it names; an answer in another protocol is not taken for a yes."""
    file, port = machine.folder / "answer", free_port()
    file.write_text("-LOADING soon")
    program = f"""
listener = listen({{port}}, accept=False)
while True:
    connection, _ = listener.accept()
    with connection:
        connection.recv(64)
        connection.sendall(open({str(file)!r}, "rb").read() + b"\\r\\n")
"""
    own, named = (programs.command(program.format(port=each)) for each in ("PORT", port))
    machine.write(
        f"""
        [services.own]
        command = {own}
        health_check = {{ type = "redis", interval = "50ms", retries = 1 }}
        [services.named]
        type = "worker"
        command = {named}
        health_check = {{ type = "redis", port = {port}, interval = "50ms", retries = 1 }}
        """
    )
    machine.locald("up", "-d")
    rows = machine.until_all(lambda rows: all("LOADING" in row["because"] for row in rows.values()))
    assert {row["health"] for row in rows.values()} == {"starting"}
    file.write_text("+PONG")
    rows = machine.until_all(lambda rows: all(row["health"] == "healthy" for row in rows.values()))
    assert {(row["source"], row["check"], row["url"]) for row in rows.values()} == {
        ("explicit", "redis", None)
    }
    assert rows["named"]["because"] == f"127.0.0.1:{port} answered PING with PONG"
    file.write_text("HTTP/1.0 400 Bad Request")
    rows = machine.until_all(lambda rows: all(row["health"] == "unhealthy" for row in rows.values()))
    assert rows["named"]["because"] == f"127.0.0.1:{port} did not answer in the redis protocol, but in HTTP"


@shows("health_check.log", "health_check.log.pattern")
def test_a_log_check_passes_when_a_line_matches(machine: Machine, puppet: Make) -> None:
    out, err = puppet("out"), puppet("err")
    check = "health_check = { type = 'log', pattern = 'ready on \\d+$' }"
    machine.write(
        "".join(
            f"[services.{name}]\ncommand = {service.command}\n{check}\n"
            for name, service in (("out", out), ("err", err))
        )
    )
    machine.locald("up", "-d")
    runs = out.run(), err.run()
    for run in runs:
        run.say("not ready on anything", "ready on 80 again")
    runs[1].say("the last that comes before")
    wait_for(lambda: "the last that comes before" in machine.logs("err"), "its output")
    assert {row["health"] for row in machine.status().values()} == {"starting"}
    runs[0].do("print", "\033[32mready on 8080\033[0m\n")
    runs[1].do("print", "ready on 9\n", 2)
    rows = machine.until_all(lambda rows: all(row["health"] == "healthy" for row in rows.values()))
    assert {(row["source"], row["check"]) for row in rows.values()} == {("explicit", "log")}


def test_a_pattern_that_would_never_end_stops_nobody(machine: Machine, puppet: Make) -> None:
    web = puppet("web")
    check = "health_check = { type = 'log', pattern = '(a|aa)+$' }"
    machine.write(f"[services.web]\ncommand = {web.command}\n{check}\n")
    machine.locald("up", "-d")
    run = web.run()
    run.say("a" * 200 + "!")
    machine.until("web", lambda row: "took longer than 50ms" in row["because"])
    run.say("ready: aa")
    machine.until("web", lambda row: row["health"] == "healthy")


@shows("health_check.notify", "health_check.none")
def test_a_notify_check_waits_for_ready_and_none_for_nothing(machine: Machine, puppet: Make) -> None:
    """Both have a port: to the one an open port is not enough, the other is healthy without."""
    strict, easy = puppet("strict"), puppet("easy")
    machine.write(
        f"""
        [services]
        strict = {{ command = {strict.command}, health_check = {{ type = "notify" }} }}
        easy = {{ command = {easy.command}, health_check = {{ type = "none" }} }}
        """
    )
    machine.locald("up", "-d")
    row = machine.until("easy", lambda row: row["health"] == "healthy")
    assert (row["source"], row["check"]) == ("explicit", "none")
    run = strict.run()
    run.listen()
    wait_for(lambda: "accepts" in json.dumps(machine.why("strict")["evidence"]), "the open port is seen")
    assert machine.status()["strict"]["health"] == "starting"
    run.do("notify", "READY=1")
    row = machine.until("strict", lambda row: row["health"] == "healthy")
    assert (row["source"], row["check"]) == ("explicit", "notify")


@shows("health_check.interval")
def test_interval_is_the_time_between_two_looks_at_a_healthy_service(machine: Machine) -> None:
    """With the default of 5 s ten looks would take most of a minute."""
    check = '{ type = "command", command = "echo >> $LOCALD_SERVICE", interval = "20ms" }'
    machine.write(
        f"""
        [services]
        often = {{ type = "worker", command = "sleep 1000", health_check = {check} }}
        seldom = {{ type = "worker", command = "sleep 1000", health_check = "echo >> $LOCALD_SERVICE" }}
        """
    )
    machine.up()
    looks = {name: machine.folder / name for name in ("often", "seldom")}
    wait_for(lambda: looks["often"].stat().st_size >= 10, "ten looks", patience=4)
    assert looks["seldom"].stat().st_size < 3


@shows("health_check.timeout")
def test_timeout_is_how_long_one_look_may_take(machine: Machine) -> None:
    check = '{ type = "command", command = "echo >> looks; test -e ready || sleep 1000", timeout = "100ms" }'
    machine.write(f'[services.web]\ntype = "worker"\ncommand = "sleep 1000"\nhealth_check = {check}')
    machine.locald("up", "-d")
    machine.until("web", lambda row: "did not end within 100ms" in row["because"])
    machine.file("ready", "")
    machine.until("web", lambda row: row["health"] == "healthy")


@shows("health_check.retries")
def test_retries_is_how_many_looks_must_fail_before_a_healthy_service_is_unhealthy(machine: Machine) -> None:
    """The check itself counts how often it failed; the default of 3 is between the two."""
    command = "test -e down || exit 0; echo >> $LOCALD_SERVICE; exit 1"
    worker, check = 'type = "worker", command = "sleep 1000"', f'type = "command", command = "{command}"'
    machine.write(
        f"""
        [services]
        hasty = {{ {worker}, health_check = {{ {check}, interval = "3s", retries = 1 }} }}
        patient = {{ {worker}, health_check = {{ {check}, interval = "20ms", retries = 1000 }} }}
        """
    )
    machine.up()
    machine.file("down", "")
    failed = {name: machine.folder / name for name in ("hasty", "patient")}
    machine.until("hasty", lambda row: row["health"] == "unhealthy")
    assert failed["hasty"].stat().st_size == 1
    wait_for(lambda: failed["patient"].stat().st_size > 10, "ten failures")
    assert machine.status()["patient"]["health"] == "healthy"
    (machine.folder / "down").unlink()
    machine.until_all(lambda rows: all(row["health"] == "healthy" for row in rows.values()))


@contextmanager
def http_server(port: int) -> Iterator[None]:
    """Something on this port, of nobody's, that answers."""
    with ThreadingHTTPServer(("127.0.0.1", port), _Quiet) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
