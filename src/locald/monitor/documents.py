"""The panes that show a document of the daemon: why, the timeline, the environment.

The one that is looked at is kept fresh: it is asked for anew when something has changed or it has become old,
one question at a time. What comes too late, when something else is looked at already, is dropped.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from textual.containers import VerticalScroll
from textual.widgets import Static

from locald.client.http import Denied, Unreachable
from locald.monitor import bars, explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType
    from textual.app import ComposeResult

    from locald.monitor.board import Board, Key
    from locald.monitor.feed import Feed

DOCUMENTS = ("why", "timeline", "environment")
STALE = 2.0
"""seconds after which what is looked at is asked for anew, though nothing has changed"""
CALM = 0.1
"""seconds between two questions"""
NARROWEST = 40


class Document(VerticalScroll):
    """A pane with one document in it."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._text = Static()

    def compose(self) -> ComposeResult:
        yield self._text

    def show(self, shown: RenderableType) -> None:
        self._text.update(shown)


class Documents:
    """`looked_at` says which pane is open, and for which service."""

    def __init__(self, feed: Feed, board: Board, looked_at: Callable[[], tuple[str, Key | None]]) -> None:
        self._feed = feed
        self._board = board
        self._looked_at = looked_at
        self._panes = {name: Document(name) for name in DOCUMENTS}
        self.stale = asyncio.Event()
        """something has changed"""

    @property
    def panes(self) -> list[Document]:
        return list(self._panes.values())

    async def keep(self) -> None:
        """Keep what is looked at fresh, for ever."""
        while True:
            try:
                async with asyncio.timeout(STALE):
                    await self.stale.wait()
            except TimeoutError:
                pass
            self.stale.clear()
            pane, key = self._looked_at()
            if pane in self._panes and key is not None:
                await self._fetch(pane, key)
            await asyncio.sleep(CALM)

    async def _fetch(self, pane: str, key: Key) -> None:
        try:
            shown = self._drawn(pane, key, await self._feed.ask(f"/v1/{pane}", _query(pane, key)))
        except Denied as denied:
            shown = explained.trouble(denied.problems)
        except Unreachable:
            return  # what is shown stays, and the line at the top says that it may be old
        if (pane, key) == self._looked_at():
            self._panes[pane].show(shown)

    def _drawn(self, pane: str, key: Key, document: dict[str, Any]) -> RenderableType:
        if pane == "why":
            return explained.why(document, self._board.get(key))
        if pane == "environment":
            return explained.environment(document)
        width = max(self._panes[pane].content_size.width - 1, NARROWEST)
        return bars.draw(document, self._board.of_project(key[0]), time.time(), width)


def _query(pane: str, key: Key) -> list[tuple[str, str]]:
    """A timeline is of the whole project; secrets are never asked for."""
    project, service = key
    query = [("project", project)]
    query += [] if pane == "timeline" else [("service", service)]
    return [*query, ("mask", "1")] if pane == "environment" else query
