"""The arithmetic of retries: delays, the window, and which ends a policy follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.lifecycle.restarts import LONGEST_DELAY, WINDOW, Restarts, wants_another
from locald.domain.project.spec import RestartPolicy


def after(count: int, every: float = 0.0) -> Restarts:
    """So many restarts, one every so many seconds."""
    restarts = Restarts()
    for number in range(count):
        restarts = restarts.another(number * every)
    return restarts


def test_the_delays_are_100_ms_doubling_up_to_30_s() -> None:
    delays = [after(count).delay for count in range(11)]

    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


def test_the_latest_delay_is_the_one_before_the_next() -> None:
    assert [after(count).latest_delay for count in (1, 2, 3)] == [after(count).delay for count in (0, 1, 2)]


def test_calm_brings_the_delay_back_and_forgets_no_restart() -> None:
    calmed = after(5).calmed()

    assert calmed.delay == 0.1
    assert calmed.within(0.0) == 5
    assert calmed.total == 5


def test_only_the_last_minute_counts_towards_the_limit() -> None:
    restarts = after(3, every=25.0)  # at 0, 25 and 50

    assert restarts.within(50.0) == 3
    assert restarts.within(59.9) == 3
    assert restarts.within(60.0) == 2
    assert restarts.within(110.0) == 0
    assert restarts.total == 3


@given(st.lists(st.floats(0, 100), max_size=50))
def test_what_is_remembered_stays_within_the_window(gaps: list[float]) -> None:
    now, restarts = 0.0, Restarts()
    for gap in gaps:
        now += gap
        restarts = restarts.another(now)
        assert all(now - WINDOW < at <= now for at in restarts.recent)
        assert restarts.within(now) == len(restarts.recent) <= restarts.total
        assert restarts.delay <= LONGEST_DELAY


def test_thousands_of_restarts_are_no_trouble() -> None:
    assert after(5000, every=30.0).delay == LONGEST_DELAY


@pytest.mark.parametrize(
    ("policy", "failed", "another"),
    [
        (RestartPolicy.NO, True, False),
        (RestartPolicy.NO, False, False),
        (RestartPolicy.ON_FAILURE, True, True),
        (RestartPolicy.ON_FAILURE, False, False),
        (RestartPolicy.ALWAYS, True, True),
        (RestartPolicy.ALWAYS, False, True),
    ],
)
def test_which_ends_are_followed_by_another_run(policy: RestartPolicy, failed: bool, another: bool) -> None:
    assert wants_another(policy, failed=failed) is another
