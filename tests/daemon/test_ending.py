"""The end of the daemon: who is connected then is answered or sent away, and nobody is waited for."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from daemon.office import Office
from locald.daemon.api.entrance import Entrance

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = b"GET /v1/events HTTP/1.0\r\nHost: locald\r\n\r\n"


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize(("asks", "hears"), [(EVENTS, b"HTTP/1.0 200 OK"), (b"", b"")])
async def test_who_came_at_the_last_moment_holds_nobody_up(
    tmp_path: Path, asks: bytes, hears: bytes, turns: int
) -> None:
    """However far its connection is: it takes `turns` of the loop to be accepted, made and heard."""
    office = Office(tmp_path)
    async with office.open():
        entrance = Entrance(office.api, str(tmp_path / "s"))
        await entrance.open()
        with socket.socket(socket.AF_UNIX) as late:
            late.settimeout(5)
            late.connect(entrance.path)
            late.sendall(asks)
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(1):
                await entrance.close()
            heard = await asyncio.to_thread(_all_of, late)
    assert heard == b"" or heard.startswith(hears)
    assert heard or not hears or turns < 2  # nobody had looked at the door yet


def _all_of(connection: socket.socket) -> bytes:
    try:
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))
    except ConnectionResetError:
        return b""
