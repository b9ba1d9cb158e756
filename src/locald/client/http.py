"""Talk to the daemon: HTTP/1.0 over its Unix socket, one connection a request.

Only what the daemon's API needs: a request has a JSON body or none; an answer is a JSON document, a row
of lines (NDJSON) or a stream of server-sent events. With HTTP/1.0 the end of a body is its
Content-Length or the end of the connection, so there are no chunks to take apart. Written on `socket`
because importing `http.client` alone takes longer than a whole `locald status`.

Two things can go wrong. The daemon cannot be talked to: `Unreachable`. Or it says no: `Denied`, which
carries the problems that it named and the exit code that goes with them.
Sources: RFC 1945 (HTTP/1.0), the HTML standard, section 9.2 (server-sent events).
"""

from __future__ import annotations

import json
import sys
import time

from locald.client.patience import STALLED, Patience, left
from locald.domain.values import digits
from locald.domain.values.problem import Problem, Refused
from locald.linux import ownership
from locald.wire import now
from locald.wire.home import USE_ANOTHER

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping
    from typing import Any

CHUNK = 1 << 16
LONGEST_HEAD = 1 << 16
LOOK_EVERY = 1.0
"""seconds between two looks at a daemon that has not answered"""
SILENCE = 60.0
"""seconds: the daemon sends a heartbeat every 15 s, so an event stream this quiet is a dead one"""

NOW = now.FIELD.lower().encode()

UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:")


class Unreachable(Exception):
    """The daemon is not there, or cannot be understood."""

    def __init__(self, what: str, hint: str = "", where: str = "") -> None:
        super().__init__(what)
        self.problem = Problem(what, where, hint)


class Unanswered(Unreachable):
    """It was there, and ended before it was asked or had answered: killed, or replaced by another."""


class Denied(Exception):
    """The daemon said no: every problem it named, and what the command exits with."""

    def __init__(self, problems: tuple[Problem, ...], exit: int) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        self.exit = exit


class Ended(Exception):
    """A stream is over: all was sent, or the daemon went away."""


