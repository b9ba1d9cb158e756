"""One request while it arrives: its head, then its body as far as somebody wants it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote

from locald.daemon.api import crowd
from locald.daemon.api.http import LARGEST_REQUEST, Failure, Query, Request

if TYPE_CHECKING:
    from collections.abc import Callable

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Incoming:
    """Filled by the parser's callbacks; `request` is what a handler gets of it, once the head is there."""

    def __init__(self, say: Callable[[bytes], None]) -> None:
        self._say = say
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()
        self._enough = asyncio.Event()
        """the body is all there, too large, or will never be complete"""
        self._ended = asyncio.Event()
        self.method, self.version = "GET", "1.1"
        self.keeps = False
        """the client wants the connection for another request"""
        self.is_complete = False
        self.is_lost = False

    # What the parser finds.

    def add_target(self, part: bytes) -> None:
        self._target += part

    def add_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def add_body(self, part: bytes) -> None:
        if len(self._body) <= LARGEST_REQUEST:  # of what is too large nothing more is kept
            self._body += part
        if len(self._body) > LARGEST_REQUEST:
            self._enough.set()

    def complete(self) -> None:
        self.is_complete = True
        self._end()

    def lose(self) -> None:
        """Who sends it went away."""
        self.is_lost = True
        self._end()

    def _end(self) -> None:
        self._enough.set()
        self._ended.set()

    # What is asked.

    @property
    def wants_socket(self) -> bool:
        return self._headers.get(b"upgrade", b"").lower() == b"websocket"

    def request(self) -> Request:
        path, _, query = self._target.partition(b"#")[0].partition(b"?")
        if not path.startswith(b"/"):  # the absolute form, which a client of a proxy sends
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        text = query.decode("utf-8", "surrogateescape")
        return Request(
            self.method,
            unquote(path.decode("latin-1"), "utf-8", "replace"),
            Query(text),
            self.body,
            headers={
                name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers.items()
            },
        )

    async def body(self) -> bytes:
        """All of it. Raises Failure when it is too large or takes too long, ConnectionError when its sender
        is gone."""
        self._refuse_too_large(self._announced())
        if not self.is_complete and self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._say(CONTINUE)
        try:
            async with asyncio.timeout(crowd.BODY_WITHIN):
                await self._enough.wait()
        except TimeoutError:
            raise Failure(408) from None
        self._refuse_too_large(len(self._body))
        if self.is_lost:
            raise ConnectionResetError
        return bytes(self._body)

    async def ended(self) -> None:
        """Nothing more comes of it."""
        await self._ended.wait()

    def _announced(self) -> int:
        told = self._headers.get(b"content-length", b"")
        return int(told) if told.isdigit() else 0  # the parser has refused what is no number

    def _refuse_too_large(self, size: int) -> None:
        if size > LARGEST_REQUEST:
            raise Failure(413)
