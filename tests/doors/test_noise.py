"""Whatever comes from outside, its parser reads it or refuses it in the one way that its callers expect.

Most of it is nearly right: the words of each language in any order, with noise between them. A fault that was
found so has a test of its own beside the parser.
"""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import parsers
from locald.adapters import http_client
from locald.adapters.state.document import SCHEMA
from locald.adapters.state.reading import load
from locald.capture import frames
from locald.daemon.dashboard.door import Door
from locald.domain.knowledge.protocols.http import NotHttp
from locald.domain.project import config, env
from locald.domain.values.problem import Refused
from locald.keeper.wire import attachment
from locald.linux import other_sockets, procfs, server_end, sockdiag
from locald.mcp import arguments
from locald.mcp.tools import TOOLS

if TYPE_CHECKING:
    from pathlib import Path

    from locald.mcp.tools import Tool

usual = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=4), parts, max_size=3),
    max_leaves=8,
)


def bytes_of(*words: bytes) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(words) | st.binary(max_size=6), max_size=16).map(b"".join)


def text_of(*words: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(words) | st.text(max_size=4), max_size=24).map("".join)


# What services and users write.


@given(
    bytes_of(
        *b"READY=1|STOPPING=1|MAINPID=|STATUS=|WATCHDOG=|trigger|WATCHDOG_USEC=|EXTEND_TIMEOUT_USEC=".split(
            b"|"
        ),
        *b"ERRNO=|BUSERROR=|EXIT_STATUS=|FDSTORE=1|1|-1|=|99999999999999999999".split(b"|"),
        *(b"\n", b"\r\n", b"\0"),
    )
)
def test_a_datagram_to_the_notify_socket(data: bytes) -> None:
    parsers.notify(data)


@given(
    text_of(
        *("[project]\n", 'name = "x"\n', "[services.web]\n", 'command = "x"\n', "port = ", "depends_on = "),
        *("health_check = ", 'type = "http"', "env = ", "watch = ", "image = ", "volumes = ", "[groups]\n"),
        *("{", "}", "[", "]", '"', "'", '"""', "=", "\n", "#", ".", "true", "2s", '"50MB"', '"a:b:c"'),
        *("${services.web.port}", "$PORT", "${", "nan", "inf", "1e400", "-1", "9" * 20, "1979-05-27"),
        *("\\u0000", "\0", "\ud800"),
    )
)
def test_the_file_of_a_project(text: str) -> None:
    with suppress(Refused):  # surrogates, too
        config.parse(text)


@given(
    text_of(
        "A=", "export ", '"', "'", "${A}", "${A:-b}", "$", "\\", "\n", "\r", "#", "\0", "{", "}", "\ufeff"
    )
)
def test_an_env_file(text: str) -> None:
    with suppress(Refused):
        env.parse(text)


# What is between our own processes, and on our own disk.

ORDER: dict[str, Any] = {
    "do": "spawn", "run": "shop:web#1", "argv": ["x"], "env": {"A": "b"}, "cwd": "/", "umask": 18,
    "limits": {"nofile": [1, 2]}, "logs": "/l", "log_size": 5, "tty": True, "notify": True,
}  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted(ORDER)), JSON, max_size=3))
def test_an_order_to_the_keeper(changed: dict[str, Any]) -> None:
    parsers.order(json.dumps(ORDER | changed).encode())


@given(st.binary(max_size=40) | JSON.map(lambda each: json.dumps(each).encode()))
def test_a_line_to_the_keeper(line: bytes) -> None:
    parsers.order(line)


EVENT: dict[str, Any] = {
    "event": "notified", "run": "shop:web#1", "at": 5.0, "pid": 7, "uid": 0, "program": "x",
    "standing": "member", "data": "UkVBRFk9MQ==", "line": [[7, "x", True]], "main": 7,
    "code": None, "signal": 9, "left": 0, "pids": [7], "stage": "program", "errno": 2, "subject": "x",
    "text": "y",
}  # fmt: skip
EVENTS = ("spawned", "refused", "notified", "ended", "exited", "gone", "stuck", "of a later keeper")


@given(st.sampled_from(EVENTS), st.dictionaries(st.sampled_from(sorted(EVENT)), JSON, max_size=2))
def test_an_event_of_the_keeper(kind: str, changed: dict[str, Any]) -> None:
    parsers.translated({**EVENT, "event": kind, **changed})


@given(st.integers(0, 2**31 - 1), st.sampled_from(EVENTS))
def test_a_sound_event_of_the_keeper(pid: int, kind: str) -> None:
    found = parsers.translated({**EVENT, "event": kind, "pid": pid or 1})
    assert (found is None) == (kind not in EVENTS[:-1])


