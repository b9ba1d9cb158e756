"""Containers live like any other service; what differs is what comes before, and who speaks for them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from domain.story import Story, service
from locald.domain.explain.located import located
from locald.domain.lifecycle.messages import (
    Checked,
    Exit,
    Exited,
    Gone,
    Listener,
    Listens,
    NotStarted,
    Paused,
    Prepares,
    Process,
    Resumed,
    Silenced,
    Spawned,
    Unpaused,
)
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Condition, ServiceSpec, Type
from locald.domain.project.template import ServiceFact

DB = Run(Key("shop", "db"), 1)
ID = "4f5e6d7c8b9a4f5e6d7c8b9a"


def container(name: str = "db", **keys: Any) -> ServiceSpec:
    return ServiceSpec(name, Type.CONTAINER, image="postgres:16", **keys)


def begun(*, port: int | None = 5432) -> Story:
    """A container that has just been created and started."""
    s = Story(container(port=15432))
    s.up()
    s.tell(Spawned(DB, 77, s.now, ID, port))
    return s


def test_a_pull_is_a_state_of_its_own_and_does_not_use_up_the_time_for_the_start() -> None:
    s = Story(container(port=15432))
    assert s.up() == ["start db#1"]

    assert s.tell(Prepares(DB, "pulling postgres:16: 2 of 9 layers", s.now)) == []
    assert s.state("db") == "preparing"
    assert s.because("db") == "pulling postgres:16: 2 of 9 layers"
    assert s.health("db") == ("starting", "none")

    assert s.wait(600) == []
    s.tell(Spawned(DB, 77, s.now, ID, 5432))
    s.wait(59)
    assert s.state("db") == "starting"


def test_a_stop_during_a_pull_calls_it_off() -> None:
    s = Story(container(port=15432))
    s.up(), s.tell(Prepares(DB, "pulling postgres:16", s.now))

    assert s.stop("db") == ["terminate db#1"]
    assert s.state("db") == "stopping"
    s.tell(NotStarted(DB, "stopped before started", "", s.now))
    assert s.state("db") == "stopped"


def test_a_pull_that_begins_after_the_stop_is_called_off_as_well() -> None:
    s = Story(container(port=15432))
    s.up()
    assert s.stop("db") == []
    assert s.tell(Prepares(DB, "pulling postgres:16", s.now)) == ["terminate db#1"]
    assert s.state("db") == "stopping"


def test_a_stop_that_comes_too_late_for_a_pull_ends_the_container() -> None:
    s = Story(container(port=15432))
    s.up(), s.tell(Prepares(DB, "pulling postgres:16", s.now)), s.stop("db")
    assert "terminate db#1" in s.tell(Spawned(DB, 77, s.now, ID, 5432))


def test_the_images_own_check_is_believed_before_an_open_port() -> None:
    s = begun()
    s.tell(Checked(DB, False, "its HEALTHCHECK has not spoken yet", s.now))
    s.listens("db#1")
    assert s.health("db") == ("starting", "docker")

    s.tell(Checked(DB, True, "its HEALTHCHECK exited with code 0", s.now))
    assert s.health("db") == ("healthy", "docker")
    assert not s.row("db").fallback
    assert s.row("db").container == ID

    s.wait(30), s.tell(Checked(DB, False, "its HEALTHCHECK exited with code 1: no space left", s.now))
    assert s.health("db") == ("unhealthy", "docker")
    assert s.because("db").endswith("no space left")


def test_a_container_without_a_healthcheck_is_found_by_its_port_as_a_fallback() -> None:
    s = begun()
    s.wait(1)
    assert s.health("db") == ("starting", "none")

    s.listens("db#1")
    assert s.health("db") == ("healthy", "tcp")
    assert s.row("db").fallback


@pytest.mark.parametrize(
    ("pid", "because"),
    [
        (78, "pid 78 (nc) listens on 127.0.0.1:15432, only root can see whether it accepts connections"),
        (0, "a connection to 127.0.0.1:15432 stays open, more cannot be seen of a container of this engine"),
    ],
)
def test_what_could_not_be_seen_of_a_container_is_said(pid: int, because: str) -> None:
    s = begun()
    seen = Listener("127.0.0.1", 15432, Process(pid, "nc" if pid else ""))
    s.tell(Listens(DB, (seen,), True, None, s.now, unproven=True))
    assert s.health("db") == ("healthy", "tcp")
    assert s.because("db") == because


@pytest.mark.parametrize(
    ("address", "port", "because", "hint"),
    [
        ("::", 8080, "[::]:8080 in its container, but container_port is 5432", "container_port = 8080"),
        (
            "127.0.0.1",
            5432,
            "127.0.0.1:5432, which is reachable only inside the container",
            "listen on 0.0.0.0",
        ),
    ],
)
def test_a_container_that_listens_elsewhere_is_told_of_by_its_ports_inside(
    address: str, port: int, because: str, hint: str
) -> None:
    """Still so when it has closed them, at its end."""
    s = begun()
    s.tell(Listens(DB, (Listener(address, port, Process(78, "postgres")),), False, None, s.now))
    assert f"pid 78 (postgres) listens on {because}" in s.because("db")

    s.wait(60)
    s.tell(Listens(DB, (), False, None, s.now))
    s.tell(Exited(DB, 77, Exit(signal=15), 0, s.now)), s.tell(Gone(DB, s.now))
    assert s.state("db") == "failed"
    assert because in s.because("db")
    assert hint in s.why("db").hints[0]


def test_a_container_without_a_healthcheck_and_a_port_is_healthy_while_it_lives() -> None:
    s = begun(port=None)
    s.wait(0.2)

    assert s.health("db") == ("healthy", "process")
    assert s.row("db").fallback
    assert "no HEALTHCHECK" in s.because("db")


def test_a_stopped_container_shows_no_port_that_it_never_had() -> None:
    s = begun(port=None)
    s.wait(0.2), s.stop("db"), s.exited("db#1", 0, pid=77), s.gone("db#1")
    row = s.row("db")
    assert (row.state, row.port, row.port_source, row.address, row.url) == ("stopped", None, None, None, None)
    s.edit(container(port=15432, container_port=5432)), s.up()
    assert s.row("db").port == 15432, "the file names one now"


def test_a_container_shows_no_port_before_its_image_has_told_whether_it_has_one() -> None:
    wanted = {"web": Condition.HEALTHY}
    named: list[dict[str, Any]] = [{}, {"container_port": 5432}, {"port": 15432}]
    for keys in named:
        s = Story(service("web"), container(depends_on=wanted, **keys))
        s.up()
        row = s.row("db")
        is_shown = [row.port is not None, row.port_source is not None, row.url is not None]
        assert (row.state, is_shown) == ("waiting", [bool(keys)] * 3)


def test_who_names_the_port_of_one_that_has_none_can_start_all_the_same() -> None:
    s = Story(container(port=15432), service("web"))
    s.up("db"), s.tell(Spawned(DB, 77, s.now, ID, None))
    web = s.project.definitions["web"]
    web = replace(web, env={"DB": "15432"}, open_env={"DB": (ServiceFact("db", "port"),)})
    assert located(s.world, web).env == {"DB": "15432"}


def test_a_stopped_container_shows_the_port_that_it_will_have_again() -> None:
    s = begun()
    s.stop("db"), s.exited("db#1", 0, pid=77), s.gone("db#1")
    assert (s.row("db").state, s.row("db").port) == ("stopped", 15432)


def test_while_the_engine_is_away_nobody_claims_to_know() -> None:
    s = begun()
    s.tell(Checked(DB, True, "its HEALTHCHECK exited with code 0", s.now))

    s.tell(Silenced(DB, "the Docker Engine does not answer", s.now))
    assert s.state("db") == "running"
    assert s.health("db") == ("unhealthy", "none")
    assert s.because("db") == "the Docker Engine does not answer"

    s.tell(Resumed(DB, s.now))
    assert s.health("db") == ("healthy", "docker")


def test_what_waits_for_an_engine_says_so_and_what_to_do() -> None:
    """To start it again would not help."""
    s = begun()
    s.tell(Silenced(DB, "the Docker Engine does not run", s.now))
    assert list(s.why("db").hints) == [
        "run `locald doctor` to check the container engine, locald reconnects when it is back"
    ]

    s.stop("db"), s.wait(10)
    assert s.because("db") == "waiting to stop it: the Docker Engine does not run"
    s.tell(Exited(DB, 77, Exit(code=0), 0, s.now))
    assert s.because("db") == "waiting to remove it: the Docker Engine does not run"
    assert len(s.why("db").hints) == 1


def test_a_daemon_that_finds_its_engine_again_does_not_repeat_that_it_was_away() -> None:
    """The engine came back while no daemon was there: nobody tells the next one that it did."""
    s = begun()
    s.tell(Checked(DB, True, "its HEALTHCHECK exited with code 0", s.now))
    s.tell(Silenced(DB, "the Docker Engine does not answer", s.now))

    s.daemon_dies()
    s.tell(Spawned(DB, 77, s.now, ID, 5432))
    assert s.health("db") == ("healthy", "docker")


@pytest.mark.parametrize("word", ["docker", "tcp", "process"])
def test_a_paused_container_is_unhealthy_and_says_so(word: str) -> None:
    s = begun(port=None if word == "process" else 5432)
    if word == "docker":
        s.tell(Checked(DB, True, "its HEALTHCHECK exited with code 0", s.now))
    elif word == "tcp":
        s.listens("db#1")
    s.wait(0.3)
    assert s.health("db") == ("healthy", word)

    s.tell(Paused(DB, s.now))
    assert s.state("db") == "running"
    assert s.health("db") == ("unhealthy", "process")
    assert s.because("db") == "the container is paused: nothing in it runs"
    assert list(s.why("db").hints) == [f"run `docker unpause {ID[:12]}` to let it go on"]

    s.tell(Unpaused(DB, s.now))
    assert s.health("db") == ("healthy", word)
    assert s.why("db").evidence[0].detail == "the container was unpaused"


def test_one_that_is_paused_before_it_was_ever_healthy_is_unhealthy_too() -> None:
    s = begun()
    s.tell(Paused(DB, s.now))
    assert (s.state("db"), s.health("db")) == ("starting", ("unhealthy", "process"))
    assert s.because("db") == "the container is paused: nothing in it runs"
    s.tell(Unpaused(DB, s.now))
    assert s.health("db") == ("starting", "none")


def test_a_container_that_was_unpaused_while_no_daemon_looked_is_healthy_again() -> None:
    s = begun()
    s.listens("db#1"), s.tell(Paused(DB, s.now))

    s.daemon_dies()
    s.tell(Spawned(DB, 77, s.now, ID, 5432))
    assert s.health("db") == ("healthy", "tcp")


def test_how_a_container_ended_is_told_with_its_reason() -> None:
    s = begun()
    s.tell(Checked(DB, True, "its HEALTHCHECK exited with code 0", s.now))
    s.tell(Exited(DB, 77, Exit(signal=9, reason="out of memory"), 0, s.now))
    s.tell(Gone(DB, s.now))

    assert s.state("db") == "backoff"
    assert s.because("db").startswith("killed by SIGKILL (out of memory)")


def test_a_process_may_depend_on_a_container() -> None:
    s = Story(container(port=15432), service("api", "db"))
    assert s.up() == ["start db#1"]
    s.tell(Prepares(DB, "pulling postgres:16", s.now))
    assert s.because("api") == "waiting for db to be healthy (now preparing)"

    s.tell(Spawned(DB, 77, s.now, ID, 5432))
    assert "start api#1" in s.tell(Checked(DB, True, "its HEALTHCHECK exited with code 0", s.now))


def test_up_leaves_a_container_alone_that_turned_out_to_have_no_port() -> None:
    s = begun(port=None)
    s.wait(0.2)

    assert s.up() == []
    s.edit(container(port=15432, env={"A": "1"}))
    assert s.up() == ["terminate db#1"]


def test_a_pull_that_the_daemon_did_not_live_to_see_ends_as_any_start() -> None:
    s = Story(container(port=15432), service("api", "db"))
    s.up(), s.tell(Prepares(DB, "pulling postgres:16", s.now))

    assert s.daemon_dies() == ["adopt db#1"]
    assert s.because("db") == "looking for run 1, which was preparing under the previous daemon"
    assert s.lost("db#1") == ["start db#2"]


def test_what_its_engine_tells_by_a_clock_that_was_set_was_not_before_it_began() -> None:
    s = begun()
    spawned = s.now
    s.wait(5)
    s.tell(Checked(DB, False, "no", spawned - 3_600_000))
    assert s.world.services[DB.key].facts.history[0].at == spawned  # type: ignore[union-attr]
    s.tell(Checked(DB, True, "yes", s.now))
    ready = s.now
    s.wait(5)
    s.tell(Exited(DB, 77, Exit(0), 0, spawned - 3_600_000))
    facts = s.world.services[DB.key].facts
    assert facts
    assert (facts.spawned_at, facts.ready_at, facts.ended_at) == (spawned, ready, ready)
