"""`start_timeout`: from spawn to first healthy; then the run is ended and the service has failed."""

from __future__ import annotations

import pytest

from domain.story import Story, service, worker
from locald.domain.project.spec import HealthCheck, HttpCheck


def late(**keys: object) -> Story:
    """A service whose time is up after 3 s, spawned."""
    s = Story(service("web", port=8080, start_timeout=3.0, **keys), service("front", "web"))
    s.up(), s.spawned("web#1")
    return s


def test_what_is_not_healthy_in_time_is_ended_and_has_failed_without_a_retry() -> None:
    s = late(restart="always")

    assert s.wait(2.9) == []
    assert s.wait(0.1) == ["terminate web#1"]
    assert s.state("web") == "stopping"
    assert not s.is_settled()
    s.stopped("web#1")
    assert s.states() == {"web": "failed", "front": "blocked"}
    assert s.wait(3600) == []
    assert s.is_settled()


def test_it_names_the_port_and_says_what_to_do() -> None:
    s = late()
    s.wait(3)
    assert s.because("web") == "not healthy within 3s: not listening on port 8080"
    assert s.notes[-1] == s.because("web")

    s.stopped("web#1")
    assert s.because("web") == "not healthy within 3s: not listening on port 8080"
    assert 'make it listen on $PORT (8080), or set type = "worker" if it has no port' in s.why("web").hints


def test_it_names_the_port_that_it_listens_on_instead() -> None:
    s = late(command="vite")
    s.listens("web#1", 5173), s.wait(3), s.stopped("web#1")

    assert s.because("web").endswith("(node) listens on 127.0.0.1:5173, but PORT is 8080")
    assert any("vite --port $PORT" in hint for hint in s.why("web").hints)


def test_it_says_what_the_check_saw_last() -> None:
    s = late(health_check=HealthCheck(HttpCheck()))
    s.listens("web#1"), s.probed("web#1", False, "HTTP 503"), s.wait(3), s.stopped("web#1")

    assert s.because("web") == "not healthy within 3s: HTTP 503"


def test_the_grace_and_sigkill_follow_as_for_any_stop() -> None:
    s = late(stop_timeout=2.0)
    s.wait(3)

    assert s.wait(2) == ["kill web#1"]
    s.exits("web#1", signal=9)
    assert s.state("web") == "failed"
    assert s.row("web").exit_code == 137


def test_health_in_time_ends_it_for_good() -> None:
    s = late()
    s.wait(2.9), s.listens("web#1"), s.wait(1), s.closes("web#1")

    assert s.wait(3600) == []
    assert s.state("web") == "running"


def test_it_counts_from_the_spawn() -> None:
    s = Story(service("web", start_timeout=3.0))
    s.up(), s.wait(60)
    assert s.state("web") == "starting"

    s.spawned("web#1")
    assert s.wait(2.9) == []


def test_every_run_has_its_own() -> None:
    s = late()
    s.wait(2), s.exits("web#1", 1), s.wait(0.1), s.spawned("web#2")

    assert s.wait(2.9) == []
    assert s.wait(0.1) == ["terminate web#2"]


def test_an_exit_in_time_is_for_the_policy_to_judge() -> None:
    s = late()
    s.wait(2.9), s.exits("web#1", 1)

    assert s.state("web") == "backoff"


def test_without_one_it_may_start_for_ever() -> None:
    s = Story(service("web", start_timeout=None))
    s.up(), s.spawned("web#1")

    assert s.wait(86_400) == []


@pytest.mark.parametrize("timeout", [0.1, 0.2])
def test_a_worker_may_be_given_less_than_it_takes_to_believe_in_it(timeout: float) -> None:
    s = Story(worker("jobs", start_timeout=timeout))
    s.up(), s.spawned("jobs#1")

    orders = s.wait(60)
    assert (orders, s.state("jobs")) == (
        (["terminate jobs#1", "kill jobs#1"], "stopping") if timeout < 0.2 else ([], "running")
    )


def test_up_gives_it_another_chance() -> None:
    s = late()
    s.wait(3), s.stopped("web#1")

    assert s.up() == ["start web#2"]
    assert s.state("front") == "waiting"


def test_up_while_it_is_being_ended_for_it_gives_it_another_chance_too() -> None:
    s = late()
    s.wait(3)

    assert s.up() == []
    assert s.stopped("web#1") == ["start web#2"]
