"""A program that ignores PORT: what it serves on becomes its port, once nothing else can be it."""

from __future__ import annotations

import pytest

from domain.story import Story, definition, listener, service
from locald.domain.knowledge.origin import Origin
from locald.domain.knowledge.side_ports import SIDE_PORTS
from locald.domain.lifecycle.given_port import may_become
from locald.domain.lifecycle.messages import Listens, Process
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Type

WEB = Run(Key("shop", "web"), 1)
NODE = Process(7, "node")


def begun(**keys: object) -> Story:
    s = Story(service("web", **keys), service("api", "web"))
    s.up(), s.spawned("web#1", pid=7)
    return s


def serves(s: Story, *ports: int, loading: tuple[int, ...] = (), known: tuple[int, ...] = ()) -> list[str]:
    """What the adapter tells: the ports on which connections are taken, and those on which not yet."""
    own = s.service("web").facts
    assert own
    listeners = tuple(listener(port, NODE) for port in (*ports, *loading))
    elsewhere = tuple(port for port in ports if port != own.port)
    accepts = own.port in ports
    return s.tell(Listens(WEB, listeners, accepts, None, s.now, serving=elsewhere, known=known))


def found(s: Story) -> tuple[int | None, str | None]:
    row = s.row("web")
    return row.port, row.port_source


def test_what_stays_the_only_one_for_a_second_is_its_port_and_its_dependents_start() -> None:
    s = begun()
    given = s.port("web")
    assert serves(s, 5173) == s.wait(0.9) == []
    assert found(s) == (given, "assigned")
    s.wait(0.1)
    assert (found(s), s.asides) == ((5173, "found"), ["watch web#1"])
    assert serves(s, 5173) == ["start api#1"]
    assert (s.health("web"), s.row("web").url) == (("healthy", "tcp"), "http://127.0.0.1:5173/")
    assert f"does not listen on PORT {given}: uses port 5173 for this run" in s.notes[0]


def test_what_is_gone_within_a_second_was_not_it() -> None:
    s = begun()
    serves(s, 5173), s.wait(0.9), serves(s), s.wait(5)
    assert found(s)[1] == "assigned"
    serves(s, 5173), s.wait(0.9)
    assert found(s)[1] == "assigned", "the second is counted anew"


def test_port_itself_ends_the_search() -> None:
    s = begun()
    serves(s, 29229), s.wait(0.5), serves(s, 29229, loading=(s.port("web"),)), s.wait(9)
    assert found(s)[1] == "assigned"
    serves(s, 29229, s.port("web"))
    assert s.health("web") == ("healthy", "tcp")


def test_port_wins_after_another_was_found_and_the_service_stays_healthy() -> None:
    s = begun()
    given = s.port("web")
    serves(s, 5173), s.wait(1), serves(s, 5173)
    ready_at = s.row("web").ready_at
    serves(s, 5173, given)
    assert (found(s), s.health("web"), s.row("web").ready_at) == (
        (given, "assigned"),
        ("healthy", "tcp"),
        ready_at,
    )
    assert s.notes[-1] == f"listens on PORT {given} now: no longer uses port 5173"


def test_of_several_none_is_taken_and_all_are_named() -> None:
    s = begun()
    serves(s, 5173, 5174), s.wait(20)
    assert found(s)[1] == "assigned"
    because = s.because("web")
    assert because == f"pid 7 (node) listens on 127.0.0.1:5173, 127.0.0.1:5174, but PORT is {s.port('web')}"


def test_of_several_the_one_of_a_known_server_is_taken() -> None:
    s = begun()
    serves(s, 6379, 5174, known=(6379,)), s.wait(1)
    assert found(s) == (6379, "found")


def test_while_another_listener_loads_there_is_patience() -> None:
    s = begun()
    serves(s, 9100, loading=(8000,)), s.wait(9.9)
    assert found(s)[1] == "assigned"
    serves(s, 9100, 8000), s.wait(30)
    assert found(s)[1] == "assigned", "now there are two"


@pytest.mark.parametrize("port", sorted(SIDE_PORTS))
def test_helper_ports_are_never_taken(port: int) -> None:
    s = begun()
    serves(s, port), s.wait(20)
    assert found(s)[1] == "assigned"
    serves(s, port, 5173), s.wait(1)
    assert found(s) == (5173, "found")


@pytest.mark.parametrize(
    "keys",
    [
        {"command": "serve --port $PORT"},
        {"command": ("sh", "-c", "serve ${PORT:-80}")},
        {"command": "node -e 'listen(process.env.PORT)'"},
        {"port": 8080},
        {"env": {"SERVER": "--port $PORT"}},
    ],
)
def test_who_is_told_the_port_is_expected_there(keys: dict[str, object]) -> None:
    s = begun(**keys)
    serves(s, 5173), s.wait(20)
    assert found(s) == (s.port("web"), "fixed" if "port" in keys else "assigned")
    assert s.because("web").endswith(f"listens on 127.0.0.1:5173, but PORT is {s.port('web')}")


