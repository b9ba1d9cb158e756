"""Puts the question of a protocol to a server, and waits for an answer that means something.

A connection is made for each question and ended with it. No more than `LONGEST` bytes of an answer are looked
at, for no longer than the timeout, whatever the server does.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from locald.adapters import postmaster
from locald.adapters.reach import connected
from locald.domain.knowledge.protocols import OTHER, Meaning, Reply, other, ready
from locald.domain.values import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from locald.domain.knowledge.protocols import Protocol

    Read = Callable[[bytes], Reply | None]

LONGEST = 64 * 1024
"""bytes of an answer that are looked at"""
GOODBYE = 0.2
"""seconds in which a server may end the connection after a farewell"""


class Answer(NamedTuple):
    """`meaning`: None when there was no answer. `detail`: one sentence. `left_a_line`: the question is one
    that the server writes down."""

    meaning: Meaning | None
    detail: str
    left_a_line: bool = False


class Place(NamedTuple):
    """Where to ask, best address first, what the server is called in a sentence, its process, and whether
    only a UDP socket there is the service's."""

    hosts: Sequence[str]
    port: int
    name: str
    pid: int | None = None
    is_udp: bool = False


async def put(protocol: Protocol, place: Place, timeout: float, *, again: bool = False) -> Answer:
    """One question. `again`: the silent one for a server that said yes before. Never raises for what the
    other side does."""
    if protocol.name == "postgres" and place.pid and (state := await postmaster.state(place.pid)):
        if state != postmaster.READY:
            return Answer(Meaning.NOT_YET, f"{place.name} says in its postmaster.pid: {state}")
        again = True
    question = protocol.again if again and protocol.again else protocol.question
    read = partial(_again, protocol) if again and protocol.again else protocol.read
    try:
        async with asyncio.timeout(timeout):
            reply = await _anywhere(place, question, read, protocol)
    except TimeoutError:
        return Answer(None, f"{place.name} did not answer within {duration.show(timeout)} ({protocol.name})")
    except OSError:
        reply = None
    if reply is None:
        return Answer(None, f"{place.name} closed the connection without an answer ({protocol.name})")
    return Answer(reply.meaning, f"{place.name} {reply.detail}", reply.left_a_line)


async def _anywhere(place: Place, question: bytes | None, read: Read, protocol: Protocol) -> Reply | None:
    """At the first address where somebody listens. Raises OSError when nobody does."""
    nobody: OSError = ConnectionRefusedError()
    for host in () if place.is_udp else place.hosts:
        try:
            connection = await connected(host, place.port)
        except OSError as error:
            nobody = error
            continue
        with connection:
            return await _exchange(connection, question, read, protocol)
    if not protocol.has_datagrams:
        raise nobody
    return await _by_datagram(place, question or b"", read)


async def _exchange(
    connection: socket.socket, question: bytes | None, read: Read, protocol: Protocol
) -> Reply | None:
    """Say the question, and read until the answer means something; None when it ended before."""
    loop = asyncio.get_running_loop()
    if question:
        await loop.sock_sendall(connection, question)
    data = b""
    while len(data) < LONGEST and (part := await loop.sock_recv(connection, LONGEST)):
        data += part
        if reply := read(data):
            if reply.meaning is Meaning.OTHER:
                return other(data, protocol.name)
            await _part(connection, protocol.farewell(data))
            return reply
    return other(data, protocol.name) if data else None


async def _part(connection: socket.socket, farewell: bytes) -> None:
    """Leave as the protocol wants it, so that the server counts no broken connection."""
    loop = asyncio.get_running_loop()
    if not farewell:
        return
    try:
        async with asyncio.timeout(GOODBYE):
            await loop.sock_sendall(connection, farewell)
            while await loop.sock_recv(connection, LONGEST):
                pass
    except (TimeoutError, OSError):
        pass


async def _by_datagram(place: Place, question: bytes, read: Read) -> Reply | None:
    """The same over UDP, where a message has no length before it."""
    loop = asyncio.get_running_loop()
    for host in place.hosts:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.setblocking(False)
            try:
                trial.connect((host, place.port))
                await loop.sock_sendall(trial, question[2:])
                answer = await loop.sock_recv(trial, LONGEST)
            except OSError:
                continue
            return read(struct.pack("!H", min(len(answer), LONGEST - 1)) + answer)
    return None


def _again(protocol: Protocol, data: bytes) -> Reply | None:
    if not data:
        return None
    return ready("answers connections") if data[0] in protocol.answers_again else OTHER
