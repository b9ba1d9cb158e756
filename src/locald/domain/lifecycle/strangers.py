"""Somebody else's listener beside the service's own, on the same port.

Two programs can listen on one address (SO_REUSEPORT: granian and hypercorn set it without being asked), and
the kernel deals the connections out between them; or one has 127.0.0.1 and the other one ::1, and a client of
`localhost` gets either. The service is served all the same, so its health stays what it is, but a client may
meet the other: that is said. Processes of the service itself may share its port as they like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.lifecycle.health import Evidence, Source
from locald.domain.lifecycle.messages import Note
from locald.domain.lifecycle.run_facts import with_evidence

if TYPE_CHECKING:
    from locald.domain.lifecycle.messages import Effect
    from locald.domain.lifecycle.run_facts import RunFacts


def beside(facts: RunFacts) -> str:
    """Who else listens on the port of a service that has opened it: a clause; empty for nobody."""
    holder = facts.holder
    if holder is None or not facts.open or facts.socket:
        return ""
    owner = holder.owner
    who = f"{owner}, a process outside the service," if owner.pid else "a process of another user"
    return f"{who} listens on {holder.shown} too"


def noticed(facts: RunFacts, before: RunFacts, at: float) -> RunFacts:
    """A stranger has come: a line in `why`."""
    told = beside(facts)
    if not told or told == beside(before):
        return facts
    return with_evidence(facts, Evidence(Source.TCP, False, at, told), counts=False)


def noted(before: RunFacts, after: RunFacts) -> list[Effect]:
    """The same in the service's log: whoever wonders about strange answers looks there."""
    told = beside(after)
    if not told or told == beside(before):
        return []
    return [Note(after.run, f"{told}: connections to port {after.port} can reach it instead")]


def hints(facts: RunFacts) -> list[str]:
    """What to do about it."""
    if not beside(facts) or facts.holder is None:
        return []
    owner = facts.holder.owner
    reach = f"connections to port {facts.port} can reach"
    if not owner.pid:
        return [f"set another `port`, since {reach} that process instead"]
    return [f"run `kill {owner.pid}` to stop {owner.program or 'that process'}, since {reach} it instead"]
