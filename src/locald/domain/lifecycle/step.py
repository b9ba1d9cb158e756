"""The only way the world changes: a world and a message in, a world and effects out.

It is pure. A message changes single services; then the neighbours of what changed are reconciled with what
they depend on, again and again until nothing changes. A dependency is a condition, looked at whenever a
neighbour changes: no service is ever told once that another is ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle.commands import carry_out
from locald.domain.lifecycle.deadlines import due
from locald.domain.lifecycle.draft import Draft
from locald.domain.lifecycle.events import observe
from locald.domain.lifecycle.messages import (
    Down,
    Due,
    FilesChanged,
    Proxied,
    Prune,
    Rest,
    Restart,
    Shutdown,
    Slept,
    Stop,
    Up,
    Wake,
    WatchTold,
)
from locald.domain.lifecycle.watched import noticed

if TYPE_CHECKING:
    from locald.domain.lifecycle.messages import Message
    from locald.domain.lifecycle.service import Outcome, Service
    from locald.domain.lifecycle.world import Step, World


def step(world: World, message: Message, now: float) -> Step:
    draft = Draft(world, now)
    match message:
        case Up() | Stop() | Restart() | Wake() | Rest() | Down() | Shutdown() | Prune():
            carry_out(draft, message)
        case Proxied(port, authority):
            draft.https_port, draft.authority = port, authority or draft.authority
        case Due() | FilesChanged() | WatchTold():
            if service := draft.services.get(message.key):
                draft.take(_of_service(service, message, now))
        case Slept(seconds):
            draft.put_off(seconds)
        case event:
            if service := draft.services.get(event.run.key):
                draft.take(observe(service, event, now))
                draft.follow(service)
    draft.settle()
    return draft.finish()


def _of_service(service: Service, message: Due | FilesChanged | WatchTold, now: float) -> Outcome:
    match message:
        case Due():
            return due(service, now)
        case FilesChanged():
            return noticed(service, message), []
        case WatchTold(_, trouble, hint):
            return replace(service, changes=replace(service.changes, trouble=trouble, hint=hint)), []
