"""A service in one line, to be copied into a message to somebody.

    shop:web failed: exited with code 1 after 2.3s (Error: address already in use) — locald logs shop:web
    shop:web is blocked: db failed: exited with code 1 immediately (no such file) — locald logs shop:db
    shop:web is healthy (notify): pid 4790 (node) sent READY=1 — locald why shop:web

What is held up is reported by its root cause. In parentheses stands the line of the root's output that says
most: the last that names an error, else the last on stderr. At the end stands where to look, or what to do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from locald.domain.explain.view import row
from locald.domain.explain.why import root_of
from locald.domain.knowledge.level import level
from locald.domain.lifecycle.health import Health, Source
from locald.domain.lifecycle.phase import Backoff, Desired, Ended, Failed, Stopped
from locald.domain.values.amounts import length
from locald.domain.values.plain import plain
from locald.domain.values.sentence import with_word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.domain.explain.view import Row
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key

LONGEST = 160
"""characters of a line of output"""
MOST = 1000
"""characters at most"""
MOMENT = 0.05
"""seconds: what ran no longer than this ended immediately"""
_BREAKS = re.compile(r"[\s\u2028\u2029]+")
_DIRECTION = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""of writing: it can lie about what stands where"""


def summary(world: World, key: Key, said: str = "") -> str:
    """`said`: the line of the root's output that says most, or empty."""
    service = world.services[key]
    root = root_of(world, service)
    shown, cause = row(world, service), row(world, root)
    head = f"{key} {_is(shown)}: {cause.name}" if root is not service else str(key)
    verb, word = _is(cause).rpartition(" ")[::2]
    source = _source(shown) if root is service else ""
    reason = with_word(word + (f" ({source})" if source else ""), _reason(root, cause))
    told = f"{' '.join(filter(None, (head, verb, reason)))}{f' ({_cut(said, LONGEST)})' if said else ''}"
    return f"{_cut(told, MOST)} — {_next(root, cause)}"


def last_word(output: Iterable[tuple[str, str]]) -> str:
    """The line that says most about an end, of `(stream, line)`; empty when none does."""
    printed = [(stream, line) for stream, line in output if stream != "locald" and plain(line).strip()]
    errors = [line for _, line in printed if level(line) == "error"]
    stderr = [line for stream, line in printed if stream == "stderr"]
    return (errors or stderr or [""])[-1].strip()


def is_over(service: Service) -> bool:
    """It ended by itself, so what it printed last may say why."""
    return isinstance(service.phase, Failed | Backoff | Ended)


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


def _cut(text: str, most: int) -> str:
    """One line of text, without what steers a terminal or lies about its order."""
    line = _DIRECTION.sub("", plain(_BREAKS.sub(" ", text))).strip()
    return line if len(line) <= most else line[: most - 1] + "…"
