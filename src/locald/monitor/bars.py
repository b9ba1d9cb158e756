"""The last start as bars: waiting for others, from spawn to listening, from listening to ready.

All bars share one scale, from the first wish to the last readiness, or to now while something is on its
way. The services of the critical path are marked: nothing else would have made it faster. Behind each bar
stands how long it took from spawn to ready, and what it usually takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from locald.faces.when import length
from locald.monitor import amounts
from locald.monitor.table import field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOOK = {"waiting": ("·", "dim"), "starting": ("▒", "yellow"), "listening": ("█", "green")}
"""Of each part: what it is drawn with, and its colour"""
LEGEND = {"waiting": "waiting", "starting": "until it listens", "listening": "until it is ready"}
ON_PATH = "◆ "
SLOW = 1.5
"""times what is usual, from which on it is worth a colour"""
NARROWEST = 10
ON_ITS_WAY = ("waiting", "preparing", "starting")


@dataclass(frozen=True, slots=True)
class Bar:
    """A service's part. `parts`: how many columns are left empty, then of each part how many it takes."""

    name: str
    critical: bool
    indent: int
    parts: tuple[tuple[str, int], ...]
    told: str
    slow: bool


def bars(timeline: dict[str, Any], states: Mapping[str, str], now: float, width: int) -> list[Bar]:
    """A bar for each service. `states`: by name, in a word; `now`: epoch seconds."""
    services = _services(timeline)
    moments = [_moments(service) for service in services]
    known = [at for each in moments for at in each if at is not None]
    origin = min(known, default=now)
    moving = any(states.get(service["name"]) in ON_ITS_WAY for service in services)
    end = max([*known, *([now] if moving else [])], default=now)
    scale = width / max(end - origin, 0.001)
    critical = timeline.get("critical_path") or []
    return [
        _bar(
            service, each, states.get(service["name"], ""), (origin, end, scale), service["name"] in critical
        )
        for service, each in zip(services, moments, strict=True)
    ]


def _bar(
    service: dict[str, Any],
    moments: Sequence[float | None],
    state: str,
    frame: tuple[float, float, float],
    critical: bool,
) -> Bar:
    origin, end, scale = frame
    queued, spawned, listening, ready = moments
    last = ready if ready is not None else end if state in ON_ITS_WAY else None
    marks = (spawned if spawned is not None else last, listening if listening is not None else last, last)
    begin = round(((queued if queued is not None else origin) - origin) * scale)
    ends = [begin]
    for mark in marks:
        ends.append(ends[-1] if mark is None else max(round((mark - origin) * scale), ends[-1]))
    if spawned is not None and ends[-1] == ends[1]:
        ends[2] = ends[3] = ends[1] + 1  # it was there, however short
    parts = [(name, ends[index + 1] - ends[index]) for index, name in enumerate(LOOK)]
    took = None if spawned is None or last is None else last - spawned
    usually = service.get("usually_ms")
    return Bar(
        str(service["name"]),
        critical,
        begin,
        tuple(part for part in parts if part[1]),
        _told(took, usually, "" if ready is not None else state),
        _is_slow(took, usually),
    )


def _told(took: float | None, usually: Any, state: str) -> str:
    """`0.7s, usually 0.6s`, `starting for 9.1s, usually 0.6s`, `failed`."""
    told = length(took) if took is not None else ""
    if state:
        told = f"{state} for {told}" if told else state
    usual = f"usually {amounts.took(usually)}" if amounts.took(usually) else ""
    return ", ".join(part for part in (told, usual) if part)


def _is_slow(took: float | None, usually: Any) -> bool:
    if took is None or not isinstance(usually, int | float):
        return False
    return took > SLOW * usually / 1000 and took - usually / 1000 > 0.3


def draw(timeline: dict[str, Any], states: Mapping[str, str], now: float, width: int) -> Text:
    """The whole picture in `width` columns."""
    services = _services(timeline)
    if not services:
        return Text("nothing has been started yet", "dim")
    names = min(max(len(str(service["name"])) for service in services), max(width // 4, 8))
    told = max(len(bar.told) for bar in bars(timeline, states, now, NARROWEST))
    room = max(width - len(ON_PATH) - names - told - 4, NARROWEST)
    text = Text(no_wrap=True)
    for bar in bars(timeline, states, now, room - 1):
        text.append_text(_line(bar, names, room)).append("\n")
    return text.append("\n").append_text(_conclusion(timeline)).append("\n").append_text(_legend())


def _line(bar: Bar, names: int, room: int) -> Text:
    text = Text().append(ON_PATH if bar.critical else " " * len(ON_PATH), "bold cyan")
    text.append_text(field(bar.name, names, style="bold" if bar.critical else "")).append("  ")
    drawn = Text(" " * bar.indent)
    for name, count in bar.parts:
        drawn.append(LOOK[name][0] * count, LOOK[name][1])
    drawn.truncate(room)
    text.append_text(drawn).append(" " * max(room - drawn.cell_len, 0) + "  ")
    return text.append(bar.told, "bold yellow" if bar.slow else "")


def _conclusion(timeline: dict[str, Any]) -> Text:
    path = [str(name) for name in timeline.get("critical_path") or ()]
    total = amounts.took(timeline.get("total_ms"))
    text = Text(no_wrap=False)
    if path:
        text.append(f"{ON_PATH}critical path: ", "bold cyan").append(" → ".join(path)).append("   ")
    return text.append(f"in all: {total}" if total else "not all services are ready yet")


def _legend() -> Text:
    text = Text()
    for name, (shape, colour) in LOOK.items():
        text.append(f"{shape * 2} ", colour).append(f"{LEGEND[name]}   ", "dim")
    return text


def _services(timeline: dict[str, Any]) -> list[dict[str, Any]]:
    found = timeline.get("services")
    return (
        [each for each in found if isinstance(each, dict) and "name" in each]
        if isinstance(found, list)
        else []
    )


def _moments(service: dict[str, Any]) -> list[float | None]:
    return [
        amounts.moment(service.get(name)) for name in ("queued_at", "spawned_at", "listening_at", "ready_at")
    ]
