"""Caddy's admin API, on a Unix socket in our own folder.

Source: https://caddyserver.com/docs/api
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locald.adapters.caddy.config import Json

WITHIN = 10.0
"""seconds for an answer"""
MOST = 1 << 20
"""bytes of an answer"""


class Failed(Exception):
    """Caddy does not answer, or refuses what it was told; the text is one sentence."""


async def load(socket: str, config: Json) -> None:
    """Have it work by this configuration from now on. What is the same already costs nothing."""
    await _ask(socket, "POST", "/load", config)


async def active_requests(socket: str) -> dict[str, int]:
    """By address, how many requests a service is answering, WebSockets too."""
    found = await _ask(socket, "GET", "/reverse_proxy/upstreams")
    return {each["address"]: each["num_requests"] for each in found or ()}


async def _ask(socket: str, method: str, path: str, body: Json | None = None) -> Any:
    try:
        async with asyncio.timeout(WITHIN):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(_request(method, path, body))
                return _understood(await reader.read(MOST))
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise Failed("Caddy does not answer") from None
    except OSError as error:
        raise Failed(f"Caddy does not answer: {error.strerror or error}") from None


def _request(method: str, path: str, body: Json | None) -> bytes:
    sent = json.dumps(body).encode() if body is not None else b""
    lines = [
        f"{method} {path} HTTP/1.0",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(sent)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + sent


def _understood(answer: bytes) -> Any:
    """The document of an answer, None without one. Raises Failed."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    try:
        found = json.loads(body) if body.strip() else None
    except ValueError:
        found = None
    if status == [b"200"]:
        return found
    told = found.get("error") if isinstance(found, dict) else None
    raise Failed(f"Caddy refused it: {told or head[:100].decode('latin-1')}")
