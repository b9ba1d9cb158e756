"""The last start as spans of time: waiting, spawn to listening, listening to ready; drawn on terminals.

A project seldom starts in one go: one service is restarted an hour later, and that is the last start. So the
picture begins with the first request that overlaps with the latest one; what was ready before that has no
span. A service that is starting reaches up to now; one that failed ends with the last that is known of it.
"""

from __future__ import annotations

from locald.domain.values.amounts import length
from locald.faces import words
from locald.faces.when import seconds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Document = Mapping[str, Any]

SLOW, AT_LEAST = 1.5, 0.3
"""how many times as long as the median, and how many seconds longer, is worth telling"""
LOOK = {"waiting": ("·", "dim"), "listening": ("▒", "bright_blue"), "ready": ("█", "green")}
"""What each part of a bar is drawn with: until it is spawned, listening, ready"""
LEGEND = {"waiting": "waiting", "listening": "spawn to listening", "ready": "listening to ready"}
ON_PATH = "◆"
STEPS = [unit * scale for scale in (0.01, 0.1, 1.0) for unit in (1, 2, 5)]
STEPS += [10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0]
APART = 9
"""columns between two marks of the scale, at least"""
ON_ITS_WAY = ("waiting", "preparing", "starting", "backoff")
NOTHING_THERE = ("failed", "backoff", "stopped", "blocked")
"""words for a service that has ended since: how long it took to be ready is of no interest"""


class Span:
    """One service's part. Times are epoch seconds; None for what has not happened.

    `end`: when it was ready, or now, or the last that is known. `word`: how it is, if it is not ready now.
    `took`, `median` (the median of earlier starts): seconds from spawn to ready.
    """

    def __init__(self, part: Document, row: Document, now: float) -> None:
        self.name = str(part["name"])
        self.source = words.source({**part, **row})
        self.cause = str(part.get("cause") or "")
        self.waited_for: list[str] = list(part.get("waited_for") or ())
        times = ("queued_at", "spawned_at", "listening_at", "ready_at")
        self.queued, self.spawned, self.listening, self.ready = (seconds_of(part.get(each)) for each in times)
        state = words.word(row) if row else ""
        self.is_moving = self.ready is None and state in ON_ITS_WAY
        self.word = "" if row and words.is_ready(row) else state
        moments = (self.queued, self.spawned, self.listening, self.ready, self._failed(row))
        known = [at for at in moments if at is not None]
        self.begin = min(known, default=now)
        self.end = now if self.is_moving else max(known, default=now)
        self.took = None if self.spawned is None or self.ready is None else self.ready - self.spawned
        median = part.get("median_ms")
        self.median = median / 1000 if isinstance(median, int | float) else None

    def _failed(self, row: Document) -> float | None:
        """When its run ended without having been ready: its health is unknown since then."""
        is_over = self.spawned is not None and self.ready is None and row.get("health") == "unknown"
        return seconds_of(row.get("since")) if is_over else None

    @property
    def so_far(self) -> float | None:
        """What it took, or has taken by now."""
        if self.took is None and self.is_moving and self.spawned is not None:
            return self.end - self.spawned
        return self.took

    @property
    def is_slow(self) -> bool:
        took, median = self.so_far, self.median
        return took is not None and median is not None and took > max(median * SLOW, median + AT_LEAST)


class Start:
    """The spans of a project, those that were ready before the picture begins (`earlier`) apart.

    `before`: the picture of the start before, if that was one of more services."""

    def __init__(self, document: Document, rows: list[dict[str, Any]], now: float) -> None:
        """`document` is that of `timeline --json`, `rows` those of `status --json`; `now`: epoch seconds."""
        by_name = {row.get("name"): row for row in rows}
        spans = [Span(part, by_name.get(part["name"], {}), now) for part in document["services"]]
        before = document.get("before")
        self.before = Start(before, _as_it_was(before), now) if isinstance(before, dict) else None
        self.spans: list[Span]
        is_told = {span.name for span in self.before.spans} if self.before else set()
        self.origin = _origin(spans, now)
        self.spans = [span for span in spans if span.end >= self.origin]
        self.earlier = [span for span in spans if span.end < self.origin and span.name not in is_told]
        self.end = max((span.end for span in self.spans), default=now)
        self.critical: list[str] = list(document.get("critical_path") or ())
        total = document.get("total_ms")
        self.total = total / 1000 if isinstance(total, int | float) else None

    @property
    def is_over(self) -> bool:
        return not any(span.is_moving for span in self.spans)

    @property
    def has_path(self) -> bool:
        """Whether the critical path explains this start: it is over, and all of the path is in it."""
        return self.is_over and {span.name for span in self.spans}.issuperset(self.critical)

    @property
    def unready(self) -> str:
        """What is not ready, in a sentence; empty when all is. Of what has failed nothing comes `yet`."""
        late = [f"{span.name} ({span.word})" for span in [*self.spans, *self.earlier] if span.word]
        if not late:
            return ""
        return f"{'not ready' if self.is_over else 'not ready yet'}: {', '.join(late)}"

    def bar(self, span: Span, columns: int) -> tuple[int, list[tuple[str, int]]]:
        """Where its bar begins in so many columns, and how many of them each part takes.

        What has happened takes one at least.
        """
        scale = self._columns_a_second(columns)
        spawned = span.end if span.spawned is None else span.spawned
        listening = span.end if span.listening is None else span.listening
        begin = at = round((span.begin - self.origin) * scale)
        parts = []
        for part, until in zip(LOOK, (spawned, listening, span.end), strict=True):
            to = max(round((until - self.origin) * scale), at)
            if part == "listening" and span.spawned is not None and to == at:
                to += 1
            parts.append((part, to - at))
            at = to
        return begin, parts

    def marks(self, columns: int) -> str:
        """`│0       │500ms    │1.0s`: seconds since the start began, in so many columns."""
        scale = self._columns_a_second(columns)
        step = next((each for each in STEPS if each * scale >= APART), STEPS[-1])
        line = ""
        for number in range(int((self.end - self.origin) / step) + 1):
            column, label = round(number * step * scale), f"│{_tick(number * step)}"
            if column + len(label) <= columns and column >= len(line):
                line += " " * (column - len(line)) + label
        return line

    def _columns_a_second(self, columns: int) -> float:
        return (columns - 1) / max(self.end - self.origin, 0.001)


def _as_it_was(start: Document) -> list[dict[str, Any]]:
    """Rows of what was not ready in an earlier start."""
    late = [part for part in start["services"] if not part.get("ready_at")]
    return [
        {"name": part["name"], "state": "failed", "health": "unknown", "since": part.get("ended_at")}
        for part in late
    ]


def _tick(seconds: float) -> str:
    return length(seconds) if seconds else "0"


def _origin(spans: list[Span], now: float) -> float:
    """The first request that overlaps with the latest one, one by one."""
    origin = max((span.begin for span in spans), default=now)
    for span in sorted(spans, key=lambda each: each.end, reverse=True):
        if span.end >= origin:
            origin = min(origin, span.begin)
    return origin
