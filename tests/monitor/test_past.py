"""The latest runs and the last quarter of an hour, below the explanation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from locald.monitor import past

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def stamp(at: float) -> str:
    return datetime.fromtimestamp(NOON + at, UTC).isoformat()


def sample(at: float, cpu: float, memory: int = 1_000_000) -> past.Document:
    return {"at": stamp(at), "cpu": cpu, "memory": memory}


def test_each_run_says_how_long_it_took_and_how_it_ended() -> None:
    ended = {"started_at": stamp(0), "ready_at": stamp(2), "ended_at": stamp(60), "exit_code": 3}
    runs = [
        {"run": 2, "started_at": stamp(70), "ended_at": None},
        {"run": 1, **ended, "said": "no such table"},
    ]
    second, first = past.history(runs)
    assert (second[0].plain, second[2].plain) == ("run 2", "running")
    assert [part.plain for part in (first[0], *first[2:])] == [
        "run 1",
        "exit code 3",
        "after 1m00s, ready after 2.0s, no such table",
    ]


@pytest.mark.parametrize(
    ("code", "told", "colour"),
    [
        (3, "exit code 3", "red"),
        (137, "exit code 137 (SIGKILL)", "red"),
        (143, "exit code 143 (SIGTERM)", ""),
        (0, "exit code 0", ""),
    ],
)
def test_who_was_asked_to_end_has_not_failed(code: int, told: str, colour: str) -> None:
    ((_, _, end, _),) = past.history(
        [{"run": 1, "started_at": stamp(0), "ended_at": stamp(1), "exit_code": code}]
    )
    assert (end.plain, str(end.style)) == (told, colour)


def test_a_graph_is_as_high_as_its_peak_and_blank_where_nobody_looked() -> None:
    cpu, memory = past.usage([sample(-890, 0.5), sample(-450, 1.0), sample(0, 0.0)], NOON, 44)
    title, drawn, peak = (part.plain for part in cpu)
    assert (title, drawn, peak) == ("CPU", "▅   █    ▁", "peak 100%")
    assert memory[2].plain == "peak 1.0MB"


def test_there_is_no_graph_where_nobody_looked() -> None:
    assert past.usage([], NOON, 80) == []


def test_what_is_older_is_left_out() -> None:
    cpu, _ = past.usage([sample(-2000, 9.0), sample(-1, 1.0)], NOON, 80)
    assert cpu[2].plain == "peak 100%"
