"""Stories: a server in the background may be a temporary one while the main process is at work."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from domain.story import Story, service
from locald.domain.lifecycle.messages import Asked, AtWork, Kin, Listener, Listens, Process, Work
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import CommandCheck, HealthCheck, HttpCheck

WEB = Run(Key("shop", "web"), 1)
MAIN, SERVER, CLIENT = Process(7, "sh"), Process(71, "postgres"), Process(73, "psql")
TOLD = 'pg_ctl start; psql -f seed.sql; pg_ctl stop; exec postgres -p "$PORT"'


def started(**keys: object) -> Story:
    s = Story(service("web", **{"command": TOLD, **keys}))
    s.up(), s.spawned("web#1", pid=MAIN.pid)
    return s


def serves(
    s: Story,
    state: AtWork | None,
    *,
    doing: Process | None = CLIENT,
    since: float = 0.0,
    can_notify: bool = False,
    server: Process = SERVER,
) -> None:
    """It takes connections, while the main process is in that state, `since` seconds ago."""
    held = Listener("127.0.0.1", s.port("web"), server)
    work = Work(MAIN, server, doing, state, s.now - since) if state else None
    s.tell(Listens(WEB, (held,), True, None, s.now, server, can_notify=can_notify, work=work))


def is_held(s: Story) -> bool:
    return (s.state("web"), s.health("web")[0]) == ("starting", "starting")


def test_an_open_port_waits_until_the_main_process_begins_nothing_new() -> None:
    s = started()
    serves(s, "busy")
    assert s.health("web") == ("starting", "tcp")
    port = s.port("web")
    assert s.because("web") == (
        f"pid 71 (postgres) accepts connections on 127.0.0.1:{port}, but pid 71 (postgres) is in the "
        "background while pid 7 (sh) runs pid 73 (psql): waiting until nothing new begins for 3s"
    )
    s.wait(2)
    serves(s, "busy", doing=Process(74, "createdb"))
    s.wait(2.9)
    assert is_held(s)
    s.wait(0.1)
    assert s.health("web") == ("healthy", "tcp")


def test_the_temporary_server_is_never_believed_and_the_real_one_at_once() -> None:
    s = started()
    serves(s, "client")
    s.says("web#1", "READY=1", pid=71, line=(Kin(71, "postgres", listens=True),))
    s.wait(25)
    assert s.health("web") == ("starting", "notify")
    s.says("web#1", "STOPPING=1", pid=71, line=(Kin(71, "postgres", listens=True),))
    s.closes("web#1"), s.ended("web#1", 71)
    assert is_held(s)
    serves(s, None, server=MAIN)
    s.says("web#1", "READY=1", pid=7, line=())
    assert s.health("web") == ("healthy", "notify")
    assert not s.row("web").restarts


def test_what_is_connected_to_it_is_given_longer() -> None:
    s = started()
    serves(s, "client")
    assert s.because("web").endswith(
        "while pid 7 (sh) runs pid 73 (psql), which is connected to it: waiting for that to end"
    )
    s.wait(29.9)
    assert is_held(s)
    s.wait(0.1)
    assert s.health("web") == ("healthy", "tcp"), "it works with it, and does not set it up"


def test_who_only_stays_keeps_nobody_waiting() -> None:
    """`nginx; tail -f log`."""
    s = started()
    serves(s, "idle", doing=Process(74, "tail"))
    assert s.health("web") == ("healthy", "tcp")


def test_who_has_nothing_left_to_do_is_seen_so_after_a_blink() -> None:
    s = started()
    serves(s, "nothing", doing=None)
    assert s.because("web").endswith("waiting up to 200ms to see whether pid 7 (sh) goes on")
    s.wait(0.2)
    assert s.health("web") == ("healthy", "tcp")


def test_what_is_said_late_of_a_main_process_that_rests_holds_nothing() -> None:
    s = started()
    serves(s, "busy", since=4)
    assert s.health("web") == ("healthy", "tcp")


def test_new_work_once_it_was_ready_changes_nothing() -> None:
    s = started()
    serves(s, "idle")
    s.wait(5)
    serves(s, "busy")
    assert s.health("web") == ("healthy", "tcp")


def test_an_answer_in_its_protocol_waits_too() -> None:
    s = started()
    serves(s, "busy")
    s.tell(Asked(WEB, "postgres", True, "pid 71 (postgres) answers connections", s.now))
    assert is_held(s)


def test_ready_of_the_main_process_is_its_own() -> None:
    s = started()
    serves(s, "busy")
    s.says("web#1", "READY=1", pid=7, line=())
    assert s.health("web") == ("healthy", "notify")


def test_what_starts_a_server_in_a_session_of_its_own_may_be_about_to_leave_it() -> None:
    """`pg_ctl` waits until the server is ready, and a tenth of a second more."""
    s = started()
    serves(s, "launching", doing=Process(72, "pg_ctl"))
    assert s.because("web").endswith(
        "but pid 72 (pg_ctl) has just started pid 71 (postgres) in a session of its own: "
        "waiting up to 300ms to see whether it leaves it"
    )
    s.wait(0.1)
    serves(s, "busy")
    s.wait(0.2)
    assert is_held(s)


def test_it_is_ready_long_after_it_was_started_and_left_soon_after_that() -> None:
    s = started()
    held = Listener("127.0.0.1", s.port("web"), SERVER)
    launching = Work(MAIN, SERVER, Process(72, "pg_ctl"), "launching", s.now)
    s.tell(Listens(WEB, (held,), False, None, s.now, SERVER, work=launching))
    s.wait(20)
    ready = Listens(WEB, (held,), True, None, s.now, SERVER, work=launching)
    s.tell(ready)
    assert is_held(s)
    s.wait(0.1)
    s.tell(replace(ready, at=s.now, probes=1))
    assert is_held(s)
    s.wait(0.2)
    assert s.health("web") == ("healthy", "tcp")
    s.tell(replace(ready, at=s.now, probes=2))
    assert s.health("web") == ("healthy", "tcp")


@pytest.mark.parametrize(
    ("check", "is_asked"),
    [
        (HealthCheck(HttpCheck("/")), True),
        (HealthCheck(HttpCheck("/", port=9000)), False),
        (HealthCheck(CommandCheck("pg_isready")), False),
    ],
    ids=["of its port", "of another", "the user's own command"],
)
def test_a_check_of_its_port_sees_that_server_and_another_check_knows_better(
    check: HealthCheck, is_asked: bool
) -> None:
    s = started(health_check=check)
    serves(s, "busy")
    s.probed("web#1", ok=True)
    assert is_held(s) == is_asked
    s.wait(3)
    assert s.health("web") == ("healthy", "explicit")


def test_a_machine_that_sleeps_is_no_rest() -> None:
    s = started()
    serves(s, "busy")
    s.sleeps(100)
    assert is_held(s)
    s.wait(3)
    assert s.health("web") == ("healthy", "tcp")


def test_a_later_daemon_waits_as_well() -> None:
    s = started()
    serves(s, "busy")
    s.daemon_dies()
    s.spawned("web#1", pid=MAIN.pid)
    assert is_held(s)
    s.wait(3)
    assert s.health("web") == ("healthy", "tcp")
