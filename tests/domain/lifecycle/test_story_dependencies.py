"""Who starts after whom, who is blocked by whom, and what a running service says of what it lost."""

from __future__ import annotations

from itertools import pairwise

from domain.story import Story, service, task, worker


def test_a_dependent_starts_when_its_dependency_is_healthy_not_when_it_runs() -> None:
    s = Story(service("db"), service("web", "db"))

    assert s.up("web") == ["start db#1"]
    assert s.spawned("db#1") == []
    assert s.state("web") == "waiting"
    assert s.listens("db#1") == ["start web#1"]


def test_a_chain_starts_in_its_order() -> None:
    s = Story(service("a"), service("b", "a"), service("c", "b"), service("d", "c"))

    assert s.up() == ["start a#1"]
    assert s.healthy("a#1") == ["start b#1"]
    assert s.healthy("b#1") == ["start c#1"]
    assert s.healthy("c#1") == ["start d#1"]


def test_the_shared_dependency_of_a_diamond_starts_once() -> None:
    s = Story(service("db"), service("api", "db"), service("jobs", "db"), service("web", "api", "jobs"))

    assert s.up("web") == ["start db#1"]
    assert s.healthy("db#1") == ["start api#1", "start jobs#1"]
    assert s.healthy("api#1") == []
    assert s.healthy("jobs#1") == ["start web#1"]


def test_what_does_not_depend_on_each_other_starts_at_once() -> None:
    s = Story(service("a"), service("b"), service("c"), service("d"))

    assert sorted(s.up()) == ["start a#1", "start b#1", "start c#1", "start d#1"]


def test_only_what_was_asked_for_starts_and_what_that_needs() -> None:
    s = Story(service("db"), service("api", "db"), service("web", "api"), service("other"))

    assert s.up("api") == ["start db#1"]
    s.healthy("db#1")
    assert s.states() == {"db": "running", "api": "starting", "web": "stopped", "other": "stopped"}
    assert s.because("web") == "not running"


def test_a_dependency_that_is_up_already_is_left_alone() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up("db"), s.healthy("db#1")

    assert s.up("web") == ["start web#1"]
    assert s.row("db").run == 1


def test_started_is_enough_where_the_file_says_so() -> None:
    s = Story(service("cache"), service("web", "cache=started"))
    s.up()

    assert s.spawned("cache#1") == ["start web#1"]


def test_a_task_has_to_complete_for_its_dependents() -> None:
    s = Story(task("seed"), service("web", "seed"), service("api", "seed=completed"))

    assert s.up() == ["start seed#1"]
    assert s.spawned("seed#1") == []
    assert s.because("web") == "waiting for seed to be completed (now starting)"
    assert s.exited("seed#1", 0) == []
    assert s.gone("seed#1") == ["start web#1", "start api#1"]


def test_a_task_need_only_have_begun_where_the_file_says_started() -> None:
    s = Story(task("seed"), service("web", "seed=started"))
    s.up()

    assert s.spawned("seed#1") == ["start web#1"]


def test_waiting_on_names_the_direct_dependencies_that_are_missing() -> None:
    s = Story(service("db"), service("cache"), service("api", "db", "cache"), service("web", "api"))
    s.up()

    assert s.waiting_on("api") == ("db", "cache")
    assert s.because("api") == (
        "waiting for db to be healthy (now starting), cache to be healthy (now starting)"
    )
    s.healthy("db#1")
    assert s.waiting_on("api") == ("cache",)
    assert s.waiting_on("web") == ("api",)
    assert s.waiting_on("db") == ()


# Blocked, and by whom.


def test_whoever_needs_what_failed_is_blocked_and_names_the_root() -> None:
    s = Story(task("migrate"), service("api", "migrate"), service("web", "api"))
    s.up(), s.spawned("migrate#1")

    assert s.exits("migrate#1", 1) == []
    assert s.states() == {"migrate": "failed", "api": "blocked", "web": "blocked"}
    assert s.because("api") == "blocked by migrate: exited with code 1"
    assert s.because("web") == "blocked by api, which needs migrate: exited with code 1"
    assert s.row("web").run == 0
    assert s.is_settled()


def test_a_dependency_that_is_retried_is_waited_for() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.spawned("db#1"), s.exits("db#1", 1)

    assert s.states() == {"db": "backoff", "web": "waiting"}
    assert not s.is_settled()
    assert s.wait(0.1) == ["start db#2"]
    assert s.healthy("db#2") == ["start web#1"]


def test_a_dependency_that_cannot_be_started_blocks_at_once() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up()

    assert s.refused("db#1", "port 5432 is already in use by pid 7 (postgres)", "kill 7") == []
    assert s.states() == {"db": "failed", "web": "blocked"}
    assert s.because("web") == "blocked by db: port 5432 is already in use by pid 7 (postgres)"


