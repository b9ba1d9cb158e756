"""Somebody else opens the port of a service that serves already: its health stays, and it is told."""

from __future__ import annotations

from msgspec.structs import replace

from domain.story import Story, listener, service
from locald.domain.lifecycle.messages import Listens, Process
from locald.domain.project.names import Key, Run

WEB = Run(Key("shop", "web"), 1)
NODE, NC = Process(7, "node"), Process(4711, "nc")


def seen(s: Story, stranger: Process | None, address: str = "127.0.0.1") -> list[str]:
    port = s.port("web")
    holder = listener(port, stranger, address) if stranger else None
    return s.tell(Listens(WEB, (listener(port, NODE),), True, holder, s.now))


def served() -> Story:
    s = Story(service("web"))
    s.up(), s.spawned("web#1", pid=7), seen(s, None)
    return s


def test_a_stranger_that_joins_the_port_is_named_in_because_in_why_and_in_the_log_once() -> None:
    s = served()
    own = s.because("web")
    s.wait(60), seen(s, NC)
    told = f"pid 4711 (nc), a process outside the service, listens on 127.0.0.1:{s.port('web')} too"
    assert s.health("web") == ("healthy", "tcp")
    assert s.because("web") == f"{own}, but {told}"
    why = s.why("web")
    assert (why.evidence[0].ok, why.evidence[0].detail) == (False, told)
    assert why.hints[0].startswith("run `kill 4711` to stop nc, since ")
    assert seen(s, NC) == []
    assert [note for note in s.notes if told in note] == [
        f"{told}: connections to port {s.port('web')} can reach it instead"
    ]


def test_when_it_has_gone_nothing_is_said_any_more() -> None:
    s = served()
    own = s.because("web")
    seen(s, NC), seen(s, None)
    assert (s.because("web"), s.why("web").hints) == (own, ())


def test_one_on_another_address_is_told_with_it() -> None:
    s = served()
    seen(s, NC, "::1")
    assert s.because("web").endswith(f"listens on [::1]:{s.port('web')} too")


def test_one_of_another_user_has_no_pid() -> None:
    s = served()
    seen(s, Process(0))
    assert "but a process of another user listens on" in s.because("web")
    assert s.why("web").hints[0].startswith("set another `port`, since ")


def test_what_said_ready_is_told_of_it_too() -> None:
    s = served()
    s.says("web#1", "READY=1", pid=7), seen(s, NC)
    assert s.health("web") == ("healthy", "notify")
    assert "pid 4711 (nc)" in s.because("web")


def test_several_processes_of_the_service_on_one_port_are_nothing_special() -> None:
    s = served()
    own = s.because("web")
    port = s.port("web")
    shared = (listener(port, NODE), listener(port, replace(NODE, pid=8)))
    s.tell(Listens(WEB, shared, True, None, s.now))
    assert (s.because("web"), s.why("web").hints) == (own, ())
