"""`locald status --watch`: the table, as long as somebody looks.

On a terminal it has the screen to itself, as a pager has, and is redrawn in place: each time in one piece and
only what differs from the last time, so nothing flickers and any size will do. What it showed last stays when
it ends. Elsewhere a table is printed at each change that would be seen in it.

A daemon that goes away is looked for as by any command that reads.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager

from locald.cli.shared import overview, say
from locald.client import daemon
from locald.client.follow import Board
from locald.client.http import Ended, Unreachable
from locald.faces import states, words
from locald.faces.text import shorten
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from typing import Any, Protocol

    from locald.client.follow import Row
    from locald.client.http import Api, Events

    class Display(Protocol):
        def show(self, board: Board) -> None: ...
        def ring(self) -> None: ...


TICK = 0.5
"""seconds after which the table is looked at again without news: uptimes go on, windows are resized"""
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
"""the other screen, without a cursor, where wide letters never make two lines of one (XTerm Control
Sequences: 1049, 25, 7)"""
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
"""around what is to be shown when it is complete (2026: synchronized output, ignored where it is unknown)"""
CLEAR = "\x1b[2J"
REASONS = 4
"""lines kept for why services are not ready, when there is no room for everything"""


def run(args: argparse.Namespace, query: list[tuple[str, str]]) -> int:
    """Until Ctrl-C, which is how this is meant to end, or until there is no daemon any more."""
    home = Home.find()
    watch = _Watch(home, [*query, ("until", "ready")], bell=args.bell)
    try:
        events = watch.open(daemon.look(home))
        if args.json or not say.is_terminal(sys.stdout):
            watch.go_on(events, _Printed(args.all, as_json=args.json))
        else:
            with _screen() as screen:
                watch.go_on(events, _Drawn(args.all, screen))
    except KeyboardInterrupt:
        pass
    else:
        say.note("daemon stopped")
    if watch.board.rows and not args.json and say.is_terminal(sys.stdout):
        _leave_behind(watch.board, args.all)
    return 0


class _Watch:
    def __init__(self, home: Home, query: list[tuple[str, str]], *, bell: bool) -> None:
        self.board = Board()
        self._home, self._query = home, query
        self._bell = bell
        self._ready: set[tuple[str, str]] = set()

    def open(self, api: Api) -> Events:
        return api.events("/v1/events", self._query)

    def go_on(self, events: Events, display: Display) -> None:
        """Until no daemon is there."""
        while True:
            try:
                self._follow(events, display)
            except Ended:
                events.close()
            try:
                events = daemon.again(self._home, self.open, begin=daemon.look)
            except Unreachable:
                return

    def _follow(self, events: Events, display: Display) -> None:
        """One stream, until it ends: Ended."""
        while True:
            try:
                self.board.take(*events.next(TICK))
            except TimeoutError:
                pass
            else:
                if self._went_down() and self._bell:
                    display.ring()
            display.show(self.board)

    def _went_down(self) -> bool:
        """A service that was ready is not any more, and nobody has told it to stop."""
        ready = {words.key(row) for row in self.board.rows if words.is_ready(row)}
        down = {words.key(row) for row in self.board.rows if words.word(row) in states.DOWN}
        fallen = self._ready & down
        passing = {words.key(row) for row in self.board.rows if words.word(row) == "stopping"}
        self._ready = ready | (self._ready & passing)
        return bool(fallen)


class _Printed:
    """A table, or a document, at each change."""

    def __init__(self, everywhere: bool, *, as_json: bool) -> None:
        self._everywhere, self._as_json = everywhere, as_json
        self._shown: object = None

    def show(self, board: Board) -> None:
        told = board.document if self._as_json else [_visible(row) for row in board.rows]
        if not board.daemon or told == self._shown:
            return
        if self._as_json:
            print(json.dumps(told), flush=True)
        else:
            self._print(board, again=self._shown is not None)
        self._shown = told

    def _print(self, board: Board, *, again: bool) -> None:
        lines = [*([""] if again else []), *overview.whole(board.rows, self._everywhere, None)]
        print("\n".join(lines), flush=True)

    def ring(self) -> None:
        if say.is_terminal(sys.stderr):
            print("\a", end="", file=sys.stderr, flush=True)


def _visible(row: Row) -> object:
    """What of a row stands in the table or below it, but for what only time changes."""
    shown = [
        row.get(name)
        for name in ("project", "instance", "name", "state", "health", "port", "pid", "container", "url")
    ]
    return [*shown, words.source(row), "" if words.is_ready(row) else words.reason(row)]


class _Drawn:
    """One picture on the whole screen."""

    def __init__(self, everywhere: bool, screen: _Screen) -> None:
        self._everywhere, self._screen = everywhere, screen

    def show(self, board: Board) -> None:
        if board.daemon:
            self._screen.draw(self._lines(board, *os.get_terminal_size(sys.stdout.fileno())))

    def _lines(self, board: Board, width: int, height: int) -> list[str]:
        """What fits: of the rows those that are not ready first, and of the reasons some at least."""
        late = sum(not words.is_ready(row) for row in board.rows)
        kept = min(late, REASONS) + 1 if late else 0
        rows, hidden = _fitting(board.rows, height - 3 - kept)
        shown, reasons = overview.parts(rows, self._everywhere, width)
        more = [f"and {words.counted(hidden, 'more service')}"] if hidden else []
        room = max(height - 3 - len(shown) - len(more), 0)
        below = [shorten(reason, width) for reason in reasons[:room]]
        return [shorten(_head(board.rows), width), "", *shown, *more, *([""] if below else []), *below][
            :height
        ]

    def ring(self) -> None:
        self._screen.write("\a")


def _head(rows: Sequence[Row]) -> str:
    ready = sum(map(words.is_ready, rows))
    count = words.counted(len(rows), "service")
    return f"{count}, {ready} ready (Ctrl-C stops watching, services keep running)"


def _fitting(rows: list[Row], room: int) -> tuple[list[Row], int]:
    """The rows that are shown, in their order, and how many are not."""
    if len(rows) <= room:
        return rows, 0
    first = sorted(range(len(rows)), key=lambda place: words.is_ready(rows[place]))[: max(room - 1, 1)]
    return [rows[place] for place in sorted(first)], len(rows) - len(first)


class _Screen:
    def __init__(self) -> None:
        self._lines: list[str] | None = None
        self._size: object = None

    def enter(self) -> None:
        self._lines = None
        self.write(ENTER)

    def leave(self) -> None:
        self.write(LEAVE)

    def draw(self, lines: list[str]) -> None:
        """Redraw the lines that have changed; all of them when the window has another size."""
        size = os.get_terminal_size(sys.stdout.fileno())
        text = ""
        if size != self._size or self._lines is None:
            self._size, self._lines, text = size, [], CLEAR
        before = self._lines + [""] * len(lines)
        changed = [place for place, line in enumerate(lines) if text or line != before[place]]
        text += "".join(f"\x1b[{place + 1};1H\x1b[K{lines[place]}" for place in changed)
        if len(lines) < len(self._lines):
            text += f"\x1b[{len(lines) + 1};1H\x1b[J"
        self._lines = lines  # before it is drawn: should we be suspended meanwhile, all will be drawn anew
        if text:
            self.write(f"{BEGIN}{text}{END}")

    def write(self, text: str) -> None:
        """Past all buffers, for a signal may come in the middle."""
        data = text.encode(sys.stdout.encoding, "replace")
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]


@contextmanager
def _screen() -> Iterator[_Screen]:
    """The terminal gets its own screen back however this ends, and while it is suspended by Ctrl-Z."""
    screen = _Screen()

    def suspend(number: int, _: Any) -> None:
        screen.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        screen.enter()

    before = signal.signal(signal.SIGTSTP, suspend), signal.signal(signal.SIGTERM, _end)
    screen.enter()
    try:
        yield screen
    finally:
        signal.signal(signal.SIGTSTP, before[0])
        signal.signal(signal.SIGTERM, before[1])
        screen.leave()


def _end(number: int, _: Any) -> None:
    sys.exit(128 + number)


def _leave_behind(board: Board, everywhere: bool) -> None:
    print("\n".join(overview.whole(board.rows, everywhere, say.width(sys.stdout))))
