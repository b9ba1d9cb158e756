"""What a program says of itself, and what follows: every row of the assignments that a server knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.story import Story, service, worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.domain.lifecycle.messages import Standing


def started(**keys: object) -> Story:
    s = Story(service("web", **keys))
    s.up(), s.spawned("web#1")
    return s


def ready(**keys: object) -> Story:
    s = started(**keys)
    s.says("web#1", "READY=1")
    return s


# Who may speak.


@pytest.mark.parametrize(
    ("by", "introduced"),
    [
        ("member", "pid 77 (node) sent READY=1"),
        ("exited", "pid 77 (node), which had already exited, sent READY=1"),
        ("spawner", "pid 77 (node), run as root, sent READY=1"),
    ],
)
def test_whoever_belongs_to_the_service_may_speak_for_it(by: Standing, introduced: str) -> None:
    s = started()
    s.says("web#1", "READY=1", by=by, pid=77)

    assert s.health("web") == ("healthy", "notify")
    assert s.because("web") == introduced


def test_a_stranger_is_ignored_and_recorded() -> None:
    s = started()
    s.says("web#1", "READY=1", by="outside", pid=77)

    assert s.health("web") == ("starting", "none")
    evidence = s.why("web").evidence[0]
    assert evidence.detail == "ignored READY=1 from pid 77 (node), a process outside the service"
    assert (evidence.source, evidence.ok) == ("notify", False)
    s.listens("web#1")
    assert s.health("web") == ("healthy", "tcp"), "the service itself said nothing"


# READY, STATUS, RELOADING


def test_ready_ends_the_start_timeout() -> None:
    s = ready(start_timeout=3.0)

    assert s.wait(3600) == []
    assert s.state("web") == "running"


def test_when_it_is_ready_before_its_port_is_open_the_port_is_looked_for_again() -> None:
    """Of a program that is known to say when it is ready, nobody looked closely before."""
    s = ready()
    assert s.asides == ["watch web#1"]
    s.says("web#1", "READY=1")
    assert s.asides == []

    s = started()
    s.listens("web#1")
    s.says("web#1", "READY=1")
    assert s.asides == []


def test_status_is_shown_beside_health_and_empty_clears_it() -> None:
    s = ready()
    s.says("web#1", "STATUS=serving 3 shops")
    assert s.because("web").endswith("sent READY=1 (status: serving 3 shops)")
    assert s.health("web") == ("healthy", "notify")

    s.says("web#1", "STATUS=")
    assert s.because("web").endswith("sent READY=1")


def test_status_is_shown_whatever_the_source() -> None:
    s = Story(worker("web"))
    s.up(), s.spawned("web#1"), s.says("web#1", "STATUS=connecting")

    assert "connecting" in s.because("web")


def test_reloading_keeps_health_until_ready_ends_it() -> None:
    s = ready()
    s.says("web#1", "RELOADING=1", "MONOTONIC_USEC=123")
    assert s.health("web") == ("healthy", "notify")
    assert s.because("web").endswith("(reloading)")

    s.says("web#1", "READY=1")
    assert s.health("web") == ("healthy", "notify")
    assert "reloading" not in s.because("web")


def test_reloading_before_ready_is_not_ready() -> None:
    s = started()
    s.says("web#1", "RELOADING=1")

    assert s.health("web")[0] == "starting"


def test_ready_in_the_same_message_has_ended_the_reload() -> None:
    s = ready()
    s.says("web#1", "RELOADING=1", "READY=1")

    assert "reloading" not in s.because("web")


def test_a_message_of_unknown_words_is_not_speaking() -> None:
    s = started()
    s.says("web#1", "X_MINE=1"), s.says("web#1", "BARRIER=1"), s.says("web#1", "FDSTORE=1"), s.says("web#1")

    s.listens("web#1")
    assert s.health("web") == ("healthy", "tcp")


def test_the_first_word_after_the_port_opened_counts_too() -> None:
    """A port alone does not make healthy whoever can speak."""
    s = started()
    s.listens("web#1"), s.wait(1), s.says("web#1", "STATUS=warming up")

    assert s.health("web") == ("unhealthy", "notify")
    pid = s.row("web").pid
    assert s.because("web") == f"has not sent READY=1 yet, pid {pid} (node) sent STATUS=warming up"
    s.says("web#1", "READY=1")
    assert s.health("web") == ("healthy", "notify")
    assert s.because("web") == f"pid {pid} (node) sent READY=1 (status: warming up)"


# STOPPING


def test_stopping_ends_health_at_once() -> None:
    s = ready()

    assert s.says("web#1", "STOPPING=1", "STATUS=flushing") == []
    row = s.row("web")
    assert (row.state, row.health, row.source) == ("stopping", "unhealthy", "notify")
    assert row.because == "the service sent STOPPING=1 (status: flushing)"


def test_ready_after_stopping_is_ignored() -> None:
    s = started()
    s.says("web#1", "STOPPING=1"), s.says("web#1", "READY=1")

    assert s.health("web")[0] == "unhealthy"
    assert s.state("web") == "stopping"


def test_ready_after_stopping_is_no_promise_of_later_runs() -> None:
    s = started()
    s.says("web#1", "STOPPING=1"), s.says("web#1", "READY=1"), s.exits("web#1", 1), s.wait(0.1)

    s.spawned("web#2"), s.listens("web#2")
    assert s.health("web") == ("healthy", "tcp")


def test_ready_and_stopping_in_one_message_is_stopping() -> None:
    s = started()
    s.says("web#1", "READY=1", "STOPPING=1")

    assert s.health("web")[0] == "unhealthy"
    assert s.state("web") == "stopping"


@pytest.mark.parametrize(
    ("policy", "code", "leads_to"),
    [
        ("on-failure", 0, "stopped"),
        ("on-failure", 3, "backoff"),
        ("always", 0, "backoff"),
        ("no", 3, "failed"),
    ],
)
def test_what_follows_its_own_stop_is_for_the_policy_to_say(policy: str, code: int, leads_to: str) -> None:
    s = ready(restart=policy)
    s.says("web#1", "STOPPING=1")

    s.exits("web#1", code)
    assert s.state("web") == leads_to


def test_stopping_starts_the_stop_deadline() -> None:
    s = ready(stop_timeout=5.0)
    s.says("web#1", "STOPPING=1")

    assert s.wait(4.9) == []
    assert s.wait(0.1) == ["kill web#1"]
    s.exits("web#1", signal=9)
    assert s.state("web") == "backoff"


def test_stopping_before_ready_ends_the_start_timeout_too() -> None:
    s = started(start_timeout=1.0, stop_timeout=5.0)
    s.says("web#1", "STOPPING=1")

    assert s.wait(4.9) == []
    assert s.wait(0.1) == ["kill web#1"]


def test_stop_while_it_is_stopping_by_itself() -> None:
    s = ready(stop_timeout=5.0)
    s.says("web#1", "STOPPING=1"), s.wait(2)

    assert s.stop("web") == ["terminate web#1"]
    assert s.wait(3) == ["kill web#1"], "the deadline is not moved"
    s.exits("web#1", signal=9)
    assert s.state("web") == "stopped"


def test_stop_after_its_own_stop_came_to_sigkill_does_not_go_back_to_sigterm() -> None:
    s = ready(stop_timeout=5.0)
    s.says("web#1", "STOPPING=1")
    assert s.wait(5) == ["kill web#1"]

    assert s.stop("web") == []
    s.exits("web#1", signal=9)
    assert s.state("web") == "stopped"


def test_up_while_it_is_stopping_by_itself_starts_it_again() -> None:
    s = ready()
    s.says("web#1", "STOPPING=1")

    assert s.up() == []
    s.exited("web#1", 0)
    assert s.gone("web#1") == ["start web#2"]


def test_restart_while_it_is_stopping_by_itself_starts_it_again() -> None:
    s = ready()
    s.says("web#1", "STOPPING=1")

    s.restart("web")
    s.exited("web#1", 0)
    assert s.gone("web#1") == ["start web#2"]


def test_dependents_keep_running_when_it_stops_by_itself() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1")

    assert s.says("db#1", "STOPPING=1") == []
    assert s.state("web") == "running"
    assert s.because("web").endswith(", but dependency db is stopping")


# ERRNO, EXIT_STATUS


def test_the_reason_that_it_gives_is_shown() -> None:
    s = started()
    s.says("web#1", "STATUS=cannot bind", "ERRNO=98")
    assert s.because("web").endswith("sent ERRNO=98 (status: cannot bind, errno 98)")

    s.exits("web#1", 1)
    assert s.because("web") == "exited with code 1 (errno 98), restart 1 of 5 in 100ms"


def test_an_exit_status_that_it_announces_is_shown() -> None:
    s = ready(restart="no")
    s.says("web#1", "STOPPING=1", "EXIT_STATUS=7"), s.exits("web#1", 7)

    assert s.because("web") == "exited with code 7 (exit status 7)"


# MAINPID


def test_the_main_process_may_be_another_from_now_on() -> None:
    s = started()
    s.says("web#1", "MAINPID=88", "READY=1", main=88)
    assert s.row("web").pid == 88

    assert s.exited("web#1", 0) == [], "the first process may go"
    assert s.state("web") == "running"
    assert s.exited("web#1", 1, pid=88, left=1) == ["terminate web#1"]
    assert s.row("web").exit_code == 1


def test_a_main_process_outside_the_run_is_not_believed() -> None:
    """The keeper names no `main` then."""
    s = started()
    s.says("web#1", "MAINPID=1", "READY=1")

    assert s.row("web").pid not in (1, None)
    s.says("web#1", "MAINPID=88", by="outside", main=88)
    assert s.row("web").pid != 88


# EXTEND_TIMEOUT_USEC


def test_the_start_timeout_can_be_extended() -> None:
    s = started(start_timeout=10.0)
    s.wait(8), s.says("web#1", "EXTEND_TIMEOUT_USEC=5000000")
    assert s.because("web").endswith(", timeout extended by the service until 1970-01-01T00:16:53Z")

    assert s.wait(4.9) == []
    assert s.wait(0.1) == ["terminate web#1"]
    assert s.because("web").startswith("not healthy within 10s plus the requested extension: ")


def test_an_extension_never_shortens() -> None:
    s = started(start_timeout=10.0)
    s.says("web#1", "EXTEND_TIMEOUT_USEC=1000000")

    assert "extended" not in s.because("web")
    assert s.wait(9.9) == []
    assert s.wait(0.1) == ["terminate web#1"]


def test_the_stop_deadline_can_be_extended() -> None:
    s = ready(stop_timeout=2.0)
    s.stop("web"), s.wait(1), s.says("web#1", "EXTEND_TIMEOUT_USEC=5000000")
    assert (
        s.because("web")
        == "stopping, requested by user, timeout extended by the service until 1970-01-01T00:16:46Z"
    )

    assert s.wait(4.9) == []
    assert s.wait(0.1) == ["kill web#1"]


@pytest.mark.parametrize("before", [lambda: started(stop_timeout=2.0), lambda: ready(stop_timeout=2.0)])
def test_whoever_says_that_it_stops_can_say_in_the_same_breath_how_long_that_takes(
    before: Callable[[], Story],
) -> None:
    s = before()
    s.says("web#1", "STOPPING=1\nEXTEND_TIMEOUT_USEC=5000000")
    assert ", timeout extended by the service until" in s.because("web")

    assert s.wait(4.9) == []
    assert s.wait(0.1) == ["kill web#1"]


def test_an_extension_after_sigkill_is_too_late() -> None:
    s = ready(stop_timeout=2.0)
    s.stop("web"), s.wait(2), s.says("web#1", "EXTEND_TIMEOUT_USEC=5000000")

    assert s.because("web") == "killing with SIGKILL"
    assert s.wait(60) == []


def test_the_watchdog_can_be_extended() -> None:
    s = ready(watchdog=2.0)
    s.says("web#1", "EXTEND_TIMEOUT_USEC=5000000")
    assert ", timeout extended by the service until" in s.because("web")
    s.says("web#1", "WATCHDOG=1")

    assert s.wait(4.9) == []
    assert s.wait(0.1) == ["terminate web#1"]


def test_an_extension_of_the_start_does_not_outlive_it() -> None:
    s = started(watchdog=2.0)
    s.says("web#1", "EXTEND_TIMEOUT_USEC=600000000"), s.says("web#1", "READY=1")
    assert "extended" not in s.because("web")

    s.says("web#1", "WATCHDOG=1")
    assert s.wait(2) == ["terminate web#1"]


def test_a_timeout_that_there_is_not_cannot_be_extended() -> None:
    s = started(start_timeout=None)
    s.says("web#1", "EXTEND_TIMEOUT_USEC=1000000")

    assert "extended" not in s.because("web")
    assert s.wait(3600) == []


# WATCHDOG


def test_a_watchdog_that_is_not_fed_ends_the_run_and_the_policy_follows() -> None:
    s = ready(watchdog=2.0)

    assert s.wait(1.9) == []
    assert s.wait(0.1) == ["terminate web#1"]
    row = s.row("web")
    assert (row.state, row.health, row.source) == ("stopping", "unhealthy", "notify")
    assert row.because == "the service sent no WATCHDOG=1 within 2s"
    s.exits("web#1", 0)
    assert s.because("web") == "the watchdog expired, restart 1 of 5 in 100ms"
    assert s.wait(0.1) == ["start web#2"]


def test_a_watchdog_is_a_failure_without_a_retry_where_the_policy_is_no() -> None:
    s = ready(watchdog=2.0, restart="no")
    s.wait(2), s.stopped("web#1")

    assert s.state("web") == "failed"
    assert s.because("web") == "the watchdog expired"
    newest = s.why("web").evidence[0]
    assert (newest.source, newest.ok) == ("notify", False)
    assert newest.detail == "the service sent no WATCHDOG=1 within 2s"


def test_an_expired_watchdog_overrides_an_explicit_check() -> None:
    s = ready(watchdog=2.0)
    s.wait(2), s.probed("web#1", True), s.listens("web#1"), s.says("web#1", "READY=1")

    assert s.health("web") == ("unhealthy", "notify")


def test_a_watchdog_that_is_fed_is_quiet() -> None:
    s = ready(watchdog=2.0)
    for _ in range(100):
        s.wait(1.9)
        assert s.says("web#1", "WATCHDOG=1") == []

    assert s.state("web") == "running"
    assert s.wait(2) == ["terminate web#1"]


def test_the_watchdog_begins_with_health() -> None:
    s = started(watchdog=2.0)
    assert s.wait(50) == []

    s.listens("web#1")
    assert s.wait(2) == ["terminate web#1"]


def test_trigger_is_as_if_the_watchdog_had_expired() -> None:
    s = ready(watchdog=2.0)

    assert s.says("web#1", "WATCHDOG=trigger") == ["terminate web#1"]
    assert s.because("web") == "the service sent WATCHDOG=trigger"
    s.stopped("web#1")
    assert s.state("web") == "backoff"


@pytest.mark.parametrize("first", ["READY=1", "STATUS=starting"])
def test_trigger_needs_neither_a_watchdog_nor_health(first: str) -> None:
    s = started()
    s.says("web#1", first)

    assert s.says("web#1", "WATCHDOG=trigger") == ["terminate web#1"]
    s.stopped("web#1")
    assert s.because("web") == "the service sent WATCHDOG=trigger, restart 1 of 5 in 100ms"


def test_trigger_of_what_is_being_stopped_changes_nothing() -> None:
    s = ready(watchdog=2.0)
    s.stop("web")

    assert s.says("web#1", "WATCHDOG=trigger") == []
    s.stopped("web#1")
    assert s.state("web") == "stopped"


def test_the_service_may_set_the_interval() -> None:
    s = ready()
    s.says("web#1", "WATCHDOG_USEC=3000000")

    assert s.wait(2.9) == []
    assert s.wait(0.1) == ["terminate web#1"]
    assert s.because("web") == "the service sent no WATCHDOG=1 within 3s"


def test_an_interval_that_is_set_before_ready_begins_with_it() -> None:
    s = started(watchdog=60.0)
    s.says("web#1", "WATCHDOG_USEC=3000000"), s.wait(10), s.says("web#1", "READY=1")

    assert s.wait(3) == ["terminate web#1"]


def test_an_interval_of_nothing_turns_the_watchdog_off() -> None:
    s = ready(watchdog=2.0)
    s.says("web#1", "WATCHDOG_USEC=0")

    assert s.wait(3600) == []


def test_each_run_has_the_interval_of_its_definition_again() -> None:
    s = ready(watchdog=2.0)
    s.says("web#1", "WATCHDOG_USEC=9000000"), s.exits("web#1", 1), s.wait(0.1)
    s.spawned("web#2"), s.says("web#2", "READY=1")

    assert s.wait(2) == ["terminate web#2"]


def test_no_watchdog_runs_once_it_is_being_stopped() -> None:
    s = ready(watchdog=2.0, stop_timeout=10.0)
    s.stop("web")

    assert s.wait(9.9) == []
    assert s.because("web") == "stopping, requested by user"


# Who promises READY=1.


def test_lines_end_as_systemd_reads_them() -> None:
    s = started()
    s.says_bytes("web#1", b"STATUS=x\r\nREADY=1\r\n")
    assert s.health("web") == ("healthy", "notify")
    assert s.because("web").endswith("(status: x)")


def test_an_errno_of_a_failing_tool_promises_nothing() -> None:
    """`systemctl is-active x; exec server`: the tool sends it by itself."""
    s = started()
    s.says("web#1", "ERRNO=112", pid=77), s.listens("web#1")
    assert s.health("web") == ("healthy", "tcp")
    (remark, *_) = (each.detail for each in s.why("web").evidence if each.source == "notify")
    assert remark == "pid 77 (node) sent ERRNO=112, which does not announce READY=1"
    assert "errno" not in s.because("web"), "the tool failed, and not the service"


@pytest.mark.parametrize("word", ["STATUS=installing", "RELOADING=1", "MAINPID=77", "EXTEND_TIMEOUT_USEC=1"])
def test_what_a_tool_beside_the_main_process_says_promises_nothing(word: str) -> None:
    """As the bootstrap of mariadb-install-db does."""
    s = started()
    s.says("web#1", word, pid=77), s.listens("web#1")
    assert s.health("web") == ("healthy", "tcp")


def test_what_the_listener_says_is_a_promise() -> None:
    s = started()
    s.listens("web#1", accepts=False), s.says("web#1", "STATUS=loading"), s.listens("web#1")
    assert s.health("web") == ("starting", "notify")
    s.says("web#1", "READY=1")
    assert s.health("web") == ("healthy", "notify")


def test_ready_from_anybody_of_the_service_is_ready() -> None:
    s = started()
    s.says("web#1", "READY=1", pid=77)
    assert s.health("web") == ("healthy", "notify")


@pytest.mark.parametrize("speaks", [77, 0])
def test_no_listener_is_looked_for_of_a_run_that_ends_and_says_that_it_is_ready(speaks: int) -> None:
    """Something else of it may say so when the main process is gone."""
    s = started()
    s.exited("web#1", 1, left=1)
    assert s.says("web#1", "READY=1", pid=speaks) == []
    assert "watch web#1" not in s.asides

    s = started()
    s.stop("web")
    s.says("web#1", "READY=1", pid=speaks)
    assert "watch web#1" not in s.asides
