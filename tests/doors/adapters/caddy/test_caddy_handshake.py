"""It is known when Caddy has its certificates, which is later than when it listens."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from locald.adapters.caddy.handshake import certified, has_certificate
from locald.adapters.caddy.program import Caddy, find

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["*.shop.localhost", "shop.localhost"]


def config(port: int, store: Path) -> dict[str, Any]:
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{}],
    }
    tls = {
        "automation": {"policies": [{"issuers": [{"module": "internal"}]}]},
        "certificates": {"automate": NAMES},
    }
    return {
        "admin": {"disabled": True},
        "storage": {"module": "file_system", "root": str(store)},
        "apps": {
            "http": {"servers": {"one": server}},
            "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
            "tls": tls,
        },
    }


async def test_from_then_on_who_comes_is_served(tmp_path: Path) -> None:
    caddy = find()
    if not isinstance(caddy, Caddy):
        pytest.skip("needs Caddy")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert not await has_certificate(port, "shop.localhost")  # nobody is there
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config(port, tmp_path / "store")))
    home = {name: str(tmp_path) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    quiet = asyncio.subprocess.DEVNULL
    command = [caddy.path, "run", "--config", str(file)]
    process = await asyncio.create_subprocess_exec(*command, env=home, stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(30):
            await certified(port, NAMES)
        for name in ("shop.localhost", "web.shop.localhost"):
            assert await has_certificate(port, name)
        assert not await has_certificate(port, "web.other.localhost")
    finally:
        process.terminate()
        await process.wait()


async def test_who_listens_but_has_none_has_none() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x15\x03\x03\x00\x02\x02\x50")  # an alert: internal error
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        assert not await has_certificate(server.sockets[0].getsockname()[1], "shop.localhost")