class Api:
    """The daemon that listens at `path`. Nothing is kept between requests."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def answers(self) -> bool:
        """Somebody listens: a stale socket file does not."""
        try:
            self._connect(timeout=2.0).close()
        except OSError:
            return False
        return True

    def get(self, target: str, query: Iterable[tuple[str, str]] = (), timeout: float | None = None) -> Any:
        """The document at `target`. `timeout` (seconds) is for each wait for bytes; None waits as long as the
        daemon makes progress."""
        return self._exchange("GET", with_query(target, query), None, timeout)

    def post(self, target: str, body: dict[str, Any], timeout: float | None = None) -> Any:
        return self._exchange("POST", target, body, timeout)

    def lines(
        self, target: str, query: Iterable[tuple[str, str]] = (), timeout: float | None = None
    ) -> Lines:
        """An answer that is read line by line, or in bytes. `timeout` is for its beginning."""
        return self._ask("GET", with_query(target, query), None, timeout).as_lines()

    def events(
        self, target: str, query: Iterable[tuple[str, str]] = (), timeout: float | None = None
    ) -> Events:
        return Events(self.lines(target, query, timeout))

    def _exchange(self, method: str, target: str, body: dict[str, Any] | None, timeout: float | None) -> Any:
        answer = self._ask(method, target, body, timeout)
        return _parsed(answer.body())

    def _ask(self, method: str, target: str, body: dict[str, Any] | None, timeout: float | None) -> _Answer:
        try:
            connection = self._connect(left(timeout or STALLED))
        except OSError as error:
            what = f"cannot reach the daemon: {error.strerror or error}"
            gone = isinstance(error, ConnectionRefusedError | FileNotFoundError)  # it was found before
            kind = Unanswered if gone else Unreachable
            raise kind(what, "run `locald server start` to start it", self.path) from None
        answer = _Answer(connection, timeout)
        try:
            answer.begin(_request(method, target, body))
        except BaseException:
            connection.close()
            raise
        return answer

    def _connect(self, timeout: float) -> socket.socket:
        try:
            return ownership.connect(self.path, timeout)
        except ownership.ForeignOwner as foreign:
            what = f"{foreign.strerror}: it is never used"
            raise Refused(Problem(what, str(foreign.filename), USE_ANOTHER)) from None


class _Answer:
    """One answer while it arrives: first its head, then its body in one piece or in lines."""

    def __init__(self, connection: socket.socket, timeout: float | None) -> None:
        self._connection = connection
        self._timeout = timeout
        self._daemon = ownership.credentials(connection)[0]
        self._rest = b""
        self._length: int | None = None

    def begin(self, request: bytes) -> None:
        """Ask, and read the head. Denied unless the daemon says that all is well."""
        try:
            self._connection.sendall(request)
        except OSError:
            pass  # it may have answered before it read everything
        status = self._read_head()
        if status != 200:
            raise _denied(status, self.body())

    def _read_head(self) -> int:
        head = b""
        while (end := head.find(b"\r\n\r\n")) < 0:
            if len(head) > LONGEST_HEAD:
                raise _not_ours()
            head += self._receive()
        self._rest = head[end + 4 :]
        first, *fields = head[:end].split(b"\r\n")
        for name, _, value in (field.partition(b":") for field in fields):
            if name.lower() == b"content-length":
                self._length = digits.number(value.strip().decode("latin-1"), sys.maxsize)
            elif name.lower() == NOW:
                _note_time(value)
        return _status(first)

    def body(self) -> bytes:
        """All of the body. Unreachable when the daemon ended within it."""
        pieces, size = [self._rest], len(self._rest)
        try:
            while self._length is None or size < self._length:
                piece = self._receive(until_end=self._length is None)
                if not piece:
                    break
                pieces.append(piece)
                size += len(piece)
        finally:
            self._connection.close()
        return b"".join(pieces)

    def as_lines(self) -> Lines:
        return Lines(self._connection, self._rest)

    def _receive(self, *, until_end: bool = False) -> bytes:
        try:
            data = self._arrived()
        except OSError:
            data = b""
        if not data and not until_end:
            raise Unanswered("daemon exited before it answered", "run `locald doctor` to find the cause")
        return data

    def _arrived(self) -> bytes:
        """The next bytes. Unreachable when there is no hope for any."""
        patience = Patience()
        while True:
            self._connection.settimeout(self._timeout or left(LOOK_EVERY))
            try:
                return self._connection.recv(CHUNK)
            except TimeoutError:
                if self._timeout is None and patience.holds(self._daemon):
                    continue
            what = f"daemon (pid {self._daemon}) did not answer within {self._timeout or STALLED:g}s"
            raise Unreachable(what, "run `locald doctor` to find the cause") from None


class Lines:
    """What arrives, line by line, each when it is complete."""

    def __init__(self, connection: socket.socket, begun: bytes = b"") -> None:
        self._connection = connection
        self._here = begun
        self._at = 0
        """how much of what is here was taken already"""

    @property
    def waiting(self) -> bool:
        """A complete line is here already: the next one will not have to be waited for."""
        return self._here.find(b"\n", self._at) >= 0

    def next(self, wait: float | None = None) -> bytes:
        """The next line, without its end. `wait`: seconds until TimeoutError; None waits for ever."""
        deadline = None if wait is None else time.monotonic() + wait
        while (end := self._here.find(b"\n", self._at)) < 0:
            self._here = self._here[self._at :] + self._receive(deadline)
            self._at = 0
        line = self._here[self._at : end]
        self._at = end + 1
        return line

    def take(self, size: int) -> bytearray:
        """So many bytes that are not lines; fewer when the stream ended within them."""
        here = self._here[self._at : self._at + size]
        self._at += len(here)
        taken = bytearray(size)
        taken[: len(here)] = here
        self._connection.settimeout(None)
        filled = len(here)
        with memoryview(taken) as view:
            while filled < size and (more := self._received_into(view[filled:])):
                filled += more
        del taken[filled:]
        return taken

    def _received_into(self, view: memoryview) -> int:
        try:
            return self._connection.recv_into(view)
        except ConnectionError:
            return 0

    def close(self) -> None:
        self._connection.close()

    def _receive(self, deadline: float | None) -> bytes:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        try:
            data = self._connection.recv(CHUNK)
        except ConnectionError:
            data = b""
        if not data:
            raise Ended
        return data


class Events:
    """Server-sent events: a name and a JSON document each. Comments are heartbeats."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._name = b""
        self._data: list[bytes] = []
        self._heard_at = time.monotonic()

    def next(self, wait: float) -> tuple[str, Any]:
        """The next event. TimeoutError when none came within `wait` seconds; Ended when none will."""
        deadline = time.monotonic() + wait
        while True:
            try:
                line = self._lines.next(max(deadline - time.monotonic(), 0.0))
            except TimeoutError:
                if time.monotonic() - self._heard_at > SILENCE:
                    raise Ended from None
                raise
            self._heard_at = time.monotonic()
            if event := self._read(line.rstrip(b"\r")):
                return event

    def close(self) -> None:
        self._lines.close()

    def _read(self, line: bytes) -> tuple[str, Any] | None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value
        elif field == b"data":
            self._data.append(value)
        elif not line and self._data:
            name, data = self._name or b"message", b"\n".join(self._data)
            self._name, self._data = b"", []
            return name.decode("utf-8", "replace"), _parsed(data)
        return None


def with_query(target: str, query: Iterable[tuple[str, str]]) -> str:
    """`target` with the fields behind a question mark, percent-encoded (RFC 3986)."""
    fields = "&".join(f"{name}={_quoted(value)}" for name, value in query)
    return f"{target}?{fields}" if fields else target


def _quoted(text: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in UNRESERVED else f"%{byte:02X}" for byte in data)


def _request(method: str, target: str, body: dict[str, Any] | None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    kind = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{method} {target} HTTP/1.0\r\nHost: locald\r\n{kind}\r\n".encode() + content


def _note_time(told: bytes) -> None:
    try:
        now.told(float(told))
    except ValueError:
        raise _not_ours() from None


def _status(line: bytes) -> int:
    """The number in `HTTP/1.0 200 OK`."""
    words = line.split(maxsplit=2)
    status = digits.number(words[1].decode("latin-1"), 999) if len(words) > 1 else None
    if status is None or not words[0].startswith(b"HTTP/"):
        raise _not_ours()
    return status


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise _not_ours() from None


def _not_ours() -> Unreachable:
    return Unreachable("unexpected answer from the daemon", "run `locald doctor` to find the cause")


def denied(document: Any) -> Denied:
    """What the daemon says in place of an answer. Raises what reading of other documents does."""
    problems = tuple(map(_problem, document["problems"]))
    return Denied(problems, int(document.get("exit", 3)))


def _problem(told: Mapping[str, Any]) -> Problem:
    words = (str(told.get(name) or "") for name in ("what", "where", "hint"))
    return Problem(*words, is_warning=told.get("level") == "warning")


def _denied(status: int, body: bytes) -> Exception:
    """What an answer other than 200 means."""
    try:
        return denied(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        hint = "run `locald server restart` (the daemon may be another version)"
        return Unreachable(f"daemon returned HTTP status {status}", hint)
