"""A server is known by what runs, not by what it calls itself."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from locald.domain.knowledge.dev_servers import SERVERS, TRIED
from locald.domain.knowledge.protocols import PROTOCOLS
from locald.domain.knowledge.servers import BY_PROGRAM, server_of


@pytest.mark.parametrize(
    ("executable", "arguments", "protocol"),
    [
        ("/usr/bin/redis-server", ["redis-server", "*:6379"], "redis"),
        ("/usr/bin/redis-check-rdb", ["redis-server *:6379"], "redis"),  # one file by several names
        ("/usr/lib/postgresql/15/bin/postgres", ["postgres: checkpointer"], "postgres"),
        ("/usr/sbin/mariadbd (deleted)", [], "mysql"),
        ("/usr/bin/prometheus", [], "http"),
        ("/usr/lib/jvm/bin/java", ["java", "-cp", "x", "kafka.Kafka", "server.properties"], "kafka"),
        (
            "/usr/bin/java",
            ["java", "org.apache.zookeeper.server.quorum.QuorumPeerMain", "zoo.cfg"],
            "zookeeper",
        ),
        ("/usr/bin/python3.11", [".venv/bin/python", "-u", "-m", "aiosmtpd", "-n"], "smtp"),
        ("/usr/lib/erlang/erts-13.1.5/bin/beam.smp", ["-s", "rabbit", "boot"], "amqp"),
    ],
)
def test_known_servers(executable: str, arguments: list[str], protocol: str) -> None:
    server = server_of(executable, arguments)
    assert server is not None
    assert server.protocol == protocol


@pytest.mark.parametrize(
    ("executable", "arguments"),
    [
        ("/usr/bin/python3.11", ["redis-server", "--port", "6379"]),
        ("/usr/bin/python3.11", ["python", "shop.py", "aiosmtpd"]),
        ("/usr/bin/python3.11", ["python", "-m", "http.server"]),
        ("/usr/bin/java", ["java", "-jar", "shop.jar"]),
        ("/usr/bin/beam.smp", ["-s", "shop"]),
        ("/tmp/redis-server-copy", []),
        ("", []),
    ],
)
def test_what_calls_itself_a_server_is_none(executable: str, arguments: list[str]) -> None:
    assert server_of(executable, arguments) is None


def test_every_server_speaks_a_protocol_or_has_a_path() -> None:
    for server in BY_PROGRAM.values():
        assert server.path if server.protocol == "http" else server.protocol in PROTOCOLS


# The page that lists them.

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_is_what_its_tool_writes() -> None:
    page = runpy.run_path(str(ROOT / "tools" / "known_servers.py"))["page"]()
    assert page == (ROOT / "docs" / "reference" / "servers.md").read_text(encoding="utf-8")


def test_every_server_is_listed_and_only_what_is_known_was_tried() -> None:
    page = (ROOT / "docs" / "reference" / "servers.md").read_text(encoding="utf-8")
    names = {server.name for server in SERVERS}
    assert [name for name in names if f"| {name} |" not in page] == []
    assert [program for program in BY_PROGRAM if f"`{program}`" not in page] == []
    assert TRIED.keys() <= names
