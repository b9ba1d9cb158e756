"""What the tasks of one service mean for its run: snapshots in, news out. Pure.

    (no task) ── Prepares ──► starting: Spawned ──► running: Reported ──► over: Exited
                                  ▲                                │
                                  └── Resumed ◄── Replaced ◄───────┘ (the swarm makes another)

While a task is `starting` its container may be there, with a HEALTHCHECK that has not passed, or not yet: one
that has none is there when its task is `running`, which on a busy node takes seconds.

A run is one service of the swarm, whose tasks follow each other. A snapshot says what is, so nothing is lost
when some come late: a task that nobody saw alive is told of when its successor is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.adapters.containers.refusals import shown
from locald.adapters.swarm.tasks import ended, in_order
from locald.domain.lifecycle.messages import (
    Exit,
    Exited,
    NotStarted,
    Prepares,
    Replaced,
    Reported,
    Resumed,
    Spawned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from locald.adapters.swarm.tasks import Node, Task
    from locald.domain.lifecycle.messages import Event
    from locald.domain.project.names import Run


NO_NODE = "each node has to be able to pull its image, and to have the folders of `volumes`"
NOTHING = Exit(reason="nothing of it has started")


class Following:
    """`has_check`: the container has a HEALTHCHECK; None: nobody knows."""

    def __init__(
        self,
        run: Run,
        name: str,
        port: int | None,
        now: Callable[[], float],
        steady: Callable[[float | None], float],
        *,
        has_check: bool | None,
    ) -> None:
        """`name`: of the service in the swarm. `port`: the published one inside, if any. `steady`: a moment
        of a node's clock on ours."""
        self._run, self._name, self._port = run, name, port
        self._now, self._steady = now, steady
        self.has_check = has_check
        self.task: Task | None = None
        """the one that is the run now"""
        self.nodes: Mapping[str, Node] = {}
        self._spawned = self._silent = False
        self._reported: tuple[str, bool] | None = None
        self._preparing = ""

    def look(self, tasks: Iterable[Task]) -> list[Event]:
        """The news in this snapshot: `Exited` is the last."""
        ordered = in_order(tasks)
        if not ordered:
            return []
        news: list[Event] = []
        known = self.task.id if self.task else ""
        places = [place for place, each in enumerate(ordered) if each.id == known]
        newest = ordered[-1]
        if self.task and newest.id != known:
            before = ordered[places[0] : -1] if places else [self.task]
            news += [each for gone in before for each in self._replaced(gone)]
        self.task = newest
        return news + self._present(newest)

    def named(self, task: Task) -> str:
        """`task shop-web (ab12cd34ef56) on node n1`."""
        return f"task {self._name} ({task.id[:12]}){self._on(task)}"

    def _on(self, task: Task) -> str:
        if not task.node:
            return ""
        found = self.nodes.get(task.node)
        return f" on node {found.name}" if found else f" on node {task.node[:12]}"

    def _present(self, task: Task) -> list[Event]:
        if task.is_coming or (task.state == "starting" and self.has_check is False):
            return self._coming(task)
        if task.is_over:
            return self._over(task)
        return self._alive(task)

    def _coming(self, task: Task) -> list[Event]:
        if self._spawned:
            return []
        why = f": {shown(task.error)}" if task.error else ""
        detail = f"{self.named(task)} is {task.state}{why}"
        if detail == self._preparing:
            return []
        self._preparing = detail
        return [Prepares(self._run, detail, self._now())]

    def _alive(self, task: Task) -> list[Event]:
        news: list[Event] = []
        at = self._steady(task.at)
        if not self._spawned:
            self._spawned = True
            news.append(Spawned(self._run, 0, at, task.container or task.id, self._port))
        elif self._silent:
            news.append(Resumed(self._run, at))
        self._silent = False
        if self.has_check or (self.has_check is None and self._port is None and task.state == "starting"):
            news += self._report(task, at)
        return news

    def _report(self, task: Task, at: float) -> list[Event]:
        ok = task.state == "running"
        if self._reported == (task.id, ok):
            return []
        self._reported = (task.id, ok)
        which = "its HEALTHCHECK" if self.has_check else "its HEALTHCHECK, if it has one,"
        passed = "running, its HEALTHCHECK passed" if ok else f"starting, {which} has not passed yet"
        return [Reported(self._run, ok, f"{self.named(task)} is {passed}", at, task.container)]

    def unseen(self, why: str) -> list[Event]:
        """All that is known is that it runs. `why`: one half of a sentence on why no more is."""
        task = self.task
        if task is None or task.state != "running" or self._reported == (task.id, True):
            return []
        self._reported = (task.id, True)
        return [
            Reported(self._run, True, f"{self.named(task)} is running, {why}", self._now(), task.container)
        ]

    def _over(self, task: Task) -> list[Event]:
        if not task.is_given_up and task.state not in ("complete", "rejected"):
            return []  # the swarm has not decided yet whether another follows
        if not task.is_given_up and task.state == "rejected":
            return self._coming(task)
        news: list[Event] = []
        at = self._steady(task.at)
        if not self._spawned and task.state == "rejected":
            return [NotStarted(self._run, self._told(task), NO_NODE, at)]
        if not self._spawned:
            self._spawned = True
            news.append(Spawned(self._run, 0, at, task.container or task.id, self._port))
        return [*news, Exited(self._run, 0, ended(task, self.named(task)), 0, at)]

    def _replaced(self, gone: Task) -> list[Event]:
        detail = self._told(gone)
        if not self._spawned:
            self._preparing = detail
            return [Prepares(self._run, f"{detail}; the swarm starts another", self._now())]
        self._silent = True
        return [Replaced(self._run, detail, self._now())]

    def _told(self, gone: Task) -> str:
        node = self.nodes.get(gone.node)
        if node and not node.ready and not gone.is_over:
            return f"{self.named(gone)} is lost: the node is down"
        if not gone.is_over:
            return f"{self.named(gone)} was shut down by the swarm"
        error = shown(gone.error) if gone.error else "no error was given"
        return f"{self.named(gone)} {_past(gone.state)}: {error}"

    def vanished(self) -> Event:
        """Nobody saw how it ended; the last that was seen of it has to do."""
        task = self.task
        code = ended(task, self.named(task)) if task and task.is_over else Exit()
        return Exited(self._run, 0, code, 0, self._now())


def _past(state: str) -> str:
    return {"failed": "failed", "rejected": "was rejected", "orphaned": "was lost"}.get(state, f"is {state}")
