"""One look at a service over the network: a GET, or a connection. What is seen becomes one sentence.

A look goes to the address that the service's own listener has, or, where the user named a port, to the
loopback addresses, IPv4 first: the next one is tried only when nobody listens on the one before.
Nothing is kept between two looks, no connection and no cookie, and redirects are not followed, because a
redirect is an answer.
"""

from __future__ import annotations

import asyncio
import os
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import aiohttp

from locald.adapters.reach import connect, url
from locald.domain.values import duration
from locald.domain.values.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 200
"""characters of a foreign text in a sentence"""
HEADER_SIZE = 64 * 1024
"""bytes of one header line: more than any server sends in earnest"""


class Result(NamedTuple):
    """Whether what was seen is what the user wants to see, and one sentence of it.

    `status`: of an HTTP answer; 0 for an answer that is not HTTP; None where there was none to look at.
    """

    ok: bool
    detail: str
    status: int | None = None


def shown(text: str) -> str:
    """A foreign text as part of a sentence: one line, without control characters, not too long."""
    line = "".join(char if char.isprintable() else " " for char in plain(text))
    line = " ".join(line.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def is_wanted(status: int, wanted: Sequence[int]) -> bool:
    """Whether a status is one of `wanted`, or any 2xx or 3xx when the user named none."""
    return status in wanted if wanted else 200 <= status < 400


class Http:
    """GETs, all through one session, which exists from the first one until `close`."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def look(
        self, hosts: Sequence[str], port: int, path: str, wanted: Sequence[int], timeout: float
    ) -> Result:
        """One GET within `timeout` seconds. Never raises for what the other side does."""
        addresses = [url(host, port, path if path.startswith("/") else f"/{path}") for host in hosts]
        failed: list[Result] = []
        try:
            async with asyncio.timeout(timeout):
                for address in addresses:
                    try:
                        return await self._get(address, wanted)
                    except aiohttp.ClientConnectorError as error:
                        failed.append(Result(False, f"GET {address}: {_reason(error.os_error)}"))
        except TimeoutError:
            asked = addresses[len(failed)]
            return Result(False, f"GET {asked} did not answer within {duration.show(timeout)}")
        return failed[0]

    async def _get(self, address: str, wanted: Sequence[int]) -> Result:
        """Raises ClientConnectorError when there is no connection."""
        try:
            async with self._open().get(address, allow_redirects=False) as response:
                answer = f"{response.status} {_phrase(response)}".rstrip()
                is_ok = is_wanted(response.status, wanted)
                return Result(is_ok, f"GET {address} returned {answer}", response.status)
        except aiohttp.ClientConnectorError:
            raise  # nobody listens there: the next address may do
        except aiohttp.ServerDisconnectedError:
            return Result(False, f"GET {address}: connection closed without an answer", 0)
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError):
            return Result(False, f"GET {address}: the answer is not HTTP", 0)
        except (aiohttp.ClientError, ValueError) as error:
            return Result(False, f"GET {address}: {shown(str(error)) or type(error).__name__}")
        except OSError as error:
            return Result(False, f"GET {address}: {_reason(error)}")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                timeout=aiohttp.ClientTimeout(),  # each look has its own
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "locald"},
                max_line_size=HEADER_SIZE,
                max_field_size=HEADER_SIZE,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _phrase(response: aiohttp.ClientResponse) -> str:
    """What the server calls its status, else what everybody does."""
    try:
        return shown(response.reason or "") or HTTPStatus(response.status).phrase
    except ValueError:
        return ""


async def look_tcp(hosts: Sequence[str], port: int, timeout: float) -> Result:
    """One connection within `timeout` seconds."""
    addresses = [url(host, port).removeprefix("http://") for host in hosts]
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
