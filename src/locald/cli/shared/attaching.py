"""Attach to a service, run after run: a restart is no reason to leave, its end is.

The keeper holds the terminal, so a daemon that dies meanwhile is not missed before the run has ended.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager

from locald.cli.shared import say
from locald.cli.shared.seat import Seat
from locald.client import daemon
from locald.client.http import Ended
from locald.client.terminal import Attached
from locald.domain.values.problem import Problem, Refused
from locald.faces import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType
    from typing import Any

    from locald.client.follow import Board, Display, Row
    from locald.client.http import Api, Events
    from locald.client.target import Target
    from locald.wire.home import Home

OVER = frozenset({"stopped", "failed", "completed", "blocked"})
"""States that no run follows by itself"""
BEGUN = frozenset({"starting", "running"})
_LOOK = 60.0
"""seconds; an event stream has a heartbeat"""


def require_terminal() -> None:
    """Refused where nobody sits."""
    if not (say.is_terminal(sys.stdin) and say.is_terminal(sys.stdout)):
        hint = "run it in a terminal; `locald logs -f` follows the output without one"
        raise Refused(Problem("attach needs a terminal", hint=hint))


def attach(home: Home, api: Api, target: Target, *, looks: bool = False, takes: bool = False) -> int:
    """Sit at the terminal of the one service of `target`. Returns the exit code: 0 when it is left, 1 when
    the service has failed."""
    name = target.spelled(target.services[0])
    service, _, first = str(api.get("/v1/terminal", target.query)["run"]).rpartition("#")
    ended, how_to_leave = int(first) - 1, ": Ctrl-\\ leaves it"
    while True:
        try:
            with _quit_interrupts():
                row = _following(home, target, ended)
        except KeyboardInterrupt:
            say.note(f"left {name}")
            return 0
        if row is None or row["state"] in OVER:
            return _over(name, row)
        ended = row["run"]
        say.note(f"attached to {name} (run {ended}){how_to_leave}")
        how_to_leave = ""
        if not _sit(home, f"{service}#{ended}", looks=looks, takes=takes):
            say.note(f"left {name}, it keeps running")
            return 0


def _sit(home: Home, run: str, *, looks: bool, takes: bool) -> bool:
    """Whether the run has ended. One that ends before it can be attached to has."""
    try:
        attached = Attached(home.keeper, run, looks=looks, takes=takes)
    except Refused as refused:
        if any("it has ended" in each.what or "no such run" in each.what for each in refused.problems):
            return True
        raise
    try:
        return Seat(attached, looks=looks).sit()
    finally:
        attached.close()


def _over(name: str, row: Row | None) -> int:
    if row is None:
        say.note(f"{name} is gone: its project was brought down, or it is no longer in locald.toml")
        return 0
    said = say.error if row["state"] in ("failed", "blocked") else say.note
    said(f"{name} {row['state']}: {words.because(row)}")
    return 1 if row["state"] in ("failed", "blocked") else 0


def _following(home: Home, target: Target, ended: int) -> Row | None:
    """The row when a later run has a process, or none is to come; None when the service is not there any
    more. Without a process the keeper may not have been asked for it yet, and knows no such run."""
    tell = _Once()
    events = _events(home, target)
    while True:
        try:
            row = _newest(target, *events.next(_LOOK))
        except TimeoutError:
            continue
        except Ended:
            events = _events(home, target)
            continue
        if row is _NO_NEWS:
            continue
        if row is None or row["state"] in OVER or (row["run"] > ended and row["pid"]):
            events.close()
            return row
        tell.note(target, row)


_NO_NEWS: Row = {}


def _newest(target: Target, name: str, news: dict[str, Any]) -> Row | None:
    """The row of the service, None when it was removed."""
    service = target.services[0]
    rows: list[Row] = [row for row in news.get("services", ()) if row["name"] == service]
    if rows:
        return rows[-1]
    removed = any(gone["name"] == service for gone in news.get("removed", ()))
    return None if removed or name == "snapshot" else _NO_NEWS


class _Once:
    """Says what is waited for, each state once."""

    def __init__(self) -> None:
        self._told = ""

    def note(self, target: Target, row: Row) -> None:
        if row["state"] == "backoff" and row["state"] != self._told:
            say.note(f"{target.spelled(row['name'])}: {words.because(row)}")
        self._told = row["state"]


def _events(home: Home, target: Target) -> Events:
    """Of a daemon that is started if there is none any more."""
    return daemon.again(home, lambda api: api.events("/v1/events", target.query))


@contextmanager
def _quit_interrupts() -> Iterator[None]:
    """Ctrl-\\ leaves here too, where the terminal is not raw."""
    before = signal.signal(signal.SIGQUIT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGQUIT, before)


def _interrupt(*_: int | FrameType | None) -> None:
    raise KeyboardInterrupt


class Begun(Exception):
    """The service that was waited for has a process."""


class UntilBegun:
    """Shows what another display shows, until a service begins: raises Begun then."""

    def __init__(self, display: Display, service: str) -> None:
        self._display = display
        self._service = service

    def show(self, board: Board, changed: Sequence[Row]) -> None:
        self._display.show(board, changed)
        if any(row["name"] == self._service and row["state"] in BEGUN and row["pid"] for row in board.rows):
            raise Begun

    def tick(self, board: Board) -> None:
        self._display.tick(board)

    def close(self) -> None:
        self._display.close()
