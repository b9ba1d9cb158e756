"""How healthy a live run is, derived from its facts: `evaluate`.

The last word of the strongest source counts, but some facts override every source: an exit, STOPPING=1 and an
expired watchdog; and a listener that was there and vanished overrides what was inferred, not what the user
configured.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from locald.domain.lifecycle import background, belief, given_port, senders
from locald.domain.lifecycle.health import Evidence, Health, HealthResult, Source, only, strongest
from locald.domain.lifecycle.run_facts import patience
from locald.domain.lifecycle.sd_notify import clean
from locald.domain.lifecycle.strangers import beside
from locald.domain.project.spec import (
    LogCheck,
    NotifyCheck,
    PortCheck,
    Type,
)
from locald.domain.values.amounts import length
from locald.domain.values.duration import show

if TYPE_CHECKING:
    from locald.domain.lifecycle.messages import (
        Listener,
        Process,
    )
    from locald.domain.lifecycle.run_facts import RunFacts

PAUSED = "the container is paused: nothing in it runs"
UNSAID = "has not sent READY=1 yet"


_NOT_YET = re.compile(
    r"(not listening on port \d+|has not sent READY=1|no line of output has matched /.*/"
    r"|the \w+ check has not run) yet"
)


def at_the_end(sentence: str) -> str:
    """A sentence of a live run, told when the run is over: what has not happened yet never will."""
    found = _NOT_YET.match(sentence)
    return found[1] + sentence[found.end() :] if found else sentence


def closed(facts: RunFacts) -> str:
    """One sentence on a port that this run does not listen on."""
    port = facts.port
    if facts.holder:
        return f"port {port} is already in use by {facts.holder.owner}, a process outside the service"
    if facts.listening_at is not None:
        return f"no longer listening on {facts.socket.shown if facts.socket else f'port {port}'}"
    if facts.listeners or facts.sockets:
        return _elsewhere(facts, facts.listeners or facts.sockets)
    return f"not listening on port {port} yet"


def _elsewhere(facts: RunFacts, others: tuple[Listener, ...]) -> str:
    other = others[0]
    listens = " and ".join(_all_of(owner, others) for owner in dict.fromkeys(one.owner for one in others))
    if facts.container_port is None:
        return f"{listens}, but PORT is {facts.definition.port}"
    listens = f"{other.owner} listens on {other.shown}"
    if other.port == facts.container_port:
        return f"{listens}, which is reachable only inside the container"
    return f"{listens} in its container, but container_port is {facts.container_port}"


def _all_of(owner: Process, listeners: tuple[Listener, ...]) -> str:
    places = ", ".join(one.shown for one in listeners if one.owner == owner)
    return f"{owner} listens on {places}"


def evaluate(facts: RunFacts, *, expects_ready: bool) -> HealthResult:
    """How healthy a live run is: the last word of the strongest source, unless a fact overrides it.

    `expects_ready`: an earlier run of this definition sent READY=1, so an open port or a live process
    is not enough for this one.
    """
    late = Health.STARTING if facts.ready_at is None else Health.UNHEALTHY
    if overriding := _overriding(facts, late):
        return overriding
    word = strongest(only(facts.evidence, Source.EXPLICIT) if facts.check else facts.evidence)
    if word is None or (facts.checks_own_port and facts.holder and not facts.open):
        source = word.source if word else Source.NONE
        return HealthResult(late, source, _tell(facts, _silence(facts, expects_ready)))
    if facts.hold_until is not None and word.source is Source.TCP and word.ok:
        wait = f"waiting up to 1s for READY=1, which {_program(facts)} can send"
        return HealthResult(late, Source.TCP, _tell(facts, f"{wait}: {word.detail}"))
    if facts.looks_until is not None and word.source is Source.NOTIFY and word.ok:
        return HealthResult(late, Source.NOTIFY, _tell(facts, f"{word.detail}: looking for its port"))
    if waits := _waits_for_sender(facts, word):
        return HealthResult(late, Source.NOTIFY, _tell(facts, waits))
    if expects_ready and word.source in (Source.PROTOCOL, Source.TCP, Source.PROCESS):
        wait = "waiting for READY=1, which an earlier run sent"
        return HealthResult(late, Source.NOTIFY, _tell(facts, f"{wait}: {word.detail}"))
    if word.ok and (waits := background.waits(facts, word)):
        return HealthResult(late, word.source, _tell(facts, waits))
    return HealthResult(Health.HEALTHY if word.ok else late, word.source, _tell(facts, _said(facts, word)))


def _waits_for_sender(facts: RunFacts, word: Evidence) -> str:
    """Why what is said, or open, is not yet the service's own; empty when it is."""
    if word.ok and word.source is Source.NOTIFY and (doubted := belief.doubted(facts)):
        told = f"{word.detail}, and is not the main process"
        if given_port.may_be_elsewhere(facts.definition):
            return f"{told}: waiting up to 10s to see whether {doubted} stays"
        return f"{told}: waiting for port {facts.port} to {'serve' if facts.open else 'open'}"
    inferred = word.source in (Source.PROTOCOL, Source.TCP, Source.PROCESS)
    stops = senders.stops(facts.words) if inferred else None
    return f"{stops} sent STOPPING=1, and has not ended yet" if stops else ""


