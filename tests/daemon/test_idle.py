"""When a service last answered is known by the steady clock, whatever the wall clock is set to."""

from __future__ import annotations

import time

import pytest

from locald.daemon.proxy.idle import Answered
from locald.domain.project.names import Key
from locald.linux import clock as clocks
from locald.linux.clock import Clock

WEB = Key("shop", "web")


class Times:
    """Both clocks: seconds since the machine began, and what the wall clock is ahead of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed, self.ahead = 1000.0, 0.0
        monkeypatch.setattr(clocks, "since_boot", lambda: self.passed)
        monkeypatch.setattr(time, "time", lambda: self.passed + self.ahead)

    def written_now(self) -> int:
        return int((self.passed + self.ahead) * 1e9)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    return Times(monkeypatch)


def test_it_is_the_time_of_the_file(times: Times) -> None:
    answered = Answered(Clock(0.0))
    written = times.written_now()
    times.passed += 5.0
    assert answered.last(WEB, written) == pytest.approx(1000.0)


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_what_was_known_stays_when_the_wall_clock_is_set(times: Times, step: float) -> None:
    answered = Answered(Clock(0.0))
    written = times.written_now()
    answered.last(WEB, written)
    times.passed, times.ahead = 1010.0, step
    assert answered.last(WEB, written) == pytest.approx(1000.0)


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_request_before_the_wall_clock_is_set_was_after_the_last_look(times: Times, step: float) -> None:
    answered = Answered(Clock(0.0))
    answered.last(WEB, times.written_now())
    times.passed = 1005.0
    written = times.written_now()
    times.passed, times.ahead = 1006.0, step
    assert 1000.0 <= answered.last(WEB, written) <= 1006.0


def test_a_file_of_the_future_was_written_now(times: Times) -> None:
    """Also when nothing else is known: or the service would run for as long as the clock was set back."""
    answered = Answered(Clock(0.0))
    written = times.written_now()
    times.ahead = -3600.0
    assert answered.last(WEB, written) == 1000.0
