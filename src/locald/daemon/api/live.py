"""The live socket: all that changes, over one connection for each page or monitor that is open.

A browser allows six connections to one host, so everything comes over this one, as JSON text: rows as they
change, what services take of the machine, and log lines. A reader asks for the last two, and may ask
again at any time.

    told    {"kind": "snapshot", "daemon", "services", "settled"}        first, and when it had fallen behind
            {"kind": "change", "services", "removed", "settled"}
            {"kind": "usage", "services": [{"project", "instance", "name", "cpu", "memory"}]}
            {"kind": "lines", "watch", "lines", "history", "more", "skipped"}    see `lines`
            {"kind": "refused", "watch", "problems"}                      `watch` null: not about one
    asked   {"usage": true | false}
            {"logs": {"watch": 1, "project", "services", "n", "since", "grep", "plain", "run"}}
            {"logs": null}

Each message says with `now` what time it is on the daemon's clock, the one of all times in it (epoch
seconds).

Lines are those of the services that are there when they are asked for: who sees another service in the rows
asks again. The first batch of a watch is always told, also an empty one, with `history`: these lines were
there already; `more`: the next batch belongs to them.

There is one turn to send, taken in the order of asking: a flood of lines delays news by one batch, and a
reader that reads slowly makes everything else of its own wait. What then piles up is bounded: rows by the
hub, usage and lines by not being read before there is a turn.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from locald.daemon.api.events import told
from locald.daemon.api.lines import lines
from locald.daemon.api.scope import misused
from locald.daemon.tasks import Tasks
from locald.domain.values.problem import Refused
from locald.wire.rows import problem, whose

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from locald.daemon.api.streams import Streams
    from locald.daemon.core import Core
    from locald.daemon.hub import Subscription
    from locald.domain.values.problem import Problem

log = logging.getLogger(__name__)

Json = dict[str, Any]

HEARTBEAT = 20.0
"""seconds between two pings; who does not answer one within half of that is gone"""
LONGEST_REQUEST = 1 << 18
"""bytes that may be asked in one message: the names of all services of a large project"""
USAGE_EVERY = 2.0
"""seconds, by a clock that all faces share, so that one look at the machine serves them all"""
FAREWELL = 1.0
"""seconds for the last news when the daemon ends"""


class Live:
    def __init__(self, core: Core, streams: Streams) -> None:
        self._core = core
        self._streams = streams

    async def live(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT, max_msg_size=LONGEST_REQUEST, timeout=FAREWELL, compress=False
        )
        if not socket.can_prepare(request):
            raise misused("this is a WebSocket", request.path)
        is_open = False
        with self._streams.open():
            await socket.prepare(request)
            is_open = True
            await _Face(self._core, socket).serve()
        return socket if is_open else _nothing()


class _Face:
    """One reader, and what it wants to see."""

    def __init__(self, core: Core, socket: web.WebSocketResponse) -> None:
        self._core = core
        self._socket = socket
        self._turn = asyncio.Lock()
        self._wishes: dict[str, asyncio.Task[None]] = {}
        """what is reported because it was asked for: `usage`, `logs`"""

    async def serve(self) -> None:
        """Until it goes, or the daemon."""
        news = self._core.hub.subscribe(lambda _world, _key: True, "ready")
        try:
            async with Tasks() as tasks:
                tasks.begin(self._tell_news(news), "tell news")
                await self._listen(tasks)
        except* ConnectionError:
            pass  # it went away in the middle
        except* Exception:
            log.exception("the live socket failed")
            await self._socket.close(code=WSCloseCode.INTERNAL_ERROR)
        except* asyncio.CancelledError:
            await self._say_farewell(news)
        finally:
            self._core.hub.unsubscribe(news)

    async def _say_farewell(self, news: Subscription) -> None:
        """The daemon ends: what is known until then is reported, if it can be told soon."""
        try:
            async with asyncio.timeout(FAREWELL):
                for last in self._core.hub.rest(news):
                    await self._tell("snapshot" if last.complete else "change", **told(self._core, last))
        except TimeoutError:
            pass
        await self._socket.close(code=WSCloseCode.GOING_AWAY)

    async def _tell(self, kind: str, **what: Any) -> None:
        async with self._turn:
            text = json.dumps({"kind": kind, "now": round(self._core.clock.now(), 3), **what})
            await self._socket.send_str(text)

    async def _tell_news(self, reader: Subscription) -> None:
        while True:
            news = await self._core.hub.next(reader)
            await self._tell("snapshot" if news.complete else "change", **told(self._core, news))

    # What it asks for.

    async def _listen(self, tasks: Tasks) -> None:
        async for message in self._socket:
            try:
                if message.type is not WSMsgType.TEXT:
                    raise misused("a message must be JSON text")
                self._take(tasks, _understood(message.data))
            except Refused as refused:
                await self._refuse(None, refused.problems)

    def _take(self, tasks: Tasks, asked: Json) -> None:
        if "usage" in asked:
            if not isinstance(asked["usage"], bool):
                raise misused("must be true or false", "usage")
            self._wish(tasks, "usage", self._tell_usage() if asked["usage"] else None)
        if "logs" in asked:
            wanted = asked["logs"]
            if wanted is not None and not isinstance(wanted, dict):
                raise misused("must be an object, or null", "logs")
            self._wish(tasks, "logs", None if wanted is None else self._tell_lines(wanted))

    def _wish(self, tasks: Tasks, name: str, work: Coroutine[None, None, None] | None) -> None:
        """Do this from now on, in place of what was asked before."""
        if before := self._wishes.pop(name, None):
            before.cancel()
        if work:
            task = self._wishes[name] = tasks.create_task(work, name=name)
            task.add_done_callback(lambda _: work.close())  # it may have been called off before it began

    async def _tell_usage(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            used = await self._core.usage()
            services = [
                {**whose(key.project), "name": key.service, "cpu": each.cpu, "memory": each.memory}
                for key, each in used.items()
            ]
            await self._tell("usage", services=services)
            await asyncio.sleep(USAGE_EVERY - clock() % USAGE_EVERY)

    async def _tell_lines(self, asked: Json) -> None:
        """Until it asks for something else."""
        watch = asked.get("watch")
        try:
            async for batch in lines(self._core, asked):
                await self._tell("lines", watch=watch, **batch)
        except Refused as refused:
            await self._refuse(watch, refused.problems)

    async def _refuse(self, watch: object, problems: Sequence[Problem]) -> None:
        await self._tell("refused", watch=watch, problems=[problem(found) for found in problems])


def _nothing() -> web.Response:
    """For who went away before the socket was open: aiohttp would end one that it takes for open, and log a
    failure."""
    return web.Response()


def _understood(text: str) -> Json:
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not asked.keys() & {"usage", "logs"}:
        raise misused("a message must be a JSON object with `usage` or `logs`")
    return asked
