"""A service that listens somewhere else than on the port that it was given: when that becomes its port.

Many programs know nothing of PORT. Where the file neither fixes a port nor hands it over, what such a program
does serve on is its port for this run, once it has stayed the only candidate for a moment: a port probe, or
a debugger that opens before the server, has gone or has been joined by then. Of several candidates the one of
a known server counts; else none does, since nobody can tell. PORT itself always wins, also later: a program
that opens exactly this number was told it, and only needed longer.

A socket of UDP, or a Unix socket, stands for the port of a service that opens no TCP port at all. Nobody has
to accept a datagram, so a UDP socket on PORT counts after a blink, in which a DNS server, say, opens the same
port for TCP. Any other is believed only after some seconds: control sockets open before the port (gunicorn 27
opens one before its workers load), helpers have sockets of their own, and nothing tells them from a server
but that no port follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from locald.domain.knowledge.port_options import fix
from locald.domain.knowledge.protocols import PROTOCOLS
from locald.domain.lifecycle.given_port import may_be_elsewhere, may_become
from locald.domain.lifecycle.health import Evidence, Source
from locald.domain.lifecycle.messages import Effect, Listener, Listens, Note, Process, Watch
from locald.domain.lifecycle.run_facts import RunFacts, with_evidence
from locald.domain.project import whereabouts
from locald.domain.project.spec import ProtocolCheck, Type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.domain.lifecycle.service import Service
    from locald.domain.project.spec import Definition

SETTLES = 1.0
"""seconds for which a TCP listener has to be the only one that serves"""
LOOKS = 1.0
"""seconds in which it is found out where a program serves that has just said READY=1, at most"""
OTHERS_LOAD = 10.0
"""the same while another listener of the run has not accepted a connection yet: that may be the server"""
DATAGRAMS = 0.3
"""seconds for which a UDP socket on PORT has to stay without a TCP listener"""
NO_PORT = 5.0
"""seconds for which any other socket has to stay without a TCP listener"""

# What is seen.


class _Chosen(NamedTuple):
    socket: Listener
    after: float


def given_back(facts: RunFacts, event: Listens) -> RunFacts:
    """PORT serves after all: another port was found too early."""
    if facts.found is None or facts.definition.port not in event.serving:
        return facts
    return replace(facts, found=None)


def socket_of(facts: RunFacts, event: Listens) -> Listener | None:
    """The socket that stands for a port, if it is there still."""
    known = facts.socket
    return known and next((each for each in event.sockets if each.place == known.place), None)


def checked_by_datagram(definition: Definition, event: Listens, port: int | None) -> Listener | None:
    """The UDP socket on the service's port that its check goes to: one that is asked over UDP too."""
    configured = definition.spec.health_check
    if configured is None or not isinstance(configured.check, ProtocolCheck):
        return None
    if not PROTOCOLS[configured.check.kind].has_datagrams:
        return None
    return next((each for each in event.sockets if each.kind == "udp" and each.port == port), None)


def looks(facts: RunFacts, at: float) -> RunFacts:
    """The program has said READY=1. It is seen first where it listens: whoever starts next is told that
    address, and who waits for it hears that it is another one than it was told."""
    definition = facts.definition
    opens_itself = definition.port is not None and definition.spec.type is Type.EXEC
    if facts.open or facts.check or facts.ready_at is not None or not opens_itself:
        return facts
    return replace(facts, looks_until=at + LOOKS)


def _is_decided(facts: RunFacts, event: Listens) -> bool:
    """It was looked at since it said READY=1, and nothing else that it listens on can become its port."""
    if facts.looks_until is None or event.at < facts.looks_until - LOOKS:
        return False
    may_serve = {one.port for one in event.listeners if _may_be(facts, one)}
    return facts.open or may_serve <= set(event.serving)


def _may_be(facts: RunFacts, listener: Listener) -> bool:
    """Whether this can turn out to be where the service listens."""
    return may_become(facts.definition, listener.port) and not listener.is_debugger


