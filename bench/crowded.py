"""How long an answer takes while many ask: clients that poll, and readers of news that hardly read. And how
long a restart takes while another service sends its status without end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import statistics
import sys
import time
from typing import TYPE_CHECKING

from bench.instance import Instance
from bench.many import WORKER
from bench.table import Measure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICES = 20
CLIENTS, READERS = 200, 50
EVERY = 1.0
"""seconds between two questions of a client, by the beginning of each"""
NEWS_EVERY = 0.25
"""seconds between two restarts of a service"""
LASTS = 10.0
"""seconds"""
ALONE = 1_000
"""questions of somebody who is alone"""
TURNS = 15
"""restarts beside the flood, and as many without, in turns"""
FLOOD = (
    "import os,socket;s=socket.socket(1,2);s.connect(os.environ['NOTIFY_SOCKET']);s.send(b'READY=1');n=0\n"
    "while True: n+=1;s.send(b'STATUS=%d'%n)"
)
SIP = 100
"""bytes that a slow reader takes in a second"""
STATUS, EVENTS = (
    f"GET /v1/{what} HTTP/1.1\r\nHost: locald\r\n\r\n".encode() for what in ("status", "events")
)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def measure() -> list[Measure]:
    """`status` alone and beside 200 clients and 50 slow readers of news; a restart beside a flood"""
    return [*asyncio.run(_measure()), *_flooded()]


async def _measure() -> list[Measure]:
    with Instance() as instance:
        instance.project({f"s{number}": WORKER for number in range(SERVICES)})
        instance.up()
        alone = await _alone(instance)
        crowded = await _crowded(instance)
        alone += await _alone(instance)  # what else the machine does is in both
    ratio = _p99(crowded) / _p99(alone)
    return [
        Measure(f"status beside {CLIENTS} clients and {READERS} slow readers: p99 by alone", ratio, "x", 10),
        Measure("status beside them, p99", _p99(crowded), "ms"),
        Measure("status beside them, median", statistics.median(crowded), "ms"),
        Measure("status alone, p99", _p99(alone), "ms"),
        Measure("status alone, median", statistics.median(alone), "ms"),
    ]


def _flooded() -> list[Measure]:
    beside, alone = [], []
    command = f"exec {shlex.join([sys.executable, '-I', '-S', '-c', FLOOD])}"
    with Instance() as instance:
        instance.project({"flood": {"type": "worker", "command": command}, "other": WORKER})
        instance.up()
        for _ in range(TURNS):
            instance.locald("up", "flood")
            beside.append(_restarted(instance))
            instance.locald("stop", "flood")
            alone.append(_restarted(instance))
    ratio = statistics.median(beside) / statistics.median(alone)
    return [
        Measure("`restart` beside a flood of STATUS: median by without", ratio, "x", 1.5),
        Measure("the same, without the flood", 1000 * statistics.median(alone), "ms"),
    ]


def _restarted(instance: Instance) -> float:
    """Seconds."""
    began = time.perf_counter()
    instance.locald("restart", "other")
    return time.perf_counter() - began


def _p99(found: list[float]) -> float:
    return statistics.quantiles(found, n=100)[98]


async def _alone(instance: Instance) -> list[float]:
    async with _connected(instance, 1) as (only,):
        found = []
        for _ in range(ALONE):
            found.append(await _asked(only))
            await asyncio.sleep(0.005)
        return found


async def _crowded(instance: Instance) -> list[float]:
    found: list[float] = []
    async with (
        _connected(instance, CLIENTS) as clients,
        _connected(instance, READERS) as readers,
        asyncio.TaskGroup() as group,
    ):
        until = time.monotonic() + LASTS
        for each in readers:
            group.create_task(_sip(each, until))
        group.create_task(_make_news(instance, until))
        for number, each in enumerate(clients):
            group.create_task(_poll(each, EVERY * number / CLIENTS, until, found))
    return found


async def _poll(connection: Connection, offset: float, until: float, found: list[float]) -> None:
    due = time.monotonic() + offset
    while due < until:
        await asyncio.sleep(due - time.monotonic())
        found.append(await _asked(connection))
        due += EVERY


async def _asked(connection: Connection, request: bytes = STATUS) -> float:
    """Milliseconds until the whole answer was there."""
    reader, writer = connection
    began = time.perf_counter()
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return 1000 * (time.perf_counter() - began)


async def _sip(connection: Connection, until: float) -> None:
    reader, writer = connection
    writer.write(EVENTS)
    while time.monotonic() < until:
        await reader.read(SIP)
        await asyncio.sleep(1)


async def _make_news(instance: Instance, until: float) -> None:
    """By the API: a command of its own would take a whole core."""
    body = json.dumps({"project": "bench", "services": ["s0"], "caller": {"env": {"PATH": "/usr/bin:/bin"}}})
    head = "POST /v1/restart HTTP/1.1\r\nHost: locald\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    async with _connected(instance, 1) as (only,):
        while time.monotonic() < until:
            await _asked(only, request)
            await asyncio.sleep(NEWS_EVERY)


@contextlib.asynccontextmanager
async def _connected(instance: Instance, number: int) -> AsyncIterator[list[Connection]]:
    path = f"{instance.environment['LOCALD_HOME']}/run/locald.sock"
    made = [await asyncio.open_unix_connection(path, limit=1 << 20) for _ in range(number)]
    try:
        yield made
    finally:
        for _, writer in made:
            writer.close()
