"""Rows as they change, as a stream of server-sent events."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from locald.daemon.api import crowd
from locald.daemon.api.http import Request, Stream
from locald.daemon.api.scope import misused, scope
from locald.wire import rows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from locald.daemon.api.scope import Scope
    from locald.daemon.core import Core
    from locald.daemon.hub import News, Subscription

HEARTBEAT = 15.0
"""seconds between two comments on a quiet stream, so that both sides notice a broken one"""


class Events:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._last: tuple[News | None, bytes] = (None, b"")
        """what was told last, and how"""

    async def events(self, request: Request) -> Stream:
        """Rows as they change, as server-sent events: a `snapshot`, then `change` after `change`."""
        chosen = await scope(self._core, request.query, request.query.getall("service"))
        until = request.query.get("until", "ready")
        if until not in ("ready", "down"):
            raise misused("must be ready or down", "until")
        return Stream("text/event-stream", lambda: self._events(chosen, until), crowd.READ_WITHIN)

    async def _events(self, chosen: Scope, until: str) -> AsyncGenerator[bytes]:
        reader = self._core.hub.subscribe(chosen.holds, until)
        try:
            async for news in self._news(reader):
                yield self._event(news) if news else b": still here\n\n"
        finally:
            self._core.hub.unsubscribe(reader)

    async def _news(self, reader: Subscription) -> AsyncIterator[News | None]:
        """All news, and None when there was none for a while. When the daemon ends, its last are told too."""
        hub = self._core.hub
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    news = await hub.next(reader)
            except TimeoutError:
                yield None
            except asyncio.CancelledError:
                for last in hub.rest(reader):
                    yield last
                raise
            else:
                yield news

    def _event(self, news: News) -> bytes:
        """Many who look at the same are told the same."""
        last, event = self._last
        if news == last and not news.complete:
            return event
        name = "snapshot" if news.complete else "change"
        event = f"event: {name}\ndata: {json.dumps(told(self._core, news))}\n\n".encode()
        self._last = (news, event)
        return event


def told(core: Core, news: News) -> dict[str, Any]:
    """A piece of news, of a `snapshot` or of a `change`."""
    body: dict[str, Any] = {"services": [rows.row(one) for one in news.rows], "settled": news.settled}
    if news.complete:
        return body | {"daemon": core.identity()}
    return body | {"removed": [{**rows.whose(key.project), "name": key.service} for key in news.removed]}
