"""A port that is taken is known from what programs print about it."""

from __future__ import annotations

import pytest

from locald.domain.knowledge.in_use import UNKNOWN, port_in_use

SAID = {
    "Python": (
        "    self.socket.bind(self.server_address)\nOSError: [Errno 98] Address already in use",
        UNKNOWN,
    ),
    "Flask": (
        "Address already in use\n"
        "Port 5000 is in use by another program. Either identify and stop that program, or start the server "
        "with a different port.",
        5000,
    ),
    "Django": ("Error: That port is already in use.", UNKNOWN),
    "uvicorn": (
        "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already "
        "in use",
        8000,
    ),
    "gunicorn": ("[2026-11-30 08:00:00 +0000] [4711] [ERROR] Connection in use: ('127.0.0.1', 8000)", 8000),
    "Node.js": (
        "Error: listen EADDRINUSE: address already in use :::3000\n    at Server.setupListenHandle\n"
        "  code: 'EADDRINUSE',\n  errno: -98,\n  syscall: 'listen',\n  address: '::',\n  port: 3000",
        3000,
    ),
    "Node.js, one address": ("Error: listen EADDRINUSE: address already in use 127.0.0.1:3000", 3000),
    "Vite": ("Error: Port 5173 is already in use", 5173),
    "Next.js": (" ⨯ Failed to start server\nError: listen EADDRINUSE: address already in use :::3000", 3000),
    "Go": ("2026/11/30 08:00:00 listen tcp :8080: bind: address already in use", 8080),
    "Go, one address": ("listen tcp 127.0.0.1:8080: bind: address already in use", 8080),
    "Rust": ('Error: Os { code: 98, kind: AddrInUse, message: "Address already in use" }', UNKNOWN),
    "Ruby": ('Address already in use - bind(2) for "127.0.0.1" port 3000 (Errno::EADDRINUSE)', 3000),
    "PHP": ("Failed to listen on localhost:8000 (reason: Address already in use)", 8000),
    "Java": ("Caused by: java.net.BindException: Address already in use", UNKNOWN),
    "Spring Boot": ("Web server failed to start. Port 8080 was already in use.", 8080),
    "nginx": ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", 80),
    "PostgreSQL": (
        '2026-11-30 08:00:00.123 UTC [47] LOG:  could not bind IPv4 address "127.0.0.1": Address already in '
        "use\n2026-11-30 08:00:00.123 UTC [47] HINT:  Is another postmaster already running on port 5432? If "
        "not, wait a few seconds and retry.",
        5432,
    ),
    "Redis": (
        "# Warning: Could not create server TCP listening socket *:6379: bind: Address already in use",
        6379,
    ),
}


@pytest.mark.parametrize(("said", "port"), SAID.values(), ids=SAID)
def test_the_port_is_found_in_what_a_program_prints(said: str, port: int) -> None:
    assert port_in_use(["starting", *said.splitlines(), "bye"]) == port


@pytest.mark.parametrize(
    "said",
    [
        "listening on port 3000",
        "port 3000 is free",
        "the port is in userland",
        "name already in use: web",
        "connected to 10.0.0.1:5432",
    ],
)
def test_what_says_something_else_is_none(said: str) -> None:
    assert port_in_use([said]) is None


def test_a_port_far_away_is_not_it() -> None:
    assert port_in_use(["connecting to port 5432", *"abcd", "OSError: Address already in use"]) == UNKNOWN


def test_no_time_and_no_version_is_taken_for_a_port() -> None:
    assert port_in_use(["12:30:45.123 v1.2.3 [99] bind: Address already in use"]) == UNKNOWN
