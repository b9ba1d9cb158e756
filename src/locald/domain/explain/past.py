"""The runs of a service, the newest first: when each began, when it was ready, how it ended, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from locald.domain.lifecycle.past import PastRun, past_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.domain.lifecycle.service import Service


class RunOf(Struct, frozen=True):
    """A run, and the service that it is one of."""

    service: str
    run: PastRun


def runs(services: Sequence[Service]) -> list[RunOf]:
    """Those of all these that are remembered, and the latest of each."""
    found = [
        RunOf(service.spec.name, run)
        for service in services
        for run in (*service.past, *([past_of(service.facts)] if service.facts else []))
        if run.spawned_at is not None
    ]
    return sorted(found, key=lambda each: each.run.spawned_at or 0.0, reverse=True)
