"""Tells clients that the state of a service has changed, if they have asked for it.

Clients ask in two ways, after the age of their protocol: `resources/subscribe` for one resource after the
other, or `subscriptions/listen`, which the SDK answers from a bus. As long as nobody asks nothing is watched.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.to_thread
import mcp_types as types
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated

from locald.client import daemon
from locald.client.follow import Board
from locald.client.http import Denied, Ended, Unreachable
from locald.domain.values.problem import Refused
from locald.mcp.resources import SERVICE

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.server.session import ServerSession

    from locald.mcp.asking import Asking

    Context = ServerRequestContext[Any, Any]

LOOK_EVERY = 0.5
"""seconds after which it is looked whether anybody still wants it"""
AGAIN_AFTER = 1.0
"""seconds until a daemon that is not there is looked for again"""


class Watching:
    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._bus = InMemorySubscriptionBus()
        self._handler = ListenHandler(self._bus)
        self._sessions: dict[str, ServerSession] = {}
        self._wanted = anyio.Event()
        self._over = threading.Event()

    # What clients ask.

    async def subscribe(self, context: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        self._sessions[str(params.uri)] = context.session
        self._wanted.set()
        return types.EmptyResult()

    async def unsubscribe(
        self, context: Context, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        self._sessions.pop(str(params.uri), None)
        return types.EmptyResult()

    async def listen(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        self._wanted.set()
        return await self._handler(context, params)

    # What they are told.

    async def watch(self) -> None:
        await self._wanted.wait()
        await anyio.to_thread.run_sync(self._follow, abandon_on_cancel=True)

    def end(self) -> None:
        self._over.set()

    def _follow(self) -> None:
        """In a thread, until it is over. What was so when it began is no change."""
        board = Board()
        while not self._over.is_set():
            try:
                self._read(board)
            except (Ended, Refused, Denied, Unreachable):
                self._over.wait(AGAIN_AFTER)

    def _read(self, board: Board) -> None:
        api = daemon.find(self._asking.home)
        if api is None:
            raise daemon.absent()
        events = api.events("/v1/events", [*self._asking.target().query, ("until", "down")])
        try:
            while not self._over.is_set():
                try:
                    news = events.next(LOOK_EVERY)
                except TimeoutError:
                    continue
                self._tell(board, *news)
        finally:
            events.close()

    def _tell(self, board: Board, name: str, news: dict[str, Any]) -> None:
        before = {row["name"]: row for row in board.rows}
        board.take(name, news)
        after = {row["name"]: row for row in board.rows}
        for service in before.keys() | after.keys() if before else ():
            if before.get(service) != after.get(service):
                anyio.from_thread.run(self._publish, f"{SERVICE}{service}")

    async def _publish(self, uri: str) -> None:
        await self._bus.publish(ResourceUpdated(uri=uri))
        if session := self._sessions.get(uri):
            await session.send_resource_updated(uri)
