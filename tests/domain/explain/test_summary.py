"""A service in one line: how it is, why, and where to look."""

from __future__ import annotations

import pytest

from domain.story import Story, key, service, worker
from locald.domain.explain.summary import summary


def told(s: Story, name: str = "web", said: str = "") -> str:
    return summary(s.world, key(name), said)


def fails(after: float = 2.3, **keys: object) -> Story:
    s = Story(service("web", **{"restart": "no", **keys}))
    s.up(), s.spawned("web#1"), s.wait(after), s.exits("web#1", 1)
    return s


def test_a_failure_says_how_after_how_long_and_what_was_printed() -> None:
    assert told(fails(), said="Address already in use") == (
        "shop:web failed: exited with code 1 after 2.3s (Address already in use) — locald logs shop:web"
    )
    assert told(fails(0.01)) == "shop:web failed: exited with code 1 immediately — locald logs shop:web"
    assert "exited with code 1 after 1m15s — " in told(fails(75, start_timeout=None))


def test_between_two_tries_it_says_when_the_next_is_due() -> None:
    assert told(fails(restart="on-failure")) == (
        "shop:web is in backoff: exited with code 1 after 2.3s, restart 1 of 5 in 100ms"
        " — locald logs shop:web"
    )


def test_what_is_blocked_is_told_by_its_root() -> None:
    s = Story(service("db", restart="no"), service("api", "db"), service("web", "api"))
    s.up(), s.spawned("db#1"), s.wait(1), s.exits("db#1", 1)
    assert told(s, said="no such file") == (
        "shop:web is blocked: db failed: exited with code 1 after 1.0s (no such file) — locald logs shop:db"
    )


def test_what_somebody_stopped_is_to_be_started() -> None:
    s = Story(worker("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.stop("db"), s.stopped("web#1", "db#1")
    assert told(s) == "shop:web is blocked: db is stopped by user — locald up shop:db"
    assert told(s, "db") == "shop:db is stopped by user — locald up shop:db"


def test_what_waits_is_told_by_what_it_waits_for() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.spawned("db#1")
    port = s.port("db")
    assert told(s) == (
        f"shop:web is waiting: db is starting: not listening on port {port} yet — locald why shop:db"
    )


def test_what_is_well_says_what_that_rests_on() -> None:
    s = Story(worker("web"))
    s.up(), s.healthy("web#1")
    assert told(s).startswith("shop:web is healthy (process, fallback): process running (pid ")
    assert told(s).endswith(" — locald why shop:web")


@pytest.mark.parametrize("said", ["a\nb\r\n\x1b[31mc\u2028d", "\u202ea b c d"])
def test_whatever_was_printed_it_stays_one_line(said: str) -> None:
    assert "(a b c d)" in told(fails(), said=said)


def test_a_long_line_is_cut() -> None:
    line = told(fails(), said="x" * 100_000)
    assert len(line) < 300
    assert line.endswith("x…) — locald logs shop:web")
