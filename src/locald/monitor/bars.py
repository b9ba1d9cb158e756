"""The timeline pane: the last start as bars, waiting, then spawn to listening, then listening to ready.

`faces.spans` works out what belongs to the start and where each bar lies on the axis, for `locald timeline`
as well. Here the bars are drawn in the width of the pane, each with its time from spawn to ready and the
median of earlier starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from locald.domain.values.amounts import length
from locald.faces import states, words
from locald.faces.spans import LEGEND, LOOK, NOTHING_THERE, ON_PATH, Span, Start
from locald.monitor.table import field, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.monitor.board import Row

NARROWEST, WIDEST = 10, 120
"""columns of the bars"""
MARGIN = len(ON_PATH) + 1


def draw(timeline: dict[str, Any], rows: Sequence[Row], now: float, width: int) -> Text:
    """The whole picture in `width` columns. `rows`: those of the project; `now`: epoch seconds."""
    document = _read(timeline)
    if not document["services"]:
        return Text("nothing started yet", "dim")
    start = Start(document, list(rows), now)
    lines = _picture(start, width)
    if before := start.before:
        ago = length(start.origin - before.origin)
        head = f"The start before, of {words.counted(len(before.spans), 'service')}, {ago} earlier"
        lines += [Text(), Text(head, "bold"), *_picture(before, width)]
    return Text("\n", no_wrap=True).join([*lines, _legend()])


def _picture(start: Start, width: int) -> list[Text]:
    names = max(len(span.name) for span in [*start.spans, *start.earlier])
    names = min(names, max(width // 4, 8))
    notes = [note(span) for span in start.spans]
    taken = MARGIN + names + 2 + 2 + max((each.cell_len for each in notes), default=0)
    room = min(max(width - taken, NARROWEST), WIDEST)
    lines = [Text(" " * (MARGIN + names + 2)).append(start.marks(room), "dim")]
    lines += [_line(span, told, start, names, room) for span, told in zip(start.spans, notes, strict=True)]
    lines += [_earlier(span, start, names) for span in start.earlier]
    return [*lines, Text(), _conclusion(start)]


def note(span: Span) -> Text:
    """`700ms, median 600ms`, `◐ starting 9.1s, median 600ms`, `✗ failed`."""
    took = None if span.word in NOTHING_THERE else span.so_far
    sign = f"{states.sign(span.word)} {span.word}" if span.word else ""
    told = " ".join(part for part in (sign, "" if took is None else length(took)) if part)
    median = "" if span.median is None else f"median {length(span.median)}"
    look = style(span.word) if span.word else "bold yellow" if span.is_slow else ""
    return Text(", ".join(part for part in (told, median) if part), look)


def _line(span: Span, told: Text, start: Start, names: int, room: int) -> Text:
    begin, parts = start.bar(span, room)
    drawn = Text(" " * begin)
    for part, count in parts:
        drawn.append(LOOK[part][0] * count, LOOK[part][1])
    drawn.truncate(room)
    gap = " " * (room - drawn.cell_len + 2)
    label = _label(span.name, names, critical=start.is_over and span.name in start.critical)
    return Text().append_text(label).append("  ").append_text(drawn).append(gap).append_text(told)


def _earlier(span: Span, start: Start, names: int) -> Text:
    """A service that was ready before this start."""
    sign = f"{states.sign(span.word)} {span.word}" if span.word else ""
    told = sign or f"ready {length(start.origin - span.end)} earlier"
    return Text().append_text(_label(span.name, names, critical=False)).append(f"  {told}", "dim")


def _label(name: str, width: int, *, critical: bool) -> Text:
    text = Text().append(f"{ON_PATH} " if critical else " " * MARGIN, "bold cyan")
    return text.append_text(field(name, width, style="bold" if critical else ""))


def _conclusion(start: Start) -> Text:
    if start.unready or not start.has_path or start.total is None:
        return Text(start.unready)
    text = Text().append(f"{ON_PATH} critical path: ", "bold cyan").append(" → ".join(start.critical))
    return text.append(f"   total: {length(start.total)}")


def _legend() -> Text:
    text = Text()
    for part, (shape, colour) in LOOK.items():
        text.append(f"{shape * 2} ", colour).append(f"{LEGEND[part]}   ", "dim")
    return text


def _read(timeline: dict[str, Any]) -> dict[str, Any]:
    """With lists where lists belong; the start before too."""
    parts = [part for each in _listed(timeline, "services") if (part := _part(each))]
    before = timeline.get("before")
    return {
        **timeline,
        "services": parts,
        "critical_path": [str(name) for name in _listed(timeline, "critical_path")],
        "before": _read(before) if isinstance(before, dict) and _listed(before, "services") else None,
    }


def _part(raw: Any) -> dict[str, Any] | None:
    """A service's part in the start, with times where times belong; None for what is none."""
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
        return None
    times = ("queued_at", "spawned_at", "listening_at", "ready_at", "ended_at")
    stamps = {name: raw[name] for name in times if isinstance(raw.get(name), str)}
    median = raw.get("median_ms")
    return {
        "name": raw["name"],
        **stamps,
        "median_ms": median if isinstance(median, int | float) else None,
    }


def _listed(document: dict[str, Any], name: str) -> list[Any]:
    found = document.get(name)
    return found if isinstance(found, list) else []