@given(st.lists(st.binary(max_size=20), max_size=4), st.integers(0, 80), st.binary(max_size=20))
def test_frames_of_a_capture(payloads: list[bytes], cut: int, noise: bytes) -> None:
    """What is whole before the noise is read."""
    whole = [frames.encode(1.0, frames.STDOUT, payload) for payload in payloads]
    data = b"".join(whole)
    found = [payload for _, _, payload, _ in frames.decode(data[:cut] + noise)]
    sound = 0
    while sound < len(whole) and len(b"".join(whole[: sound + 1])) <= cut:
        sound += 1
    assert found[:sound] == payloads[:sound]


@usual
@given(lines=st.lists(st.binary(max_size=30) | JSON.map(lambda each: json.dumps(each).encode()), max_size=4))
@pytest.mark.parametrize("head", [b"", json.dumps({"schema": SCHEMA, "boot": "b", "epoch": 1.0}).encode()])
def test_a_saved_state(tmp_path: Path, head: bytes, lines: list[bytes]) -> None:
    """It is used, or kept aside with a sentence."""
    file = tmp_path / "state.json"
    file.write_bytes(b"\n".join([head, *lines]))
    assert isinstance(load(str(file)).trouble, str)


# What the kernel tells.

MESSAGES = st.lists(
    st.tuples(
        st.none() | st.integers(0, 200) | st.integers(0, 2**32 - 1),
        st.sampled_from([0, 2, 3, 20, 21, 65535]),
        st.integers(0, 2),
        st.binary(max_size=120),
    ),
    max_size=4,
).map(
    lambda messages: b"".join(
        struct.pack("=IHHII", len(content) + 16 if length is None else length, kind, 0, sequence, 0) + content
        for length, kind, sequence, content in messages
    )
)


@given(MESSAGES | st.binary(max_size=80))
def test_answers_of_sock_diag(data: bytes) -> None:
    for read in (
        lambda: sockdiag.decode_dump(data, 1),
        lambda: sockdiag.decode_destroyed(data),
        lambda: server_end.decode(data, 1),
        lambda: other_sockets._parts(data),
        lambda: other_sockets.attributes(data, 0, len(data)),
    ):
        with suppress(OSError):
            read()


@given(
    text_of(
        "sl local\n",
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 1\n",
        "ffff: 00000002 00000000 00010000 0001 01 12345 /run/x y\n",
        *(" ", ":", "\n"),
    )
)
def test_tables_of_sockets(text: str) -> None:
    sockdiag.parse_table(text), other_sockets.parse_unix(text)


@given(bytes_of(b"1 (a) S ", b"1 2 3 4 ", b"(", b")", b"\n", b"\0", b"NSpid:\t1\t2\n", b"A=b\0"))
def test_files_of_a_process(data: bytes) -> None:
    """What a program has overwritten may be anything; what the kernel writes is whole or is refused."""
    procfs.parse_cmdline(data), procfs.parse_environ(data)
    with suppress(ValueError, IndexError):
        procfs.parse_stat(data)


# What comes to the daemon's socket, and what answers there.

HEADS = bytes_of(
    *(
        b"GET /v1/status HTTP/1.1\r\n",
        b"POST /v1/down HTTP/1.0\r\n",
        b"GET ",
        b"/",
        b"?a=%00&",
        b" HTTP/1.1\r\n",
    ),
    *(
        b"Host: x\r\n",
        b"Content-Length: 2\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999\r\n",
    ),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"2\r\n{}\r\n0\r\n\r\n",
        b"Expect: 100-continue\r\n",
        b"Upgrade: websocket\r\n",
    ),
    *(
        b"Connection: upgrade\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"{}",
        b"%ff",
        b"http://a/b",
        b"#",
    ),
    *(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00", b"A: " + b"b" * 70_000),
)


@usual
@given(st.lists(HEADS, min_size=1, max_size=3))
async def test_a_request_to_the_daemon(parts: list[bytes]) -> None:
    await parsers.ask(parts)


ANSWERS = bytes_of(
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 404 x\r\n", b"HTTP/1.1", b"HTTP/1.1 99999999999999999999 OK\r\n"),
    *(b"Content-Length: 2\r\n", b"Content-Length: -5\r\n", b"Content-Length: x\r\n", b"\r\n", b" "),
    *(b"Transfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n", b"ffffffffffff\r\n", b"{}", b"[]"),
    b'{"problems":[{"what":1}],"exit":"x"}',
)


