"""What it costs to be looked at: faces that show everything, usage too, of services that do nothing."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from bench.footprint import IDLE, MANY, SETTLE
from bench.instance import Instance, cpu
from bench.many import WORKER
from bench.table import Measure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FACES = 3
TIMES = 20
"""restarts whose news is timed"""


def measure() -> list[Measure]:
    """work with three faces and 100 idle services over 20 s; how late a face hears of a health change"""
    return asyncio.run(_measure())


async def _measure() -> list[Measure]:
    return [
        await _work(f"work with {MANY} idle services and {FACES} faces that show usage", goal=2),
        await _work("the same without cgroups", LOCALD_TREE="reaper"),
        *await _lag(),
    ]


async def _work(what: str, goal: float | None = None, **variables: str) -> Measure:
    with Instance(**variables) as instance:
        instance.project({f"s{number}": WORKER for number in range(MANY)})
        instance.up()
        async with _faces(instance, FACES) as faces, asyncio.TaskGroup() as group:
            readers = [group.create_task(_read(face)) for face in faces]
            await asyncio.sleep(SETTLE)
            before, began = cpu(instance.daemon), time.monotonic()
            await asyncio.sleep(IDLE)
            share = (cpu(instance.daemon) - before) / (time.monotonic() - began)
            for reader in readers:
                reader.cancel()
        return Measure(what, 100 * share, "% of a core", goal)


async def _lag() -> list[Measure]:
    """From the moment at which a worker is healthy again to the row of it at a face."""
    with Instance() as instance:
        instance.project({f"s{number}": WORKER for number in range(10)})
        instance.up()
        async with _faces(instance, 1) as (face,), asyncio.timeout(60):
            late = [await _restart(instance, face, run) for run in range(2, 2 + TIMES)]
    return [
        Measure(f"news of a health change at a face, median of {TIMES}", statistics.median(late), "ms", 50),
        Measure("news of a health change at a face, the worst", max(late), "ms"),
    ]


async def _restart(instance: Instance, face: aiohttp.ClientWebSocketResponse, run: int) -> float:
    """Milliseconds."""
    await asyncio.to_thread(instance.locald, "restart", "s0", "-d")
    while True:
        message = await face.receive_json()
        for row in message.get("services", ()):
            if row.get("run") == run and row.get("health") == "healthy":
                return 1000 * (time.time() - datetime.fromisoformat(row["since"]).timestamp())


async def _read(face: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in face:
        pass


@contextlib.asynccontextmanager
async def _faces(instance: Instance, number: int) -> AsyncIterator[list[aiohttp.ClientWebSocketResponse]]:
    connector = aiohttp.UnixConnector(f"{instance.environment['LOCALD_HOME']}/run/locald.sock", limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, contextlib.AsyncExitStack() as open_:
        faces: list[Any] = []
        for _ in range(number):
            live = session.ws_connect("http://locald/v1/live", max_msg_size=0)
            faces.append(await open_.enter_async_context(live))
            await faces[-1].send_json({"usage": True})
        yield faces
