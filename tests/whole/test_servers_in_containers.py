"""A server in a container is known by its program, and asked whether it serves, as one outside of it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine import images
from whole.harbour import harbour, image, write

if TYPE_CHECKING:
    from engine.session import Docker
    from whole.machine import Machine

__all__ = ["harbour"]

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may look into the containers of an engine"
)

REDIS = shutil.which("redis-server") or ""
POSTGRES = max(map(str, Path("/usr/lib/postgresql").glob("*/bin")), default="")
DATABASE = f"""
mkdir /pg && echo postgres:x:70:70::/pg:/bin/sh >> /etc/passwd && chown 70:70 /pg
as_user="/usr/bin/setpriv --reuid=70 --regid=70 --clear-groups"
$as_user {POSTGRES}/initdb --auth=trust --no-sync --pgdata=/pg/data > /dev/null
echo host all all all trust >> /pg/data/pg_hba.conf
exec $as_user {POSTGRES}/postgres -D /pg/data -c listen_addresses=* -c unix_socket_directories=/tmp
"""
POSED = "mkdir /fake && cp /bin/busybox /fake/redis-server && ln -s redis-server /fake/nc"
"""a program that is called like the server, and speaks another protocol"""
PYTHON = os.path.realpath("/usr/bin/python3")
PASSES_ON = f"""
mkdir /fake && cp {PYTHON} /fake/redis-server
exec /fake/redis-server -c '
import os, socket
listener = socket.create_server(("", 6379))
listener.set_inheritable(True)
says = "c.send(bytes([43, 80, 79, 78, 71, 13, 10]))"
takes = "import socket; c = socket.socket(fileno=%d).accept()[0]; c.recv(9) and " + says
while True:
    os.spawnl(os.P_WAIT, "{PYTHON}", "python3", "-c", takes % listener.fileno())
'
"""
"""a server that has each connection taken by another program, which ends with it"""


@pytest.mark.skipif(not REDIS, reason="redis-server is not installed")
def test_a_known_server_in_a_container_is_asked_in_its_protocol(harbour: Machine, docker: Docker) -> None:
    command = f'CMD ["{REDIS}","--protected-mode","no"]'
    images.make_of(docker.api, "redis", REDIS, ("EXPOSE 6379", command))
    write(harbour, f"[services.db]\n{image('redis')}")
    db = harbour.up()["db"]

    assert (db["health"], db["source"], db["check"], db["fallback"]) == (
        "healthy",
        "protocol",
        "redis",
        False,
    )
    assert "(redis-server) answered PING with PONG" in db["because"]
    accepted = [each["detail"] for each in harbour.why("db")["evidence"] if each["source"] == "tcp"]
    assert accepted
    assert "only root" not in accepted[0]


def test_what_is_called_like_a_server_and_is_none_is_not_believed_to_be_one(harbour: Machine) -> None:
    """Garbage and a megabyte leave the open port to speak; silence is no yes."""
    services = {
        "garbage": "echo hello",
        "flood": "head -c 1000000 /dev/zero",
        "silence": "sleep 1000000",
        "deaf": "true",
    }
    tables = "".join(
        f'[services.{name}]\n{image("plain")}container_port = 6379\nstart_timeout = "1h"\n'
        f"command = '{POSED} && exec /fake/nc -ll -p 6379 -e {answer}'\n"
        for name, answer in services.items()
    )
    write(harbour, tables)
    harbour.locald("up", "-d")

    for name in ("garbage", "flood"):
        row = harbour.until(name, lambda row: row["health"] == "healthy")
        assert (row["source"], row["fallback"]) == ("tcp", True)
        assert any("redis" in each["detail"] for each in harbour.why(name)["evidence"])
    for name, why in (
        ("silence", "did not answer within 2s"),
        ("deaf", "closed the connection without an answer"),
    ):
        row = harbour.until(name, lambda row, why=why: why in row["because"])  # type: ignore[misc]
        assert (row["health"], row["source"]) == ("starting", "protocol")


@pytest.mark.skipif(not os.path.exists(PYTHON), reason="Python is not installed")
def test_a_server_in_a_container_is_known_by_who_listens_whoever_takes_its_connections(
    harbour: Machine,
) -> None:
    write(
        harbour,
        f"[services.db]\n{image('plain')}container_port = 6379\n"
        'volumes = ["/usr:/usr:ro", "/usr/lib:/lib:ro", "/usr/lib64:/lib64:ro"]\n'
        f'command = """{PASSES_ON}"""\n',
    )
    db = harbour.up()["db"]
    assert (db["source"], db["check"]) == ("protocol", "redis")
    assert "(redis-server) answered PING with PONG" in db["because"]


def test_a_program_that_is_not_known_is_sent_nothing(harbour: Machine, docker: Docker) -> None:
    """Its command and its name in the image say redis-server; its program is another."""
    write(
        harbour,
        f"[services.db]\n{image('plain')}container_port = 6379\n"
        "command = 'exec nc -ll -p 6379 -e sh -c \"cat >> /tmp/got\" redis-server'\n",
    )
    db = harbour.up()["db"]
    assert (db["source"], db["fallback"]) == ("tcp", True)
    made = docker.api.post(
        f"/containers/{db['container']}/exec", {"Cmd": ["wc", "-c", "/tmp/got"], "AttachStdout": True}
    )
    _, said = docker.api.send("POST", f"/exec/{made['Id']}/start", b'{"Detach":false}', "application/json")
    assert b"0 /tmp/got" in said


@pytest.mark.skipif(not POSTGRES, reason="PostgreSQL is not installed")
def test_postgresql_in_a_container_is_asked_without_a_line_in_its_log(harbour: Machine) -> None:
    """With the programs of this machine: in the container, the server knows itself by another pid."""
    write(
        harbour,
        f"[services.db]\n{image('plain')}container_port = 5432\n"
        'volumes = ["/usr:/usr:ro", "/usr/lib:/lib:ro", "/usr/lib64:/lib64:ro"]\n'
        f'command = """{DATABASE}"""\n',
    )
    db = harbour.up()["db"]
    assert (db["source"], db["check"], db["url"]) == ("protocol", "postgres", None)
    assert [line for line in harbour.printed("db") if "FATAL" in line or "ERROR" in line] == []
