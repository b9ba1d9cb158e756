"""Looks, when a run has ended by itself, for the line that it printed last that says why.

The world cannot read: it is told (`LastWord`). Each run is looked at once; what it printed is all on disk
before its end is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.adapters.histories import Choice
from locald.domain.explain.last_word import is_over, last_word
from locald.domain.lifecycle.messages import LastWord

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from locald.adapters.logbook import Logbook
    from locald.daemon.tasks import Cancellable
    from locald.domain.lifecycle.messages import Event
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key, Run

LOOKED_AT = 50
"""lines of output among which the one that says most is looked for"""


class LastWords:
    def __init__(
        self,
        logbook: Logbook,
        post: Callable[[Event], None],
        spawn: Callable[[Coroutine[None, None, None], str], Cancellable],
        now: Callable[[], float],
    ) -> None:
        self._logbook, self._post, self._spawn, self._now = logbook, post, spawn, now
        self._asked: set[Run] = set()

    def look(self, world: World, moved: Iterable[Key]) -> None:
        """The world's watcher."""
        for key in moved:
            service = world.services.get(key)
            if service and is_over(service) and (run := _unexplained(service)) and run not in self._asked:
                self._asked.add(run)
                self._spawn(self._find(run), f"look for the last word of {run}")

    async def _find(self, run: Run) -> None:
        line = ""
        try:
            line = last_word(await printed_last(self._logbook, run))
        finally:
            self._asked.discard(run)
            self._post(LastWord(run, line, self._now()))


async def printed_last(logbook: Logbook, run: Run) -> list[tuple[str, str]]:
    """The last lines that the run printed, with their streams."""
    lines = await logbook.last(run.key, LOOKED_AT, Choice(plain=True, folds=True))
    return [(line.stream, line.line) for line in lines if line.run == run.number]


def _unexplained(service: Service) -> Run | None:
    """The run that exited, while nobody has looked at what it said."""
    facts = service.facts
    return facts.run if facts and facts.exit and facts.said is None else None
