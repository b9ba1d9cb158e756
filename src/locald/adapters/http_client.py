"""One GET over a connection of its own, read no further than its status line.

A general client would insist on the rest: headers that end, a length that is right, no body behind a 204.
Servers that people write while they learn have none of it and serve all the same.

TLS is spoken with whoever is there: this is the user's own server on this machine, its certificate is
self-signed as a rule, and nothing secret is sent to it.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import TYPE_CHECKING

from msgspec import Struct, field

from locald.adapters.reach import connected, place
from locald.domain.knowledge.protocols import http

if TYPE_CHECKING:
    import socket

    from locald.domain.knowledge.protocols.http import StatusLine

HEARD_OUT = 0.05
"""seconds in which an answer may come to its end before the connection is closed"""
_READ = 16 * 1024
_PLAIN = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "HTTP_REQUEST",
    "UNEXPECTED_MESSAGE",
    "PACKET_LENGTH",
)
"""what OpenSSL calls bytes that are not TLS"""


class Get(Struct, frozen=True):
    """`target`: path and query."""

    host: str
    port: int
    target: str
    scheme: str = "http"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return place(self.host, self.port)

    @property
    def server_name(self) -> str:
        """The name that a TLS server is asked for: that of the Host header, as a browser would."""
        named = next((value for name, value in self.headers.items() if name.lower() == "host"), "localhost")
        return named.rpartition(":")[0] or named


class NotConnected(Exception):
    """There is no connection to be had."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class NotTls(Exception):
    """The server does not speak TLS."""


async def get(asked: Get) -> StatusLine | None:
    """The final status line; None when the connection ended before. Raises NotConnected, NotHttp, NotTls, and
    OSError when the connection breaks."""
    try:
        connection = await connected(asked.host, asked.port)
    except OSError as error:
        raise NotConnected(error) from None
    reader, writer = await _opened(connection, asked.server_name if asked.scheme == "https" else None)
    try:
        writer.write(http.request(asked.target, asked.place, asked.headers))
        data = b""
        while part := await reader.read(_READ):
            data += part
            if found := http.status_line(data):
                await _hear_out(reader)
                return found
        if data:
            raise http.NotHttp
        return None
    finally:
        writer.transport.abort()


async def speaks_tls(asked: Get) -> bool:
    """Whether a TLS handshake is understood there."""
    try:
        connection = await connected(asked.host, asked.port)
        _, writer = await _opened(connection, asked.server_name)
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except (OSError, NotTls):
        return False
    writer.transport.abort()
    return True


async def _opened(
    connection: socket.socket, name: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if name is None:
        return await asyncio.open_connection(sock=connection)
    try:
        return await asyncio.open_connection(sock=connection, ssl=_context(), server_hostname=name)
    except ssl.SSLError as error:
        if error.reason and any(word in error.reason for word in _PLAIN):
            raise NotTls from None
        raise


@functools.cache
def _context() -> ssl.SSLContext:
    """Content with every certificate and, for old servers, with every version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


async def _hear_out(reader: asyncio.StreamReader) -> None:
    """Let the server say the rest, so that it finds nobody gone in the middle of its answer."""
    heard = 0
    try:
        async with asyncio.timeout(HEARD_OUT):
            while heard < http.MOST and (part := await reader.read(_READ)):
                heard += len(part)
    except (TimeoutError, OSError):
        pass