def looked_for(facts: RunFacts, event: Listens) -> RunFacts:
    """Note which socket may become the service's port, and since when it is the only one."""
    chosen = _choose(facts, event)
    if _is_decided(facts, event) and (chosen is None or chosen.socket.kind != "tcp"):
        facts = replace(facts, looks_until=None)
    if chosen is None:
        return replace(facts, candidate=None, candidate_at=None, settles_at=None)
    is_same = facts.candidate is not None and facts.candidate.place == chosen.socket.place
    since = facts.candidate_at if is_same and facts.candidate_at is not None else event.at
    # The program itself has said that it is ready: what it serves on by now is it.
    after = 0.0 if facts.notify.ready and chosen.socket.kind == "tcp" else chosen.after
    return replace(facts, candidate=chosen.socket, candidate_at=since, settles_at=since + after)


def _choose(facts: RunFacts, event: Listens) -> _Chosen | None:
    if facts.open and (facts.socket is None or facts.socket.kind == "udp"):
        return None
    if event.listeners:
        return _choose_listener(facts, event)
    return None if facts.socket else _choose_socket(facts, event)


def _choose_listener(facts: RunFacts, event: Listens) -> _Chosen | None:
    possible = {each.port: each for each in event.listeners if _may_be(facts, each)}
    serving = [port for port in possible if port in event.serving]
    known = [port for port in serving if port in event.known]
    sole = next((ports[0] for ports in (serving, known) if len(ports) == 1), None)
    if sole is None:
        return None
    return _Chosen(possible[sole], SETTLES if len(serving) == len(possible) or known else OTHERS_LOAD)


def _choose_socket(facts: RunFacts, event: Listens) -> _Chosen | None:
    on_port = [each for each in event.sockets if each.kind == "udp" and each.port == facts.port]
    if on_port:
        return _Chosen(on_port[0], DATAGRAMS)
    if not event.sockets or not may_be_elsewhere(facts.definition):
        return None
    first = min(event.sockets, key=lambda each: (each.kind, each.place))
    return _Chosen(first, NO_PORT)


def settled(facts: RunFacts, now: float) -> RunFacts:
    """The candidate has stayed: it is the service's port from now on, or stands for it."""
    chosen = facts.candidate
    facts = replace(facts, candidate=None, candidate_at=None, settles_at=None, looks_until=None)
    if chosen is None:
        return facts
    if chosen.port and chosen.port != facts.port:
        facts = replace(facts, found=chosen.port)
    if chosen.kind == "tcp":
        # Whether it is healthy follows when what is seen there is told again, as of the service's port.
        return replace(facts, socket=None, open=True)
    facts = replace(facts, socket=chosen, open=True, listening_at=facts.listening_at or now)
    return with_evidence(facts, Evidence(Source.TCP, True, now, f"{chosen.owner} listens on {chosen.shown}"))


# What follows.


def moved(services: Iterable[Service], before: Service | None, after: Service) -> list[Effect]:
    """The run has another port than a moment ago: it is looked after there, and its log says so."""
    was, now = before.facts if before else None, after.facts
    if was is None or now is None or was.run != now.run or was.found == now.found or after.run is None:
        return []
    lines = [_line(now, was), *_told_before(services, after, was.port)]
    return [Watch(now.run), *(Note(now.run, line) for line in lines if line)]


def _line(facts: RunFacts, was: RunFacts) -> str:
    if facts.found is None:
        return f"listens on PORT {facts.definition.port} now: no longer uses port {was.found}"
    owner = next((each.owner for each in facts.listeners if each.port == facts.found), Process(0))
    told = f"does not listen on PORT {facts.definition.port}: uses port {facts.found} for this run"
    return f"{told} ({fix(facts.definition.spec.command or '', owner.program, facts.found, owner.origin)})"


def _told_before(services: Iterable[Service], service: Service, port: int | None) -> list[str]:
    """Who runs with the address that is not right any more."""
    key = service.key
    others = [each for each in services if each.run and each.key != key]
    early = [each.spec.name for each in others if whereabouts.has_address_of(each.present, key)]
    if not early:
        return []
    names = ", ".join(early)
    return [f"{names} started before that, with port {port}: run `locald restart {' '.join(early)}`"]
