"""Log lines for the live socket: the history, then new ones, in batches that a reader can digest.

A batch says where it belongs: `history`: these lines were there when they were asked for; `more`: the next
batch goes on at once; `skipped`: lines before these were left out. The last happens when services print
faster, for long, than somebody reads: nobody is served by lines of a minute ago, so the reader is led to the
end, and what it missed is on disk.

A line with `over` was drawn over that many lines that were told before it, the last of its stream and run.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from locald.adapters.histories import Choice
from locald.adapters.patterns import TooSlow
from locald.daemon.api.logs import for_screens
from locald.daemon.api.scope import misused, moment, pattern, scope, text, too_slow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterator

    from locald.adapters.histories import LogLine
    from locald.daemon.core import Core
    from locald.domain.project.names import Key

Json = dict[str, Any]

BATCH = 1_000
"""lines in one message"""
HEAVY = 1 << 20
"""characters in one message, unless a single line has more"""
PAUSE = 0.05
"""seconds between the beginnings of two messages"""
TOO_LATE = 10.0
"""seconds that new lines may be old when they are told"""
MOST = 100_000
"""lines of history"""
USUAL = 1_000


async def lines(core: Core, asked: Json) -> AsyncGenerator[Json]:
    """The batches that somebody asked for, without end. Raises Refused for what cannot be asked."""
    count, choice = _count(asked), _choice(asked, core.clock.now())
    chosen = await scope(core, asked, _names(asked))
    keys = chosen.keys(core.world)
    skipped = False
    while True:
        try:
            async with aclosing(_followed(core, keys, count, choice, skipped=skipped)) as batches:
                async for batch in batches:
                    yield batch
        except TooSlow as slow:
            raise too_slow(slow) from None
        count, skipped = USUAL, True


async def _followed(
    core: Core, keys: Collection[Key], count: int, choice: Choice, *, skipped: bool
) -> AsyncGenerator[Json]:
    """Ends when the reader is so late that it should begin again."""
    history = True
    loop = asyncio.get_running_loop()
    async with aclosing(core.logbook.follow(keys, count, choice)) as following:
        async for found in following:
            for batch, more in _batches(found, history=history):
                began = loop.time()
                shown = [for_screens(line) for line in batch]
                yield {"lines": shown, "history": history, "more": more, "skipped": skipped}
                skipped = False
                await asyncio.sleep(PAUSE - (loop.time() - began))
                if not history and more and core.clock.now() - batch[-1].at > TOO_LATE:
                    return
            history = False


def _batches(found: list[LogLine], *, history: bool) -> Iterator[tuple[list[LogLine], bool]]:
    """Each batch, and whether another follows. A history is at least one, so that its end is reported."""
    batch: list[LogLine] = []
    weight = 0
    for line in found:
        if batch and (len(batch) == BATCH or weight + len(line.line) > HEAVY):
            yield batch, True
            batch, weight = [], 0
        batch.append(line)
        weight += len(line.line)
    if batch or history:
        yield batch, False


def _names(asked: Json) -> list[str]:
    names = asked.get("services") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise misused("must be a list of names", "services")
    return list(dict.fromkeys(names))


def _count(asked: Json) -> int:
    count = asked.get("n", USUAL)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MOST:
        raise misused(f"must be a number of lines, {MOST} at most", "n")
    return count


def _choice(asked: Json, now: float) -> Choice:
    since = asked.get("since")
    if since is not None:
        since = moment(since if _is_number(since) else math.nan, "since", now)
    grep = pattern(text(asked, "grep")) if asked.get("grep") else None
    run = asked.get("run")
    if run is not None and not (isinstance(run, int) and not isinstance(run, bool) and run > 0):
        raise misused("must be the number of a run", "run")
    return Choice(since, grep, asked.get("plain") is True, folds=True, run=run)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
