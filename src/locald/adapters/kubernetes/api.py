"""The API of Kubernetes: plain HTTP with JSON, over the socket of `kubectl proxy`.

A cluster answers, refuses (`Refusal`, with its own words), or is not there (`EngineAbsent`, with ours). It
says all in JSON: an error of a server that is none is of the proxy itself, which cannot reach the cluster.

Source: kubernetes.io/docs/reference/using-api (api-concepts: watches, resource versions; server-side-apply).
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from locald.adapters.containers.engine import EngineAbsent, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from locald.adapters.kubernetes.kubectl import Place

Json = dict[str, Any]
Path = tuple[str, ...]
"""the parts of a path, as they are"""
NOTHING: Mapping[str, str] = MappingProxyType({})
MANAGER = "locald"
"""who the fields of an object are managed by"""
APPLY = "application/apply-patch+yaml"
ANSWERS_WITHIN = 10.0
"""seconds"""
LONGEST_LINE = 4 << 20
"""bytes of one object in a watch: a cluster keeps none of more than 2 MB"""
WATCHES_FOR = 300
"""seconds after which the cluster ends a watch, and another begins where that was"""
GONE = 410
"""what was asked for is too old to go on from"""


class Api:
    """Close it. `place`: for words."""

    def __init__(self, socket: str, place: Place) -> None:
        self._place = place
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=socket, limit=0),
            timeout=aiohttp.ClientTimeout(),
            read_bufsize=LONGEST_LINE,
        )

    async def close(self) -> None:
        await self._session.close()

    async def get(self, path: Path, query: Mapping[str, str] = NOTHING) -> Json:
        return await self._call("GET", path, query)

    async def create(self, path: Path, body: Json) -> Json:
        return await self._call("POST", path, {"fieldManager": MANAGER}, body)

    async def apply(self, path: Path, body: Json) -> Json:
        """Make the object what is said here, whether it is there or not. What others manage stays theirs."""
        query = {"fieldManager": MANAGER, "force": "true"}
        return await self._call("PATCH", path, query, body, {"Content-Type": APPLY})

    async def delete(self, path: Path, grace: int | None = None) -> None:
        """What is not there is gone. What it owns is removed after it."""
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        options |= {} if grace is None else {"gracePeriodSeconds": grace}
        try:
            await self._call("DELETE", path, NOTHING, options)
        except Refusal as refusal:
            if refusal.status != 404:
                raise

    async def watch(self, path: Path, selector: str, version: str) -> AsyncIterator[tuple[str, Json]]:
        """What happens to objects after this version: `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`, and the
        object, until the cluster ends it. Raises Refusal (`GONE`: list them again), EngineAbsent."""
        query = {
            "labelSelector": selector,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCHES_FOR),
        }
        async with self.stream(path, query) as content:
            while line := await content.readline():
                event = json.loads(line)
                told = event["object"]
                if event["type"] == "ERROR":
                    raise Refusal(int(told.get("code") or 500), str(told.get("message") or told))
                yield event["type"], told

    @asynccontextmanager
    async def stream(self, path: Path, query: Mapping[str, str]) -> AsyncIterator[aiohttp.StreamReader]:
        """What the cluster sends for as long as it does. Raises Refusal; EngineAbsent also from within."""
        try:
            async with self._session.get(_url(path), params=query) as answer:
                await self._check(answer)
                yield answer.content
        except (aiohttp.ClientError, OSError) as error:
            raise self._absent(_why(error)) from None

    async def _call(
        self,
        method: str,
        path: Path,
        query: Mapping[str, str],
        body: Json | None = None,
        headers: Mapping[str, str] = NOTHING,
    ) -> Json:
        """Raises Refusal, EngineAbsent."""
        asked = self._session.request(method, _url(path), params=query, json=body, headers=headers)
        try:
            async with asyncio.timeout(ANSWERS_WITHIN), asked as answer:
                await self._check(answer)
                found = json.loads(await answer.read())
        except TimeoutError:
            raise self._absent(f"nothing came within {ANSWERS_WITHIN:.0f}s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._absent(_why(error)) from None
        except ValueError:
            raise self._absent("its answer is no JSON") from None
        return found if isinstance(found, dict) else {}

    async def _check(self, answer: aiohttp.ClientResponse) -> None:
        if answer.status < 400:
            return
        text = (await answer.read()).decode("utf-8", "replace").strip() or str(answer.reason)
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        if answer.status >= 500 and not isinstance(said, dict):
            raise self._absent(text)
        raise Refusal(answer.status, str(said.get("message") or text) if isinstance(said, dict) else text)

    def _absent(self, why: str) -> EngineAbsent:
        hint = f"run `kubectl --context {self._place.context} cluster-info` to see what is wrong"
        return EngineAbsent(f"the cluster of {self._place} does not answer: {why}", hint)


def _why(error: Exception) -> str:
    """An error of a connection, in words."""
    if number := getattr(error, "errno", None):
        return os.strerror(number).lower()
    return "the connection was lost"


def _url(path: Path) -> URL:
    return URL("http://localhost/" + "/".join(quote(part, safe="") for part in path), encoded=True)


# Where objects are.


def core(namespace: str, *more: str) -> Path:
    return ("api", "v1", "namespaces", namespace, *more)


def apps(namespace: str, *more: str) -> Path:
    return ("apis", "apps", "v1", "namespaces", namespace, *more)


def batch(namespace: str, *more: str) -> Path:
    return ("apis", "batch", "v1", "namespaces", namespace, *more)
