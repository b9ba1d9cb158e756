"""Wait for services on behalf of a call: with an end always, telling meanwhile how far it is.

A call is carried out in a thread of its own. When nobody wants its answer any more it is called off, and ends
at the next look.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from locald.faces import words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from locald.client.follow import Board, Row

SIGN_OF_LIFE = 10.0
"""seconds without news after which it is said that it goes on"""


class CalledOff(Exception):
    """Nobody wants the answer any more."""


class Call:
    """One call of a tool. `tell` takes a sentence on how far it is."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.off = threading.Event()
        self.over = threading.Event()
        """it is carried out, or has been called off"""

    def look(self) -> None:
        """Raises CalledOff."""
        if self.off.is_set():
            raise CalledOff


class Progress:
    """A display of `client.follow` that tells of each service what becomes of it."""

    def __init__(self, call: Call, done: str) -> None:
        """`done`: what is waited for, `ready` or `gone`."""
        self._call, self._done = call, done
        self._told: dict[str, str] = {}
        self._at = time.monotonic()

    def show(self, board: Board, changed: Sequence[Row]) -> None:
        self._call.look()
        news = [row for row in changed if self._told.get(row["name"]) != words.word(row)]
        self._told.update((row["name"], words.word(row)) for row in news)
        for row in news:
            self._tell(f"{row['name']} {words.phrase(words.word(row))}; {self._far(board)}")

    def tick(self, board: Board) -> None:
        self._call.look()
        if time.monotonic() - self._at >= SIGN_OF_LIFE:
            self._tell(f"waiting; {self._far(board)}")

    def close(self) -> None:
        pass

    def _tell(self, text: str) -> None:
        self._at = time.monotonic()
        self._call.tell(text)

    def _far(self, board: Board) -> str:
        is_done = words.is_ready if self._done == "ready" else _is_gone
        return f"{sum(map(is_done, board.rows))} of {words.counted(len(board.rows), 'service')} {self._done}"


def _is_gone(row: Row) -> bool:
    return row.get("pid") is None and row.get("state") in ("stopped", "failed", "completed", "blocked")
