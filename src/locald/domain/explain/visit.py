"""What a request meets at a service's name: the service, a wait, or the reason why not."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from locald.domain.explain.routes import is_open
from locald.domain.lifecycle.phase import state

if TYPE_CHECKING:
    from locald.domain.lifecycle.service import Service

_COMING = ("waiting", "preparing", "starting", "backoff")


class Meets(StrEnum):
    SERVICE = "service"
    """it serves"""
    WAIT = "wait"
    """it is on its way: nothing has to be done"""
    REASON = "reason"
    """it does not come by itself"""


def meets(service: Service) -> Meets:
    if is_open(service):
        return Meets.SERVICE
    shown = state(service.phase)
    is_coming = shown in _COMING or (shown in ("stopped", "stopping") and service.held_by is None)
    return Meets.WAIT if is_coming and service.desired.is_up and not _has_ended(service) else Meets.REASON


def _has_ended(service: Service) -> bool:
    """It ended by itself and stays so, although it is to be up."""
    return service.phase.kind == "ended"
