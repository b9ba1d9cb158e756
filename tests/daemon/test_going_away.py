"""A client that goes away, at whatever moment, is no fault: nothing is logged, and everybody else is served.

The daemon is in the test's own loop, so each moment of an answer can be met: so many turns of the loop after
the request has come, somebody hangs up.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from daemon.doors import turn
from daemon.office import SHELL, worker

if TYPE_CHECKING:
    from daemon.doors import Doors, Opened

TURNS = 14
"""of the loop: the longest way from a request that has come to the first bytes of its answer, and some"""
STRIDE = 9
"""bytes between two places at which a request is cut off"""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of who hangs up without a farewell"""
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {'A' * 22}==\r\n"
)
ASKED = {
    "status": ("GET /v1/status", b""),
    "events": ("GET /v1/events", b""),
    "logs": ("GET /v1/logs?project=shop&follow=1", b""),
    "logs as text": ("GET /v1/logs?project=shop&follow=1&format=text", b""),
    "lines": ("GET /v1/lines?project=shop", b""),
    "terminal": ("GET /v1/terminal?project=shop&service=web", b""),
    "restart": ("POST /v1/restart", json.dumps({"project": "shop", "caller": SHELL}).encode()),
    "a page": ("GET /", b""),
    "the live socket": ("GET /v1/live", UPGRADE.encode()),
}
FRAME = b"\x81\x8f\0\0\0\0" + b'{"usage": true}'
"""a message over the live socket, masked with zeros"""


def request(what: str, cookie: str, host: str) -> bytes:
    line, rest = ASKED[what]
    fields = f"{line} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{cookie}"
    if line.startswith("POST"):
        fields += f"Content-Type: application/json\r\nContent-Length: {len(rest)}\r\n"
        return fields.encode() + b"\r\n" + rest
    return fields.encode() + rest + b"\r\n"


def _hang_up(connection: socket.socket, *, rudely: bool) -> None:
    if rudely:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


@pytest.mark.parametrize("door", ["unix", "tcp"])
@pytest.mark.parametrize("what", ASKED)
async def test_who_goes_away_at_any_moment_is_no_fault(
    open_doors: Opened,
    caplog: pytest.LogCaptureFixture,
    door: str,
    what: str,
) -> None:
    faults: list[Any] = []
    async with open_doors() as doors:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        office, visit = doors.visit.office, doors.visit
        await office.up(office.project(worker("web")))
        assert await doors.status(door) == 200
        asked = request(what, f"Cookie: locald-{visit.port}={visit.secret}\r\n", f"127.0.0.1:{visit.port}")
        for end in [*range(1, len(asked), STRIDE), len(asked)]:
            _hang_up(await doors.begin(door, asked[:end]), rudely=False)
            await turn(2)
        more = [asked, asked + FRAME, asked + asked]
        for says in more:
            for turns in range(TURNS):
                for rudely in (False, True):
                    connection = await doors.begin(door, says)
                    await turn(turns)
                    _hang_up(connection, rudely=rudely)
                    await turn(2)
        await _after_the_first_bytes(doors, door, asked)
        assert await doors.status(door) == 200
        await turn(50)
    assert not faults
    assert not [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


async def _after_the_first_bytes(doors: Doors, door: str, asked: bytes) -> None:
    """While news come."""
    loop = asyncio.get_running_loop()
    for turns in range(TURNS):
        connection = await doors.begin(door, asked)
        await loop.sock_recv(connection, 1)
        await doors.visit.office.post("restart", project="shop", caller=SHELL)
        await turn(turns)
        _hang_up(connection, rudely=bool(turns % 2))
