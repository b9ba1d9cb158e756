"""The machine sleeps, a laptop with its lid closed: what is timed goes on where it was."""

from __future__ import annotations

import pytest

from domain.story import BEGIN, Story, service, worker

NIGHT = 8 * 3600.0


def test_a_start_has_as_much_time_left_as_before() -> None:
    s = Story(service("web", start_timeout=3.0))
    s.up(), s.spawned("web#1"), s.wait(1)

    s.sleeps(NIGHT)
    assert s.wait(1.9) == []
    assert s.wait(0.1) == ["terminate web#1"]


def test_no_watchdog_expires_by_it() -> None:
    """The service slept as well, and could not say that it lives."""
    s = Story(service("web", watchdog=2.0))
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1"), s.wait(1)

    s.sleeps(NIGHT)
    assert s.wait(0.9) == []
    assert s.health("web") == ("healthy", "notify")
    assert s.wait(0.1) == ["terminate web#1"]


def test_what_is_being_ended_keeps_its_grace() -> None:
    s = Story(worker("web", stop_timeout=5.0))
    s.up(), s.healthy("web#1"), s.stop("web"), s.wait(1)

    s.sleeps(NIGHT)
    assert s.wait(3.9) == []
    assert s.wait(0.1) == ["kill web#1"]


def test_a_retry_is_as_far_away_as_before() -> None:
    s = Story(worker("web"))
    s.up(), s.healthy("web#1"), s.exits("web#1", 1)

    s.sleeps(NIGHT)
    assert s.wait(0.09) == []
    assert s.wait(0.01) == ["start web#2"]


@pytest.mark.parametrize("word", ["start", "watchdog"])
def test_more_time_that_a_service_asked_for_is_shown_as_it_is_then(word: str) -> None:
    s = Story(service("web", start_timeout=3.0, watchdog=2.0))
    s.up(), s.spawned("web#1")
    if word == "watchdog":
        s.says("web#1", "READY=1")
    s.says("web#1", "EXTEND_TIMEOUT_USEC=60000000")
    assert s.service("web").deadline == BEGIN + 60

    s.sleeps(NIGHT)
    assert s.service("web").deadline == BEGIN + NIGHT + 60
    assert "extended by the service until" in s.because("web")


def test_times_are_those_of_the_day() -> None:
    """Only what is still to come is moved: what happened keeps its time, and what happens now has its own."""
    s = Story(worker("web"), worker("queue"))
    s.up("web"), s.healthy("web#1")
    s.sleeps(NIGHT)
    s.up("queue"), s.healthy("queue#1")

    assert s.row("web").started_at == BEGIN
    assert (s.row("queue").started_at or 0) >= BEGIN + NIGHT
