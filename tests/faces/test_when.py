"""How long ago something was: by the clock of the daemon, whose times they are."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from locald.faces import when
from locald.linux.clock import Clock
from locald.wire import now

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    now.told(time.time())


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def test_until_a_daemon_has_said_what_time_it_is_the_wall_clock_counts() -> None:
    assert when.age(stamp(time.time() - 90)) == "1m30s"


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_what_the_daemon_said_counts_from_then_on(ahead: float) -> None:
    now.told(time.time() + ahead)
    assert when.age(stamp(time.time() + ahead - 90)) == "1m30s"


def test_the_wall_clock_may_be_set_while_a_command_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock.new()
    now.told(clock.now())
    began = stamp(clock.now() - 90)
    monkeypatch.setattr(time, "time", lambda: clock.now() + 3600.0)
    assert when.age(began) == "1m30s"
