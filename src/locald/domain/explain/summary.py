"""A service in one line, to be copied into a message to somebody.

    shop:web failed: exited with code 1 after 2.3s (Error: address already in use) — locald logs shop:web
    shop:web is blocked: db failed: exited with code 1 immediately (no such file) — locald logs shop:db
    shop:web is healthy (notify): pid 4790 (node) sent READY=1 — locald why shop:web

What is held up is reported by its root cause. In parentheses stands the line of the root's output that says
most. At the end stands where to look, or what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.explain.last_word import cut, is_over
from locald.domain.explain.view import row
from locald.domain.explain.why import root_of
from locald.domain.lifecycle.health import Health, Source
from locald.domain.lifecycle.phase import Desired, Stopped
from locald.domain.values.amounts import length
from locald.domain.values.sentence import with_word

if TYPE_CHECKING:
    from locald.domain.explain.view import Row
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key

MOST = 1000
"""characters at most"""
MOMENT = 0.05
"""seconds: what ran no longer than this ended immediately"""


def summary(world: World, key: Key, said: str = "") -> str:
    """`said`: the line of the root's output that says most, or empty."""
    service = world.services[key]
    root = root_of(world, service)
    shown, cause = row(world, service), row(world, root)
    head = f"{key} {_is(shown)}: {cause.name}" if root is not service else str(key)
    verb, word = _is(cause).rpartition(" ")[::2]
    source = _source(shown) if root is service else ""
    reason = with_word(word + (f" ({source})" if source else ""), _reason(root, cause))
    told = f"{' '.join(filter(None, (head, verb, reason)))}{f' ({cut(said)})' if said else ''}"
    return f"{cut(told, MOST)} — {_next(root, cause)}"


def _is(shown: Row) -> str:
    if shown.state == "running" and shown.health is not Health.UNKNOWN:
        return f"is {shown.health}"
    return {"failed": "failed", "backoff": "is in backoff"}.get(shown.state, f"is {shown.state}")


def _source(shown: Row) -> str:
    if shown.source is Source.NONE:
        return ""
    remark = shown.check if shown.source is Source.EXPLICIT else "fallback" if shown.fallback else ""
    return f"{shown.source}, {remark}" if remark else str(shown.source)


def _reason(service: Service, shown: Row) -> str:
    """With how long it ran, where it ended by itself."""
    facts = service.facts
    ran = is_over(service) and facts and facts.exit and facts.spawned_at is not None
    if not ran or facts is None or facts.ended_at is None or facts.spawned_at is None:
        return shown.because
    took = facts.ended_at - facts.spawned_at
    if shown.because.startswith(("not healthy within", "not completed within")):
        return shown.because
    head, separator, rest = shown.because.partition(",")
    return f"{head} {f'after {length(took)}' if took >= MOMENT else 'immediately'}{separator}{rest}"


def _next(root: Service, cause: Row) -> str:
    if isinstance(root.phase, Stopped) and root.desired is not Desired.UP:
        return f"locald up {root.key}"
    return f"locald {'logs' if is_over(root) or cause.health is Health.UNHEALTHY else 'why'} {root.key}"
