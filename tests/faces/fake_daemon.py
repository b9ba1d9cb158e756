"""A daemon that says what a test wants: real HTTP/1.0 over a real Unix socket, canned answers.

What it says has the shape of what the real one says (`row`, `document`), which `test_fake_daemon.py`
compares. As a program (`python fake_daemon.py SOCKET LOCK`) it is one that can be started: it takes the
lock, listens and answers pings until it is ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingUnixStreamServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

VERSION = "0.1.0"


@dataclass
class Request:
    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any

    def asked(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]


@dataclass
class No:
    """An answer that refuses."""

    status: int
    document: Any


@dataclass
class Stream:
    """A body without an end of its own: what `pieces` yields, then the connection closes."""

    pieces: Iterable[bytes]


class Nothing:
    """No answer: the connection is closed."""


Answer = Callable[[Request], Any]


@dataclass
class FakeDaemon:
    """Listens from `start` to `stop`. `answers` by method and path, `requests` as they came."""

    socket: str
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    version: str = VERSION
    _server: ThreadingUnixStreamServer | None = None

    def start(self) -> FakeDaemon:
        os.makedirs(os.path.dirname(self.socket), mode=0o700, exist_ok=True)
        self.answers.setdefault("GET /v1/ping", lambda _: {"pid": os.getpid(), "version": self.version})
        self._server = _Server(self.socket, _handler_of(self))
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            os.unlink(self.socket)
            self._server = None

    def on(self, target: str, answer: Any) -> None:
        """Answer `GET /v1/…` with a document, or with what a function makes of the request."""
        self.answers[target] = answer if callable(answer) else lambda _: answer

    def asked(self, target: str) -> list[Request]:
        method, path = target.split()
        return [each for each in self.requests if (each.method, each.path) == (method, path)]


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def _handler_of(daemon: FakeDaemon) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                pass  # the client was interrupted

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(
                self.command, url.path, parse_qsl(url.query), json.loads(body) if body else None
            )
            daemon.requests.append(request)
            answer = daemon.answers.get(f"{request.method} {request.path}")
            self._send(answer(request) if answer else No(404, {"problems": [{"what": "no such thing"}]}))

        def _send(self, answer: Any) -> None:
            if isinstance(answer, Nothing):
                return
            self.send_response(answer.status if isinstance(answer, No) else 200)
            if isinstance(answer, Stream):
                self.end_headers()
                for piece in answer.pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
                return
            data = json.dumps(answer.document if isinstance(answer, No) else answer).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def no(what: str, *, exit: int, status: int = 400, where: str = "", hint: str = "") -> No:
    return No(status, {"problems": [{"what": what, "where": where, "hint": hint}], "exit": exit})


def row(name: str, **facts: Any) -> dict[str, Any]:
    """A row of `status --json` of a healthy service, or with other facts."""
    because = facts.get("because", "pid 4790 (node) accepts connections on 127.0.0.1:24001")
    return {
        "name": name,
        "project": "shop",
        "instance": None,
        "shared": False,
        "shared_by": [],
        "directory": "/shop",
        "type": "exec",
        "engine": "local",
        "state": "running",
        "health": "healthy",
        "source": "tcp",
        "check": None,
        "fallback": True,
        "because": because,
        "reason": because,
        "hint": None,
        "since": "2026-03-01T12:00:00.900Z",
        "waiting_on": [],
        "depends_on": {},
        "pid": 4790,
        "container": None,
        "port": 24001,
        "port_source": "assigned",
        "address": "127.0.0.1:24001",
        "url": "http://127.0.0.1:24001/",
        "name_url": None,
        "on_demand": False,
        "run": 1,
        "restarts": 0,
        "exit_code": None,
        "started_at": "2026-03-01T12:00:00.000Z",
        "ready_at": "2026-03-01T12:00:00.800Z",
        "left": None,
        **facts,
    }


def down_row(name: str, state: str, because: str, **facts: Any) -> dict[str, Any]:
    """A row of a service of which nothing runs."""
    nothing = {"health": "unknown", "source": "none", "fallback": False, "pid": None, "ready_at": None}
    return row(name, state=state, because=because, **{**nothing, **facts})


def document(*rows: dict[str, Any], version: str = VERSION) -> dict[str, Any]:
    daemon = {
        "pid": 4711,
        "version": version,
        "started_at": "2026-03-01T11:00:00.000Z",
        "dashboard_url": None,
    }
    return {"daemon": daemon, "services": list(rows)}


def snapshot(*rows: dict[str, Any], settled: bool = False, version: str = VERSION) -> bytes:
    return event("snapshot", {**document(*rows, version=version), "settled": settled})


def change(*rows: dict[str, Any], settled: bool = False, removed: Iterable[str] = ()) -> bytes:
    gone = [{"project": "shop", "name": name} for name in removed]
    return event("change", {"services": list(rows), "removed": gone, "settled": settled})


def event(name: str, data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def lines(*entries: dict[str, Any]) -> list[bytes]:
    return [json.dumps(entry).encode() + b"\n" for entry in entries]


def packets(*printed: tuple[str, str, bytes], names: Sequence[str] = ("web",)) -> bytes:
    """The answer in text: `printed` are service, stream and lines."""
    told = json.dumps({"services": list(names)}).encode() + b"\n"
    for service, stream, data in printed:
        head = {"service": service, "stream": stream, "bytes": len(data)}
        told += json.dumps(head).encode() + b"\n" + data
    return told


def entry(line: str, *, service: str = "web", stream: str = "stdout", at: float = 0.0) -> dict[str, Any]:
    """A line of `logs --json`, `at` seconds after noon."""
    stamp = f"2026-03-01T12:{int(at) // 60:02}:{at % 60:06.3f}Z"
    return {"at": stamp, "project": "shop", "service": service, "run": 1, "stream": stream, "line": line}


def gated(*pieces: bytes | threading.Event) -> Iterator[bytes]:
    """The pieces one by one; an event among them is waited for."""
    for piece in pieces:
        if isinstance(piece, threading.Event):
            assert piece.wait(20)
        else:
            yield piece


def main() -> None:
    socket, lock = sys.argv[1:]
    with open(lock, "a+", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.truncate(0)
        held.write(f"{socket}\n")
        held.flush()
        fake = FakeDaemon(socket)
        fake.on("GET /v1/status", {**document(), "environment": dict(os.environ), "folder": os.getcwd()})
        ended = threading.Event()

        def end(_: Request) -> dict[str, str]:
            ended.set()
            return {}

        fake.on("POST /v1/server/stop", end)
        fake.on("POST /v1/server/restart", end)
        if os.path.exists(socket):
            os.unlink(socket)
        _Server.daemon_threads = False  # it ends when all that asked are answered
        fake.start()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        ended.wait(30)
        fake.stop()


if __name__ == "__main__":
    main()
