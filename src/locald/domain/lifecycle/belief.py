"""When a READY=1 counts.

That of the main process always does. Another one (see `senders`) may be that of a temporary server, and waits
until the port is open that the service was told. Where nobody told it one, its sender has to listen on TCP
itself, or to stay for some seconds: what sets a database up listens on a Unix socket, if anywhere, so that
nobody comes too early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle import given_port
from locald.domain.lifecycle.health import Source

if TYPE_CHECKING:
    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.lifecycle.senders import Word

STAYS = 10.0
"""seconds after which a sender is believed that listens nowhere, of a service that was told no port"""


def believed(facts: RunFacts) -> bool:
    """Whether a READY=1 counts. What an earlier daemon knew has no senders."""
    return not facts.words or any(word.holds and _counts(facts, word) for word in facts.words)


def _counts(facts: RunFacts, word: Word) -> bool:
    if _counts_alone(facts, word):
        return True
    if facts.open and (_has_served(facts) if facts.socket is None else facts.socket.kind == "udp"):
        return True
    is_listening = any(one.kind == "tcp" and one.owner.pid == word.pid for one in facts.listeners)
    return is_listening and given_port.may_be_elsewhere(facts.definition)


def _counts_alone(facts: RunFacts, word: Word) -> bool:
    """Whatever its port does."""
    is_free = facts.definition.port is None or facts.check is not None
    return word.main or word.stayed or word.pid == facts.pid or is_free


def counts_since(facts: RunFacts, at: float) -> float:
    """When the READY=1 that was heard at this time began to count: the port that it rests on may have been
    seen later and told earlier. Only to be asked where it counts."""
    rests_on_port = not any(word.holds and _counts_alone(facts, word) for word in facts.words)
    served = facts.evidence.get(Source.TCP) if facts.words and rests_on_port else None
    return at if served is None else max(at, served.at)


def _has_served(facts: RunFacts) -> bool:
    """Its program has taken a connection on its port: a listener alone may be a probe."""
    seen = facts.evidence.get(Source.TCP)
    return seen is not None and seen.ok


def doubted(facts: RunFacts) -> Word | None:
    """Whose READY=1 does not count yet, if none does."""
    return None if believed(facts) else next((word for word in facts.words if word.holds), None)


def stays_until(facts: RunFacts) -> float | None:
    """When a doubted word is believed; None: never by itself."""
    word = doubted(facts)
    may_be = word is not None and given_port.may_be_elsewhere(facts.definition)
    return word.at + STAYS if word is not None and may_be else None


def stayed(facts: RunFacts, now: float) -> RunFacts:
    """Who said READY=1 so long ago is believed."""
    words = tuple(replace(word, stayed=word.stayed or now >= word.at + STAYS) for word in facts.words)
    return replace(facts, words=words)
