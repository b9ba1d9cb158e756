"""Clients of the servers in the zoo, each in the server's own protocol: what a dependent would do.

A client is called with an address and a port, makes a new connection, and has one real request answered. It
raises OSError when it was refused or cut off, and `Refused` when the answer was an error. None shares code
with the questions of `locald.domain.knowledge.protocols`, so they cannot be wrong in the same way.
"""

from __future__ import annotations

import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0
"""seconds for a request of HTTP: a development server may build at the first, and to be slow is no error"""
PROMPT = 5.0
"""seconds for one of the others"""
HOPELESS = 1.0
"""seconds for one that may never be answered"""
LOST = 0.25
"""seconds after which a datagram counts as lost"""
MOST = 1 << 20
"""bytes of an answer that may be looked at"""


class Refused(Exception):
    """The server answered, and it was an error."""


class Client(Protocol):
    def __call__(self, host: str, port: int) -> None: ...


class Line:
    """A connection, read to lengths and to ends."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._read = b""

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def exactly(self, length: int) -> bytes:
        while len(self._read) < length:
            self._more()
        data, self._read = self._read[:length], self._read[length:]
        return data

    def until(self, end: bytes) -> bytes:
        while end not in self._read:
            self._more()
        data, _, self._read = self._read.partition(end)
        return data

    def _more(self) -> None:
        data = self._connection.recv(65536)
        if not data or len(self._read) > MOST:
            raise ConnectionResetError("closed in the middle of an answer")
        self._read += data


@contextmanager
def connected(host: str, port: int, patience: float = PROMPT) -> Iterator[Line]:
    with socket.create_connection((host, port), timeout=patience) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Line(connection)


def expect(answer: bytes, *wanted: bytes) -> None:
    if not answer.startswith(wanted):
        raise Refused(repr(answer[:200]))


# HTTP, and FastCGI.


def http(path: str = "/", host_name: str = "localhost", *, body: bytes = b"") -> Client:
    """A GET (or a POST) that has to be answered with 2xx or 3xx, to its end."""
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: {host_name}\r\nConnection: close\r\n"
    request = f"{head}Accept: */*\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def ask(host: str, port: int) -> None:
        with connected(host, port, PATIENCE) as line:
            line.send(request)
            status = line.until(b"\r\n")
            expect(status.partition(b" ")[2], b"2", b"3")
            line.until(b"\r\n\r\n")

    return ask


def fastcgi(host: str, port: int) -> None:
    """php-fpm's own page, `ping.path = /ping`. FastCGI 1.0, sections 3.3 and 5."""
    values = {"SCRIPT_NAME": "/ping", "SCRIPT_FILENAME": "/ping", "REQUEST_METHOD": "GET"}
    pairs = b"".join(bytes([len(k), len(v)]) + k.encode() + v.encode() for k, v in values.items())
    records = [(1, struct.pack("!HB5x", 1, 0)), (4, pairs), (4, b""), (5, b"")]
    with connected(host, port) as line:
        line.send(b"".join(struct.pack("!BBHHBx", 1, kind, 1, len(data), 0) + data for kind, data in records))
        output = b""
        while True:
            _, kind, _, length, padding = struct.unpack("!BBHHBx", line.exactly(8))
            data = line.exactly(length + padding)[:length]
            if kind == 6:
                output += data
            elif kind == 3:
                break
    if b"pong" not in output:
        raise Refused(repr(output[:200]))


# Databases.


def postgres(database: str = "postgres", query: str = "SELECT 1") -> Client:
    """Log in and ask. PostgreSQL's protocol 3.0."""

    def message(line: Line) -> tuple[bytes, bytes]:
        kind = line.exactly(1)
        body = line.exactly(int.from_bytes(line.exactly(4), "big") - 4)
        if kind == b"E":
            raise Refused(repr(body[:200]))
        return kind, body

    def ask(host: str, port: int) -> None:
        values = b"".join(f"{each}\0".encode() for each in ("user", "nobody", "database", database)) + b"\0"
        with connected(host, port) as line:
            line.send(struct.pack("!II", len(values) + 8, 196608) + values)
            while message(line)[0] != b"Z":
                pass
            text = query.encode() + b"\0"
            line.send(b"Q" + struct.pack("!I", len(text) + 4) + text)
            kinds = b""
            while not kinds.endswith(b"Z"):
                kinds += message(line)[0]
            if b"D" not in kinds:
                raise Refused(f"no row: {kinds!r}")
            line.send(b"X\0\0\0\4")

    return ask


def mysql(host: str, port: int) -> None:
    """Log in as root without a password, and ask. MySQL's protocol 10."""

    def packet(line: Line) -> bytes:
        length = int.from_bytes(line.exactly(3), "little")
        line.exactly(1)
        body = line.exactly(length)
        if body[:1] == b"\xff":
            raise Refused(repr(body[:200]))
        return body

    def send(line: Line, number: int, body: bytes) -> None:
        line.send(len(body).to_bytes(3, "little") + bytes([number]) + body)

    with connected(host, port) as line:
        expect(packet(line), b"\x0a")
        # protocol 4.1, secure connection, plugin by name; 16 MB, utf8mb4
        login = struct.pack("<IIB23x", 0x200 | 0x8000 | 0x80000, 1 << 24, 45)
        send(line, 1, login + b"root\0" + b"\0" + b"mysql_native_password\0")
        expect(packet(line), b"\0")
        send(line, 0, b"\x03SELECT 1")
        expect(packet(line), b"\x01")
        send(line, 0, b"\x01")


def redis(host: str, port: int) -> None:
    with connected(host, port) as line:
        line.send(b"GET key:1\r\n")
        expect(line.until(b"\r\n"), b"$")


