"""What the pods of one service mean for its run: snapshots in, news out. Pure.

    (no pod) ── Prepares ──► runs: Spawned ──► ready: Reported ──► a Job is over: Exited
                                ▲                        │
                                └── Resumed ◄── Replaced ┘ (another container follows, or another pod)

A run is one Deployment or one Job. What is its process is a container of a pod, and which of them by its
count: another container of the same pod is another process, and so is that of another pod.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.adapters.kubernetes.pods import exit_of, in_order
from locald.domain.lifecycle.messages import (
    Exit,
    Exited,
    Prepares,
    Replaced,
    Reported,
    Resumed,
    Spawned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from locald.adapters.kubernetes.pods import Pod, Workload
    from locald.domain.lifecycle.messages import Event
    from locald.domain.project.names import Run


class Following:
    def __init__(
        self,
        run: Run,
        now: Callable[[], float],
        steady: Callable[[float | None], float],
        *,
        is_job: bool,
        has_check: bool,
        again: bool = False,
    ) -> None:
        """`steady`: a moment of a node's clock on ours. `has_check`: its pod has probes. `again`: an earlier
        daemon has followed it."""
        self._run, self._now, self._steady = run, now, steady
        self._is_job, self.has_check = is_job, has_check
        self.warning = ""
        """the latest of the cluster's events that warns of its pod"""
        self.pod: Pod | None = None
        """the newest"""
        self.life: tuple[str, int] | None = None
        """which container is, or was, the process of the run: the pod's uid and the count"""
        self._spawned = self._silent = False
        self._again = again
        self._told = ""
        self._reported: tuple[tuple[str, int] | None, bool, str] | None = None

    def look(self, pods: Iterable[Pod], workload: Workload | None) -> list[Event]:
        """The news in this snapshot: `Exited` is the last."""
        ordered = in_order(pods)
        if not ordered:
            return self._without(workload)
        before, pod = self.pod, ordered[-1]
        news: list[Event] = []
        if before and before.uid != pod.uid and self._spawned and not self._silent:
            left = next((each for each in ordered if each.uid == before.uid), before)
            news += self._replaced(self._ended(left, gone=left is before))
        self.pod = pod
        if pod.is_alive:
            return news + self._alive(pod)
        if pod.is_over:
            return news + self._over(pod, workload)
        return news + self._coming(pod)

    def named(self, pod: Pod) -> str:
        """`pod db-5c7d-x2x on node n1`."""
        return f"pod {pod.name}" + (f" on node {pod.node}" if pod.node else "")

    def _without(self, workload: Workload | None) -> list[Event]:
        """Its pods are gone, or there never was one."""
        if self._is_job and self._spawned:
            return [self.exited()] if workload and workload.is_over else []
        if self.pod and self._spawned and not self._silent:
            return self._replaced(self._ended(self.pod, gone=True))
        if workload and workload.trouble:
            return self._prepares(f"no pod can be made: {workload.trouble}")
        return []

    def _coming(self, pod: Pod) -> list[Event]:
        why = self.warning or pod.waits
        told = f"{self.named(pod)} is {pod.phase.lower()}"
        return self._prepares(f"{told}: {why}" if why else told)

    def _prepares(self, detail: str) -> list[Event]:
        if self._spawned or detail == self._told:
            return []
        self._told = detail
        return [Prepares(self._run, detail, self._now())]

    def _alive(self, pod: Pod) -> list[Event]:
        life, at = (pod.uid, pod.restarts), self._moment(pod.started)
        news: list[Event] = []
        if not self._spawned:
            news.append(self._begun(pod, at))
        elif life != self.life or self._silent:
            if not self._silent:
                last = f"its container ended: {pod.last.told}" if pod.last else "its container ended"
                news += self._replaced(f"{self.named(pod)}: {last}")
            news.append(Resumed(self._run, at))
        self._silent, self.life = False, life
        if self.has_check:
            news += self._report(pod, at)
        return news

    def _begun(self, pod: Pod, at: float) -> Event:
        self._spawned = True
        self.life = (pod.uid, pod.restarts)
        return Spawned(self._run, 0, at, pod.container or pod.uid)

    def _moment(self, wall: float | None) -> float:
        """When something happened. A cluster tells whole seconds: what it tells us at once is from now."""
        return self._steady(wall or None) if self._again else self._now()

    def _report(self, pod: Pod, started: float) -> list[Event]:
        why = "" if pod.ready else (self.warning or pod.waits)
        told = (self.life, pod.ready, why)
        if self._reported == told:
            return []
        at = self._moment(pod.ready_at) if self._reported is None else self._now()
        self._reported = told
        passed = "is ready, its probe passed" if pod.ready else "is running, its probe has not passed"
        detail = f"{self.named(pod)} {passed}{f': {why}' if why else ''}"
        return [Reported(self._run, pod.ready, detail, max(at, started), pod.container)]

    def _over(self, pod: Pod, workload: Workload | None) -> list[Event]:
        news: list[Event] = []
        is_decided = self._is_job and workload is not None and workload.is_over
        if not self._spawned and pod.end is None and not is_decided:
            return self._coming(pod)
        is_known = self._spawned and self._silent and self.life == (pod.uid, pod.restarts)
        if not self._spawned:
            news.append(self._begun(pod, self._moment(pod.end.started if pod.end else None)))
        if is_decided:
            return [*news, self.exited(pod)]
        if self._is_job or is_known:
            return news  # the Job has not decided yet whether another follows
        self.life = (pod.uid, pod.restarts)
        return [*news, *self._replaced(self._ended(pod, gone=False))]

    def exited(self, pod: Pod | None = None) -> Exited:
        """Its end, as far as anybody saw it."""
        pod = pod or self.pod
        if pod is None:
            return Exited(self._run, 0, Exit(reason="nothing of it has started"), 0, self._now())
        end = pod.end
        if end is None:
            why = f": {pod.waits}" if pod.waits and pod.phase == "Failed" else ""
            return Exited(self._run, 0, Exit(reason=f"{self.named(pod)} is gone{why}"), 0, self._now())
        return Exited(self._run, 0, exit_of(end, self.named(pod)), 0, self._steady(end.ended))

    def _replaced(self, detail: str) -> list[Event]:
        self._silent = True
        return [Replaced(self._run, detail, self._now())]

    def _ended(self, pod: Pod, *, gone: bool) -> str:
        if pod.end:
            return f"{self.named(pod)}: its container ended: {pod.end.told}"
        if pod.phase == "Failed":
            return f"{self.named(pod)} has failed: {pod.waits or 'no reason was given'}"
        why = f": {pod.waits}" if pod.waits else ""
        return f"{self.named(pod)} {'was removed' if gone or pod.is_deleted else 'has ended'}{why}"
