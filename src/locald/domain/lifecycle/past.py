"""What is remembered of a run when the next one begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from locald.domain.lifecycle.run_facts import RunFacts

REMEMBERED_RUNS = 20
"""of each service"""


class PastRun(Struct, frozen=True):
    """Times are epoch seconds; None for what has not happened."""

    number: int
    spawned_at: float | None = None
    ready_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    """as a shell shows it: 128 + the signal's number after a signal"""
    cause: str = ""
    """why it began, where nobody asked for it"""
    said: str = ""
    """the line it printed that says most about its end"""


def past_of(facts: RunFacts) -> PastRun:
    exit_code = facts.exit.shown if facts.exit else None
    times = facts.spawned_at, facts.ready_at, facts.ended_at
    return PastRun(facts.run.number, *times, exit_code, facts.cause, facts.said or "")
