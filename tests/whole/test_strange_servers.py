"""Servers that are none of what they look like: nobody is called ready for them, and nothing hangs."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from whole.looking import details, is_healthy, is_in
from whole.machine import Gate, free_port
from whole.programs import PRELUDE, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whole.machine import Machine

INHERITS = """
with socket.socket(socket.AF_UNIX) as way:
    way.connect({way!r})
    _, (number,), _, _ = socket.recv_fds(way, 1, 1)
kept = socket.socket(fileno=number)
gate({gate!r})
kept.setblocking(True)
serve(kept)
"""
CLUSTER = """
for _ in range(4):
    if not os.fork():
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", PORT))
        one.listen()
        serve(one)
stay()
"""
ANSWERS = """
import itertools
def answer(connection):
    with connection:
        try:
            connection.recv(4096)
            for part in {parts}:
                connection.sendall(part)
        except OSError:
            pass
listener = listen(accept=False)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=answer, args=(connection,), daemon=True).start()
"""


@contextmanager
def taking(listener: socket.socket) -> Iterator[None]:
    """The test itself takes all connections off a listener that it shares, without ending that."""
    listener.setblocking(False)
    ended, end = socket.socketpair()
    taken: list[socket.socket] = []

    def take() -> None:
        while ended not in select.select([listener, ended], [], [])[0]:
            try:
                taken.append(listener.accept()[0])
            except BlockingIOError:
                continue

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        end.close()
        thread.join()
        for each in (*taken, ended):
            each.close()


def test_a_listener_that_a_stranger_shares_and_serves_is_not_the_service_s(machine: Machine) -> None:
    gate, way, port = Gate(machine.folder), str(machine.home / "way"), free_port()
    code = INHERITS.format(way=way, gate=str(gate.path))
    machine.write(f"[services.web]\nport = {port}\ncommand = {command(code)}")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(way)
        door.listen()
        machine.locald("up", "-d")
        connection, _ = door.accept()
        with connection, socket.create_server(("127.0.0.1", port)) as listener, taking(listener):
            socket.send_fds(connection, [b"x"], [listener.fileno()])
            row = machine.until("web", lambda row: "does not accept connections" in row["because"])
            assert (row["state"], row["ready_at"]) == ("starting", None)
    gate.open()
    row = machine.until("web", is_healthy)
    assert f"pid {row['pid']} (" in row["because"], "now it takes them itself"


def test_a_cluster_that_shares_one_port_has_no_stranger_in_it(machine: Machine) -> None:
    machine.write(f"[services.web]\ncommand = {command(CLUSTER)}")
    row = machine.up()["web"]
    assert (row["health"], row["source"]) == ("healthy", "tcp")
    assert "too" not in details(machine.why("web"))
    assert row["hint"] is None


def posing(machine: Machine, parts: str) -> None:
    """A service whose program is called redis-server, so that it is asked; `parts`: what it answers, code."""
    program = machine.folder / "redis-server"
    shutil.copy(os.path.realpath(sys.executable), program)
    file = machine.file("server.py", PRELUDE + ANSWERS.format(parts=parts))
    line = json.dumps([str(program), "-S", str(file)])
    home, libraries = json.dumps(sys.base_prefix), json.dumps(_libraries())
    machine.write(
        f'[services.web]\nstart_timeout = "4s"\ncommand = {line}\n'
        f"[services.web.env]\nPYTHONHOME = {home}\nLD_LIBRARY_PATH = {libraries}"
    )


def _libraries() -> str:
    """Where the interpreter's own library lies, for a copy of its program elsewhere."""
    return os.path.join(sys.base_prefix, "lib")


@pytest.mark.parametrize(
    "parts",
    ["[b'hello\\\\r\\\\n']", "[bytes(1_000_000)]", "[b'x' * 1_000_000]", "itertools.repeat(b'x' * 65536)"],
    ids=["garbage", "a megabyte of zeros", "a megabyte without a line", "without end"],
)
def test_what_answers_something_else_is_known_by_its_port_alone(machine: Machine, parts: str) -> None:
    posing(machine, parts.replace("\\\\", "\\"))
    row = machine.up()["web"]
    assert (row["health"], row["source"]) == ("healthy", "tcp")
    assert "(redis-server)" in row["because"]
    asked = [each for each in machine.why("web")["evidence"] if each["source"] == "protocol"]
    assert asked, "it was asked"
    assert not any(each["ok"] for each in asked)


@pytest.mark.parametrize("parts", ["iter(lambda: time.sleep(1000), 0)", "[]"], ids=["nothing", "hangs up"])
def test_what_does_not_answer_is_not_ready(machine: Machine, parts: str) -> None:
    posing(machine, parts)
    assert machine.locald("up").returncode == 1
    row = machine.until("web", is_in("failed"))
    assert row["ready_at"] is None
    assert "(redis-server)" in row["because"]
