"""One look at a service over the network: a GET, or a connection. What is seen becomes one sentence.

A look goes to the address that the service's own listener has, or, where the user named a port, to the
loopback addresses, IPv4 first: the next one is tried only when nobody listens on the one before.
Nothing is kept between two looks, no connection and no cookie, and redirects are not followed, because a
redirect is an answer.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from locald.adapters.http_client import Get, NotConnected, NotTls, get, speaks_tls
from locald.adapters.reach import connect, place
from locald.domain.knowledge.protocols.http import NotHttp
from locald.domain.values import duration
from locald.domain.values.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.domain.project.spec import HttpCheck

SHOWN = 200
"""characters of a foreign text in a sentence"""
SPEAKS_TLS, NO_TLS = "the server speaks TLS", "the server does not speak TLS"
HANDSHAKE = 0.5
"""seconds that a TLS handshake may take with a server that did not answer HTTP"""
_AS_WRITTEN = "/?:@!$&'()*+,;=~%[]-._"
"""characters of a path that are sent as they stand; others are encoded"""


class Result(NamedTuple):
    """Whether what was seen is what the user wants to see, and one sentence of it.

    `status`: of an HTTP answer; 0 for an answer that is not HTTP; None where there was none to look at.
    """

    ok: bool
    detail: str
    status: int | None = None
    is_refused: bool = False
    """nobody listens there"""
    said_something: bool = False
    """the answer was not HTTP, but there was one"""


def shown(text: str) -> str:
    """A foreign text as part of a sentence: one line, without control characters, not too long."""
    line = "".join(char if char.isprintable() else " " for char in plain(text))
    line = " ".join(line.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def is_wanted(status: int, wanted: Sequence[int]) -> bool:
    """Whether a status is one of `wanted`, or any 2xx or 3xx when the user named none."""
    return status in wanted if wanted else 200 <= status < 400


async def look_http(hosts: Sequence[str], port: int, check: HttpCheck, timeout: float) -> Result:
    """One GET within `timeout` seconds. Never raises for what the other side does."""
    gets = _gets(hosts, port, check)
    failed: list[Result] = []
    try:
        async with asyncio.timeout(timeout):
            for asked in gets:
                seen = await _answer(asked, check.status)
                if not seen.is_refused:
                    return seen
                failed.append(seen)
    except TimeoutError:
        return Result(
            False, f"GET {_named(gets[len(failed)])} did not answer within {duration.show(timeout)}"
        )
    return failed[0]


def _gets(hosts: Sequence[str], port: int, check: HttpCheck) -> list[Get]:
    target = quote(check.path, safe=_AS_WRITTEN)
    return [Get(host, port, target, check.scheme, check.headers) for host in hosts]


async def _answer(asked: Get, wanted: Sequence[int]) -> Result:
    said = f"GET {_named(asked)}"
    try:
        answer = await get(asked)
    except NotConnected as none:
        return Result(False, f"{said}: {_reason(none.error)}", is_refused=True)
    except NotHttp as other:
        return Result(False, f"{said}: {SPEAKS_TLS if other.is_tls else other}", 0, said_something=True)
    except NotTls:
        return Result(False, f"{said}: {NO_TLS}", 0)
    except ssl.SSLError as error:
        return Result(False, f"{said}: TLS: {shown(error.reason or str(error)).replace('_', ' ').lower()}", 0)
    except OSError as error:
        return Result(False, f"{said}: {_reason(error)}", 0)  # as who hears another protocol hangs up
    if answer is None:
        return Result(False, f"{said}: connection closed without an answer", 0)
    returned = f"{answer.status} {answer.phrase}".rstrip()
    return Result(is_wanted(answer.status, wanted), f"{said} returned {returned}", answer.status)


def may_be_tls(check: HttpCheck, seen: Result) -> bool:
    """A server that speaks TLS hangs up on a plain request, or returns 400."""
    is_doubtful = seen.status == 400 or (seen.status == 0 and not seen.said_something)
    return check.scheme == "http" and is_doubtful and not seen.ok


async def is_tls(hosts: Sequence[str], port: int, check: HttpCheck) -> bool:
    """Whether a server that did not answer a plain request understands a TLS handshake."""
    try:
        async with asyncio.timeout(HANDSHAKE):
            return any([await speaks_tls(asked) for asked in _gets(hosts, port, check)])
    except TimeoutError:
        return False


def _named(asked: Get) -> str:
    return f"{asked.scheme}://{asked.place}{asked.target}"


async def look_tcp(hosts: Sequence[str], port: int, timeout: float) -> Result:
    """One connection within `timeout` seconds."""
    addresses = [place(host, port) for host in hosts]
    failed: list[Result] = []
    try:
        async with asyncio.timeout(timeout):
            for host, address in zip(hosts, addresses, strict=True):
                try:
                    await connect(host, port)
                    return Result(True, f"{address} accepts connections")
                except OSError as error:
                    failed.append(Result(False, f"connection to {address}: {_reason(error)}"))
    except TimeoutError:
        asked = addresses[len(failed)]
        return Result(False, f"{asked} did not accept a connection within {duration.show(timeout)}")
    return failed[0]


def _reason(error: OSError) -> str:
    """`connection refused`, as the system says it, but within a sentence."""
    text = os.strerror(error.errno) if error.errno else str(error)
    return shown(text[:1].lower() + text[1:])
