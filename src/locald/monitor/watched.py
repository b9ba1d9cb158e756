"""Whose lines the logs pane shows: those of the selected service, of one of its runs, or of all services.

Another selection asks the daemon for other lines. The newest come at once, older ones when somebody scrolls
up to the first. What comes for an earlier selection is dropped.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from locald.client.http import Denied, Unreachable
from locald.faces.when import seconds_of
from locald.faces.words import name_colours
from locald.monitor.feed import HISTORY, Printed
from locald.monitor.lines import LIMIT, line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from locald.monitor.board import Board, Key
    from locald.monitor.feed import Feed
    from locald.monitor.logs import LogPane

    Begin = Callable[[Callable[[], Coroutine[None, None, None]], str], None]
    Later = Callable[[float, Callable[[], None]], object]

Whose = tuple[str | None, tuple[str, ...], int | None]
"""project, services, run"""

PASSING = 0.05
"""seconds that a service has to stay selected until its history is asked for"""
BLINK = 0.2
"""seconds that the previous service's lines stay until the new ones arrive"""
EARLIER = 2_000
"""older lines that are asked for at a time"""


class Watched:
    """`begin` does something beside the rest, `later` after some seconds."""

    def __init__(self, feed: Feed, board: Board, pane: LogPane, begin: Begin, later: Later) -> None:
        self._feed, self._board, self._pane = feed, board, pane
        self._begin, self._later = begin, later
        self.merged = False
        self.run: int | None = None
        """whose lines alone are shown"""
        self._number = 0
        self._whose: Whose | None = None
        self._awaited = False
        """the history of the newest watch is still to come"""
        self._has_older = False
        self._is_reaching = False

    def selected(self, key: Key | None) -> None:
        """Another service is."""
        self.run = None
        if not self.merged or self._whose is None:
            self.choose(key)

    def merge(self, key: Key | None) -> None:
        self.merged, self.run = not self.merged, None
        self.choose(key)

    def step(self, key: Key | None, latest: int, step: int) -> bool:
        """All lines, then those of the latest run, then of the one before. Whether there is such a run."""
        wanted = (self.run or latest + 1) + step
        if not latest or wanted < 1:
            return False
        self.run = wanted if wanted <= latest else None
        self.merged = False
        self.choose(key)
        return True

    def choose(self, key: Key | None, *, again: bool = False) -> None:
        """Ask for the lines of what is selected now."""
        known = key is not None and self._board.is_known(key)
        whose = self._of(key) if known and key else None
        if whose == self._whose and not again:
            return
        self._whose = whose
        self._number += 1
        self._awaited, self._has_older, self._is_reaching = True, False, False
        self._pane.empty = "" if known or not self._board.daemon else "never started"
        if whose is None:
            self._pane.history([])
            self._begin(self._feed.unwatch, "watch")
            return
        several = [str(row["name"]) for row in self._board.rows] if self.merged else []
        self._pane.begin(name_colours(several) if len(several) > 1 else {})
        self._later(BLINK, partial(self._forget, self._number))
        self._later(PASSING, partial(self._ask, self._number, *whose))

    def take(self, news: Printed) -> None:
        if news.watch != self._number:
            return
        if news.history and self._awaited:
            self._awaited = False
            self._pane.empty = "no output yet"
            self._has_older = len(news.lines) >= HISTORY
            self._pane.history(news.lines)
        else:
            self._pane.add(news.lines, skipped=news.skipped)

    def refuse(self, number: int | None) -> None:
        if number == self._number:
            self._pane.history([])

    def reach_back(self) -> None:
        """The first line has come into sight: ask for those before it."""
        lines = self._pane.lines
        if self._whose is None or not self._has_older or self._is_reaching or lines.kept >= LIMIT:
            return
        self._is_reaching = True
        self._begin(partial(self._fetch, self._number, self._whose), "older lines")

    async def _fetch(self, number: int, whose: Whose) -> None:
        stamp, known = self._pane.lines.oldest
        project, services, run = whose
        query = [("n", str(EARLIER)), ("before", f"{seconds_of(stamp) or 0.0:.3f}"), ("known", str(known))]
        query += [("fold", "1"), ("shown", "1"), *(("service", name) for name in services)]
        query += [("project", project)] if project else []
        query += [("run", str(run))] if run else []
        told: dict[str, Any] = {}
        try:
            told = await self._feed.ask("/v1/lines", query)
        except (Denied, Unreachable):
            pass  # what is there stays; the next scroll tries again
        if number != self._number:
            return
        self._is_reaching = False
        entries = told.get("lines")
        found = [line for each in entries if (line := line_of(each))] if isinstance(entries, list) else []
        if told:
            self._has_older = told.get("truncated") is True and bool(found)
        self._pane.add_before(found)

    def _ask(self, number: int, project: str | None, services: tuple[str, ...], run: int | None) -> None:
        if number == self._number:
            self._begin(partial(self._feed.watch, number, project, services, run), "watch")

    def _forget(self, number: int) -> None:
        """Do not show another service's lines while the history takes long."""
        if self._awaited and number == self._number:
            self._pane.history([])

    def _of(self, key: Key) -> Whose:
        if not self.merged:
            return key[0], (key[1],), self.run
        return (None if self._board.scope.is_everything else key[0]), (), None
