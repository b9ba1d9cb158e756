"""The panes that show a document of the daemon: why, timeline, environment.

The open one is kept fresh: it is requested again after a change, and when it has become old, one request at a
time. An answer that comes when another pane or service is already shown is dropped.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from textual.containers import VerticalScroll
from textual.widgets import Static

from locald.client.http import Denied, Unreachable
from locald.faces import words
from locald.monitor import bars, explained
from locald.monitor.lines import line_of
from locald.wire.now import now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType
    from textual.app import ComposeResult

    from locald.monitor.board import Board, Key
    from locald.monitor.feed import Feed
    from locald.monitor.lines import Line

DOCUMENTS = ("why", "timeline", "environment")
STALE = 2.0
"""seconds after which the open document is requested again without a change"""
CALM = 0.1
"""seconds between two requests"""
NARROWEST = 40
LAST_LINES = 20
"""lines of output beside an explanation, at least"""


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
        """Keep the open document fresh, without end."""
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
            document = await self._feed.ask(f"/v1/{pane}", _query(pane, key))
            if pane == "why":
                shown = await self._explained(key, document)
            else:
                shown = self._drawn(pane, key, document)
        except Denied as denied:
            shown = explained.trouble(denied.problems)
        except Unreachable:
            return  # keep what is shown: the line at the top says that it may be old
        if (pane, key) == self._looked_at():
            self._panes[pane].show(shown)

    async def _explained(self, key: Key, document: dict[str, Any]) -> RenderableType:
        """With what is known beyond the explanation; a daemon of another version may not tell all of it."""
        query = _query("why", key)
        printed = await self._printed(key[0], document)
        runs = _listed(await self._asked("/v1/runs", query), "runs")
        used = _listed(await self._asked("/v1/usage", query), "services")
        samples = _listed(used[0], "samples") if used else []
        row, width = self._board.get(key), self._width("why")
        return explained.why(document, row, printed, width, runs=runs, samples=samples, now=now())

    async def _asked(self, target: str, query: Sequence[tuple[str, str]]) -> dict[str, Any]:
        try:
            found = await self._feed.ask(target, query)
        except Denied:
            return {}
        return found if isinstance(found, dict) else {}

    def _width(self, pane: str) -> int:
        return max(self._panes[pane].content_size.width - 1, NARROWEST)

    async def _printed(self, project: str, document: dict[str, Any]) -> list[Line]:
        """The last lines of the latest run of what is to blame; of what is ready they are of no interest."""
        if words.is_ready(document):
            return []
        count = max(self._panes["why"].size.height, LAST_LINES)
        query = [("project", project), ("service", explained.root(document)), ("n", str(count))]
        entries = _listed(await self._asked("/v1/lines", query), "lines")
        run = entries[-1].get("run") if entries else None
        return [line for each in entries if each.get("run") == run and (line := line_of(each))]

    def _drawn(self, pane: str, key: Key, document: dict[str, Any]) -> RenderableType:
        if pane == "environment":
            return explained.environment(document)
        return bars.draw(document, self._board.of_project(key[0]), now(), self._width(pane))


def _listed(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = document.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _query(pane: str, key: Key) -> list[tuple[str, str]]:
    """A timeline is of the whole project; secrets are never asked for."""
    project, service = key
    query = [("project", project)]
    query += [] if pane == "timeline" else [("service", service)]
    return [*query, ("mask", "1")] if pane == "environment" else query
