"""What an answer to a harmless question means. Whatever else comes means nothing, and harms nobody."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.knowledge.protocols import PROTOCOLS, Meaning, Protocol


def error_packet(code: bytes, message: bytes) -> bytes:
    fields = b"SFATAL\0VFATAL\0C" + code + b"\0M" + message + b"\0\0"
    return b"E" + struct.pack("!I", 4 + len(fields)) + fields


MYSQL_GREETING = b"\x4a\0\0\0\x0a10.11.14-MariaDB\0" + b"\x01" * 40
READY = {
    "postgres": [
        b"R" + struct.pack("!II", 8, 5),
        error_packet(b"28000", b'role "x" does not exist'),
        error_packet(b"53300", b"sorry, too many clients already"),
    ],
    "mysql": [MYSQL_GREETING],
    "redis": [
        b"+PONG\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-DENIED Redis is running in protected mode\r\n",
    ],
    "memcached": [b"VERSION 1.6.18\r\n"],
    "beanstalk": [b"OK 957\r\n---\n"],
    "mongodb": [struct.pack("<iiii", 300, 7, 1, 2013) + b"\0" * 20],
    "amqp": [b"\x01\0\0\0\0\x02\x10\0\x0a\0\x0a", b"AMQP\0\0\x09\x01"],
    "nats": [b'INFO {"server_id":"N","version":"2.10"}\r\n'],
    "mqtt": [b"\x20\x02\0\0", b"\x20\x02\0\x05"],
    "zookeeper": [b"Zookeeper version: 3.8.0, built on x\nMode: standalone\n"],
    "kafka": [struct.pack("!iih", 300, 1, 0) + b"\0" * 8],
    "smtp": [b"220 mail.example.com ESMTP\r\n", b"220-welcome\r\n220 x\r\n"],
    "ldap": [
        b"\x30\x0c\x02\x01\x01\x64\x07\x04\0\x30\x03\x30\x01\0",
        b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\0\x04\0\x04\0",
        b"\x30\x84\0\0\0\x10\x02\x01\x01\x65\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0",
    ],
    "dns": [b"\0\x1b\x6c\x64\x84\0\0\x01\0\x01", b"\0\x1b\x6c\x64\x80\x05\0\x01\0\0"],
}
NOT_YET = {
    "postgres": [error_packet(b"57P03", b"the database system is starting up")],
    "mysql": [b"\x1a\0\0\0\xff\x10\x04Too many connections"],
    "redis": [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
    ],
    "mqtt": [b"\x20\x02\0\x03"],
    "zookeeper": [b"This ZooKeeper instance is not currently serving requests\n"],
    "kafka": [struct.pack("!iih", 10, 1, 15)],
    "smtp": [b"421 try again later\r\n", b"554 no SMTP service here\r\n"],
    "ldap": [b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x34\x04\0\x04\0"],
    "dns": [b"\0\x1b\x6c\x64\x80\x02\0\x01\0\0"],
}


def cases(answers: dict[str, list[bytes]]) -> list[tuple[str, bytes]]:
    return [(name, answer) for name, each in answers.items() for answer in each]


def meaning(name: str, answer: bytes) -> Meaning | None:
    reply = PROTOCOLS[name].read(answer)
    return reply.meaning if reply else None


@pytest.mark.parametrize(("name", "answer"), cases(READY))
def test_a_server_that_serves_says_so(name: str, answer: bytes) -> None:
    assert meaning(name, answer) is Meaning.READY


@pytest.mark.parametrize(("name", "answer"), cases(NOT_YET))
def test_a_server_that_does_not_serve_yet_says_so(name: str, answer: bytes) -> None:
    assert meaning(name, answer) is Meaning.NOT_YET


def test_every_protocol_has_an_answer_that_means_ready() -> None:
    assert READY.keys() == PROTOCOLS.keys()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_answer_yet_is_no_answer(name: str) -> None:
    assert PROTOCOLS[name].read(b"") is None


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_http_server_speaks_none_of_them(name: str) -> None:
    answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" + b"x" * 20_000
    assert meaning(name, answer) is Meaning.OTHER


@pytest.mark.parametrize(("name", "answer"), cases(READY))
def test_an_answer_that_comes_in_pieces_is_waited_for_and_never_taken_for_another(
    name: str, answer: bytes
) -> None:
    for end in range(len(answer)):
        assert meaning(name, answer[:end]) in (None, Meaning.READY)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda each: each.name)
@given(answer=st.binary(max_size=200))
def test_garbage_raises_nothing_and_is_told_in_one_clean_line(protocol: Protocol, answer: bytes) -> None:
    reply = protocol.read(answer)
    assert reply is None or (reply.detail and reply.detail.isprintable() and len(reply.detail) < 200)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda each: each.name)
def test_what_sends_without_end_is_not_listened_to_for_ever(protocol: Protocol) -> None:
    assert protocol.read(b"\x7f" * 70_000) is not None
