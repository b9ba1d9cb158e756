"""A swarm's words in ours: its nodes, and the tasks that it makes of a service, one after the other.

A task never changes its container. It goes from `new` over `preparing`, `starting` and `running` to one of
the states that end it; then the swarm makes another, if the service's restart policy says so. Each task has a
state, which its node tells, and one that the swarm wants it to have. `running` is told only when the
HEALTHCHECK has passed, where there is one.

Sources: docs.docker.com/reference/api/engine (TaskList, NodeList), docs.docker.com/engine/swarm
(how-swarm-mode-works/swarm-task-states).
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

COMING = ("new", "pending", "assigned", "accepted", "preparing", "ready")
ALIVE = ("starting", "running")
_SIGNALS = set(STANDARD.values())


class Node(Struct, frozen=True):
    """A machine of the swarm. `address`: as the other nodes know it."""

    id: str
    name: str
    address: str
    ready: bool


class Task(Struct, frozen=True):
    """`created` orders the tasks of a service. `at`: seconds on the node's clock, when the state began."""

    id: str
    service: str
    node: str
    created: str
    state: str
    wanted: str
    said: str = ""
    """what the swarm says of the state"""
    error: str = ""
    at: float | None = None
    container: str = ""
    pid: int = 0
    code: int | None = None

    @property
    def is_coming(self) -> bool:
        return self.state in COMING

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE

    @property
    def is_over(self) -> bool:
        return not (self.is_coming or self.is_alive)

    @property
    def is_given_up(self) -> bool:
        """It is over, and the swarm has decided that nothing follows it, or will do so with another task."""
        return self.is_over and self.wanted not in (*COMING, *ALIVE)


def task(said: Json) -> Task:
    status = said.get("Status") or {}
    container = status.get("ContainerStatus") or {}
    return Task(
        id=str(said.get("ID", "")),
        service=str(said.get("ServiceID", "")),
        node=str(said.get("NodeID", "")),
        created=str(said.get("CreatedAt", "")),
        state=str(status.get("State", "new")),
        wanted=str(said.get("DesiredState", "running")),
        said=str(status.get("Message") or ""),
        error=str(status.get("Err") or ""),
        at=moment(status.get("Timestamp")),
        container=str(container.get("ContainerID") or ""),
        pid=int(container.get("PID") or 0),
        code=container.get("ExitCode") if container.get("ContainerID") else None,
    )


def node(said: Json) -> Node:
    description, status = said.get("Description") or {}, said.get("Status") or {}
    name = str(description.get("Hostname") or str(said.get("ID", ""))[:12])
    return Node(str(said.get("ID", "")), name, str(status.get("Addr") or ""), status.get("State") == "ready")


def in_order(tasks: Iterable[Task]) -> list[Task]:
    """The oldest first."""
    return sorted(tasks, key=lambda each: (each.created, each.id))


def ended(task: Task, told: str) -> Exit:
    """How it ended; `told`: which task that was, and on which node."""
    if task.state == "complete":
        return Exit(code=task.code or 0)
    code = task.code if task.state in ("failed", "shutdown") else None
    error = f": {shown(task.error)}" if task.error else ""
    if code is not None and code - 128 in _SIGNALS:
        return Exit(signal=code - 128, reason=f"{told}{error}")
    return Exit(code=code or None, reason=f"{told}{error}" if error or task.state != "shutdown" else told)
