"""A step costs what the neighbourhood of the change costs, however many services there are.

Counted are the calls that a step makes, of Python functions and of built-in ones: the same on every machine,
however busy. A copy of a dictionary is one call.
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from domain.story import definition, listener, service
from locald.domain.lifecycle.messages import (
    Due,
    Exit,
    Exited,
    Gone,
    Listens,
    Message,
    Notified,
    Process,
    Sender,
    Stop,
)
from locald.domain.lifecycle.observations import observe_listeners
from locald.domain.lifecycle.phase import Desired, Running
from locald.domain.lifecycle.run_facts import RunFacts
from locald.domain.lifecycle.service import Service, with_result
from locald.domain.lifecycle.step import step
from locald.domain.lifecycle.world import World
from locald.domain.project.names import Key, Run

if TYPE_CHECKING:
    from locald.domain.project.spec import ServiceSpec

NOW = 1000.0
FEW, MANY = 20, 2000
GENEROUS = 1.2


def run(name: str) -> Run:
    return Run(Key("shop", name), 1)


def running(spec: ServiceSpec) -> Service:
    """A healthy service in its first run."""
    defined = definition(spec)
    facts = RunFacts(run(spec.name), defined, pid=7, spawned_at=NOW, ready_at=NOW)
    facts = observe_listeners(facts, Listens(facts.run, (listener(defined.port or 0),), True, None, NOW))
    return with_result(
        Service(defined, desired=Desired.UP, phase=Running(facts.run), facts=facts, runs=1), NOW
    )


def world(specs: list[ServiceSpec]) -> World:
    return World.of(map(running, specs), {})


@cache
def shops(count: int) -> World:
    """Many small groups that know nothing of each other."""
    specs = []
    for n in range(count // 4):
        db, api, web, other = f"db{n}", f"api{n}", f"web{n}", f"other{n}"
        specs += [service(db), service(api, db), service(web, api, db), service(other, db)]
    return world(specs)


@cache
def chain(count: int) -> World:
    """Each depends on the one before it; the first is `s0`."""
    names = [f"s{n}" for n in range(count)]
    return world([service(names[0]), *(service(name, need) for need, name in pairwise(names))])


@cache
def star(count: int) -> World:
    """All depend on `hub`."""
    return world([service("hub"), *(service(f"s{n}", "hub") for n in range(count))])


def cost(begin: World, *messages: Message) -> int:
    """How many calls it takes to follow these messages."""
    calls = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        for message in messages:
            begin = step(begin, message, NOW + 20).world
    finally:
        sys.setprofile(None)
    return calls


def says(name: str, datagram: bytes) -> Notified:
    return Notified(run(name), Sender(Process(7), 0, "member"), datagram, NOW)


def closes(name: str) -> Listens:
    return Listens(run(name), (), False, None, NOW)


NEWS = ["nothing", "a status", "lost health", "a crash and a retry", "a stop"]


def of(name: str, what: str) -> tuple[Message, ...]:
    """Messages about this service."""
    key = Key("shop", name)
    match what:
        case "a status":
            return (says(name, b"STATUS=busy"),)
        case "lost health":
            return (closes(name),)
        case "a crash and a retry":
            return Exited(run(name), 7, Exit(1), 0, NOW), Gone(run(name), NOW), Due(key)
        case "a stop":
            return (Stop(frozenset({key})),)
        case _:
            return (Due(key),)


@pytest.mark.parametrize("name", ["db0", "api0", "web0"])
@pytest.mark.parametrize("what", NEWS)
def test_strangers_cost_nothing(name: str, what: str) -> None:
    few, many = cost(shops(FEW), *of(name, what)), cost(shops(MANY), *of(name, what))

    assert many <= few * GENEROUS


@pytest.mark.parametrize("what", NEWS)
def test_the_end_of_a_long_chain_costs_what_the_end_of_a_short_one_costs(what: str) -> None:
    few, many = cost(chain(FEW), *of("s19", what)), cost(chain(MANY), *of("s1999", what))

    assert many <= few * GENEROUS


@pytest.mark.parametrize("what", NEWS[:-1])
def test_so_does_its_beginning(what: str) -> None:
    few, many = cost(chain(FEW), *of("s0", what)), cost(chain(MANY), *of("s0", what))

    assert many <= few * GENEROUS


def test_a_stop_goes_as_far_as_it_has_to_and_costs_the_same_for_each() -> None:
    """Everybody down the chain has to leave."""
    few, many = cost(chain(FEW), *of("s0", "a stop")), cost(chain(MANY), *of("s0", "a stop"))

    assert many <= few * (MANY / FEW) * GENEROUS


@pytest.mark.parametrize("what", NEWS)
def test_one_of_many_dependents_does_not_pay_for_the_others(what: str) -> None:
    few, many = cost(star(FEW), *of("s0", what)), cost(star(MANY), *of("s0", what))

    assert many <= few * GENEROUS
