"""Protocols of text lines: Redis, memcached, beanstalkd, NATS, ZooKeeper, SMTP.

Sources: the protocol pages of Redis (RESP), memcached (`doc/protocol.txt`), beanstalkd (`doc/protocol.txt`),
NATS (client protocol), ZooKeeper (four letter words), RFC 5321 (4.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.knowledge.protocols.reply import OTHER, Protocol, Reply, always, not_yet, ready, shown

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_LINE = 16 * 1024
"""bytes: NATS greets in one line with all that it knows of its cluster"""


def _by_line(judge: Callable[[bytes], Reply]) -> Callable[[bytes], Reply | None]:
    """Judge the first whole line; what sends no end of line speaks another protocol."""

    def read(data: bytes) -> Reply | None:
        line, ended, _ = data.partition(b"\n")
        if not ended:
            return OTHER if len(data) > _LONGEST_LINE else None
        return judge(line.rstrip(b"\r"))

    return read


def _redis(line: bytes) -> Reply:
    """A server that asks for a password or refuses us serves those who may come."""
    if line.startswith((b"-LOADING", b"-MASTERDOWN")):
        return not_yet(f"answered PING with {shown(line[1:])}")
    if line.startswith((b"+PONG", b"-NOAUTH", b"-DENIED", b"-NOPERM")):
        return ready(f"answered PING with {shown(line[1:].split(b' ')[0])}")
    return OTHER


def _memcached(line: bytes) -> Reply:
    return ready(f"answered version with {shown(line)}") if line.startswith(b"VERSION ") else OTHER


def _beanstalk(line: bytes) -> Reply:
    return ready("answered stats with OK") if line.startswith(b"OK ") else OTHER


def _nats(line: bytes) -> Reply:
    return ready("greeted with INFO") if line.startswith(b"INFO {") else OTHER


def _zookeeper(line: bytes) -> Reply:
    """The first line is the version; what matters comes later, but the refusal is the only line."""
    if b"not currently serving requests" in line:
        return not_yet("is not currently serving requests")
    if b"is not executed because it is not in the whitelist" in line:
        return ready("answered, and does not allow srvr")
    return ready("answered srvr with its mode") if line.startswith(b"Zookeeper version") else OTHER


def _smtp(line: bytes) -> Reply:
    if line.startswith((b"220 ", b"220-")):
        return ready(f"greeted with {shown(line)}")
    return not_yet(f"greeted with {shown(line)}") if line.startswith((b"421", b"554")) else OTHER


REDIS = Protocol("redis", b"PING\r\n", _by_line(_redis))
MEMCACHED = Protocol("memcached", b"version\r\n", _by_line(_memcached))
BEANSTALK = Protocol("beanstalk", b"stats\r\n", _by_line(_beanstalk))
NATS = Protocol("nats", None, _by_line(_nats))
ZOOKEEPER = Protocol("zookeeper", b"srvr\n", _by_line(_zookeeper), is_quiet=False)
SMTP = Protocol("smtp", None, _by_line(_smtp), is_quiet=False, farewell=always(b"QUIT\r\n"))
