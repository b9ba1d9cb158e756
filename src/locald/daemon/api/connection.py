"""The HTTP/1.1 server of the Unix socket: small, because the first command of a user waits for it to start.

llhttp, the parser of Node, reads what comes (by `httptools`); what is left to do is here: one request at a
time, answers with a length, streams in chunks, a connection kept when both sides want it, limits of time and
size (see `crowd`). A request for a WebSocket is handed over, whole, to a server that speaks that.

Sources: RFC 9112 (HTTP/1.1), RFC 9110 (semantics).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING

import httptools

from locald.daemon.api import crowd
from locald.daemon.api.http import REASONS, Answer, Stream
from locald.daemon.api.incoming import Incoming
from locald.daemon.api.routes import failed, failure
from locald.domain.values.problem import Problem
from locald.linux import ownership
from locald.wire import now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from locald.daemon.api.crowd import Crowd
    from locald.daemon.api.http import Request
    from locald.daemon.api.streams import Streams

LONGEST_HEAD = 1 << 16
"""bytes of a request before its body: a path may have 4,096 bytes, each of which may take three there"""
WAITING = 8
"""requests that a client may have sent ahead before nothing more is read of it"""


class HttpServer:
    """Makes the protocol of each connection, and ends them all. `respond` answers a request;
    `hand_over` gives the protocol that talks to who wants a WebSocket. `clock`: that of the times in
    its answers, which then say what time it is on it."""

    def __init__(
        self,
        respond: Callable[[Request], Awaitable[Answer | Stream]],
        hand_over: Callable[[], Awaitable[asyncio.Protocol]],
        streams: Streams,
        crowd: Crowd,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.respond, self.hand_over, self.streams, self.crowd = respond, hand_over, streams, crowd
        self.clock = clock
        self.connections: dict[Connection, None] = {}
        """the oldest first"""
        self.is_closing = False

    def __call__(self) -> Connection:
        return Connection(self)

    async def close(self, within: float) -> None:
        """Finish the answers under way, for so many seconds at most."""
        self.is_closing = True
        working = [each.work for each in self.connections if each.work]
        for each in list(self.connections):
            each.close_when_idle()
        if working:
            _, late = await asyncio.wait(working, timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for each in list(self.connections):
            each.force_close()


class Connection(asyncio.Protocol):
    def __init__(self, server: HttpServer) -> None:
        self.transport: asyncio.Transport | None = None
        self.work: asyncio.Task[None] | None = None
        """on the answer to one request, or on handing it over"""
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._arriving: Incoming | None = None
        self._waiting: deque[Incoming] = deque()
        self._head = b""
        """of the request that arrives, as it came"""
        self._count = 0
        self._is_streaming = self._is_deaf = False
        self._timer: asyncio.TimerHandle | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._is_trusted = True

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._is_trusted = ownership.is_trusted(ownership.peer(transport.get_extra_info("socket")))
        self._server.connections[self] = None
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()
        for each in (self._arriving, *self._waiting):
            if each:
                each.lose()
        self._may_write.set()  # whoever waits to write gets to know
        if self.work and self._is_streaming:
            self.work.cancel()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self._arriving is None:
            self._head += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_deaf = True  # what follows is not HTTP, or not for us
        except httptools.HttpParserError:
            self._refuse(400)
            return
        if len(self._head) > LONGEST_HEAD:
            self._refuse(431)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    # What the parser tells.

    def on_message_begin(self) -> None:
        self._building = Incoming(self._write)

    def on_url(self, url: bytes) -> None:
        self._building.add_target(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._building.add_header(name, value)

    def on_headers_complete(self) -> None:
        incoming = self._arriving = self._building
        incoming.method = self._parser.get_method().decode("ascii")
        incoming.version = self._parser.get_http_version()
        if incoming.version not in ("1.0", "1.1"):  # the parser knows more of them
            raise httptools.HttpParserError(f"HTTP/{incoming.version}")
        incoming.keeps = self._parser.should_keep_alive()
        self._count += 1
        self._stop_timer()
        head, self._head = self._head, b""
        if self.work is None:
            self._begin(incoming, head)
        else:
            self._waiting.append(incoming)
            if len(self._waiting) >= WAITING and self.transport:
                self.transport.pause_reading()

    def on_body(self, body: bytes) -> None:
        if self._arriving:
            self._arriving.add_body(body)

    def on_message_complete(self) -> None:
        if self._arriving:
            self._arriving.complete()
        self._arriving = None

    # Answering.

    def _begin(self, incoming: Incoming, head: bytes = b"") -> None:
        """`head`: all that came before its body, of the first request of a connection."""
        if incoming.wants_socket and self._is_trusted and self._count == 1:
            self._is_deaf = True
            self.work = asyncio.get_running_loop().create_task(self._hand_over(head))
        else:
            self.work = asyncio.get_running_loop().create_task(self._serve(incoming))
        self.work.add_done_callback(self._served)

    async def _serve(self, incoming: Incoming) -> None:
        with self._server.crowd.answering(self):
            answer = await self._answer(incoming)
            if isinstance(answer, Stream):
                await self._stream(answer, incoming)
            else:
                self._send(answer, incoming)
        if self._keeps(incoming):
            return
        if not incoming.is_complete:
            await self._read_on(incoming)
        self.close()

    async def _answer(self, incoming: Incoming) -> Answer | Stream:
        if not self._is_trusted:
            return failure(403, 2, Problem("this daemon belongs to another user"))
        return await self._server.respond(incoming.request())

    def _send(self, answer: Answer, incoming: Incoming) -> None:
        fields = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body))}
        head = self._told_head(answer.status, {**fields, **answer.headers}, incoming)
        self._write(head if incoming.method == "HEAD" else head + answer.body)

    async def _stream(self, stream: Stream, incoming: Incoming) -> None:
        fields = {"Content-Type": stream.content_type, "Cache-Control": "no-store"}
        in_chunks = incoming.version != "1.0"
        if in_chunks:
            fields["Transfer-Encoding"] = "chunked"
        else:
            incoming.keeps = False  # its end is that of the connection
        self._is_streaming = True
        with self._server.streams.open():
            self._write(self._told_head(200, fields, incoming))
            if incoming.method == "HEAD":
                return
            async with aclosing(stream.pieces()) as pieces:
                async for piece in pieces:
                    sent = b"%x\r\n%b\r\n" % (len(piece), piece) if in_chunks else piece
                    await self._push(sent, stream.read_within)
        if in_chunks:
            self._write(b"0\r\n\r\n")

    async def _push(self, piece: bytes, within: float | None) -> None:
        """Until there is room for another: who reads slowly is waited for. ConnectionError when he is gone,
        or reads nothing at all."""
        if self.transport is None:
            raise ConnectionResetError
        self._write(piece)
        if self._may_write.is_set():
            return
        try:
            async with asyncio.timeout(within):
                await self._may_write.wait()
        except TimeoutError:
            self.force_close()
            raise ConnectionResetError from None

    def _told_head(self, status: int, fields: Mapping[str, str], incoming: Incoming) -> bytes:
        lines = [f"HTTP/{incoming.version} {status} {REASONS[status]}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        lines.append(time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()))
        if self._server.clock:
            lines.append(f"{now.FIELD}: {self._server.clock():.3f}")
        if not self._keeps(incoming):
            lines.append("Connection: close")
        elif incoming.version == "1.0":
            lines.append("Connection: keep-alive")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _keeps(self, incoming: Incoming) -> bool:
        """Whether another request may come on this connection."""
        return incoming.keeps and incoming.is_complete and not (self._server.is_closing or self._is_deaf)

    async def _read_on(self, incoming: Incoming) -> None:
        """A body that nobody wants, or its sender would not get to read the answer (RFC 9112, 9.6)."""
        try:
            async with asyncio.timeout(crowd.LINGER):
                await incoming.ended()
        except TimeoutError:
            pass

    def _served(self, task: asyncio.Task[None]) -> None:
        self.work, self._is_streaming = None, False
        if not task.cancelled() and (error := task.exception()):
            asyncio.get_running_loop().call_exception_handler(
                {"message": "an answer was not finished", "exception": error, "task": task}
            )
            self.force_close()
        elif self.transport is None or self._server.is_closing or task.cancelled():
            self.close()
        elif self._waiting:
            self.transport.resume_reading()
            self._begin(self._waiting.popleft())
        elif not self._is_deaf:
            self._expect_request()

    async def _hand_over(self, head: bytes) -> None:
        """Let another protocol talk to this connection, as if it had been there from the beginning."""
        assert self.transport
        self.transport.pause_reading()
        other = await self._server.hand_over()
        if (transport := self.transport) is None:
            return
        self._let_go()
        transport.set_protocol(other)
        other.connection_made(transport)
        other.data_received(head)
        transport.resume_reading()

    def _refuse(self, status: int) -> None:
        """What comes cannot be understood, so nothing after it can be."""
        self._is_deaf = True
        if self.work is None:
            self._send(failed("?", "?", status, REASONS[status]), Incoming(self._write))
            self.close()

    # The connection.

    def _expect_request(self) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(crowd.ASK_WITHIN, self.close)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None

    def _write(self, data: bytes) -> None:
        if self.transport:
            self.transport.write(data)

    def _let_go(self) -> None:
        self._stop_timer()
        self._server.connections.pop(self, None)
        self.transport = None

    def close_when_idle(self) -> None:
        if self.work is None:
            self.close()

    def close(self) -> None:
        """When all that was written is sent."""
        self._stop_timer()
        if self.transport:
            self.transport.close()

    def force_close(self) -> None:
        if transport := self.transport:
            self._let_go()
            transport.abort()
