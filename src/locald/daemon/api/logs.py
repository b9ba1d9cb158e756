"""Log lines that are asked for: as a stream, and in pages with a cursor."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from locald.adapters import pages
from locald.adapters.histories import Choice
from locald.adapters.pages import Limits
from locald.adapters.patterns import TooSlow
from locald.daemon.api.http import Answer, Request, Stream, document
from locald.daemon.api.scope import misused, moment, pattern, scope, too_slow
from locald.domain.knowledge.level import LEVELS, level
from locald.domain.knowledge.structured import as_fields
from locald.domain.values import digits
from locald.domain.values.redrawn import is_own_request
from locald.wire import rows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from locald.adapters.histories import LogLine, Packet
    from locald.daemon.core import Core
    from locald.domain.knowledge.level import Level
    from locald.domain.project.names import Key
    from locald.domain.values.problem import Refused

MOST_LINES, MOST_BYTES = 10_000, 1_000_000
"""of a page"""
MOST_RUNS = 1 << 31
MOST_KNOWN = 100_000
"""lines of one millisecond"""
MIXED = "application/octet-stream"


class Logs:
    def __init__(self, core: Core) -> None:
        self._core = core

    async def logs(self, request: Request) -> Stream:
        """One JSON object a line: the history, and with `follow` what is printed from now on.

        An empty line says that we are still here; one with `problems`, the last, why it does not go on.
        With `format=text` the history comes as it is, which is a tenth of the work: a line with the names of
        the `services`, and then, again and again, one with `service`, `stream` and a number of `bytes`, and
        so many bytes behind it, which are lines.
        """
        query, book = request.query, self._core.logbook
        chosen = await scope(self._core, query, query.getall("service"))
        keys = chosen.keys(self._core.world)
        count, choice = _count(query.get("n", "100")), _choice(query, self._core.clock.now())
        if query.get("format") == "text":
            if query.get("follow") == "1":
                raise misused("is for the history only, not with follow", "format")
            return Stream(MIXED, lambda: _as_text(keys, book.packets(keys, count, choice)))
        read = book.follow if query.get("follow") == "1" else book.history
        return Stream("application/x-ndjson", lambda: _printed(read(keys, count, choice)))

    async def lines(self, request: Request) -> Answer:
        """A page of log lines, and the cursor that the next one begins at."""
        query = request.query
        chosen = await scope(self._core, query, query.getall("service"))
        limits = Limits(
            _at_most(query, "n", 100, MOST_LINES), _at_most(query, "bytes", MOST_BYTES, MOST_BYTES)
        )
        now = self._core.clock.now()
        marks, choice, known = _marks(query), _choice(query, now), _at_most(query, "known", 0, MOST_KNOWN)
        choice = replace(choice, before=_moment(query, "before", now))
        keys = chosen.keys(self._core.world)
        try:
            page = await self._core.logbook.page(keys, marks, limits, choice, known)
        except TooSlow as slow:
            raise too_slow(slow) from None
        line = for_screens if query.get("shown") == "1" else log_line
        told = {"lines": list(map(line, page.lines)), "truncated": page.more}
        return document(told | {"cursor": pages.written(page.marks)})


def _count(text: str) -> int | None:
    if text == "all":
        return None
    found = digits.number(text, sys.maxsize)
    if found is None:
        raise misused("must be a number of lines, or all", "n")
    return found


def _choice(query: Mapping[str, str], now: float) -> Choice:
    grep = pattern(query["grep"]) if "grep" in query else None
    is_plain = query.get("plain") == "1"
    folds = is_plain or query.get("fold") == "1"
    since, until = _moment(query, "since", now), _moment(query, "until", now)
    return Choice(since, grep, is_plain, _level(query), until, folds, _run(query))


def _run(query: Mapping[str, str]) -> int | None:
    if "run" not in query:
        return None
    found = digits.number(query["run"], MOST_RUNS)
    if not found:
        raise misused("must be the number of a run", "run")
    return found


def _moment(query: Mapping[str, str], field: str, now: float) -> float | None:
    try:
        at = float(query[field]) if field in query else None
    except ValueError:
        at = math.nan
    return None if at is None else moment(at, field, now)


def _level(query: Mapping[str, str]) -> Level | None:
    if "level" not in query:
        return None
    found = next((level for level in LEVELS if level == query["level"]), None)
    if found is None:
        raise misused(f"must be one of {', '.join(LEVELS)}", "level")
    return found


def _at_most(query: Mapping[str, str], field: str, usual: int, most: int) -> int:
    asked = digits.number(query.get(field, str(usual)), most)
    if asked is None:
        raise misused(f"must be a number, {most} at most", field)
    return asked


def _marks(query: Mapping[str, str]) -> pages.Marks | None:
    if not query.get("cursor"):
        return None
    try:
        return pages.understood(query["cursor"])
    except pages.NoCursor:
        raise misused("must be the `cursor` of an earlier answer", "cursor") from None


async def _printed(batches: AsyncGenerator[list[LogLine]]) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(batches) as found:
            async for lines in found:
                yield await asyncio.to_thread(_ndjson, lines) or b"\n"
    except TooSlow as slow:
        yield _refusal(too_slow(slow))


async def _as_text(keys: list[Key], batches: AsyncGenerator[list[Packet]]) -> AsyncGenerator[bytes]:
    yield _line({"services": [key.service for key in keys]})
    try:
        async with aclosing(batches) as found:
            async for packets in found:
                if packets:
                    yield b"".join(part for packet in packets for part in _packed(packet))
    except TooSlow as slow:
        yield _refusal(too_slow(slow))


def _packed(packet: Packet) -> list[bytes]:
    size = sum(map(len, packet.data))
    head = {"service": packet.key.service, "stream": packet.stream, "bytes": size}
    return [_line(head), *packet.data]


def _line(told: Any) -> bytes:
    return json.dumps(told).encode() + b"\n"


def _refusal(refused: Refused) -> bytes:
    """In place of a line."""
    return _line(rows.refusal(refused.problems, 2))


def _ndjson(lines: list[LogLine]) -> bytes:
    """What was written cannot be taken back: of requests of our own in a row, the first stays here."""
    return b"".join(_line(log_line(line)) for line in lines if not (line.over and is_own_request(line.line)))


def log_line(line: LogLine) -> dict[str, Any]:
    """One line of `logs --json`."""
    return {
        "at": rows.timestamp(line.at),
        **rows.whose(line.key.project),
        "service": line.key.service,
        "run": line.run,
        "stream": line.stream,
        "level": level(line.line),
        "line": line.line,
    }


def for_screens(line: LogLine) -> dict[str, Any]:
    """With `shown`, what a screen has in place of a line of a structured log, and with `over`, how many lines
    told before it takes the place of."""
    fields = as_fields(line.line) if line.stream != "locald" else None
    told = log_line(line)
    if fields is not None:
        told["shown"] = fields
    if line.over:
        told["over"] = line.over
    return told
