"""A cluster's words in ours: the pods of a service, and how their container is.

A pod may start its container again and again: each time it counts `restartCount` up, and what the one before
was stays in `lastState`. A pod that ends is followed by another where it belongs to a Deployment, or to a Job
that may try again. What a pod waits for is told by its container, by its conditions, or by an event only.

Source: the API reference (PodStatus, JobStatus), kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from locald.adapters.containers.refusals import shown
from locald.adapters.containers.translate import moment
from locald.domain.knowledge.signals import STANDARD
from locald.domain.lifecycle.messages import Exit

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = Mapping[str, Any]

_SIGNALS = set(STANDARD.values())
_PLAIN = ("Error", "Completed", "")
"""reasons that say no more than the exit code"""


class End(Struct, frozen=True):
    """How a container ended. Times: seconds on the node's clock."""

    code: int
    reason: str = ""
    message: str = ""
    started: float | None = None
    ended: float | None = None

    @property
    def told(self) -> str:
        """`exit code 1`, `exit code 137 (OOMKilled): …`."""
        reason = "" if self.reason in _PLAIN else f" ({self.reason})"
        message = f": {shown(self.message)}" if self.message else ""
        return f"exit code {self.code}{reason}{message}"


class Pod(Struct, frozen=True):
    """`created` orders the pods of a service. `started`, `ready_at`: seconds on the node's clock."""

    uid: str
    name: str
    created: str
    node: str = ""
    phase: str = "Pending"
    restarts: int = 0
    container: str = ""
    started: float | None = None
    """since when its container runs; None while it does not"""
    ready: bool = False
    ready_at: float | None = None
    waits: str = ""
    """what it waits for, or why it has failed, as the cluster says it"""
    end: End | None = None
    """of its container, when that does not run"""
    last: End | None = None
    """of the one before"""
    is_deleted: bool = False
    """it has been told to end"""

    @property
    def is_alive(self) -> bool:
        return self.started is not None

    @property
    def is_over(self) -> bool:
        """Its container has ended, or never will begin; what follows is another."""
        return self.end is not None or self.phase in ("Failed", "Succeeded")


class Workload(Struct, frozen=True):
    """The Deployment or the Job of a run."""

    labels: Mapping[str, str]
    is_over: bool = False
    """a Job that has completed or failed: no pod follows"""
    trouble: str = ""
    """why it has no pods, as the cluster says it"""


def pod(said: Json) -> Pod:
    about, status = said.get("metadata") or {}, said.get("status") or {}
    container: Json = next(iter(status.get("containerStatuses") or ()), {})
    state, last = container.get("state") or {}, container.get("lastState") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    running, ended = state.get("running"), _end(state.get("terminated"))
    waiting = state.get("waiting") or {}
    before = _end(last.get("terminated"))
    return Pod(
        uid=str(about.get("uid", "")),
        name=str(about.get("name", "")),
        created=str(about.get("creationTimestamp", "")),
        node=str((said.get("spec") or {}).get("nodeName") or ""),
        phase=str(status.get("phase") or "Pending"),
        restarts=int(container.get("restartCount") or 0),
        container=str(container.get("containerID") or "").rpartition("//")[2],
        started=(moment(running.get("startedAt")) or 0.0) if running is not None else None,
        ready=ready.get("status") == "True",
        ready_at=moment(ready.get("lastTransitionTime")),
        waits=_waits(waiting, status, conditions),
        end=ended or (before if waiting else None),
        last=before,
        is_deleted=bool(about.get("deletionTimestamp")),
    )


def _end(said: Json | None) -> End | None:
    if said is None:
        return None
    return End(
        code=int(said.get("exitCode") or 0),
        reason=str(said.get("reason") or ""),
        message=str(said.get("message") or ""),
        started=moment(said.get("startedAt")),
        ended=moment(said.get("finishedAt")),
    )


def _waits(waiting: Json, status: Json, conditions: Mapping[str, Json]) -> str:
    """The most telling of what is said."""
    scheduled = conditions.get("PodScheduled") or {}
    ready = conditions.get("Ready") or {}
    found = [status, waiting]
    found += [scheduled] if scheduled.get("status") == "False" else []
    found += [ready] if ready.get("status") == "False" else []
    for each in found:
        reason, message = str(each.get("reason") or ""), str(each.get("message") or "")
        if message or reason not in ("", "ContainerCreating", "PodInitializing"):
            return ": ".join(part for part in (reason, shown(message)) if part)
    return str(waiting.get("reason") or "")


def workload(said: Json) -> Workload:
    status = said.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or () if each["status"] == "True"}
    trouble = conditions.get("ReplicaFailure") or conditions.get("Failed") or {}
    return Workload(
        labels=dict((said.get("metadata") or {}).get("labels") or {}),
        is_over="Complete" in conditions or "Failed" in conditions,
        trouble=shown(str(trouble.get("message") or "")),
    )


def in_order(pods: Iterable[Pod]) -> list[Pod]:
    """The oldest first; what is ending stands before what follows it."""
    return sorted(pods, key=lambda each: (not each.is_deleted, each.created, each.uid))


def exit_of(end: End, told: str) -> Exit:
    """`told`: which pod that was, and on which node."""
    reason = "" if end.reason in _PLAIN else f": {end.reason}"
    message = f": {shown(end.message)}" if end.message else ""
    if end.code - 128 in _SIGNALS:
        return Exit(signal=end.code - 128, reason=f"{told}{reason}{message}")
    return Exit(code=end.code, reason="" if end.code == 0 else f"{told}{reason}{message}")