def _overriding(facts: RunFacts, late: Health) -> HealthResult | None:
    """What holds whatever the sources say; a listener that vanished overrides what was inferred."""
    if facts.silenced:
        return HealthResult(late, Source.NONE, facts.silenced)
    if facts.paused:
        return HealthResult(Health.UNHEALTHY, Source.PROCESS, PAUSED)
    if facts.notify.stopping:
        return HealthResult(Health.UNHEALTHY, Source.NOTIFY, _tell(facts, "the service sent STOPPING=1"))
    if facts.expired:
        return HealthResult(Health.UNHEALTHY, Source.NOTIFY, _tell(facts, overdue(facts)))
    if facts.definition.spec.type is Type.TASK:
        return HealthResult(late, Source.NONE, _tell(facts, f"task running (pid {facts.pid})"))
    if facts.check is None and facts.listening_at is not None and not facts.open:
        return HealthResult(late, Source.TCP, _tell(facts, closed(facts)))
    return None


def _said(facts: RunFacts, word: Evidence) -> str:
    """The word of a source, with what is missing from it."""
    if word.source is Source.NOTIFY and word.ok and listens_elsewhere(facts):
        return f"{word.detail} and {_after(word.detail, closed(facts))}"
    if word.ok and (stranger := beside(facts)):
        return f"{word.detail}, but {stranger}"
    unsaid = _is_of_notify(facts, word) and facts.notify.spoke and not facts.notify.ready
    return f"{UNSAID}, {word.detail}" if unsaid else word.detail


def _after(said: str, sentence: str) -> str:
    """The sentence, without its subject where that was named already."""
    return sentence.removeprefix(f"{said.partition(' sent ')[0]} ")


def listens_elsewhere(facts: RunFacts) -> bool:
    """It is to open its port itself, and has opened another one."""
    opens_itself = facts.definition.port is not None and facts.definition.spec.type is Type.EXEC
    return opens_itself and not facts.open and bool(facts.listeners)


def _program(facts: RunFacts) -> str:
    """The program on the service's own port."""
    own = (one.owner.program for one in facts.listeners if one.port == facts.port)
    return next(own, "") or "the program"


def _is_of_notify(facts: RunFacts, word: Evidence) -> bool:
    return word.source is Source.NOTIFY or isinstance(facts.check, NotifyCheck)


def _silence(facts: RunFacts, expects_ready: bool) -> str:
    """What is being waited for while nothing has spoken."""
    match facts.check:
        case LogCheck(pattern):
            return f"no line of output has matched /{clean(pattern)}/ yet"
        case NotifyCheck():
            return UNSAID
        case None if expects_ready:
            return f"{UNSAID}, as an earlier run did"
        case None if facts.definition.port:
            return closed(facts)
        case check if isinstance(check, PortCheck) and facts.checks_own_port and not facts.open:
            return closed(facts)
        case None if facts.speaks_after > patience(facts.definition.engine):
            short = f"not yet for {length(facts.speaks_after)}, and the run before failed sooner"
            return f"process running (pid {facts.pid}), but {short}"
        case None:
            return f"process just started (pid {facts.pid})"
        case check:
            return f"the {check.kind} check has not run yet"


def overdue(facts: RunFacts) -> str:
    """One sentence on a watchdog that expired."""
    if facts.notify.triggered:
        return "the service sent WATCHDOG=trigger"
    return f"the service sent no WATCHDOG=1 within {show(facts.watchdog or 0)}"


def _tell(facts: RunFacts, sentence: str) -> str:
    """The sentence, with what the program says of itself."""
    said = facts.notify
    extras = [
        f"status: {said.status}" if said.status and f"STATUS={said.status}" not in sentence else "",
        "reloading" if said.reloading else "",
        said.reason,
    ]
    told = ", ".join(extra for extra in extras if extra)
    if not told:
        return sentence
    return f"{sentence}, {told}" if sentence.endswith(")") else f"{sentence} ({told})"
