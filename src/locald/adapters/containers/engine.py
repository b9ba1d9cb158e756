"""The engine: plain HTTP with JSON, over its socket.

An engine answers, refuses (`Refusal`, with its own words), or is not there (`EngineAbsent`, with ours).
Whether it was never there, may not be used, or has gone in the middle of a call is the same to the caller.
The version of the API is agreed upon by asking `/_ping`, and `/version` where that does not tell enough: the
only calls that have none in their paths.

Streams (events, logs, pulls) have no time limit; everything else has one, since an engine that hangs is
one that is not there. Every call has a connection of its own: an engine that ends takes no new ones, and
on those that are open it answers whatever its half that is left can do.

Source: docs.docker.com/reference/api/engine
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import ssl
from collections.abc import Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from locald.adapters.containers.translate import NEEDED, agreed, agreed_by_ping
from locald.wire.engines import Address, Unusable, addresses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Json = Any
Query = Mapping[str, str]
Headers = Mapping[str, str]
Path = tuple[str, ...]
"""the parts of a path, as they are: quoted here, where they leave"""
NOTHING: Query = MappingProxyType({})

ANSWERS_WITHIN = 10.0
"""seconds for what only looks"""
DOES_WITHIN = 120.0
"""seconds for what changes something: a busy disk takes its time"""
LONGEST_LINE = 4 << 20
"""bytes of one JSON document in a stream"""

INSTALL = "install Docker Engine (https://docs.docker.com/engine/install) or set DOCKER_HOST"
BEGIN = "run `sudo systemctl start docker`, or start Docker Desktop"
PERMIT = "run `sudo usermod -aG docker $USER` and log in again, or use a rootless engine"


class EngineAbsent(Exception):
    """No engine answers, or none that may be used. One sentence, and what to do.

    `was_there`: one has answered there before, so that it may come back by itself.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint
        self.was_there = False


class NoEngine(EngineAbsent):
    """There is none on this machine, as far as anybody can see."""


