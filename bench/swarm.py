"""A swarm: what locald itself adds between the engine's "healthy" and the next service's creation.

Between locald and the manager stands a proxy that notes when each call begins and ends. The time in which a
call is open is the engine's; the rest is ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from bench.instance import ROOT, Instance
from bench.table import Measure

sys.path.insert(0, str(ROOT / "tests"))

from engine import warden
from engine.swarm import Swarm

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = 6
GOAL = 50.0
"""milliseconds"""
_RUNNING = re.compile(rb'"State":\s*"running"')


@dataclass(slots=True)
class Call:
    """`running`: how many tasks of the answer are."""

    what: str
    began: float
    ended: float = 0.0
    running: int = 0


@dataclass
class Proxy:
    """Each call has a connection of its own, so a call is open for as long as that is."""

    path: str
    manager: str
    calls: list[Call] = field(default_factory=list)

    def serve(self) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(64)
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.socket(socket.AF_UNIX) as engine:
            first = client.recv(1 << 16)
            call = Call(first.partition(b" HTTP/")[0].decode(), time.monotonic())
            self.calls.append(call)
            engine.connect(self.manager)
            engine.sendall(first)
            threading.Thread(target=_copy, args=(client, engine), daemon=True).start()
            found = b""
            while data := engine.recv(1 << 16):
                client.sendall(data)
                call.ended = time.monotonic()
                found = found + data if "/tasks" in call.what else b""
            call.running = len(_RUNNING.findall(found))


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)


def begun() -> Swarm | None:
    """One of two nodes; says why there is none."""
    try:
        return Swarm()
    except warden.Unable as unable:
        print(f"not measured: {unable}", file=sys.stderr)
        return None


def measure() -> list[Measure]:
    """from the swarm's "healthy" to `services/create` for the next: locald's share, and the engine's"""
    if (swarm := begun()) is None:
        return []
    try:
        with tempfile.TemporaryDirectory(prefix="ldb") as folder:
            proxy = Proxy(os.path.join(folder, "api"), swarm.manager.host.removeprefix("unix://"))
            threading.Thread(target=proxy.serve, daemon=True).start()
            _chain(f"unix://{proxy.path}")
    finally:
        swarm.close()
    hops = list(_hops(proxy.calls))
    own, engines = [own for own, _ in hops], [engine for _, engine in hops]
    return [
        Measure("from healthy to the next creation: locald", median(own), "ms", GOAL),
        Measure("the same, the longest of the chain", max(own), "ms", GOAL),
        Measure("from healthy to the next creation: calls of the engine", median(engines), "ms"),
    ]


def _chain(host: str) -> None:
    """Each service needs the one before."""
    services = {
        f"s{number}": {
            "image": "locald-test/store:1",
            **({"depends_on": [f"s{number - 1}"]} if number else {}),
        }
        for number in range(SERVICES)
    }
    with Instance(DOCKER_HOST=host) as instance:
        instance.project(services)
        told = instance.locald("up", "--on", "swarm", "--json")
        assert all(row["health"] == "healthy" for row in json.loads(told.stdout)["services"])


def _hops(calls: list[Call]) -> Iterator[tuple[float, float]]:
    """For each service but the first: milliseconds of ours, and of the engine."""
    made = [call for call in calls if call.what.startswith("POST") and "/services/create" in call.what]
    for place, call in enumerate(made[1:], 1):
        healthy = min(each.ended for each in calls if each.running >= place and "/tasks" in each.what)
        between = [
            (max(each.began, healthy), min(each.ended, call.began))
            for each in calls
            if each.ended > healthy and each.began < call.began and _is_needed(each)
        ]
        engine = _covered(between)
        yield 1000 * (call.began - healthy - engine), 1000 * engine


def _is_needed(call: Call) -> bool:
    """Whether the creation waits for it: streams, and questions of how tasks are, go on beside it."""
    return not any(part in call.what for part in ("/tasks", "/nodes", "/logs", "/events", "/create"))


def _covered(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one of these is open."""
    total, until = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total
