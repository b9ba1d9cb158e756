"""Answers that have no end of their own: each ends when its reader goes, or with the daemon.

Else the daemon would wait at its end for readers who wait for news.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Streams:
    def __init__(self) -> None:
        self._open: set[asyncio.Task[Any]] = set()
        self._ended = False

    @contextmanager
    def open(self) -> Iterator[None]:
        """Around the whole of such an answer: its end, whichever it is, is no error."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        if self._ended:  # asked for at the last moment: it gets its beginning, and that is all
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            yield
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)

    def end(self) -> None:
        """End them all: the daemon does."""
        self._ended = True
        for task in self._open:
            task.cancel()
