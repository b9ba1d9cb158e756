"""A server in the background, while the main process goes on: it may be a temporary one.

What sets a database up starts it (`pg_ctl start`), works with it, stops it, and becomes the real one. Until
it is stopped it serves like any other, on the same port. But it is not below the main process, as a server
that is to stay usually is, and the main process has work to do. So whatever makes such a server ready is held
back until the main process rests: it has nothing more to do, only stays (`nginx; tail -f log`), or has begun
nothing new for a while (a loop that looks after the server begins the same again and again). As long as
something below it is connected to the server, that while is longer.

A program that starts a server in a session of its own may be about to leave it: `pg_ctl` waits for it first.
One that stays is the usual case, so the wait is as short as can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle.health import Source, strongest
from locald.domain.values.duration import show

if TYPE_CHECKING:
    from locald.domain.lifecycle.health import Evidence
    from locald.domain.lifecycle.messages import Listens, Work
    from locald.domain.lifecycle.run_facts import RunFacts

RESTS = {"idle": 0.0, "nothing": 0.2, "launching": 0.3, "busy": 3.0, "client": 30.0}
"""seconds without anything new after which the main process rests"""


def observed(facts: RunFacts, event: Listens) -> RunFacts:
    """What the main process does while a service starts; of one that was ready it makes no difference."""
    work = event.work if facts.ready_at is None else None
    until = _held_until(facts, work) if work else 0.0
    return replace(facts, work=work, rests_at=until if until > event.at else None)


def _held_until(facts: RunFacts, work: Work) -> float:
    """What starts a server and goes on doing so is given the time that it has since that is ready."""
    before = facts.work.state if facts.work and facts.rests_at else None
    is_same = work.state == before == "launching"
    return max(rests_at(work), (facts.rests_at or 0.0) if is_same else 0.0)


def renewed(facts: RunFacts, before: RunFacts | None, at: float) -> RunFacts:
    """What starts a server leaves it soon after that is ready, however long this took."""
    is_launching = facts.work is not None and facts.work.state == "launching"
    if not is_launching or facts.ready_at is not None or not _is_ok(facts) or (before and _is_ok(before)):
        return facts
    return replace(facts, rests_at=at + RESTS["launching"])


def _is_ok(facts: RunFacts) -> bool:
    word = strongest(facts.evidence)
    return word is not None and word.ok


def rests_at(work: Work) -> float:
    """When the main process rests, if it begins nothing new."""
    return work.since + RESTS[work.state]


def waits(facts: RunFacts, word: Evidence) -> str:
    """Why the word of a server in the background does not count yet; empty when it does."""
    work = facts.work
    if work is None or facts.rests_at is None or not _is_of_the_server(facts, word):
        return ""
    within = show(RESTS[work.state])
    if work.state == "launching":
        left = f"{work.doing} has just started {work.server} in a session of its own"
        return f"{word.detail}, but {left}: waiting up to {within} to see whether it leaves it"
    told = f"{word.detail}, but {work.server} is in the background"
    match work.doing:
        case None:
            return f"{told}: waiting up to {within} to see whether {work.main} goes on"
        case doing if work.state == "client":
            return f"{told} while {work.main} runs {doing}, which is connected to it: waiting for that to end"
        case doing:
            return f"{told} while {work.main} runs {doing}: waiting until nothing new begins for {within}"


def _is_of_the_server(facts: RunFacts, word: Evidence) -> bool:
    """Whether this word rests on the server alone: READY=1 of the main process is its own, and a check that
    does not go to the service's port knows better."""
    match word.source:
        case Source.PROTOCOL | Source.TCP:
            return True
        case Source.NOTIFY:
            return bool(facts.words) and not any(each.main and each.holds for each in facts.words)
        case Source.EXPLICIT:
            return facts.checks_own_port
        case _:
            return False
