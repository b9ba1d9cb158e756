"""The last start as spans: where the picture begins, and how far each bar reaches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from faces.fake_daemon import down_row, row
from locald.faces.spans import Span, Start

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()

Json = dict[str, Any]


def stamp(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(NOON + at, UTC).isoformat()


def part(name: str, *moments: float | None, median: int | None = None, after: tuple[str, ...] = ()) -> Json:
    """Queued, spawned, listening and ready, in seconds after noon."""
    times = [*moments, *[None] * (4 - len(moments))]
    names = ("queued_at", "spawned_at", "listening_at", "ready_at")
    shown = dict(zip(names, map(stamp, times), strict=True))
    return {"name": name, **shown, "source": "tcp", "waited_for": list(after), "median_ms": median}


def start(*parts: Json, rows: tuple[Json, ...] = (), now: float = 100.0, path: tuple[str, ...] = ()) -> Start:
    document = {"project": "shop", "services": list(parts), "critical_path": list(path), "total_ms": 1000}
    return Start(document, list(rows), NOON + now)


def only(part: Json, row: Json | None = None, now: float = 100.0) -> Span:
    (span,) = start(part, rows=(row,) if row else (), now=now).spans
    return span


def test_a_picture_has_the_whole_of_one_start() -> None:
    shown = start(part("db", 0, 0.1, 1, 1), part("web", 0, 1.1, 2, 2), part("alone", 0, 0.1, 0.2, 0.2))
    assert (shown.origin - NOON, shown.end - NOON) == (0, 2)
    assert [span.name for span in shown.spans] == ["db", "web", "alone"]
    assert shown.earlier == []
    assert shown.is_over


def test_what_was_ready_long_before_is_apart() -> None:
    shown = start(part("db", 0, 0.1, 1, 1), part("web", 50, 51, 52, 52))
    assert shown.origin - NOON == 50
    assert ([s.name for s in shown.spans], [s.name for s in shown.earlier]) == (["web"], ["db"])


def test_a_start_that_was_under_way_belongs_to_the_picture() -> None:
    shown = start(part("slow", 0, 0.1, 60, 60), part("quick", 1, 1, 2, 2), part("web", 50, 51, 52, 52))
    assert shown.origin - NOON == 0
    assert shown.earlier == []


def test_what_is_on_its_way_reaches_up_to_now() -> None:
    span = only(part("web", 0, 1), row("web", state="starting", health="starting"), now=9)
    assert (span.end - NOON, span.so_far, span.took, span.word) == (9, 8, None, "starting")


def test_what_came_to_nothing_ends_with_the_last_that_is_known() -> None:
    span = only(part("web", 0, 1), down_row("web", "failed", "exited with 1"))
    assert (span.end - NOON, span.so_far, span.word, span.is_moving) == (1, None, "failed", False)


def test_a_run_that_failed_lasted_until_then() -> None:
    """Since when the health is unknown is when it ended."""
    ended = down_row("web", "failed", "exited with 1", since=stamp(4))
    assert only(part("web", 0, 1), ended).end - NOON == 4
    assert only(part("web", 0, 1, 2, 2), ended).end - NOON == 2, "it had been ready: the start was over"
    assert only(part("web", 0, 1), down_row("web", "failed", "exited", since=stamp(0))).end - NOON == 1
    assert only(part("web", 0), down_row("web", "failed", "no such program", since=stamp(4))).end - NOON == 0


def test_only_what_takes_notably_longer_is_slow() -> None:
    assert only(part("web", 0, 0, 9, 9, median=2100)).is_slow
    assert not only(part("web", 0, 0, 3, 3, median=2100)).is_slow
    assert not only(part("web", 0, 0, 0.3, 0.3, median=100)).is_slow
    assert not only(part("web", 0, 0, 9, 9)).is_slow
    assert only(part("web", 0, 0, median=2100), row("web", state="starting", health="starting")).is_slow


def test_what_a_daemon_of_another_version_does_not_tell_is_unknown() -> None:
    told = part("web", 0, 1, 2, 2)
    del told["median_ms"], told["waited_for"]
    span = only(told)
    assert (span.median, span.waited_for, span.word, span.took) == (None, [], "", 1)


def test_a_path_of_which_a_part_was_ready_before_explains_nothing() -> None:
    db, web = part("db", 0, 0.1, 1, 1), part("web", 50, 51, 52, 52)
    assert not start(db, web, path=("db",)).has_path
    assert start(db, web, path=("web",)).has_path


def test_the_start_before_is_shown_as_it_was() -> None:
    late = part("web", 0, 1.1) | {"ended_at": stamp(3)}
    before = {"services": [part("db", 0, 0.1, 1, 1), late], "critical_path": ["db"], "total_ms": 1000}
    document = {"services": [part("db", 0, 0.1, 1, 1), part("web", 50, 51, 52, 52)], "before": before}
    shown = Start(document, [], NOON + 60)
    assert ([s.name for s in shown.spans], shown.earlier) == (["web"], [])
    assert shown.before
    assert [(s.name, s.end - NOON, s.word) for s in shown.before.spans] == [
        ("db", 1, ""),
        ("web", 3, "failed"),
    ]
    assert shown.before.unready == "not ready: web (failed)"
