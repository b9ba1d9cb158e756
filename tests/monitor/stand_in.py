"""A daemon that says what a test wants, with a live socket; and the screen of a monitor that looks at it.

Its documents have the shape of the real one's (`faces.fake_daemon`); its news are told when the test says so.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from faces.fake_daemon import document
from locald.monitor.app import Monitor
from locald.monitor.board import Scope, row_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

Json = dict[str, Any]
PATIENCE = 20.0


class StandIn:
    """Answers at `socket` from `start` to `stop`. `answers` by path: a document, or problems."""

    def __init__(self, socket: str, *rows: Json) -> None:
        self.socket = socket
        self.rows = list(rows)
        self.answers: dict[str, Json] = {}
        self.history: list[Json] = []
        """what was printed before anybody looked"""
        self.is_slow = False
        """it does not tell the history until a test calls `print`"""
        self.may_tell = asyncio.Event()
        """until then it says nothing to who has come"""
        self.may_tell.set()
        self.asked: list[Json] = []
        """what came over the live socket"""
        self.requests: list[tuple[str, str, Json]] = []
        """method, path with query, body"""
        self._sockets: set[web.WebSocketResponse] = set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> StandIn:
        app = web.Application()
        app.router.add_get("/v1/live", self._live)
        app.router.add_route("*", "/v1/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, self.socket).start()
        return self

    async def stop(self) -> None:
        for socket in list(self._sockets):
            await socket.close()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
            await asyncio.to_thread(Path(self.socket).unlink, missing_ok=True)

    async def tell(self, kind: str, **what: Any) -> None:
        """A message to everybody who looks."""
        for socket in list(self._sockets):
            await socket.send_str(json.dumps({"kind": kind, **what}))

    async def change(self, *rows: Json) -> None:
        await self.tell("change", services=list(rows), removed=[], settled=False)

    async def print(self, *lines: Json, **how: Any) -> None:
        """Lines for the current watch."""
        watch = next(request["logs"]["watch"] for request in reversed(self.asked) if request.get("logs"))
        await self.tell("lines", watch=watch, lines=list(lines), **how)

    def posted(self, path: str) -> list[Json]:
        return [body for method, target, body in self.requests if method == "POST" and target == path]

    async def _live(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self.may_tell.wait()
        self._sockets.add(socket)
        await socket.send_str(json.dumps({"kind": "snapshot", **document(*self.rows), "settled": True}))
        async for message in socket:
            order = json.loads(message.data)
            self.asked.append(order)
            if (logs := order.get("logs")) and not self.is_slow:
                told = {"kind": "lines", "watch": logs["watch"], "lines": self.history, "history": True}
                await socket.send_str(json.dumps(told))
        self._sockets.discard(socket)
        return socket

    async def _answer(self, request: web.Request) -> web.Response:
        body = json.loads(await request.text() or "{}")
        self.requests.append((request.method, request.path_qs, body))
        answer = self.answers.get(request.path, {"problems": [{"what": "no such thing"}], "exit": 2})
        return web.json_response(answer, status=422 if "problems" in answer else 200)


def looking_at(stand_in: StandIn, *, everything: bool = False, written: tuple[Json, ...] = ()) -> Monitor:
    """A monitor of the project in /shop, or of all projects."""
    scope = Scope() if everything else Scope(frozenset({"/shop"}))
    rows = [row for raw in written if (row := row_of(raw))]
    name = "all projects" if everything else "shop"
    return Monitor(
        lambda: [stand_in.socket], scope, name=name, written=rows, caller=lambda: {"env": {"A": "1"}}
    )


def screen(pilot: Pilot[None]) -> str:
    """What a person sees, as text."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def sees(pilot: Pilot[None], *texts: str) -> str:
    """Wait until all of this is on the screen; returns the screen."""
    return await until(pilot, lambda: all(text in screen(pilot) for text in texts), f"{texts}")


async def until(pilot: Pilot[None], condition: Callable[[], object], what: str = "") -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await pilot.pause(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} did not come:\n{screen(pilot)}") from None
    return screen(pilot)
