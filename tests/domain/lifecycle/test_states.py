"""The drawing of the states is what the machine does."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]

Edges = frozenset[tuple[str, str, str]]


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / "states.py"))


@pytest.fixture(scope="module")
def edges(tool: dict[str, Any]) -> Edges:
    found: Edges = tool["edges"]()
    return found


def test_the_page_shows_what_the_machine_does(tool: dict[str, Any]) -> None:
    assert tool["page"]() == (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_what_ends_a_run_ends_it_in_any_health(edges: Edges) -> None:
    """The drawing shows one arrow for both."""
    leads = {
        health: {(label, target) for source, label, target in edges if source == health} - {(other, other)}
        for health, other in (("healthy", "unhealthy"), ("unhealthy", "healthy"))
    }

    assert leads["healthy"] == leads["unhealthy"]


def test_every_state_is_reached_and_left(edges: Edges) -> None:
    promised = {"stopped", "waiting", "blocked", "preparing", "starting", "stopping"}
    promised |= {"healthy", "unhealthy", "backoff", "failed", "completed"}

    assert {source for source, _, _ in edges} == {target for _, _, target in edges} == promised


def test_every_end_of_a_process_goes_through_stopping(edges: Edges) -> None:
    after = {target for source, _, target in edges if source in ("healthy", "unhealthy")}

    assert after == {"healthy", "unhealthy", "stopping"}
