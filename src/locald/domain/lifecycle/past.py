"""What is remembered of a run when the next one begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from locald.domain.lifecycle.health import Source, strongest

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
    queued_at: float | None = None
    """when the start was asked for that it was a run of; retries are of one start"""
    listening_at: float | None = None
    waited_for: tuple[str, ...] = ()
    """the dependencies that this start really had to wait for"""
    source: Source = Source.NONE
    """who said that it was ready"""


def past_of(facts: RunFacts) -> PastRun:
    word = strongest(facts.evidence) if facts.ready_at is not None else None
    return PastRun(
        facts.run.number,
        facts.spawned_at,
        facts.ready_at,
        facts.ended_at,
        facts.exit.shown if facts.exit else None,
        facts.cause,
        facts.said or "",
        facts.queued_at,
        facts.listening_at,
        facts.waited_for,
        word.source if word else Source.NONE,
    )
