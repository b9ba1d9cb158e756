"""A service on demand: a request starts it, and what it depends on; without requests it is stopped."""

from __future__ import annotations

from domain.story import Story, key, service, task
from locald.domain.explain.visit import Meets, meets
from locald.domain.lifecycle.messages import Rest, Wake


def asked(story: Story, name: str) -> Meets:
    return meets(story.service(name))


def story() -> Story:
    s = Story(service("web", "db", on_demand=True, idle_timeout=60.0), service("db"))
    s.up("db")
    s.healthy("db#1")
    return s


def test_a_request_starts_it() -> None:
    s = story()
    assert (asked(s, "web"), s.because("web")) == (Meets.DEMAND, "not running, starts on demand")
    assert s.tell(Wake(key("web"))) == ["start web#1"]
    assert asked(s, "web") is Meets.WAIT
    s.healthy("web#1")
    assert asked(s, "web") is Meets.SERVICE


def test_a_request_starts_what_it_depends_on() -> None:
    s = story()
    s.stop("db"), s.stopped("db#1")
    assert s.tell(Wake(key("web"))) == ["start db#2"]
    assert s.healthy("db#2") == ["start web#1"]


def test_a_second_request_changes_nothing() -> None:
    s = story()
    s.tell(Wake(key("web")))
    before = s.world
    assert s.tell(Wake(key("web"))) == []
    assert s.world.services == before.services


def test_a_task_that_is_completed_is_not_run_again() -> None:
    s = Story(service("web", "seed", on_demand=True), task("seed"))
    s.up("seed"), s.healthy("seed#1")
    assert s.tell(Wake(key("web"))) == ["start web#1"]


def test_without_requests_it_is_stopped_and_says_why() -> None:
    s = story()
    s.tell(Wake(key("web"))), s.healthy("web#1")
    assert s.tell(Rest(key("web"))) == ["terminate web#1"]
    assert s.because("web") == "stopping, no request for 1m"
    s.stopped("web#1")
    assert (s.state("web"), s.because("web")) == ("stopped", "stopped, no request for 1m")
    assert asked(s, "web") is Meets.DEMAND
    assert s.tell(Wake(key("web"))) == ["start web#2"]


def test_a_request_while_it_stops_starts_it_again() -> None:
    s = story()
    s.tell(Wake(key("web"))), s.healthy("web#1"), s.tell(Rest(key("web")))
    assert asked(s, "web") is Meets.DEMAND
    s.tell(Wake(key("web")))
    assert asked(s, "web") is Meets.WAIT
    assert s.stopped("web#1") == ["start web#2"]


def test_it_is_not_stopped_while_something_runs_that_needs_it() -> None:
    s = Story(service("api", on_demand=True, idle_timeout=60.0), service("web", "api"))
    s.up("web"), s.healthy("api#1", "web#1")
    assert s.tell(Rest(key("api"))) == []


def test_one_that_fails_is_not_started_by_every_request() -> None:
    s = Story(service("web", on_demand=True, restart="no"))
    s.up("web"), s.spawned("web#1"), s.exits("web#1", 3)
    assert s.state("web") == "failed"
    assert asked(s, "web") is Meets.REASON


def test_one_that_ended_in_peace_is_started_again() -> None:
    s = Story(service("web", on_demand=True))
    s.up("web"), s.healthy("web#1"), s.wait(20), s.exits("web#1", 0)
    assert (s.state("web"), asked(s, "web")) == ("stopped", Meets.DEMAND)
    assert s.tell(Wake(key("web"))) == ["start web#2"]


def test_one_that_is_not_on_demand_is_not_started() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.stop("web"), s.stopped("web#1")
    assert asked(s, "web") is Meets.REASON
