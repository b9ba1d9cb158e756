"""Where a service really listens is what people, and whatever starts later, are told."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from whole.looking import is_healthy, is_there, is_unhealthy
from whole.machine import Gate, free_port, wait_for
from whole.programs import PRELUDE, command

if TYPE_CHECKING:
    from whole.machine import Machine

CURL = "curl -fsS --max-time 5"
ASKING = f"""
[services.ask]
type = "task"
depends_on = ["web"]
env = {{ WEB = "${{services.web.url}}", WHERE = "${{services.web.host}} ${{services.web.port}}" }}
command = "{CURL} $WEB && {CURL} ${{services.web.url}}/ && echo && echo at $WHERE $PORT_WEB"
"""
"""a dependent that has to reach the service by what it is told"""


def serving(listen: str) -> str:
    """Answers every request with "ok"."""
    code = f"""
listener = {listen}
while True:
    connection, _ = listener.accept()
    with connection:
        if connection.recv(65536):
            connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
"""
    return f"command = {command(code)}"


@pytest.mark.parametrize(("address", "shown"), [("::1", "[::1]"), ("127.0.0.2", "127.0.0.2")])
def test_a_dependent_reaches_a_service_that_listens_on_one_address_only(
    machine: Machine, address: str, shown: str
) -> None:
    machine.write(f"[services.web]\n{serving(f'listen(address={address!r}, accept=False)')}\n{ASKING}")
    rows = machine.up()
    port = rows["web"]["port"]
    assert (rows["web"]["url"], rows["ask"]["state"]) == (f"http://{shown}:{port}/", "completed")
    assert machine.printed("ask") == ["okok", f"at {address} {port} {port}"]
    again = json.loads(machine.locald("up", "--json").stdout)["services"]
    assert {row["name"]: row["run"] for row in again} == {"web": 1, "ask": 1}, "nothing has changed"


def script(machine: Machine, code: str, name: str = "server.py") -> str:
    """A `command` that runs this code and does not name PORT."""
    machine.file(name, PRELUDE + code)
    return f'command = "exec {sys.executable} -u -S -E {name}"'


OK = """
def answer_ok(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            if connection.recv(65536):
                connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
"""


def test_a_server_that_ignores_port_is_found_and_reached_by_what_starts_later(machine: Machine) -> None:
    port = free_port()
    code = f"{OK}answer_ok(listen({port}, accept=False))"
    machine.write(f"[services.web]\n{script(machine, code)}\n{ASKING}")
    rows = machine.up()
    web = rows["web"]
    assert (web["port"], web["port_source"], web["source"]) == (port, "found", "tcp")
    assert (web["address"], web["url"]) == (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/")
    assert machine.printed("ask") == ["okok", f"at 127.0.0.1 {port} {port}"]
    (note,) = [line for line in machine.logs("web") if "uses port" in line]
    assert f"uses port {port} for this run" in note
    assert "$PORT" in note
    assert "$PORT" in " ".join(machine.why("web")["hints"])


def test_a_found_port_outlives_the_daemon_and_is_found_again_by_the_next_run(machine: Machine) -> None:
    port = free_port()
    machine.write(f"[services.web]\n{script(machine, f'kept = listen({port}); stay()')}")
    machine.up()
    machine.locald("server", "restart")
    again = machine.until("web", lambda row: is_there(row) and is_healthy(row))
    assert (again["run"], again["port"], again["port_source"]) == (1, port, "found")
    assert machine.locald("restart", "web").returncode == 0
    web = machine.status()["web"]
    assert (web["run"], web["port"], web["port_source"]) == (2, port, "found")
    machine.locald("stop")
    web = machine.status()["web"]
    assert web["port"] != port
    assert web["port_source"] == "assigned"


def test_a_debugger_that_opens_first_is_not_it(machine: Machine) -> None:
    gate, port = Gate(machine.folder), free_port()
    code = f"first = listen({port}, accept=False); gate({str(gate.path)!r}); kept = listen(); stay()"
    machine.write(f"[services.web]\n{script(machine, code)}")
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: str(port) in row["because"])
    assert row["health"] == "starting"
    assert machine.locald("wait", "--timeout", "2s").returncode == 124
    gate.open()
    row = machine.until("web", is_healthy)
    assert (row["port_source"], row["address"]) == ("assigned", f"127.0.0.1:{row['port']}")


def test_port_wins_also_when_it_opens_after_another_was_found(machine: Machine) -> None:
    gate, port = Gate(machine.folder), free_port()
    code = f"first = listen({port}); gate({str(gate.path)!r}); kept = listen(); stay()"
    machine.write(f"[services.web]\n{script(machine, code)}")
    assert machine.up()["web"]["port"] == port
    gate.open()
    row = machine.until("web", lambda row: row["port_source"] == "assigned")
    assert (is_healthy(row), row["address"], row["run"]) == (True, f"127.0.0.1:{row['port']}", 1)


def test_ready_while_it_listens_elsewhere_gives_the_real_address(machine: Machine) -> None:
    port = free_port()
    code = f"kept = listen({port}); notify('READY=1'); stay()"
    machine.write(f"[services.web]\n{script(machine, code)}")
    assert machine.locald("up").returncode == 0
    row = machine.until("web", lambda row: row["port_source"] == "found")
    assert (row["source"], row["url"]) == ("notify", f"http://127.0.0.1:{port}/")


def test_what_starts_once_a_program_said_ready_is_told_where_it_really_listens(machine: Machine) -> None:
    port = free_port()
    code = f"kept = listen({port}, accept=False); notify('READY=1'); answer(kept, lambda: '200 OK')"
    machine.write(
        f"""[services.web]
        {script(machine, code)}
        [services.asks]
        type = "task"
        depends_on = ["web"]
        command = "curl -fsS -m 5 ${{services.web.url}}"
        """
    )
    assert machine.locald("up").returncode == 0
    assert machine.status()["web"]["url"] == f"http://127.0.0.1:{port}/"


UDP = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', {})); stay()"


@pytest.mark.parametrize("fixed", [False, True])
def test_a_server_on_udp_only_is_seen(machine: Machine, fixed: bool) -> None:
    port = f"port = {free_port()}\n" if fixed else ""
    machine.write(f"[services.web]\n{port}{script(machine, UDP.format('PORT'))}")
    web = machine.up()["web"]
    assert (web["source"], web["address"], web["url"]) == ("tcp", f"udp 127.0.0.1:{web['port']}", None)
    assert f"listens on udp 127.0.0.1:{web['port']}" in web["because"]


def test_a_server_on_another_udp_port_is_found(machine: Machine) -> None:
    port = free_port()
    machine.write(f"[services.web]\n{script(machine, UDP.format(port))}")
    web = machine.up()["web"]
    assert (web["address"], web["port"], web["port_source"]) == (f"udp 127.0.0.1:{port}", port, "found")


UNIX = """
s = Listener(socket.AF_UNIX)
s.bind("db.sock")
s.listen()
threading.Thread(target=serve, args=(s,), daemon=True).start()
"""


def test_a_server_on_a_unix_socket_only_is_seen_and_its_end_is(machine: Machine) -> None:
    gate = Gate(machine.folder)
    code = f"{UNIX}gate({str(gate.path)!r}); s.close(); stay()"
    machine.write(f"[services.db]\n{script(machine, code)}")
    db = machine.up()["db"]
    path = machine.folder / "db.sock"
    assert (db["source"], db["address"], db["url"]) == ("tcp", f"unix {path}", None)
    assert f"listens on unix {path}" in db["because"]
    machine.locald("server", "restart")
    machine.until("db", lambda row: is_there(row) and is_healthy(row))
    ready = datetime.fromisoformat(db["ready_at"])
    # What is lost sooner was none: it would be taken back.
    wait_for(lambda: (datetime.now(UTC) - ready).total_seconds() > 1.5, "it has been ready for a while")
    gate.open()
    row = machine.until("db", is_unhealthy)
    assert row["because"] == f"no longer listening on unix {path}"


def test_a_control_socket_that_opens_before_the_port_is_not_it(machine: Machine) -> None:
    gate = Gate(machine.folder)
    code = f"{UNIX}gate({str(gate.path)!r}); kept = listen(); stay()"
    machine.write(f"[services.web]\n{script(machine, code)}")
    machine.locald("up", "-d")
    machine.until("web", lambda row: "db.sock" in row["because"])
    assert machine.locald("wait", "--timeout", "2s").returncode == 124
    gate.open()
    row = machine.until("web", is_healthy)
    assert row["address"] == f"127.0.0.1:{row['port']}"


def test_what_names_port_and_listens_elsewhere_is_not_believed(machine: Machine) -> None:
    port = free_port()
    machine.write(
        f'[services.web]\nstart_timeout = "2500ms"\ncommand = {command(f"kept = listen({port}); stay()")}'
    )
    up = machine.locald("up")
    assert up.returncode == 1
    assert f"listens on 127.0.0.1:{port}, but PORT is" in up.stderr
    told = [line for line in up.stderr.splitlines() if line.startswith("hint: ")]
    assert len(told) == len(set(told)), "each hint once"
    assert any("$PORT" in line for line in told)


def test_ready_while_it_listens_elsewhere_than_on_its_fixed_port_is_told_by_up(machine: Machine) -> None:
    """In its last line: who reads no more than that knows that nobody is served there."""
    port = free_port()
    code = f'kept = listen({port}); notify("READY=1"); stay()'
    machine.write(f"[services.web]\nport = {port + 1}\ncommand = {command(code)}")
    up = machine.locald("up")
    assert up.returncode == 0, up.stderr
    assert f"sent READY=1 and listens on 127.0.0.1:{port}, but PORT is" in up.stderr
    row = machine.status()["web"]
    assert f"hint: {row['hint']}" in up.stderr.splitlines()
    assert row["url"] is None


def test_a_debugger_that_a_script_s_program_opens_first_is_no_other_port(machine: Machine) -> None:
    """Only the process that listens knows that it is one, as one that `npm run dev` debugs."""
    gate, other = Gate(machine.folder), free_port()
    code = f"kept = listen({other}, accept=False); gate({str(gate.path)!r}); more = listen(); stay()"
    machine.file("server.py", PRELUDE + code)
    machine.file("run.sh", f"{sys.executable} -S server.py --inspect={other}\n")
    machine.write('[services.web]\ncommand = "sh run.sh $PORT"')
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: str(other) in row["because"])
    assert (row["state"], row["hint"]) == ("starting", None)
    gate.open()
    assert machine.until("web", is_healthy)["port_source"] == "assigned"
