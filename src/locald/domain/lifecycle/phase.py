"""The desired states of a service, and the phases it can be in.

A phase holds exactly the facts that are true in it, deadlines included: leaving a phase is what cancels its
timer. `kind` names the phase in the saved state.

Every end of a run, requested or not, goes through `Stopping`: its leader has died or was told to, and the
rest of its tree is being killed. `then` says where that leads.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from locald.domain.project.names import Key, Run


class Desired(StrEnum):
    """The desired state of a service: what its users asked for."""

    UP = "up"
    DOWN = "down"
    RESTART = "restart"
    """down, then up"""
    REMOVED = "removed"
    """down, then forgotten"""

    @property
    def is_up(self) -> bool:
        """Whether a run of it is desired, now or next."""
        return self in (Desired.UP, Desired.RESTART)


# Phases. `kind` tells saved ones apart; `state` names the state that people see.


class Stopped(Struct, frozen=True):
    kind: Literal["stopped"] = "stopped"


class Ended(Struct, frozen=True):
    """It exited by itself, was ready before, and its policy wants no other run."""

    reason: str
    kind: Literal["ended"] = "ended"


class Waiting(Struct, frozen=True):
    """Wanted, and something it depends on is not there yet, but may come."""

    kind: Literal["waiting"] = "waiting"


class Blocked(Struct, frozen=True):
    """Wanted, and a dependency will not come unless somebody does something about `root`."""

    on: Key
    root: Key
    kind: Literal["blocked"] = "blocked"


class Launching(Struct, frozen=True):
    """Ordered; there is no process yet."""

    run: Run
    kind: Literal["launching"] = "launching"


class Preparing(Struct, frozen=True):
    """Ordered; what it is made of is being fetched. `detail`: what, and how far that is."""

    run: Run
    detail: str
    kind: Literal["preparing"] = "preparing"


class Starting(Struct, frozen=True):
    """There is a process; it has not been healthy yet. At `fail_at` its time is up."""

    run: Run
    fail_at: float | None
    kind: Literal["starting"] = "starting"


class Running(Struct, frozen=True):
    """It has been healthy in this run."""

    run: Run
    kind: Literal["running"] = "running"


class Retry(Struct, frozen=True):
    """What comes after a run whose policy asks for another."""

    reason: str
    kind: Literal["retry"] = "retry"


class Failed(Struct, frozen=True):
    reason: str
    hint: str = ""
    kind: Literal["failed"] = "failed"


class Completed(Struct, frozen=True):
    """A task that exited 0."""

    took: float
    """seconds"""
    ended: str = ""
    """what it left running and was ended with it, in words"""
    kind: Literal["completed"] = "completed"


Then = Stopped | Ended | Retry | Failed | Completed


class Stopping(Struct, frozen=True):
    """Being ended. At `kill_at` SIGKILL follows; None: there is no process to signal yet, or it was killed.

    `then` is where the end leads; None: it ends by itself (STOPPING=1), and its exit will tell. Before
    `alone_until` nothing is signalled: what its main process left may be about to end by itself.
    """

    run: Run
    kill_at: float | None
    then: Then | None = Stopped()
    alone_until: float | None = None
    kind: Literal["stopping"] = "stopping"


class Backoff(Struct, frozen=True):
    """The next run is due at `retry_at`."""

    reason: str
    retry_at: float
    kind: Literal["backoff"] = "backoff"


class Adopting(Struct, frozen=True):
    """An earlier daemon left it like this; the keeper has been asked what has become of it."""

    before: Launching | Preparing | Starting | Running | Stopping
    kind: Literal["adopting"] = "adopting"

    @property
    def run(self) -> Run:
        return self.before.run


Phase = (
    Stopped
    | Ended
    | Waiting
    | Blocked
    | Launching
    | Preparing
    | Starting
    | Running
    | Stopping
    | Backoff
    | Failed
    | Completed
    | Adopting
)
Live = Launching | Preparing | Starting | Running | Stopping | Adopting


def state(phase: Phase) -> str:
    """The state that people see: coarser than the phase."""
    match phase:
        case Stopped() | Ended():
            return "stopped"
        case Launching():
            return "starting"
        case Adopting(before):
            return state(before)
        case _:
            return phase.kind