def test_a_dependency_that_ended_by_itself_blocks_too() -> None:
    s = Story(service("db"), service("cache"), service("web", "db", "cache"))
    s.up(), s.healthy("db#1"), s.exits("db#1", 0)

    assert s.states() == {"db": "stopped", "cache": "starting", "web": "blocked"}
    assert s.because("web") == "blocked by db: exited with code 0"


def test_one_dead_end_is_enough_to_be_blocked() -> None:
    s = Story(service("slow"), task("bad"), service("web", "slow", "bad"))
    s.up(), s.spawned("slow#1"), s.spawned("bad#1"), s.exits("bad#1", 2)

    assert s.state("web") == "blocked"
    assert s.waiting_on("web") == ("slow", "bad")


def test_the_blocked_wait_again_as_soon_as_somebody_does_something_about_the_root() -> None:
    s = Story(task("migrate"), service("api", "migrate"), service("web", "api"))
    s.up(), s.spawned("migrate#1"), s.exits("migrate#1", 1)

    assert s.up("migrate") == ["start migrate#2"]
    assert s.states() == {"migrate": "starting", "api": "waiting", "web": "waiting"}
    assert s.healthy("migrate#2") == ["start api#1"]


def test_a_failure_elsewhere_blocks_nobody() -> None:
    s = Story(task("bad"), service("db"), service("web", "db"))
    s.up(), s.spawned("bad#1"), s.exits("bad#1", 1)

    assert s.healthy("db#1") == ["start web#1"]


# A running service whose dependency goes down.


def test_a_running_service_keeps_running_when_its_dependency_goes_and_names_it() -> None:
    s = Story(service("db", restart="no"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1")

    assert s.exits("db#1", 1) == []
    assert s.state("web") == "running"
    assert s.health("web") == ("healthy", "tcp")
    assert s.waiting_on("web") == ("db",)
    assert s.because("web").endswith("127.0.0.1:24318, but dependency db has failed")


def test_what_it_lost_is_forgotten_when_the_dependency_is_back() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.exits("db#1", 1)
    assert s.because("web").endswith(", but dependency db is in backoff")

    assert s.wait(0.1) == ["start db#2"]
    s.healthy("db#2")
    assert s.waiting_on("web") == ()
    assert "db" not in s.because("web")


def test_a_starting_service_goes_on_when_its_dependency_turns_unhealthy() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1"), s.spawned("web#1"), s.wait(1)

    assert s.closes("db#1") == []
    assert s.states() == {"db": "running", "web": "starting"}
    assert s.waiting_on("web") == ("db",)
    assert s.because("web").endswith(", but dependency db is unhealthy")


def test_an_unhealthy_dependency_is_waited_for_by_what_has_not_started() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up("db"), s.healthy("db#1"), s.wait(1), s.closes("db#1")

    assert s.up("web") == []
    assert s.because("web") == "waiting for db to be healthy (now unhealthy)"
    assert s.listens("db#1") == ["start web#1"]


def test_a_crashed_service_waits_for_a_dependency_that_went_down_meanwhile() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.closes("db#1"), s.exits("web#1", 1)

    assert s.wait(0.1) == []
    assert s.state("web") == "waiting"
    assert s.listens("db#1") == ["start web#2"]


def test_a_failed_service_waits_on_nobody() -> None:
    """Its own failure is the reason, whatever has become of its dependencies."""
    s = Story(service("db", restart="no"), service("web", "db", restart="no"))
    s.up(), s.healthy("db#1", "web#1"), s.exits("web#1", 1), s.exits("db#1", 1)

    assert s.waiting_on("web") == ()
    assert s.why("web").blockers == ()


def test_nor_does_one_that_ended_by_itself() -> None:
    s = Story(service("db", restart="no"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.exits("web#1", 0), s.exits("db#1", 1)

    assert s.waiting_on("web") == ()
    assert s.because("web") == "exited with code 0, not restarted (restart policy: on-failure)"


def test_a_tangle_of_dependencies_costs_no_more_than_its_edges() -> None:
    """Each of a layer depends on both of the layer below: 2 ** 40 ways to the bottom, 80 services."""
    layers = 40
    specs = [service("a0"), service("b0")]
    for n in range(1, layers):
        below = (f"a{n - 1}", f"b{n - 1}")
        specs += [service(f"a{n}", *below), service(f"b{n}", *below)]
    s = Story(*specs)
    s.up()
    for n in range(layers):
        s.healthy(f"a{n}#1", f"b{n}#1")

    assert s.is_settled()


def test_a_chain_may_be_longer_than_calls_may_be_deep() -> None:
    names = [f"s{n}" for n in range(1100)]
    s = Story(service(names[0]), *(worker(b, a) for a, b in pairwise(names)))

    assert s.up() == ["start s0#1"]
    assert s.refused("s0#1") == []
    assert set(s.states().values()) == {"failed", "blocked"}
    assert s.up("s1099") == ["start s0#2"]
    assert s.stop("s0") == []
    assert s.spawned("s0#2") == ["terminate s0#2"]
    assert s.state("s1099") == "blocked"