class Refusal(Exception):
    """The engine said no. `status` is HTTP's, `message` the engine's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


class Engine:
    """A way to talk to one engine, agreed upon its version. Close it."""

    def __init__(self, address: Address, session: aiohttp.ClientSession) -> None:
        self.address = address
        self._session = session
        self._base = self._root()
        self._version = "0"

    @classmethod
    async def connect(cls, address: Address) -> Engine:
        """Raises EngineAbsent."""
        tls = await asyncio.to_thread(_tls, address) if address.certificates else True
        connector = (
            aiohttp.UnixConnector(path=address.socket, limit=0, force_close=True)
            if address.socket
            else aiohttp.TCPConnector(ssl=tls, limit=0, force_close=True)
        )
        session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(), read_bufsize=LONGEST_LINE
        )
        engine = cls(address, session)
        try:
            await engine.negotiate()
        except BaseException:
            await session.close()
            raise
        return engine

    async def negotiate(self) -> None:
        """Ask what it is. Raises EngineAbsent when it does not answer, or is too old."""
        self._base = self._root()
        try:
            version = agreed_by_ping(await self._ping()) or agreed(await self.get(("version",)) or {})
        except Refusal as refusal:
            raise EngineAbsent(f"{self.address.url} is not a container engine: {refusal}") from None
        if version is None:
            raise EngineAbsent(f"the engine at {self.address.url} is too old", f"locald needs {NEEDED}")
        self._version = version
        self._base = f"{self._root()}/v{version}"

    def knows(self, *version: int) -> bool:
        """Whether this version of the API, or a newer one, was agreed upon."""
        return tuple(map(int, self._version.split("."))) >= version

    async def _ping(self) -> str:
        """The newest version that it speaks, as it says in passing; `/version` takes it ten times as long."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN), self._ask("GET", ("_ping",)) as answer:
                return answer.headers.get("Api-Version", "")
        except TimeoutError:
            raise silent(self.address) from None
        except (aiohttp.ClientError, OSError) as error:
            raise absent(self.address, error) from None

    def _root(self) -> str:
        if self.address.socket:
            return "http://engine"
        scheme = "https" if self.address.certificates else "http"
        return f"{scheme}://{self.address.url.removeprefix('tcp://')}"

    async def close(self) -> None:
        await self._session.close()

    # Calls.

    async def get(self, path: Path, query: Query = NOTHING, timeout: float = ANSWERS_WITHIN) -> Json:
        return await self.call("GET", path, query, timeout=timeout)

    async def post(
        self,
        path: Path,
        body: Json = None,
        query: Query = NOTHING,
        timeout: float = DOES_WITHIN,
        headers: Headers = NOTHING,
    ) -> Json:
        return await self.call("POST", path, query, body, timeout, headers)

    async def delete(self, path: Path, query: Query = NOTHING) -> Json:
        return await self.call("DELETE", path, query)

    async def has(self, path: Path, query: Query = NOTHING) -> bool:
        """Whether a HEAD of this is answered well."""
        try:
            await self.call("HEAD", path, query)
        except Refusal:
            return False
        return True

    async def call(
        self,
        method: str,
        path: Path,
        query: Query,
        body: Json = None,
        timeout: float = DOES_WITHIN,
        headers: Headers = NOTHING,
    ) -> Json:
        """The answer, None when it is empty. Raises Refusal, EngineAbsent."""
        try:
            async with asyncio.timeout(timeout), self._ask(method, path, query, body, headers) as answer:
                text = await answer.read()
        except TimeoutError:
            raise silent(self.address) from None
        except (aiohttp.ClientError, OSError) as error:
            raise absent(self.address, error) from None
        return _json(text)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: Path,
        query: Query = NOTHING,
        body: Json = None,
        headers: Headers = NOTHING,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """What the engine sends for as long as it does. Raises Refusal; EngineAbsent also from within."""
        try:
            async with self._ask(method, path, query, body, headers) as answer:
                yield answer.content
        except (aiohttp.ClientError, ConnectionError) as error:
            raise absent(self.address, error) from None

    @asynccontextmanager
    async def _ask(
        self,
        method: str,
        path: Path,
        query: Query = NOTHING,
        body: Json = None,
        headers: Headers = NOTHING,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = _url(self._base, path)
        async with self._session.request(method, url, params=query, json=body, headers=headers) as answer:
            if answer.status >= 400:
                raise Refusal(answer.status, _message(await answer.read(), answer.reason))
            yield answer


async def documents(content: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """The JSON objects of a stream, one a line, as they come."""
    while line := await content.readline():
        found = _json(line)
        if isinstance(found, dict):
            yield found


async def find(env: Mapping[str, str]) -> Engine:
    """The engine that this environment would get from the docker command. Raises EngineAbsent."""
    return await first(await where(env))


async def where(env: Mapping[str, str]) -> tuple[Address, ...]:
    """Where to look for it. Raises EngineAbsent."""
    try:
        return await asyncio.to_thread(addresses, env)
    except Unusable as unusable:
        raise EngineAbsent(unusable.reason, unusable.hint) from None


async def first(candidates: tuple[Address, ...]) -> Engine:
    """The first that answers. Raises EngineAbsent: of the first that is there but cannot be used, if any."""
    failed: list[EngineAbsent] = []
    for address in candidates:
        if len(candidates) > 1 and not await asyncio.to_thread(os.path.exists, address.socket):
            continue
        try:
            return await Engine.connect(address)
        except EngineAbsent as absent_:
            failed.append(absent_)
    if failed:
        raise failed[0]
    raise NoEngine("no Docker Engine found on this machine", INSTALL)


def absent(address: Address, error: Exception) -> EngineAbsent:
    """What an error of a connection means to people."""
    number = getattr(error, "errno", None)
    where_ = address.socket or address.url
    match number:
        case errno.EACCES | errno.EPERM:
            return EngineAbsent(f"no access to the Docker Engine: {where_}: permission denied", PERMIT)
        case errno.ENOENT:
            return EngineAbsent(f"the Docker Engine is not running: no such file: {where_}", begin(address))
        case errno.ECONNREFUSED:
            return EngineAbsent(
                f"the Docker Engine is not running: {where_}: connection refused", begin(address)
            )
        case None:
            return EngineAbsent(f"lost the connection to the Docker Engine at {where_}", begin(address))
        case _:
            return EngineAbsent(f"no Docker Engine at {where_}: {os.strerror(number)}", begin(address))


def silent(address: Address) -> EngineAbsent:
    """It takes connections, and answers nobody."""
    return EngineAbsent(f"the engine at {address.url} does not answer", begin(address))


def begin(address: Address) -> str:
    """What to do where no engine answers; one that is reached by TCP may be of another machine."""
    if address.socket:
        return BEGIN
    return f"check that an engine listens at {address.url}, or set DOCKER_HOST to another one"


def _tls(address: Address) -> ssl.SSLContext:
    folder = address.certificates
    try:
        context = ssl.create_default_context(cafile=_if_there(folder, "ca.pem"))
        context.check_hostname = address.verify
        context.verify_mode = ssl.CERT_REQUIRED if address.verify else ssl.CERT_NONE
        if certificate := _if_there(folder, "cert.pem"):
            context.load_cert_chain(certificate, _if_there(folder, "key.pem"))
    except (OSError, ssl.SSLError) as error:
        raise EngineAbsent(f"the certificates in {folder} cannot be used: {error}") from None
    return context


def _if_there(folder: str, name: str) -> str | None:
    path = os.path.join(folder, name)
    return path if os.path.exists(path) else None


def _url(base: str, path: Path) -> URL:
    """A path of exactly these parts. Raises Refusal for a part that would make another path of it."""
    if any(part in ("", ".", "..") for part in path):
        raise Refusal(400, f"not a path of names: {path}")
    return URL("/".join((base, *(quote(part, safe=":@") for part in path))), encoded=True)


def _message(text: bytes, reason: str | None) -> str:
    found = _json(text)
    said = found.get("message") if isinstance(found, dict) else None
    return str(said or text.decode("utf-8", "replace").strip() or reason or "no reason given")


def _json(text: bytes) -> Json:
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return None