@settings(usual, max_examples=40)
@given(ANSWERS | bytes_of(b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x03\x00\x04", b"HTTP/1.1 200", b"\r\n"))
async def test_an_answer_to_a_health_check(data: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        _, port = server.sockets[0].getsockname()
        for scheme in ("http", "https"):
            with suppress(OSError, NotHttp, http_client.NotTls, http_client.NotConnected):
                found = await http_client.get(http_client.Get("127.0.0.1", port, "/", scheme))
                assert found is None or 100 <= found.status < 600
        assert await http_client.speaks_tls(http_client.Get("127.0.0.1", port, "/")) in (True, False)


@given(ANSWERS)
def test_an_answer_to_a_command(data: bytes) -> None:
    parsers.answer(data)


@given(
    bytes_of(
        b"event: snapshot\ndata: {}\n\n", b"event: change\n", b"data: [\n\n", b"5\r\n", b"\r\n", b": x\n"
    )
)
def test_news_for_a_command(data: bytes) -> None:
    parsers.news(data)


KINDS = [getattr(attachment, name) for name in ("KEYS", "SIZE", "OUTPUT", "SKIPPED", "TURN", "ENDED")]
PIECES = st.builds(attachment.piece, st.sampled_from([*KINDS, b"?"]), st.binary(max_size=9))


@usual
@given(st.lists(PIECES | st.binary(max_size=9), max_size=6).map(b"".join), st.lists(st.integers(1, 9)))
def test_pieces_of_a_terminal(data: bytes, sizes: list[int]) -> None:
    """They are the same however they arrive."""
    assert parsers.taken([data]) == parsers.taken(_cut(data, sizes))


def _cut(data: bytes, sizes: list[int]) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]


DOOR = Door.of_port(20000, "x" * 43, 1000)
HOSTS = st.sampled_from(["127.0.0.1:20000", "LocalHost:20000", "127.0.0.1", "evil.test", "127.0.0.1:20000."])
SECRETS = st.sampled_from([DOOR.secret, DOOR.secret[:-1], "", "\udcff", "\ud800"]) | st.text(
    st.characters(exclude_categories=[]), max_size=6
)
ORIGINS = st.sampled_from(
    ["http://127.0.0.1:20000", "https://127.0.0.1:20000", "null", "http://evil.test", "://"]
)
AT_THE_DOOR = st.fixed_dictionaries(
    {},
    optional={
        "Host": HOSTS | st.text(max_size=6),
        "Origin": ORIGINS | st.text(max_size=6),
        "Sec-Fetch-Site": st.sampled_from(["same-origin", "none", "same-site", "cross-site", ""]),
        "Authorization": st.tuples(st.sampled_from(["Bearer", "bearer ", "Basic", ""]), SECRETS).map(
            " ".join
        ),
        "Upgrade": st.just("websocket"),
    },
)


@usual
@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT"]),
    st.sampled_from(["/", "/v1/status", "/signin", "/assets/x.js", "/signin/../v1/status"])
    | st.text(max_size=6),
    AT_THE_DOOR,
    st.dictionaries(st.sampled_from([DOOR.cookie, "locald-20001", "a"]), SECRETS, max_size=3),
)
def test_a_request_at_the_door_of_the_dashboard(
    method: str, path: str, headers: dict[str, str], cookies: dict[str, str]
) -> None:
    """Whoever is let in has the secret, and asks this host, for a page of ours."""
    if DOOR.refuses(method, path, headers, cookies) is not None:
        return
    assert headers["Host"].lower() in ("127.0.0.1:20000", "localhost:20000")
    assert headers.get("Origin") in (None, "http://127.0.0.1:20000")
    is_public = path.startswith(("/signin", "/assets/"))
    has_token = headers.get("Authorization", "").split()[1:] == [DOOR.secret]
    has_cookie = cookies.get(DOOR.cookie) == DOOR.secret
    assert is_public or has_token or has_cookie
    if not (is_public or has_token) and (method not in ("GET", "HEAD") or "Upgrade" in headers):
        assert "Origin" in headers


ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "services": st.lists(st.sampled_from(["web", "shop:web", "", "*"]), max_size=2) | JSON,
        "service": st.just("web") | JSON,
        "timeout": st.sampled_from(["2s", "0s", "1e9h", "-1s", ""]) | JSON,
        "since": st.sampled_from(["5m", "\u0665m", "5"]) | JSON,
        "lines": st.integers() | JSON,
        "bytes": st.integers() | JSON,
        "command": st.lists(st.text(max_size=4), max_size=2) | JSON,
        "level": st.sampled_from(["error", "loud"]) | JSON,
        "grep": st.text(max_size=6) | JSON,
        "cursor": st.text(max_size=6) | JSON,
        "detach": JSON,
        "servces": JSON,
    },
)


@usual
@given(st.sampled_from(TOOLS), ARGUMENTS | st.dictionaries(st.text(max_size=5), JSON, max_size=2))
def test_arguments_of_a_tool(tool: Tool, given: dict[str, Any]) -> None:
    with suppress(Refused):
        asked = arguments.read(tool.arguments, given)
        assert isinstance(asked, tool.arguments)
        for name in ("timeout", "since"):
            if (text := getattr(asked, name, None)) is not None:
                assert 0 < arguments.seconds(text) < float("inf")
