"""One run as a Deployment or a Job, from its order to the news that nothing is left of it.

    order ── namespace, apply ──► follow its pods ──► Exited ── the last output, delete ──► Gone
          └─► NotStarted                         └─► Lost

It is stopped by deleting what was made: the cluster sends the stop signal, waits, kills, and the last pod is
gone from its list when its container is. What a cluster that is away would have to do is done when it is
back; who cannot wait for that is told what is left, by name.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from locald.adapters.containers.elsewhere import AGAIN, Elsewhere, Vanished
from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.making import making
from locald.adapters.containers.networks import CannotBegin
from locald.adapters.containers.refusals import Reason, name_held, shown
from locald.adapters.kubernetes import objects
from locald.adapters.kubernetes.api import core
from locald.adapters.kubernetes.following import Following
from locald.adapters.kubernetes.output import Output
from locald.domain.lifecycle.messages import Ends, Exited, Prepares, Spawned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from locald.adapters.containers.create import Order
    from locald.adapters.containers.printing import Printing
    from locald.adapters.kubernetes.api import Api
    from locald.adapters.kubernetes.cluster import Cluster
    from locald.adapters.kubernetes.pods import Pod, Workload
    from locald.domain.lifecycle.messages import Event
    from locald.domain.project.names import Run
    from locald.linux import clock as clocks

log = logging.getLogger(__name__)

LAST_WORDS = 1.0
"""seconds that the last output of a container that has ended has to come from its node"""
PATIENT = 2.0
"""seconds before something that failed, or of which nobody tells, is looked at again"""
AT_ONCE = 1
"""seconds between SIGTERM and SIGKILL for what is to be killed: without any the cluster would forget a pod
whose container may still run"""


class Held(Elsewhere):
    ENGINE = "the cluster"

    def __init__(
        self,
        run: Run,
        order: Order,
        *,
        owner: str,
        reach: Callable[[Held], Awaitable[Cluster]],
        printing: Printing,
        post: Callable[[Event], None],
        clock: clocks.Clock,
    ) -> None:
        super().__init__(run, printing, post, clock)
        self.order = order
        self.cluster: Cluster | None = None
        self._owner, self._reach = owner, reach
        self._is_job = objects.is_job(order.definition.spec)
        self._pods: list[Pod] = []
        self._workload: Workload | None = None
        self._was_there = False
        self._killing: asyncio.Task[None] | None = None
        self._following: Following | None = None

    # For the cluster.

    def seen(self, pods: list[Pod], workload: Workload | None) -> None:
        self._pods, self._workload = pods, workload
        self._was_there = self._was_there or workload is not None
        self._be_heard()
        self._news.set()

    # What others want of it.

    def signal(self, number: int) -> None:
        """A cluster knows only one way to end a pod."""
        name = signal.Signals(number).name
        self.printing.note(f"{name} was not sent: Kubernetes sends no signals")

    def _kill(self) -> None:
        if self.cluster and self.cluster.is_up and self._pods:
            work = self._delete_pods(self.cluster.api, list(self._pods))
            self._killing = asyncio.get_running_loop().create_task(work, name=f"kill {self.run}")

    async def _delete_pods(self, api: Api, pods: list[Pod]) -> None:
        namespace = objects.namespace(self.run.key.project)
        for each in pods:
            try:
                await api.delete(core(namespace, "pods", each.name), AT_ONCE)
            except (Refusal, EngineAbsent) as error:
                log.info("pod %s was not killed: %s", each.name, error)

    # Its life.

    async def _begin(self) -> None:
        self.cluster = cluster = await self._reach(self)
        try:
            await self._create(cluster, await cluster.up())
        except Refusal as refusal:
            hint = "correct it, then run `locald up` again"
            raise CannotBegin(Reason(f"the cluster refuses it: {shown(refusal.message)}", hint)) from None
        self._begun(again=False)

    async def _create(self, cluster: Cluster, api: Api) -> None:
        """Raises CannotBegin, Refusal, EngineAbsent."""
        key = self.run.key
        namespace = objects.namespace(key.project)
        where = f"namespace {namespace} of {cluster.place}"
        self._post(Prepares(self.run, f"applying it to {where}", self._clock.now()))
        if held := await cluster.have_namespace(key.project):
            hint = f"run `kubectl get namespace {namespace} --show-labels`, or rename the project"
            raise CannotBegin(name_held(namespace, held, hint))
        if untaken := objects.untaken(self.order.env):
            self.printing.note(f"Kubernetes takes no variables of these names: {', '.join(untaken)}")
        await self._make_way(cluster, api)
        for path, body in objects.objects(self.run, self.order, self._owner):
            await making(api.apply(path, body))

    async def _make_way(self, cluster: Cluster, api: Api) -> None:
        """Remove what an earlier run of this service left. What is not ours stays. Raises CannotBegin,
        Refusal, EngineAbsent."""
        key, is_there = self.run.key, False
        paths = (objects.workload(key, job=False), objects.workload(key, job=True), *objects.others(key))
        for path in paths:
            try:
                found = await api.get(path)
            except Refusal as refusal:
                if refusal.status != 404:
                    raise
                continue
            if not objects.is_ours(objects.carried(found), self.run, self._owner):
                held = f"one of {path[-2]} that is not of this locald"
                hint = f"run `kubectl -n {path[-3]} delete {path[-2]} {path[-1]}` to remove it"
                raise CannotBegin(name_held(key.service, held, hint))
            is_there = True
        if is_there:
            await cluster.remove(key)

    def _begun(self, *, again: bool) -> None:
        """It is there: follow it."""
        self._following = Following(
            self.run,
            self._clock.now,
            self._clock.of_wall,
            is_job=self._is_job,
            has_check=objects.has_probe(self.order),
            again=again,
        )
        self._news.set()

    async def _find(self) -> None:
        """Raises Vanished."""
        path, pause = objects.workload(self.run.key, job=self._is_job), AGAIN
        what = f"{path[-2]} {path[-1]} in the namespace {objects.namespace(self.run.key.project)}"
        while True:
            try:
                self.cluster = self.cluster or await self._reach(self)
                api = await self._patiently(self.cluster.up)
                found = objects.carried(await api.get(path))
            except EngineAbsent as absent:
                self._spawned = True
                self.engine_went(absent.reason)
            except Refusal as refusal:
                if refusal.status == 404:
                    raise Vanished(f"the run was lost: there is no {what}") from None
                log.warning("%s cannot be looked for: %s", self.run, refusal)
            else:
                if objects.run_of(found) != self.run or found.get(objects.OWNER) != self._owner:
                    raise Vanished(f"the run was lost: {what} is of another run")
                self._begun(again=True)
                return
            self._check_patience()
            await asyncio.sleep(pause)
            pause = min(pause * 2, PATIENT)

    def _left(self) -> str:
        namespace = objects.namespace(self.run.key.project)
        where = str(self.cluster.place) if self.cluster else "its context"
        command = f"kubectl -n {namespace} delete deployment,job,service {self.run.key.service}"
        left = f"locald removes what is left there when it can, or `{command}` does"
        return f"the cluster of {where} cannot be reached: {left}"

    # Following it.

    async def _follow(self) -> Exited:
        """From its first pod to its end. Raises Vanished."""
        assert self._following
        assert self.cluster
        async with asyncio.TaskGroup() as group:
            output = Output(self.cluster, self.run.key, self.printing, group)
            try:
                ended = await self._until_ended(self._following, output)
                self._post(Ends(self.run, self._clock.now()))
                await output.finish(LAST_WORDS)
                return ended
            except Vanished as vanished:
                gone = vanished
            finally:
                output.close()
        raise gone

    async def _until_ended(self, following: Following, output: Output) -> Exited:
        while True:
            self._news.clear()
            if self._ending and not self._is_obeyed:
                self._is_obeyed = await self._remove()
            if self._was_there and not self._silent:
                if ended := self._told(following):
                    return ended
                output.attend(following.pod, following.life)
            if self._ending:
                self._check_patience()
            await self._wait(following)

    async def _wait(self, following: Following) -> None:
        """For news, and for what the cluster warns of only where one asks."""
        try:
            async with asyncio.timeout(AGAIN if self._ending else PATIENT):
                await self._news.wait()
                return
        except TimeoutError:
            pass
        pod, cluster = following.pod, self.cluster
        if self._ending or pod is None or pod.ready or cluster is None or not cluster.is_up:
            return
        try:
            following.warning = shown(await cluster.warning(pod, self.run.key.project))
        except (EngineAbsent, Refusal) as error:
            log.debug("events of %s: %s", pod.name, error)

    def _told(self, following: Following) -> Exited | None:
        """Post what is new in the snapshot; its end is returned. Raises Vanished."""
        if self._is_obeyed:
            return self._until_gone(following)
        if self._workload is None:
            raise Vanished("what was made for it was removed from the cluster outside locald")
        for event in following.look(self._pods, self._workload):
            if isinstance(event, Exited):
                return event
            self._spawned = self._spawned or isinstance(event, Spawned)
            self._post(event)
        return None

    def _until_gone(self, following: Following) -> Exited | None:
        """What is being removed is not replaced: its end is that of its last pod."""
        if self._pods:
            following.pod = max(self._pods, key=lambda each: each.created)
            return None
        if self._workload is not None:
            return None
        return following.exited()

    async def _remove(self) -> bool:
        assert self.cluster
        if not self.cluster.is_up:
            return False
        try:
            await self.cluster.remove(self.run.key)
        except (EngineAbsent, Refusal) as error:
            log.warning("%s cannot be removed from the cluster: %s", self.run, error)
            return False
        return True

    async def _take_away(self) -> None:
        """Remove what was made, if it is not; a cluster that is away does so when it is back."""
        self._ending = True
        while self.cluster is not None and not self._is_obeyed:
            self._is_obeyed = await self._remove()
            if self._is_obeyed:
                return
            try:
                self._check_patience()
            except Vanished as vanished:
                self.printing.note(str(vanished))
                return
            await asyncio.sleep(AGAIN)
