"""What reads bytes from outside, each as a function of bytes.

It returns when they were read, or refused in the one way that callers of the parser expect. Anything else
that it raises is a fault. `tests/doors/test_noise.py` calls these with what Hypothesis makes up,
`__main__.py` with what atheris finds by looking which lines of ours an input reaches.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from domain.intake.files import valid
from locald.adapters.keeper_words import translate
from locald.capture import frames
from locald.client import http
from locald.daemon.api import crowd
from locald.daemon.api.connection import HttpServer
from locald.daemon.api.http import Answer, Request, document
from locald.daemon.api.routes import told
from locald.daemon.api.streams import Streams
from locald.domain.knowledge.protocols import PROTOCOLS
from locald.domain.knowledge.protocols import http as http_answers
from locald.domain.lifecycle import sd_notify
from locald.domain.project import config, env
from locald.domain.project.names import Run
from locald.domain.values.problem import Refused
from locald.keeper.wire import attachment, protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

Json = dict[str, Any]


# What services and users write.


def notify(data: bytes) -> None:
    """A datagram to the notify socket."""
    words = sd_notify.parse(data)
    if words is not None:
        assert isinstance(str(words), str)
        for key in ("MAINPID", "ERRNO", "STATUS", "WATCHDOG", "WATCHDOG_USEC", "EXTEND_TIMEOUT_USEC"):
            words.has(key, b"1"), words.number(key), words.seconds(key), words.text(key)


def project_file(data: bytes) -> None:
    """`locald.toml`."""
    with suppress(Refused):
        config.parse(data.decode(errors="replace"))


def env_file(data: bytes) -> None:
    """`.env`."""
    with suppress(Refused):
        env.parse(data.decode(errors="replace"))


def init(data: bytes) -> None:
    """A file of another tool, from which `init` makes ours; the first byte tells of which one."""
    if data:
        valid({SOURCES[data[0] % len(SOURCES)]: data[1:].decode(errors="replace")})


SOURCES = (
    *("compose.yaml", "Procfile", "process-compose.yaml", "mprocs.yaml", "pitchfork.toml", "dekit.yaml"),
    *("package.json", "pyproject.toml", "Makefile"),
)


def server(data: bytes) -> None:
    """The answer of a server to a question in its protocol, whichever that is."""
    for each in PROTOCOLS.values():
        reply = each.read(data)
        assert reply is None or (reply.detail and reply.detail.isprintable() and len(reply.detail) < 200)
    with suppress(http_answers.NotHttp):
        found = http_answers.status_line(data)
        assert found is None or 100 <= found.status < 600


# What is between our own processes, and on our own disk.


def order(data: bytes) -> None:
    """A line to the keeper."""
    with suppress(protocol.Malformed):
        protocol.Order(protocol.decode(data))


def event(data: bytes) -> None:
    """A line of the keeper. What comes of it has the types that the domain counts on."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(said, dict) and isinstance(said.get("event"), str):
        translated(said)


def translated(said: Json) -> object:
    """The news of an event, None where it is refused or none."""
    try:
        found = translate(Run.parse("shop:web#1"), said)
    except protocol.Malformed:
        return None
    if found is not None:
        assert msgspec.convert(msgspec.to_builtins(found), type(found)) == found
    return found


def capture(data: bytes) -> None:
    """A file of what a run has printed: frames, each where the one before it ends."""
    place = 0
    for at, stream, payload, end in frames.decode(data):
        assert data[place:end] == frames.header(at, stream, len(payload)) + payload or at != at
        place = end
    assert place <= len(data)


def terminal(data: bytes) -> None:
    """Pieces between a terminal and who looks at it. They are the same however they arrive."""
    assert taken([data]) == taken([data[place : place + 1] for place in range(len(data))])


def taken(parts: Sequence[bytes]) -> list[tuple[bytes, bytes] | None]:
    """The pieces that come out; None where it was refused, which ends it."""
    pieces, found = attachment.Pieces(), list[tuple[bytes, bytes] | None]()
    try:
        for part in parts:
            found += pieces.take(part)
    except attachment.Malformed:
        found.append(None)
    return found


# What comes to the daemon's socket, and what answers there.


def request(data: bytes) -> None:
    """To the daemon, in two pieces; the first byte tells where the second begins."""
    cut = data[0] + 1 if data else 0
    asyncio.run(ask([data[1:cut], data[cut:]]))


async def ask(parts: Sequence[bytes]) -> None:
    """Whatever is answered is HTTP, whole, and no fault of ours."""
    loop, faults = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    server = HttpServer(_respond, _hand_over, Streams(), crowd.Crowd())
    here, there = socket.socketpair()
    here.setblocking(False)
    with here:
        transport, _ = await loop.connect_accepted_socket(server, there)
        for part in parts:
            await loop.sock_sendall(here, part)
            await asyncio.sleep(0)
        here.shutdown(socket.SHUT_WR)
        heard = b"".join([part async for part in _heard(here)])
        transport.abort()
        await server.close(1.0)
    assert not faults
    _check_answers(heard)


async def _hand_over() -> asyncio.Protocol:
    return asyncio.Protocol()


async def _respond(request: Request) -> Answer:
    """As the table of routes does."""

    async def answering() -> Answer:
        told = [request.path, dict(request.query), dict(request.headers), len(await request.body())]
        return document(json.loads(json.dumps(told)))

    answer = await told(request.method, request.path, answering())
    assert isinstance(answer, Answer)
    return answer


async def _heard(connection: socket.socket) -> AsyncIterator[bytes]:
    with suppress(ConnectionError):
        while part := await asyncio.get_running_loop().sock_recv(connection, 1 << 16):
            yield part


def _check_answers(heard: bytes) -> None:
    while heard:
        head, blank, rest = heard.partition(b"\r\n\r\n")
        assert blank
        assert (status := re.match(rb"HTTP/1\.[01] (\d{3}) ", head)), head
        assert status[1] != b"500", heard
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length or status[1] == b"100", head
        heard = rest[int(length[1]) if length else 0 :]


def answer(data: bytes) -> None:
    """Of the daemon to a command."""
    here, there = socket.socketpair()
    with here, there:
        there.sendall(data)
        there.shutdown(socket.SHUT_WR)
        answer = http._Answer(here, 5.0)
        with suppress(http.Unreachable, http.Denied):
            answer.begin(b"")
            http._parsed(answer.body())


def news(data: bytes) -> None:
    """Of the daemon's event stream, for a command."""
    here, there = socket.socketpair()
    with here, there:
        there.sendall(data)
        there.shutdown(socket.SHUT_WR)
        events = http.Events(http.Lines(here))
        with suppress(http.Unreachable, http.Ended):
            while True:
                events.next(5.0)


PARSERS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        *(notify, project_file, env_file, init, server),
        *(order, event, capture, terminal),
        *(request, answer, news),
    )
}
"""by the name of its file in `corpus`"""