@pytest.mark.parametrize("command", ["PORT=8000 serve", "serve REPORT", "FLASK_RUN_PORT=1 flask run"])
def test_what_only_looks_like_port_does_not_hand_it_over(command: str) -> None:
    assert may_become(definition(service("web", command=command)), 8000)


@pytest.mark.parametrize(
    "command", ["node --inspect=127.0.0.1:29229 a.js", "python -m debugpy --listen 29229 a.py"]
)
def test_a_debugger_that_the_command_gives_a_port_is_not_it(command: str) -> None:
    told = definition(service("web", command=command))
    assert not may_become(told, 29229)
    assert may_become(told, 8000)


def test_nor_is_one_that_only_the_listening_process_was_told() -> None:
    s = begun()
    owner = Process(7, "node", Origin(debuggers=(29229,)))
    held = listener(29229, owner)
    s.tell(Listens(WEB, (held,), False, None, s.now, serving=(29229,)))
    s.wait(3)
    assert s.row("web").port_source == "assigned"
    assert s.row("web").hint is None


def test_who_says_ready_is_looked_at_first_also_where_its_port_is_fixed() -> None:
    s = Story(service("web", port=8080))
    s.looks = False
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1")
    assert s.health("web") == ("starting", "notify")
    s.listens("web#1", 28444, accepts=False)
    assert s.health("web") == ("healthy", "notify")
    assert "listens on 127.0.0.1:28444, but PORT is 8080" in s.because("web")
    assert s.row("web").hint


def test_where_nothing_can_be_seen_it_is_ready_a_second_later() -> None:
    s = Story(service("web", port=8080))
    s.looks = False
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1")
    s.wait(1)
    assert s.health("web") == ("healthy", "notify")


def test_only_a_process_can_have_another_port() -> None:
    for type_ in (Type.CONTAINER, Type.WORKER, Type.TASK):
        assert not may_become(definition(service("web", type=type_)), 8000)


def test_ready_says_that_what_it_serves_on_is_it() -> None:
    s = begun()
    s.says("web#1", "READY=1", pid=7)
    serves(s, 28444), s.wait(0)
    assert found(s) == (28444, "found")
    assert s.row("web").url == "http://127.0.0.1:28444/"


def test_who_says_ready_first_is_reached_by_what_starts_next_where_it_really_listens() -> None:
    s = begun()
    s.looks = False
    assert s.says("web#1", "READY=1", pid=7) == []
    assert s.because("web") == "pid 7 (node) sent READY=1: looking for its port"
    assert serves(s, loading=(28444,)) == serves(s, 28444) == []
    assert s.wait(0) == ["start api#1"]
    assert (found(s), s.health("web")) == ((28444, "found"), ("healthy", "notify"))


def test_what_was_seen_before_it_said_ready_is_looked_at_again() -> None:
    s = begun()
    s.looks = False
    early = Listens(WEB, (), False, None, s.now)
    s.wait(0.1), s.says("web#1", "READY=1", pid=7)
    assert s.tell(early) == []
    assert serves(s) == ["start api#1"], "it listens nowhere, and says that it is ready"


def test_it_is_not_looked_for_long_where_a_ready_program_serves() -> None:
    for looked in (dict[str, tuple[int, ...]](), {"loading": (28444,)}):
        s = begun()
        s.looks = False
        s.says("web#1", "READY=1", pid=7), serves(s, **looked)
        assert s.wait(1) == ([] if not looked else ["start api#1"])
        assert s.health("web") == ("healthy", "notify")
    s = begun()
    s.looks = False
    s.says("web#1", "READY=1", pid=7)
    assert serves(s, 28444, 28445) == ["start api#1"], "of several nobody can tell"


def test_who_was_told_its_port_is_ready_when_it_says_so() -> None:
    told: list[dict[str, object]] = [{"command": "run --port $PORT"}, {"port": 8080}, {"type": Type.WORKER}]
    for keys in told:
        s = Story(service("web", **keys))
        s.up(), s.spawned("web#1"), s.says("web#1", "READY=1")
        assert s.health("web") == ("healthy", "notify")


def test_the_next_run_begins_with_the_port_that_it_was_given() -> None:
    s = begun()
    given = s.port("web")
    serves(s, 5173), s.wait(1), serves(s, 5173)
    s.exits("web#1", 1), s.wait(1)
    assert found(s) == (given, "assigned")


def test_a_found_port_is_known_to_the_next_daemon() -> None:
    s = begun()
    serves(s, 5173), s.wait(1), serves(s, 5173)
    s.daemon_dies(), s.spawned("web#1", pid=7)
    assert found(s) == (5173, "found")


def test_a_machine_that_sleeps_does_not_make_a_second_pass() -> None:
    s = begun()
    serves(s, 5173), s.wait(0.5), s.sleeps(3600), s.wait(0.4)
    assert found(s)[1] == "assigned"
    s.wait(0.2)
    assert found(s) == (5173, "found")
