"""An http check against servers that are not as the book says, and against TLS."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from doors.adapters.test_checks import WEB, Bench, at, bench
from locald.domain.project.spec import HttpCheck
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from locald.domain.lifecycle.messages import Probed

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")


class Server:
    """Says one thing to whoever asks, and keeps what it was asked."""

    def __init__(self, said: bytes, *, then_wait: bool) -> None:
        self.said, self.then_wait = said, then_wait
        self.port = 0
        self.asked: list[bytes] = []
        self.names: list[str | None] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.said)
            await writer.drain()
            if self.then_wait:
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def saying(
    said: bytes, *, then_wait: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    made = Server(said, then_wait=then_wait)
    if tls:
        tls.sni_callback = lambda _, name, __: made.names.append(name)
    async with await asyncio.start_server(made.talk, "127.0.0.1", 0, ssl=tls) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """With a certificate that nobody knows, for a name that is not asked for."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl")
    folder: Path = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=other.test",
    ]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def look(made: Bench, check: HttpCheck, server: Server) -> Probed:
    return await made.once(check, server.port)


@pytest.mark.parametrize(
    ("said", "returned"),
    [
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", "204 No Content"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nok", "200 OK"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n", "200 OK"),
        (b"HTTP/1.1 200 OK\r\nthis is no header\r\n\r\n", "200 OK"),
        (b"HTTP/1.1 200 OK\r\n", "200 OK"),
        (b"HTTP/1.0 200 OK\n\nok", "200 OK"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "200 OK"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "302 Found"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000, "200 OK"),
    ],
)
@pytest.mark.parametrize("then_wait", [False, True])
async def test_the_status_line_decides_whatever_follows_it(
    said: bytes, returned: str, then_wait: bool
) -> None:
    async with bench() as made, saying(said, then_wait=then_wait) as server:
        begun = time.monotonic()
        seen = await look(made, HttpCheck(), server)
        assert time.monotonic() - begun < 1
    assert (seen.ok, seen.detail) == (True, f"GET http://127.0.0.1:{server.port}/ returned {returned}")


async def test_headers_are_sent_and_go_over_those_of_locald() -> None:
    async with bench() as made, saying(OK) as server:
        await look(
            made, HttpCheck("/a b?c=%20&d", headers={"Host": "shop.localhost", "X-Token": "t"}), server
        )
    [asked] = server.asked
    assert asked.startswith(b"GET /a%20b?c=%20&d HTTP/1.1\r\n")
    assert b"\r\nHost: shop.localhost\r\nX-Token: t\r\n" in asked
    assert asked.lower().count(b"\r\nhost:") == 1


async def test_https_is_spoken_and_the_certificate_is_not_verified(tls: ssl.SSLContext) -> None:
    async with bench() as made, saying(OK, tls=tls) as server:
        seen = await look(made, HttpCheck("/up", scheme="https"), server)
    assert (seen.ok, seen.detail) == (True, f"GET https://127.0.0.1:{server.port}/up returned 200 OK")


@pytest.mark.parametrize(
    ("headers", "name"), [({}, "localhost"), ({"Host": "shop.localhost:8443"}, "shop.localhost")]
)
async def test_a_tls_server_is_asked_for_the_name_of_the_host_header(
    tls: ssl.SSLContext, headers: dict[str, str], name: str
) -> None:
    async with bench() as made, saying(OK, tls=tls) as server:
        assert (await look(made, HttpCheck(scheme="https", headers=headers), server)).ok
    assert server.names == [name]


async def test_a_plain_request_to_a_server_that_speaks_tls_is_told_so(tls: ssl.SSLContext) -> None:
    async with bench() as made, saying(OK, tls=tls) as server:
        seen = await look(made, HttpCheck(), server)
    assert not seen.ok
    assert seen.detail.endswith("the server speaks TLS")
    assert server.asked == []


async def test_a_tls_server_that_answers_a_plain_request_with_400_is_told_so(tls: ssl.SSLContext) -> None:
    """As those of Go and nginx do: the first bytes show them which it is."""

    async def either(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if (await reader.readexactly(1)) == b"\x16":
                writer.write(b"\x15\x03\x03\0\x02\x02\x28")  # an alert: a TLS server all the same
            else:
                writer.write(
                    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
                )
            await writer.drain()
        finally:
            writer.close()

    async with await asyncio.start_server(either, "127.0.0.1", 0) as server, bench() as made:
        port = server.sockets[0].getsockname()[1]
        seen = await made.once(HttpCheck(), port)
    assert seen.detail == f"GET http://127.0.0.1:{port}/ returned 400 Bad Request, the server speaks TLS"


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.test ESMTP\r\n", b"x" * 100_000]
)
async def test_whoever_does_not_speak_tls_is_never_said_to(said: bytes) -> None:
    async with bench() as made, saying(said) as server:
        seen = await look(made, HttpCheck(), server)
    assert not seen.ok
    assert "TLS" not in seen.detail


async def test_a_server_that_fails_in_the_same_way_is_tried_with_tls_once() -> None:
    tried = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tried
        tried += (await reader.read(1)) == b"\x16"
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server, bench() as made:
        made.watch(HttpCheck(), server.sockets[0].getsockname()[1])
        made.checks.listening(WEB, at("127.0.0.1"))
        for _ in range(3):
            assert not (await made.probed()).ok
    assert tried == 1


async def test_an_https_request_to_a_plain_server_is_told_so() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(16)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server, bench() as made:
        port = server.sockets[0].getsockname()[1]
        seen = await made.once(HttpCheck(scheme="https"), port)
    assert (seen.ok, seen.detail) == (
        False,
        f"GET https://127.0.0.1:{port}/: the server does not speak TLS",
    )


async def test_an_answer_that_drips_is_given_up_at_the_timeout() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for letter in b"HTTP/1.1 200 OK" * 100:
                writer.write(bytes([letter]))
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server, bench() as made:
        begun = time.monotonic()
        seen = await made.once(HttpCheck(), server.sockets[0].getsockname()[1], timeout=0.3)
        assert time.monotonic() - begun < 2
    assert not seen.ok
    assert seen.detail.endswith("did not answer within 300ms")
