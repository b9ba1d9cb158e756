"""Follow services until they have settled: the one loop behind `up`, `wait`, `restart`, `stop`, `down`.

The daemon sends what is so (a snapshot), then every change, and tells when every service that was asked about
has settled. Nothing is decided here: the board holds the newest rows, a display shows them, the deadline ends
the waiting. When the daemon dies meanwhile it is started again: services outlive it, and so do their desired
states.
"""

from __future__ import annotations

import time

from locald.client import daemon
from locald.client.http import Ended, Events, Unreachable
from locald.wire import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from locald.client.http import Api
    from locald.wire.home import Home

    Row = dict[str, Any]

    class Display(Protocol):
        """Shows a board while it changes."""

        def show(self, board: Board, changed: Sequence[Row]) -> None:
            """These rows of the board are new or have changed."""

        def tick(self, board: Board) -> None:
            """A moment passed without news."""

        def close(self) -> None:
            """Nothing more will be shown."""


TICK = 0.1
"""seconds between two looks of a display at the clock"""
FIRST_NEWS = 2.0
"""seconds beyond a deadline that the snapshot is waited for: who gives up wants to know how things stand"""
MOST_DEATHS = 5
"""of the daemon while it is followed: then it is given up"""


class TimedOut(Exception):
    """The time that the person gave ran out. Carries what was so at that moment."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board


class Board:
    """The newest row of each service, in the daemon's order."""

    def __init__(self) -> None:
        self.daemon: dict[str, Any] = {}
        self.settled = False
        self.gone: list[str] = []
        """services that were there and are not any more: somebody took them away"""
        self.at_first: list[Row] = []
        """the rows of the first snapshot"""
        self._rows: dict[tuple[str, str], Row] = {}

    @property
    def rows(self) -> list[Row]:
        return list(self._rows.values())

    @property
    def document(self) -> dict[str, Any]:
        """The board as `status --json` shows it."""
        return {"daemon": self.daemon, "services": self.rows}

    def take(self, name: str, news: dict[str, Any]) -> list[Row]:
        """Take up an event. Returns the rows that it is about."""
        if name == "snapshot":
            self.daemon = news.get("daemon") or {}
            self._rows = {}
        elif name != "change":
            return []
        for gone in news.get("removed", ()):
            if self._rows.pop(named.key(gone), None):
                self.gone.append(gone["name"])
        changed: list[Row] = news.get("services", [])
        back = {row["name"] for row in changed}
        self.gone = [name for name in self.gone if name not in back]
        self._rows.update((named.key(row), row) for row in changed)
        self.at_first = self.at_first or self.rows
        self.settled = bool(news.get("settled"))
        return changed


class Following:
    """Which services are followed, and until when.

    `revive`: a daemon that dies is started again; else its end is taken for the end of what it ran.
    """

    def __init__(
        self, home: Home, api: Api, query: list[tuple[str, str]], until: str, *, revive: bool = True
    ) -> None:
        self.board = Board()
        self.api = api
        self._home = home
        self._query = [*query, ("until", until)]
        self._lives = MOST_DEATHS if revive else 0
        self._revive = revive

    def run(self, display: Display, deadline: float | None = None) -> Board:
        """Show what happens until it has settled. `deadline`: seconds of `time.monotonic`, else TimedOut."""
        events = self._open(self.api)
        try:
            while not self._has_settled(events, display, deadline):
                events.close()
                self._lives -= 1
                if self._lives < 0:
                    raise Unreachable("daemon keeps exiting", f"check its log: {self._home.log}")
                events = daemon.again(self._home, self._open)
        finally:
            events.close()
            display.close()
        return self.board

    def _open(self, api: Api) -> Events:
        self.api = api
        return api.events("/v1/events", self._query)

    def _has_settled(self, events: Events, display: Display, deadline: float | None) -> bool:
        """Follow one stream. False when it ended before everything had settled."""
        try:
            while not self.board.settled:
                self._step(events, display, deadline)
        except Ended:
            return not self._revive
        return True

    def _step(self, events: Events, display: Display, deadline: float | None) -> None:
        left = TICK if deadline is None else min(TICK, self._given_up_at(deadline) - time.monotonic())
        try:
            changed = self.board.take(*events.next(max(left, 0.0)))
        except TimeoutError:
            if deadline is not None and time.monotonic() >= self._given_up_at(deadline):
                raise TimedOut(self.board) from None
            display.tick(self.board)
        else:
            display.show(self.board, changed)

    def _given_up_at(self, deadline: float) -> float:
        return deadline if self.board.daemon else deadline + FIRST_NEWS
