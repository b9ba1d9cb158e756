"""The connection to a cluster: lists and watches as the API tells them, over a real socket.

What answers there stands in for an API server that would have to grow old or fail at the right moment.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.kubernetes.cluster import Cluster
from locald.adapters.kubernetes.kubectl import Place
from locald.domain.project.names import Key, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from locald.adapters.kubernetes.pods import Pod, Workload

RUN = Run(Key("shop", "db"), 1)
OLD = Run(Key("shop", "old"), 4)
WITHIN = 10.0
MANY = 10
"""watches of one kind that a test may leave open"""


def labels(run: Run) -> dict[str, str]:
    return {
        "locald.owner": "me",
        "locald.project": run.key.project,
        "locald.service": run.key.service,
        "locald.run": str(run.number),
    }


def thing(name: str, run: Run, version: int = 1, **status: Any) -> dict[str, Any]:
    about = {"name": name, "uid": name, "resourceVersion": str(version), "labels": labels(run)}
    return {"metadata": about, "status": status}


class Server:
    """`objects`: by kind (the last part of its path), what a list answers. Watches are told what `tell` gets.
    `fault`: what every request is answered with."""

    def __init__(self) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.lists = 0
        self.fault: web.Response | None = None
        self._watches: dict[str, asyncio.Queue[dict[str, Any] | None]] = {}
        self.watched_since: list[str] = []

    def watch(self, kind: str) -> asyncio.Queue[dict[str, Any] | None]:
        return self._watches.setdefault(kind, asyncio.Queue())

    def tell(self, kind: str, what: str, said: dict[str, Any]) -> None:
        self.watch(kind).put_nowait({"type": what, "object": said})

    def end(self) -> None:
        """End all watches: nobody listens to them any more."""
        for events in self._watches.values():
            for _ in range(MANY):
                events.put_nowait(None)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        kind = request.path.rpartition("/")[2]
        self.asked.append(f"{request.method} {request.path}")
        if self.fault:
            return web.Response(status=self.fault.status, text=self.fault.text)
        if request.method == "DELETE":
            return web.json_response({})
        if "watch" in request.query:
            self.watched_since.append(request.query["resourceVersion"])
            return await self._watched(request, self.watch(kind))
        if kind == "pods":
            self.lists += 1
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": self.objects.get(kind, [])})

    async def _watched(
        self, request: web.Request, events: asyncio.Queue[dict[str, Any] | None]
    ) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while event := await events.get():
            await answer.write(json.dumps(event).encode() + b"\n")
        await answer.write_eof()
        return answer


class Way:
    """In the place of `kubectl proxy`."""

    has_ended = False

    def __init__(self, socket: str) -> None:
        self.socket = socket

    async def close(self) -> None:
        pass


class User:
    def __init__(self) -> None:
        self.run = RUN
        self.heard: asyncio.Queue[tuple[list[Pod], Workload | None] | str] = asyncio.Queue()

    def seen(self, pods: list[Pod], workload: Workload | None) -> None:
        self.heard.put_nowait((pods, workload))

    def engine_went(self, why: str) -> None:
        self.heard.put_nowait(why)

    async def next(self) -> Any:
        async with asyncio.timeout(WITHIN):
            return await self.heard.get()

    async def next_pods(self) -> list[str]:
        """The names of its pods, when something has changed."""
        pods, _ = await self.next()
        return [pod.name for pod in pods]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[Server, str]]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    path = str(tmp_path / "api")
    await web.UnixSite(runner, path).start()
    yield made, path
    made.end()
    await runner.cleanup()


@pytest.fixture
async def held(server: tuple[Server, str]) -> AsyncIterator[tuple[Server, Cluster, User]]:
    """A connection that is held, with a user; both runs are there, of which one is known."""
    made, path = server
    made.objects = {
        "pods": [thing("db-a", RUN, phase="Pending"), thing("old-a", OLD)],
        "deployments": [thing("db", RUN), thing("old", OLD)],
        "namespaces": [],
    }
    cluster = Cluster(Way(path), Place("dev", {}), "me", lambda: {RUN})  # type: ignore[arg-type]
    user = User()
    cluster.use(user)
    async with asyncio.TaskGroup() as group:
        holding = group.create_task(cluster.hold())
        yield made, cluster, user
        holding.cancel()


async def test_what_is_there_is_told_first_and_then_each_change(
    held: tuple[Server, Cluster, User],
) -> None:
    server, _, user = held
    pods, workload = await user.next()
    assert [pod.name for pod in pods] == ["db-a"]
    assert workload
    server.tell("pods", "ADDED", thing("db-b", RUN, 7))
    assert await user.next_pods() == ["db-a", "db-b"]
    server.tell("pods", "ADDED", thing("old-b", OLD, 8))  # of another run: not told
    server.tell("pods", "DELETED", thing("db-a", RUN, 9))
    assert await user.next_pods() == ["db-b"]


async def test_what_is_of_no_known_run_is_removed_and_nothing_else(
    held: tuple[Server, Cluster, User],
) -> None:
    server, _, user = held
    await user.next()
    removed = [each for each in server.asked if each.startswith("DELETE")]
    assert "DELETE /apis/apps/v1/namespaces/locald-shop/deployments/old" in removed
    assert not [each for each in removed if each.endswith("/db")]


async def test_a_watch_that_ends_goes_on_from_where_it_was(held: tuple[Server, Cluster, User]) -> None:
    server, _, user = held
    await user.next()
    server.tell("pods", "BOOKMARK", {"metadata": {"resourceVersion": "41"}})
    server.watch("pods").put_nowait(None)
    server.tell("pods", "ADDED", thing("db-b", RUN, 42))
    assert await user.next_pods() == ["db-a", "db-b"]
    assert "41" in server.watched_since
    assert server.lists == 1


async def test_a_watch_that_is_too_old_begins_anew_with_a_list(held: tuple[Server, Cluster, User]) -> None:
    server, _, user = held
    await user.next()
    server.objects["pods"] = [thing("db-c", RUN, 90)]
    server.tell("pods", "ERROR", {"code": 410, "message": "too old resource version: 1 (90)"})
    assert await user.next_pods() == ["db-c"]
    assert server.lists == 2


async def test_a_cluster_that_went_is_told_and_when_it_is_back_all_is_told_anew(
    held: tuple[Server, Cluster, User],
) -> None:
    server, cluster, user = held
    await user.next()
    server.fault = web.Response(status=500, text="dial tcp 10.0.0.1:6443: connect: connection refused")
    for kind in ("pods", "deployments", "jobs"):
        server.watch(kind).put_nowait(None)
    why = await user.next()
    told = (
        "the cluster of the context dev does not answer: dial tcp 10.0.0.1:6443: connect: connection refused"
    )
    assert why == told
    assert not cluster.is_up
    server.objects["pods"] = [thing("db-d", RUN, 5)]
    server.fault = None
    assert await user.next_pods() == ["db-d"]


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (403, '{"kind": "Status", "message": "pods is forbidden"}', Refusal),
        (500, '{"kind": "Status", "message": "etcdserver: request timed out"}', Refusal),
        (502, "no route to host", EngineAbsent),
        (200, "<html>a captive portal</html>", EngineAbsent),
    ],
)
async def test_a_refusal_is_the_clusters_own_and_the_rest_means_that_it_is_not_there(
    server: tuple[Server, str], status: int, text: str, error: type[Exception]
) -> None:
    made, path = server
    cluster = Cluster(Way(path), Place("dev", {}), "me", lambda: ())  # type: ignore[arg-type]
    made.fault = web.Response(status=status, text=text)
    with pytest.raises(error) as raised:
        await cluster.api.get(("api", "v1", "pods"))
    assert "<html>" not in str(raised.value)
    await cluster.close()


async def test_a_namespace_with_claims_stays(server: tuple[Server, str]) -> None:
    made, path = server
    cluster = Cluster(Way(path), Place("dev", {}), "me", lambda: ())  # type: ignore[arg-type]
    cluster._came()
    made.objects["persistentvolumeclaims"] = [{"metadata": {"name": "data"}}]
    await cluster.drop_namespace("shop", lambda: False)
    made.objects["persistentvolumeclaims"] = []
    await cluster.drop_namespace("shop", lambda: True)
    assert not [each for each in made.asked if each.startswith("DELETE")]
    await cluster.drop_namespace("shop", lambda: False)
    assert made.asked[-1] == "DELETE /api/v1/namespaces/locald-shop"
    await cluster.close()
