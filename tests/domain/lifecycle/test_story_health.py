"""When something is healthy, by each source, and what overrides the strongest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.story import Story, service, worker
from locald.domain.project.spec import (
    Check,
    CommandCheck,
    HealthCheck,
    HttpCheck,
    LogCheck,
    NoCheck,
    NotifyCheck,
    ProtocolCheck,
    ServiceSpec,
    TcpCheck,
)

Make = Callable[[str], ServiceSpec]


def checked(check: Check, **keys: int) -> Story:
    """A service with this explicit check, spawned."""
    s = Story(service("web", health_check=HealthCheck(check, **keys)))
    s.up(), s.spawned("web#1")
    return s


# tcp


def test_a_service_is_healthy_when_it_accepts_connections_on_its_port() -> None:
    s = Story(service("web", port=8080))
    s.up(), s.spawned("web#1")
    assert s.because("web") == "not listening on port 8080 yet"

    s.wait(1), s.listens("web#1")
    row = s.row("web")
    assert (row.state, row.health, row.source, row.fallback) == ("running", "healthy", "tcp", True)
    assert row.because == f"pid {row.pid} (node) accepts connections on 127.0.0.1:8080"
    assert row.ready_at == row.since == s.now
    assert row.url == "http://127.0.0.1:8080/"
    assert s.notes[-1] == f"healthy (tcp): {row.because}"


def test_a_service_with_a_port_is_never_healthy_before_its_port_is_open() -> None:
    s = Story(service("web", start_timeout=None))
    s.up(), s.spawned("web#1"), s.wait(3600)

    assert s.health("web") == ("starting", "none")


def test_an_open_port_that_accepts_nobody_is_not_health() -> None:
    s = Story(service("web", port=8080))
    s.up(), s.spawned("web#1"), s.listens("web#1", accepts=False)

    assert s.health("web") == ("starting", "tcp")
    assert s.because("web").endswith("(node) listens on 127.0.0.1:8080 but does not accept connections")
    s.listens("web#1")
    assert s.health("web") == ("healthy", "tcp")


def test_another_port_is_not_health_and_is_named() -> None:
    s = Story(service("web", port=8080))
    s.up(), s.spawned("web#1"), s.listens("web#1", 5173)

    assert s.health("web")[0] == "starting"
    assert s.because("web").endswith("(node) listens on 127.0.0.1:5173, but PORT is 8080")


def test_a_foreign_holder_of_the_port_is_never_health_and_is_named() -> None:
    s = Story(service("web", port=8080))
    s.up(), s.spawned("web#1"), s.closes("web#1", holder=8080)

    assert s.health("web")[0] == "starting"
    held = "port 8080 is already in use by pid 4711 (nc), a process outside the service"
    assert s.because("web") == held
    assert s.wait(60) == ["terminate web#1"]
    s.stopped("web#1")
    assert s.because("web") == f"not healthy within 1m: {held}"


def test_a_listener_that_vanishes_while_the_process_lives_is_unhealthy() -> None:
    s = Story(service("web", port=8080))
    s.up(), s.healthy("web#1"), s.wait(5)

    s.closes("web#1")
    assert s.state("web") == "running"
    assert s.health("web") == ("unhealthy", "tcp")
    assert s.because("web") == "no longer listening on port 8080"
    assert s.row("web").since == s.now
    assert s.row("web").ready_at == s.now - 5
    s.listens("web#1")
    assert s.health("web") == ("healthy", "tcp")


def test_a_stranger_that_takes_the_port_over_is_named() -> None:
    s = Story(service("web", port=8080))
    s.up(), s.healthy("web#1"), s.wait(1), s.closes("web#1", holder=8080)

    assert s.health("web") == ("unhealthy", "tcp")
    assert "already in use by pid 4711 (nc)" in s.because("web")


# process


def test_a_worker_is_healthy_when_it_has_lived_for_200_ms() -> None:
    s = Story(worker("jobs"))
    s.up(), s.spawned("jobs#1")

    s.wait(0.199)
    assert s.health("jobs") == ("starting", "none")
    s.wait(0.001)
    row = s.row("jobs")
    assert (row.state, row.health, row.source, row.fallback) == ("running", "healthy", "process", True)
    assert (row.port, row.url) == (None, None)


def test_a_worker_that_speaks_within_200_ms_is_believed_only_at_its_word() -> None:
    s = Story(worker("jobs"))
    s.up(), s.spawned("jobs#1"), s.wait(0.1), s.says("jobs#1", "STATUS=connecting")

    s.wait(10)
    assert s.health("jobs") == ("starting", "notify")
    s.says("jobs#1", "READY=1")
    assert s.health("jobs") == ("healthy", "notify")
    assert not s.row("jobs").fallback


def test_a_stranger_that_speaks_for_a_worker_changes_nothing() -> None:
    s = Story(worker("jobs"))
    s.up(), s.spawned("jobs#1"), s.says("jobs#1", "STATUS=hello", by="outside")

    s.wait(0.2)
    assert s.health("jobs") == ("healthy", "process")


def test_a_worker_may_listen_wherever_it_likes() -> None:
    s = Story(worker("jobs"))
    s.up(), s.spawned("jobs#1"), s.listens("jobs#1", 9229), s.wait(0.2)

    assert s.health("jobs") == ("healthy", "process")


# notify


def test_ready_is_stronger_than_an_open_port() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.says("web#1", "STATUS=migrating"), s.listens("web#1")
    assert s.health("web") == ("starting", "notify")

    s.says("web#1", "READY=1")
    row = s.row("web")
    assert (row.health, row.source, row.fallback) == ("healthy", "notify", False)
    assert row.because == f"pid {row.pid} (node) sent READY=1 (status: migrating)"


def test_ready_needs_no_port() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1")

    assert s.health("web") == ("healthy", "notify")


def test_a_vanished_listener_overrides_ready() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.listens("web#1"), s.says("web#1", "READY=1")
    s.wait(1), s.closes("web#1")

    assert s.health("web") == ("unhealthy", "tcp")
    s.listens("web#1")
    assert s.health("web") == ("healthy", "notify")


# explicit


@pytest.mark.parametrize(
    "check", [HttpCheck("/health"), TcpCheck(), ProtocolCheck("redis"), CommandCheck("true"), LogCheck("up")]
)
def test_an_explicit_check_overrides_all_that_could_be_inferred(check: Check) -> None:
    s = checked(check)

    s.listens("web#1"), s.says("web#1", "READY=1")
    assert s.health("web") == ("starting", "none")
    s.probed("web#1", True, "seen")
    row = s.row("web")
    assert (row.health, row.source, row.check, row.fallback) == ("healthy", "explicit", check.kind, False)
    assert row.because == "seen"


def test_it_says_what_is_waited_for_while_no_check_was_carried_out() -> None:
    checks: list[Check] = [
        HttpCheck(port=9000),
        ProtocolCheck("redis", port=9000),
        CommandCheck("pg_isready"),
        LogCheck("listening on \\d+"),
        NotifyCheck(),
    ]

    assert {check.kind: checked(check).because("web") for check in checks} == {
        "http": "the http check has not run yet",
        "redis": "the redis check has not run yet",
        "command": "the command check has not run yet",
        "log": "no line of output has matched /listening on \\d+/ yet",
        "notify": "has not sent READY=1 yet",
    }


@pytest.mark.parametrize("check", [HttpCheck(), TcpCheck(), ProtocolCheck("redis")])
def test_a_check_of_the_own_port_says_that_nothing_listens_there_yet(check: Check) -> None:
    s = checked(check)
    port = s.port("web")
    assert s.because("web") == f"not listening on port {port} yet"

    s.listens("web#1", 5173)
    assert s.because("web").endswith(f"listens on 127.0.0.1:5173, but PORT is {port}")
    assert s.health("web") == ("starting", "none")
    assert any("5173" in hint for hint in s.why("web").hints)


@pytest.mark.parametrize("check", [HttpCheck(), TcpCheck(), ProtocolCheck("redis")])
def test_a_check_that_reached_a_stranger_on_the_own_port_does_not_count(check: Check) -> None:
    s = checked(check)
    s.closes("web#1", holder=s.port("web")), s.probed("web#1", True, "HTTP 200")

    assert s.health("web")[0] == "starting"
    assert "already in use by pid 4711 (nc)" in s.because("web")
    s.listens("web#1")
    assert s.health("web") == ("healthy", "explicit")


def test_a_check_with_a_port_of_its_own_accepts_any_listener_there() -> None:
    s = checked(HttpCheck(port=9000))
    s.closes("web#1", holder=s.port("web")), s.probed("web#1", True)

    assert s.health("web") == ("healthy", "explicit")


def test_a_healthy_service_is_unhealthy_only_after_some_failures_in_a_row() -> None:
    s = checked(HttpCheck(), retries=3)
    s.probed("web#1", True)

    s.probed("web#1", False), s.probed("web#1", False)
    assert s.health("web") == ("healthy", "explicit")
    s.probed("web#1", True), s.probed("web#1", False), s.probed("web#1", False)
    assert s.health("web") == ("healthy", "explicit"), "a success in between counts anew"
    s.probed("web#1", False)
    assert s.health("web") == ("unhealthy", "explicit")
    assert s.because("web") == "HTTP 500"
    s.probed("web#1", True)
    assert s.health("web") == ("healthy", "explicit")


def test_failures_before_it_was_ready_do_not_count_against_it() -> None:
    s = checked(HttpCheck(), retries=2)
    for _ in range(10):
        s.probed("web#1", False, "connection refused")
    assert s.because("web") == "connection refused"
    s.probed("web#1", True)

    s.probed("web#1", False)
    assert s.health("web") == ("healthy", "explicit")


def test_one_failure_is_enough_where_the_file_says_so() -> None:
    s = checked(HttpCheck(), retries=1)
    s.probed("web#1", True), s.probed("web#1", False)

    assert s.health("web") == ("unhealthy", "explicit")


def test_a_vanished_listener_does_not_override_an_explicit_check() -> None:
    s = checked(CommandCheck("true"))
    s.listens("web#1"), s.probed("web#1", True), s.closes("web#1")

    assert s.health("web") == ("healthy", "explicit")


def test_stopping_overrides_an_explicit_check() -> None:
    s = checked(CommandCheck("true"))
    s.probed("web#1", True), s.says("web#1", "STOPPING=1")

    assert s.health("web") == ("unhealthy", "notify")


def test_a_notify_check_is_met_by_ready_alone() -> None:
    s = checked(NotifyCheck())
    s.listens("web#1"), s.says("web#1", "STATUS=soon")
    assert s.health("web") == ("starting", "explicit")
    assert s.because("web").startswith("has not sent READY=1 yet, pid ")

    s.says("web#1", "READY=1")
    row = s.row("web")
    assert (row.health, row.source, row.check) == ("healthy", "explicit", "notify")


def test_no_check_means_that_a_live_process_is_enough() -> None:
    s = checked(NoCheck())
    s.wait(0.2)

    row = s.row("web")
    assert (row.health, row.source, row.check, row.fallback) == ("healthy", "explicit", "none", False)


def test_no_check_is_no_check_even_for_a_service_that_speaks() -> None:
    s = checked(NoCheck())
    s.says("web#1", "STATUS=hello"), s.wait(0.2)

    assert s.health("web") == ("healthy", "explicit")


# READY=1 is remembered.


def remembered(make: Make = service) -> Story:
    """A service that sent READY=1 and was stopped."""
    s = Story(make("web"))
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1"), s.stop("web"), s.stopped("web#1")
    return s


def test_once_it_has_sent_ready_an_open_port_is_not_enough_any_more() -> None:
    s = remembered()
    s.up(), s.spawned("web#2"), s.listens("web#2")

    assert s.health("web") == ("starting", "notify")
    assert s.because("web").startswith("waiting for READY=1, which an earlier run sent")
    assert s.wait(60) == ["terminate web#2"]
    s.stopped("web#2")
    assert s.because("web").startswith("not healthy within 1m: waiting for READY=1")
    assert any("$NOTIFY_SOCKET" in hint for hint in s.why("web").hints)


def test_nor_is_a_live_process() -> None:
    s = remembered(worker)
    s.up(), s.spawned("web#2"), s.wait(10)

    assert s.health("web")[0] == "starting"
    s.says("web#2", "READY=1")
    assert s.health("web") == ("healthy", "notify")


def test_it_is_remembered_also_when_the_service_was_forgotten() -> None:
    s = remembered()
    s.down()
    assert "web" not in s
    s.up(), s.spawned("web#1"), s.listens("web#1")

    assert s.health("web") == ("starting", "notify")


def test_it_is_remembered_through_a_crash_and_a_restart() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1"), s.exits("web#1", 1), s.wait(0.1)
    s.spawned("web#2"), s.listens("web#2")
    assert s.health("web") == ("starting", "notify")

    s.restart("web"), s.stopped("web#2"), s.spawned("web#3"), s.listens("web#3")
    assert s.health("web") == ("starting", "notify")


@pytest.mark.parametrize("keys", [{"command": "other"}, {"command": None, "image": "web:2"}])
def test_it_is_forgotten_when_the_command_or_the_image_changes(keys: dict[str, str]) -> None:
    s = remembered()
    s.edit(service("web", **keys))
    s.up(), s.spawned("web#2"), s.listens("web#2")

    assert s.health("web") == ("healthy", "tcp")


def test_it_is_forgotten_also_when_it_comes_back_as_another_program() -> None:
    s = remembered()
    s.down(), s.edit(service("web", command="other"))
    s.up(), s.spawned("web#1"), s.listens("web#1")

    assert s.health("web") == ("healthy", "tcp")


def test_it_is_kept_when_something_else_changes() -> None:
    s = remembered()
    s.edit(service("web", env={"DEBUG": "1"}))
    s.up(), s.spawned("web#2"), s.listens("web#2")

    assert s.health("web")[0] == "starting"


def test_the_old_program_says_nothing_for_the_new_one() -> None:
    """A program that is being replaced says STOPPING=1: that is no promise of its successor."""
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1")
    s.edit(service("web", command="other"))
    s.up(), s.says("web#1", "STOPPING=1"), s.stopped("web#1")
    s.spawned("web#2"), s.listens("web#2")

    assert s.health("web") == ("healthy", "tcp")


def test_an_explicit_check_is_not_bothered_by_what_is_remembered() -> None:
    s = remembered()
    s.edit(service("web", health_check=HealthCheck(TcpCheck())))
    s.up(), s.spawned("web#2"), s.listens("web#2"), s.probed("web#2", True)

    assert s.health("web") == ("healthy", "explicit")


# An exit.


def test_an_exit_overrides_every_source_at_once() -> None:
    s = checked(HttpCheck())
    s.probed("web#1", True)

    s.exited("web#1", 1, left=1)
    assert s.health("web") == ("unknown", "none")
    s.probed("web#1", True), s.says("web#1", "READY=1"), s.listens("web#1")
    assert s.health("web") == ("unknown", "none")


def test_since_is_when_the_present_health_began() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1")
    begun = s.now

    s.wait(5), s.says("web#1", "READY=1")
    assert s.health("web") == ("healthy", "notify")
    assert s.row("web").since == begun
    s.wait(5), s.exits("web#1", 1)
    assert s.row("web").since == s.now
