"""What was, below the explanation of a service: its latest runs, and what it took in the last quarter of an
hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from locald.domain.values.amounts import percent, size
from locald.faces import runs
from locald.faces.when import age, seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Document = dict[str, Any]

LATEST = 5
"""runs that are shown"""
SPAN = 15 * 60.0
"""seconds of the graphs"""
WIDEST = 60
"""columns of a graph"""
BARS = "▁▂▃▄▅▆▇█"


def history(found: Sequence[Document]) -> list[tuple[Text, ...]]:
    """A row for each of the latest runs."""
    return [_run(run) for run in found[:LATEST]]


def _run(run: Document) -> tuple[Text, ...]:
    when, took = age(run.get("started_at")), runs.ready_after(run)
    lived = "" if run.get("ended_at") is None else f"after {runs.lasted(run)}"
    told = [lived, f"ready after {took}" if took else ""]
    told += [str(run.get(name) or "") for name in ("cause", "said")]
    return (
        Text(f"run {run.get('run')}", "bold"),
        Text(f"{when} ago" if when else "", "dim"),
        Text(runs.end(run), "red" if runs.is_bad(run) else ""),
        Text(", ".join(part for part in told if part)),
    )


def usage(samples: Sequence[Document], now: float, width: int) -> list[tuple[Text, ...]]:
    """Processor and memory, a graph each; nothing while there is too little to see. `now`: epoch seconds."""
    seen = [(at, each) for each in samples if (at := seconds_of(each.get("at"))) is not None]
    if not seen:
        return []
    room = max(min(width - 34, WIDEST), 10)
    of_cpu = [(at, float(each.get("cpu") or 0)) for at, each in seen]
    of_memory = [(at, float(each.get("memory") or 0)) for at, each in seen]
    return [
        _graph("CPU", of_cpu, now, room, percent),
        _graph("memory", of_memory, now, room, size),
    ]


def _graph(
    title: str, points: Sequence[tuple[float, float]], now: float, room: int, show: Callable[[float], str]
) -> tuple[Text, ...]:
    """Each column is the most of its part of the time, up to the peak of all; blank where nobody looked."""
    columns: dict[int, float] = {}
    for at, value in points:
        column = room - 1 - int((now - at) / SPAN * room)
        if 0 <= column < room:
            columns[column] = max(columns.get(column, 0.0), value)
    most = max(columns.values(), default=0.0)
    drawn = "".join(_bar(columns.get(column), most) for column in range(room))
    return Text(title, "dim"), Text(drawn, "cyan", no_wrap=True), Text(f"peak {show(most)}")


def _bar(value: float | None, most: float) -> str:
    if value is None:
        return " "
    return BARS[min(int(value / most * len(BARS)), len(BARS) - 1)] if most else BARS[0]
