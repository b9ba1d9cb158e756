"""What a request meets at a service's name: the service, a wait, or the reason why not."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from locald.domain.explain.routes import is_open
from locald.domain.lifecycle.phase import Desired, Ended, state

if TYPE_CHECKING:
    from locald.domain.lifecycle.service import Service

_COMING = ("waiting", "preparing", "starting", "backoff")


class Meets(StrEnum):
    SERVICE = "service"
    """it serves"""
    WAIT = "wait"
    """it is on its way: nothing has to be done"""
    DEMAND = "demand"
    """it is started by this request"""
    REASON = "reason"
    """it does not come by itself"""


def meets(service: Service) -> Meets:
    if is_open(service):
        return Meets.SERVICE
    is_coming = _is_coming(service)
    if service.spec.on_demand and not is_coming and _rests(service):
        return Meets.DEMAND
    return Meets.WAIT if is_coming else Meets.REASON


def _is_coming(service: Service) -> bool:
    """Nothing has to be done."""
    shown = state(service.phase)
    is_under_way = shown in _COMING or (shown in ("stopped", "stopping") and service.held_by is None)
    return is_under_way and service.desired.is_up and not isinstance(service.phase, Ended)


def _rests(service: Service) -> bool:
    """It is down because nobody needs it: stopped, or ended by itself in peace."""
    is_stopped = not service.desired.is_up and service.desired is not Desired.REMOVED
    return is_stopped or isinstance(service.phase, Ended)