def memcached(host: str, port: int) -> None:
    with connected(host, port) as line:
        line.send(b"set a 0 0 1\r\nb\r\nget a\r\n")
        expect(line.until(b"END\r\n"), b"STORED\r\nVALUE a 0 1\r\nb\r\n")


def zookeeper(host: str, port: int) -> None:
    """A session, and `exists /` in it. Who comes too soon is not answered at all."""
    with connected(host, port, HOPELESS) as line:
        line.send(struct.pack("!IIqIqI16xB", 45, 0, 0, 4000, 0, 16, 0))
        answer = line.exactly(int.from_bytes(line.exactly(4), "big"))
        if not int.from_bytes(answer[4:8], "big"):
            raise Refused("the session has expired")
        line.send(struct.pack("!IIII1sB", 14, 1, 3, 1, b"/", 0))
        header = line.exactly(int.from_bytes(line.exactly(4), "big"))
        if struct.unpack("!i", header[12:16])[0] != 0:
            raise Refused(repr(header))
        line.send(struct.pack("!III", 8, 2, 0xFFFFFFF5))  # close the session
        line.exactly(int.from_bytes(line.exactly(4), "big"))


def ldap(host: str, port: int) -> None:
    """An anonymous bind, and the root DSE. RFC 4511."""
    with connected(host, port) as line:
        line.send(bytes.fromhex("300c020101600702010304008000"))
        answer = line.exactly(2)
        body = line.exactly(answer[1])
        if b"\x61" not in body or b"\x0a\x01\x00" not in body:
            raise Refused(repr(body))
        line.send(bytes.fromhex("3025020102632004000a01000a0100020100020100010100870b"))
        line.send(b"objectClass" + b"\x30\x00")
        expect(line.exactly(1), b"\x30")


# Queues.


def beanstalk(host: str, port: int) -> None:
    with connected(host, port) as line:
        line.send(b"list-tubes\r\n")
        expect(line.until(b"\r\n"), b"OK ")


def nats(host: str, port: int) -> None:
    with connected(host, port) as line:
        expect(line.until(b"\r\n"), b"INFO ")
        line.send(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 1\r\nb\r\n')
        expect(line.until(b"\r\n"), b"MSG a 1 1")


def mqtt(host: str, port: int) -> None:
    """Connect and subscribe. MQTT 3.1.1."""
    with connected(host, port) as line:
        line.send(bytes.fromhex("100c00044d515454040200000000"))
        expect(line.exactly(4), bytes.fromhex("20020000"))
        line.send(bytes.fromhex("82060001000161") + b"\0")
        expect(line.exactly(5), bytes.fromhex("9003000100"))
        line.send(bytes.fromhex("e000"))


def amqp(host: str, port: int) -> None:
    """Log in as guest, and open the first virtual host. AMQP 0-9-1."""

    def frame(line: Line, wanted: int) -> None:
        kind, _, length = struct.unpack("!BHI", line.exactly(7))
        body = line.exactly(length + 1)
        if kind != 1 or struct.unpack("!HH", body[:4]) != (10, wanted):
            raise Refused(repr(body[:200]))

    def send(line: Line, method: int, body: bytes) -> None:
        payload = struct.pack("!HH", 10, method) + body
        line.send(struct.pack("!BHI", 1, 0, len(payload)) + payload + b"\xce")

    with connected(host, port) as line:
        line.send(b"AMQP\0\0\x09\x01")
        frame(line, 10)
        login = b"\0guest\0guest"
        send(line, 11, b"\0\0\0\0" + b"\x05PLAIN" + struct.pack("!I", len(login)) + login + b"\x05en_US")
        frame(line, 30)
        send(line, 31, struct.pack("!HIH", 2047, 131072, 0))
        send(line, 40, b"\x01/\0\0")
        frame(line, 41)
        send(line, 50, struct.pack("!HBHH", 200, 0, 0, 0))
        frame(line, 51)


# Names, mail, and what is in front of others.


def dns(name: str) -> Client:
    """The address of a name, by UDP and by TCP."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = struct.pack("!6H", 4711, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)

    def check(answer: bytes) -> None:
        number, flags, _, answers = struct.unpack("!4H", answer[:8])
        if number != 4711 or flags & 0xF or not answers:
            raise Refused(f"flags {flags:#x}, {answers} answers")

    def ask(host: str, port: int) -> None:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(LOST)
            asking.connect((host, port))
            asking.send(query)
            check(asking.recv(4096))
        with connected(host, port) as line:
            line.send(struct.pack("!H", len(query)) + query)
            check(line.exactly(int.from_bytes(line.exactly(2), "big")))

    return ask


def imap(host: str, port: int) -> None:
    with connected(host, port) as line:
        expect(line.until(b"\r\n"), b"* OK")
        line.send(b"a LOGIN someone secret\r\nb LOGOUT\r\n")
        answer = line.until(b"b OK")
        if b"a OK" not in answer:
            raise Refused(repr(answer[-200:]))


def mpd(host: str, port: int) -> None:
    with connected(host, port) as line:
        expect(line.until(b"\n"), b"OK MPD")
        line.send(b"status\n")
        expect(line.until(b"OK\n"), b"")


def socks(host: str, port: int) -> None:
    """The greeting. RFC 1928."""
    with connected(host, port) as line:
        line.send(b"\x05\x01\x00")
        expect(line.exactly(2), b"\x05\x00")


def stun(host: str, port: int) -> None:
    """A binding request by TCP. RFC 8489."""
    with connected(host, port) as line:
        line.send(struct.pack("!HHI12s", 1, 0, 0x2112A442, b"locald-zoo.."))
        expect(line.exactly(20), b"\x01\x01")
