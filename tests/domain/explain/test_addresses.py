"""Where a service is reached is where it really listens; no URL is told that would be refused."""

from __future__ import annotations

import pytest

from domain.story import Story, listener, service, task, worker
from locald.domain.knowledge.servers import BY_PROGRAM
from locald.domain.lifecycle.messages import Asked, Listens, Process
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Check, HealthCheck, HttpCheck, ProtocolCheck, TcpCheck

WEB = Run(Key("shop", "web"), 1)


def listening(*, on: int = 8080, address: str = "127.0.0.1", program: str = "node") -> Story:
    s = Story(service("web", port=8080))
    s.up(), s.spawned("web#1", pid=7)
    own = (listener(on, Process(7, program), address),)
    s.tell(Listens(WEB, own, on == 8080, None, s.now, server=BY_PROGRAM.get(program)))
    return s


def reached(s: Story) -> tuple[str | None, str | None]:
    row = s.row("web")
    return row.address, row.url


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("127.0.0.1", "127.0.0.1:8080"),
        ("0.0.0.0", "127.0.0.1:8080"),
        ("::", "127.0.0.1:8080"),
        ("::1", "[::1]:8080"),
        ("127.0.0.2", "127.0.0.2:8080"),
    ],
)
def test_the_address_is_the_listeners_own(address: str, shown: str) -> None:
    assert reached(listening(address=address)) == (shown, f"http://{shown}/")


def test_before_anything_listens_it_is_the_one_to_come() -> None:
    s = Story(service("web", port=8080))
    assert s.up()
    assert reached(s) == ("127.0.0.1:8080", "http://127.0.0.1:8080/")


@pytest.mark.parametrize("program", ["redis-server", "postgres", "mosquitto", "named"])
def test_what_does_not_speak_http_has_an_address_and_no_url(program: str) -> None:
    s = listening(program=program)
    assert reached(s) == ("127.0.0.1:8080", None)
    server = BY_PROGRAM[program]
    s.tell(Asked(WEB, server.protocol, False, "did not answer in that protocol", s.now, known=False))
    assert s.row("web").url == "http://127.0.0.1:8080/", "it is not that server after all"


def test_a_server_with_a_readiness_path_has_a_url() -> None:
    assert reached(listening(program="prometheus"))[1] == "http://127.0.0.1:8080/"


def test_what_the_user_checks_by_http_has_a_url() -> None:
    s = Story(service("web", port=8080, health_check=HealthCheck(HttpCheck())))
    s.up(), s.spawned("web#1"), s.listens("web#1")
    assert reached(s)[1] == "http://127.0.0.1:8080/"


def test_what_the_user_checks_by_https_has_such_a_url() -> None:
    s = Story(service("web", port=8080, health_check=HealthCheck(HttpCheck(scheme="https"))))
    s.up(), s.spawned("web#1"), s.listens("web#1")
    assert reached(s)[1] == "https://127.0.0.1:8080/"


@pytest.mark.parametrize(
    "check", [HttpCheck(scheme="https", port=9000), ProtocolCheck("redis", port=9000), TcpCheck()]
)
def test_a_check_of_another_port_says_nothing_about_the_url(check: Check) -> None:
    s = Story(service("web", port=8080, health_check=HealthCheck(check)))
    s.up(), s.spawned("web#1"), s.listens("web#1")
    assert reached(s)[1] == "http://127.0.0.1:8080/"


def test_what_the_user_checks_in_a_protocol_has_no_url() -> None:
    s = Story(service("web", port=8080, health_check=HealthCheck(ProtocolCheck("smtp"))))
    s.up(), s.spawned("web#1"), s.listens("web#1")
    assert reached(s) == ("127.0.0.1:8080", None)


def test_what_is_ready_and_listens_elsewhere_has_none_and_says_where() -> None:
    s = listening(on=28444, program="caddy")
    s.says("web#1", "READY=1", pid=7)
    assert s.health("web") == ("healthy", "notify")
    assert reached(s) == (None, None)
    assert s.because("web") == (
        "pid 7 (node) sent READY=1 and pid 7 (caddy) listens on 127.0.0.1:28444, but PORT is 8080"
    )


def test_what_has_no_port_has_no_address() -> None:
    s = Story(worker("web"), task("seed"))
    s.up()
    assert reached(s) == (None, None)
    assert s.row("web").port_source is None


def test_who_chose_the_port_is_told() -> None:
    s = Story(service("web"), service("api", port=8080))
    s.up()
    assert (s.row("web").port_source, s.row("api").port_source) == ("assigned", "fixed")
