"""A known server is asked in its protocol until it says yes; whatever else comes harms nobody."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from children import free_port
from locald.adapters import asking as module
from locald.adapters.asking import Asking, Target, ask, pause
from locald.domain.knowledge.protocols import Meaning
from locald.domain.knowledge.servers import BY_PROGRAM, REDIS, Server
from locald.domain.lifecycle.messages import Asked
from locald.domain.project.names import Key, Run
from nonblocking import blocking_raises
from posted import Posted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

DB = Run(Key("shop", "db"), 1)
HTTP = Server("http", "/-/ready")


class Fake:
    """A server that says what the test wants, and remembers what it was told."""

    def __init__(self, answer: Callable[[], bytes | None]) -> None:
        self.answer = answer
        self.told: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if not (said := await reader.read(4096)):
                return
            self.told.append(said)
            if (answer := self.answer()) is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def fake(answer: Callable[[], bytes | None]) -> AsyncIterator[Fake]:
    found = Fake(answer)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    async with server:
        found.port = server.sockets[0].getsockname()[1]
        yield found


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[Asking, Posted]]:
    posted = Posted()
    async with asyncio.TaskGroup() as tasks:
        here = Asking(posted.post, time.time, tasks)
        yield here, posted
        await here.close()


def at(port: int, server: Server = REDIS) -> Target:
    return Target(server, "127.0.0.1", port, "pid 7 (redis-server)")


async def test_it_is_asked_until_it_says_yes() -> None:
    answers = iter([b"-LOADING soon\r\n", b"-LOADING soon\r\n", b"+PONG\r\n"])
    async with fake(lambda: next(answers)) as server, asking() as (here, posted):
        here.listening(DB, at(server.port))
        first = await posted.wait_for(Asked)
        assert (first.ok, first.known, first.protocol) == (False, True, "redis")
        assert first.detail == "pid 7 (redis-server) answered PING with LOADING soon"
        yes = await posted.wait_for(Asked, lambda event: event.ok)
        assert yes.detail == "pid 7 (redis-server) answered PING with PONG"
        assert server.told == [b"PING\r\n"] * 3


@pytest.mark.parametrize("seconds", [0.1, 1.0, 4.0, 6.0])
def test_one_that_serves_at_last_is_known_to_within_60_milliseconds(seconds: float) -> None:
    assert pause(seconds) <= 0.06
    assert pause(seconds, leaves_lines=True) >= pause(seconds)
    assert pause(1000) == module.LAST


async def test_one_that_serves_is_asked_now_and_then_and_an_outage_is_told_after_some_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STEADY", 0.05)
    monkeypatch.setattr(module, "AGAIN", 0.02)
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    hangs = False
    async with fake(lambda: None if hangs else b"+PONG\r\n") as server, asking() as (here, posted):
        here.listening(DB, at(server.port))
        await posted.wait_for(Asked, lambda event: event.ok)
        hangs = True
        before = server.connections
        lost = await posted.wait_for(Asked, lambda event: not event.ok)
        assert lost.detail == "pid 7 (redis-server) did not answer within 100ms (redis)"
        assert server.connections - before >= module.RETRIES
        hangs = False
        await posted.wait_for(Asked, lambda event: event.ok)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 1_000_000, b"x" * 1_000_000])
async def test_what_speaks_another_protocol_is_asked_once(answer: bytes) -> None:
    async with fake(lambda: answer) as server, asking() as (here, posted):
        here.listening(DB, at(server.port))
        other = await posted.wait_for(Asked)
        assert (other.ok, other.known) == (False, False)
        await asyncio.sleep(5 * module.FIRST)
        assert server.connections == 1


@pytest.mark.parametrize(("answer", "said"), [(None, "did not answer"), (b"", "closed the connection")])
async def test_silence_is_no_answer_and_not_waited_for_long(answer: bytes | None, said: str) -> None:
    async with fake(lambda: answer) as server:
        begun = time.monotonic()
        found = await ask(at(server.port), timeout=0.2)
        assert found.meaning is None
        assert said in found.detail
        assert time.monotonic() - begun < 2


async def test_a_slow_drip_is_not_listened_to_for_longer_than_the_timeout() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"+")
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            writer.close()
            gone.set()

    gone = asyncio.Event()
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        found = await ask(at(server.sockets[0].getsockname()[1]), timeout=0.2)
        assert found.meaning is None
        async with asyncio.timeout(5):
            await gone.wait()


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("200 OK", Meaning.READY),
        ("503 Service Unavailable", Meaning.NOT_YET),
        ("404 Not Found", Meaning.OTHER),  # it has no such path: its open port has to do
        ("401 Unauthorized", Meaning.OTHER),
        ("400 Bad Request", Meaning.OTHER),  # as Go's servers say on a port that speaks TLS
    ],
)
async def test_a_server_with_a_readiness_path_is_asked_by_http(status: str, meaning: Meaning) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    async with fake(lambda: answer) as server:
        found = await ask(at(server.port, HTTP))
        assert found.meaning is meaning
        assert f"/-/ready returned {status}" in found.detail
        assert server.told[0].startswith(b"GET /-/ready HTTP/1.1")


@pytest.mark.parametrize("answer", [b"", b"\x15\x03\x03\0\x02\x02\x46"])
async def test_what_does_not_speak_http_is_judged_by_its_open_port(answer: bytes) -> None:
    """A server whose port speaks TLS closes the connection, or sends an alert."""
    async with fake(lambda: answer) as server:
        assert (await ask(at(server.port, HTTP))).meaning is Meaning.OTHER


async def test_nobody_is_asked_any_more_after_forget() -> None:
    async with fake(lambda: b"-LOADING\r\n") as server, asking() as (here, posted):
        here.listening(DB, at(server.port))
        await posted.wait_for(Asked)
        here.forget(DB)
        before = server.connections
        await asyncio.sleep(5 * module.FIRST)
        assert server.connections == before


async def test_nobody_listening_is_no_answer() -> None:
    assert (await ask(at(free_port()))).meaning is None


# Real servers.


REAL = {
    "redis-server": ["redis-server", "--port", "{port}", "--save", ""],
    "memcached": ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", "{port}"],
}


@pytest.mark.parametrize("program", REAL)
async def test_a_real_server_says_yes_again_and_again(program: str, tmp_path: object) -> None:
    if not shutil.which(program):
        pytest.skip(f"no {program}")
    port = free_port()
    command = [part.format(port=port) for part in REAL[program]]
    with subprocess.Popen(  # noqa: ASYNC220
        command, cwd=str(tmp_path), stdout=subprocess.DEVNULL
    ) as server:
        try:
            async with asking() as (here, posted):
                here.listening(DB, at(port, BY_PROGRAM[program]))
                await posted.wait_for(Asked, lambda event: event.ok)
            for again in (False, True):
                found = await ask(at(port, BY_PROGRAM[program]), again=again)
                assert found.meaning is Meaning.READY
        finally:
            server.terminate()
