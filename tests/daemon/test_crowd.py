"""Many who come and say nothing, or take their time: nobody waits for them, at either door."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from daemon.doors import SOON
from daemon.office import worker
from locald.daemon import hub
from locald.daemon.api import crowd
from locald.linux import ownership

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.doors import Opened

SLOW = 100
HEAD = b"GET /v1/status HTTP/1.1\r\nHost: "
BODY = b"POST /v1/down HTTP/1.1\r\nHost: locald\r\nContent-Length: 20\r\n\r\n{"


async def _say_more(connection: socket.socket) -> None:
    try:
        await asyncio.get_running_loop().sock_sendall(connection, b"a")
    except ConnectionError:  # it was closed a moment ago
        pass


async def _heard(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    heard = b""
    while True:
        try:
            piece = await asyncio.get_running_loop().sock_recv(connection, 1 << 16)
        except ConnectionError:
            return heard
        if not piece:
            return heard
        heard += piece


@pytest.mark.parametrize("door", ["unix", "tcp"])
@pytest.mark.parametrize("says", [b"", HEAD, BODY], ids=["silent", "half a head", "half a body"])
async def test_a_hundred_slow_clients_keep_nobody_waiting(open_doors: Opened, door: str, says: bytes) -> None:
    async with open_doors() as doors:
        for _ in range(SLOW):
            await doors.arrive(door, says)
        assert await doors.status("unix") == 200
        assert await doors.status("tcp") == 200


@pytest.mark.parametrize("door", ["unix", "tcp"])
@pytest.mark.parametrize("says", [b"", HEAD], ids=["silent", "half a head"])
async def test_who_does_not_say_what_he_wants_is_sent_away(
    open_doors: Opened, monkeypatch: pytest.MonkeyPatch, door: str, says: bytes
) -> None:
    monkeypatch.setattr(crowd, "ASK_WITHIN", 0.3)
    async with open_doors() as doors:
        slow = await doors.arrive(door, says)
        async with asyncio.timeout(10):
            assert await _heard(slow) == b""
        assert await doors.status(door) == 200


async def test_who_says_it_letter_by_letter_has_no_more_time(
    open_doors: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "ASK_WITHIN", 0.3)
    async with open_doors() as doors:
        slow = await doors.arrive("tcp", HEAD)

        ended = asyncio.ensure_future(_heard(slow))
        async with asyncio.timeout(10):
            while not ended.done():
                await _say_more(slow)
                await asyncio.wait([ended], timeout=0.05)
        assert ended.result() == b""


async def test_a_body_that_does_not_come_is_refused(
    open_doors: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "BODY_WITHIN", 0.2)
    monkeypatch.setattr(crowd, "LINGER", 0.1)
    async with open_doors() as doors:
        slow = await doors.arrive("unix", BODY)
        async with asyncio.timeout(10):
            heard = await _heard(slow)
        assert heard.startswith(b"HTTP/1.1 408 ")
        assert b"Request Timeout" in heard


async def test_who_is_signed_out_is_refused_before_his_body_is_read(open_doors: Opened) -> None:
    async with open_doors() as doors:
        host = f"127.0.0.1:{doors.visit.port}".encode()
        head = b"POST /v1/down HTTP/1.0\r\nHost: " + host + b"\r\nContent-Length: 9000000\r\n\r\n"
        slow = await doors.arrive("tcp", head)
        async with asyncio.timeout(SOON + crowd.LINGER):
            assert (await _heard(slow)).startswith(b"HTTP/1.0 401 ")


@pytest.mark.parametrize("door", ["unix", "tcp"])
async def test_when_there_are_too_many_the_one_that_was_silent_longest_goes(
    open_doors: Opened, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    monkeypatch.setattr(crowd, "MOST", 5)
    async with open_doors() as doors:
        await doors.visit.signed_in("/v1/ping", Connection="close")  # the site is made for its first visitor
        first, *others = [await doors.arrive(door, HEAD) for _ in range(5)]
        assert await doors.status(door) == 200
        assert await _heard(first) == b""
        for each in others:
            with pytest.raises(BlockingIOError):
                each.recv(1)


async def test_a_stream_that_somebody_reads_is_not_taken_from_him(
    open_doors: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "MOST", 4)
    async with open_doors() as doors:
        office = doors.visit.office
        async with office.client.get("http://locald/v1/events") as events:
            assert (await events.content.readline()).startswith(b"event: snapshot")
            for _ in range(20):
                await doors.arrive("unix", HEAD)
            await office.up(office.project(worker("web")))
            async with asyncio.timeout(SOON):
                while b'"web"' not in (await events.content.readline()):
                    pass


async def test_when_all_are_answered_the_next_is_told_so(
    open_doors: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "MOST", 2)
    asks = b"GET /v1/events HTTP/1.0\r\n\r\n"
    async with open_doors() as doors:
        loop = asyncio.get_running_loop()
        for _ in range(2):
            reader = await doors.arrive("unix", asks)
            assert await loop.sock_recv(reader, 100), "it is served"
        late = await doors.arrive("unix")
        async with asyncio.timeout(SOON):
            assert (await _heard(late)).startswith(b"HTTP/1.1 503 ")


def test_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    """The kernel refuses at once who asks not to be kept waiting for ever."""
    path = str(tmp_path / "s")
    with ExitStack() as kept:
        server = kept.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(path)
        server.listen(0)
        kept.enter_context(ownership.connect(path, 1.0))
        with pytest.raises(BlockingIOError):
            ownership.connect(path, 0.1)
        taking = Timer(0.1, lambda: kept.enter_context(server.accept()[0]))
        taking.start()
        ownership.connect(path, 30.0).close()
        taking.join()


@pytest.mark.parametrize("door", ["unix", "tcp"])
async def test_who_asks_for_news_and_never_reads_them_is_let_go(
    open_doors: Opened, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    """Also the user himself. What waits for him until then is bounded, and others are told everything."""
    monkeypatch.setattr(crowd, "READ_WITHIN", 0.2)
    async with open_doors() as doors:
        office, visit = doors.visit.office, doors.visit
        deep = "/".join(["a long name" * 20] * 10)  # in every row, so that there is much to read
        (office.folder / deep).mkdir(parents=True)
        folder = office.project("".join(worker(f"w{number}") for number in range(20)), folder=deep)
        await office.up(folder)
        signed_in = f"Cookie: locald-{visit.port}={visit.secret}\r\n"
        host = f"Host: 127.0.0.1:{visit.port}\r\n"
        await doors.arrive(door, f"GET /v1/events HTTP/1.1\r\n{host}{signed_in}\r\n".encode())
        async with asyncio.timeout(30):
            while not office.hub._readers:
                await office.get("ping")
            (reader,) = office.hub._readers
            while office.hub._readers:
                await office.post("stop", project="shop")
                await office.up(folder)
                assert reader.queue.qsize() <= hub.BACKLOG
        assert await doors.status(door) == 200
