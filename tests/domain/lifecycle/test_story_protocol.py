"""Stories: a known server says itself whether it serves; who can say READY=1 is given a moment for it."""

from __future__ import annotations

from domain.story import Story, listener, service
from locald.domain.knowledge.servers import POSTGRES, REDIS, Server
from locald.domain.lifecycle.messages import Asked, Listens, Process, Slept
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import HealthCheck, TcpCheck

PORT = 6379


def run(number: int = 1) -> Run:
    return Run(Key("shop", "db"), number)


def started(**keys: object) -> Story:
    s = Story(service("db", port=PORT, **keys), service("web", "db"))
    s.up(), s.spawned("db#1", pid=7)
    return s


def accepts(
    s: Story, number: int = 1, *, server: Server | None = None, can_notify: bool = False
) -> list[str]:
    own = (listener(PORT, Process(7, "redis-server")),)
    return s.tell(Listens(run(number), own, True, None, s.now, can_notify=can_notify, server=server))


def answers(s: Story, ok: bool, detail: str, *, known: bool = True) -> list[str]:
    return s.tell(Asked(run(), "redis", ok, detail, s.now, known=known))


# Asked in its own protocol.


def test_a_known_server_is_ready_when_it_says_so_and_not_when_its_port_is_open() -> None:
    s = started()
    assert accepts(s, server=REDIS) == []
    assert s.health("db") == ("starting", "protocol")
    assert s.because("db") == "asking pid 7 (redis-server) whether it is ready (redis)"

    s.wait(1)
    assert answers(s, False, "pid 7 (redis-server) answered PING with LOADING") == []
    assert s.because("db") == "pid 7 (redis-server) answered PING with LOADING"

    s.wait(20)
    assert answers(s, True, "pid 7 (redis-server) answered PING with PONG") == ["start web#1"]
    row = s.row("db")
    assert (row.health, row.source, row.check, row.fallback) == ("healthy", "protocol", "redis", False)
    assert row.ready_at == s.now


def test_a_server_that_hangs_later_is_unhealthy_until_it_answers() -> None:
    s = started()
    accepts(s, server=REDIS), answers(s, True, "PONG"), s.wait(30)
    answers(s, False, "pid 7 (redis-server) did not answer within 2s (redis)")
    assert s.health("db") == ("unhealthy", "protocol")
    answers(s, True, "PONG")
    assert s.health("db") == ("healthy", "protocol")


def test_what_answers_in_another_protocol_is_judged_by_its_open_port() -> None:
    s = started()
    accepts(s, server=REDIS)
    assert answers(s, False, "pid 7 (redis-server) did not answer in that protocol", known=False) == [
        "start web#1"
    ]
    row = s.row("db")
    assert (row.health, row.source, row.check) == ("healthy", "tcp", None)
    assert "did not answer in that protocol" in s.why("db").evidence[0].detail


def test_ready_is_stronger_than_an_answer() -> None:
    s = started()
    s.says("db#1", "READY=1", pid=7), accepts(s, server=REDIS)
    assert s.health("db") == ("healthy", "notify")


def test_a_listener_that_returns_is_asked_again() -> None:
    s = started()
    accepts(s, server=REDIS), answers(s, True, "PONG"), s.wait(5), s.closes("db#1")
    assert s.health("db") == ("unhealthy", "tcp")
    accepts(s, server=REDIS)
    assert s.health("db") == ("unhealthy", "protocol")
    answers(s, True, "PONG")
    assert s.health("db") == ("healthy", "protocol")


def test_an_answer_of_a_listener_that_is_gone_is_none() -> None:
    s = started()
    accepts(s, server=REDIS), s.closes("db#1"), answers(s, True, "PONG")
    assert s.health("db") == ("starting", "tcp")


def test_the_users_own_check_overrides_the_protocol() -> None:
    s = started(health_check=HealthCheck(TcpCheck()))
    accepts(s, server=REDIS)
    s.probed("db#1", True, "accepts connections")
    assert s.health("db") == ("healthy", "explicit")
    assert s.row("db").check == "tcp"


# Who can notify is given a moment.


def test_a_program_that_can_send_ready_is_waited_for_when_its_port_opens() -> None:
    s = started()
    assert accepts(s, can_notify=True) == []
    assert s.health("db") == ("starting", "tcp")
    assert s.because("db") == (
        "waiting up to 1s for READY=1, which redis-server can send: "
        "pid 7 (redis-server) accepts connections on 127.0.0.1:6379"
    )

    s.wait(0.3)
    assert s.says("db#1", "READY=1", pid=7) == ["start web#1"]
    assert s.health("db") == ("healthy", "notify")


def test_one_that_stays_silent_is_waited_for_once() -> None:
    s = started()
    accepts(s, can_notify=True)
    assert s.wait(0.9) == []
    assert s.wait(0.2) == ["start web#1"]
    assert s.health("db") == ("healthy", "tcp")

    s.restart("db"), s.exited("db#1", 0, pid=7), s.gone("db#1"), s.spawned("db#2", pid=7)
    accepts(s, 2, can_notify=True)
    assert s.health("db") == ("healthy", "tcp")


def test_another_program_is_waited_for_again() -> None:
    s = started()
    accepts(s, can_notify=True), s.wait(2), s.edit(service("db", port=PORT, command="another"))
    s.up(), s.exited("db#1", 0, pid=7), s.gone("db#1"), s.spawned("db#2", pid=7)
    accepts(s, 2, can_notify=True)
    assert s.health("db") == ("starting", "tcp")


def test_one_that_goes_on_saying_things_is_waited_for_longer() -> None:
    s = started()
    accepts(s, can_notify=True), s.wait(0.5), s.says("db#1", "STATUS=recovering", pid=7)
    assert s.wait(30) == []
    assert s.health("db") == ("starting", "notify")
    assert s.says("db#1", "READY=1", pid=7) == ["start web#1"]

    s.wait(5), s.exited("db#1", 1, pid=7), s.gone("db#1"), s.wait(1), s.spawned("db#2", pid=7)
    accepts(s, 2, can_notify=True), s.wait(10)
    assert s.health("db") == ("starting", "notify"), "it sent READY=1 before: that is waited for"


def test_a_known_server_that_answers_is_not_waited_for() -> None:
    s = started()
    accepts(s, can_notify=True, server=POSTGRES)
    assert s.health("db") == ("starting", "protocol")
    assert s.tell(Asked(run(), "postgres", True, "asked for authentication", s.now)) == ["start web#1"]


def test_a_machine_that_slept_waits_as_long_as_it_would_have() -> None:
    s = started()
    accepts(s, can_notify=True)
    s.now += 3600
    s.tell(Slept(3600.0))
    assert s.health("db") == ("starting", "tcp")
    assert s.wait(1.1) == ["start web#1"]
