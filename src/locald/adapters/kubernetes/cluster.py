"""The connection to one cluster, for as long as some run of ours is there.

All pods, Deployments and Jobs that carry our label are listed once and watched from there on: whatever
changes is told at once, to the run that it concerns. A watch that is too old is begun anew with a list. A
cluster that does not answer is tried again, ever more rarely; meanwhile nobody can tell how runs are, and
they say so.

Each time that it is there (again), what carries our label and belongs to no run that anybody knows is
removed. What others made is never touched, and no claim is removed: its data outlives a run.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from locald.adapters.containers.connection import Connection
from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.making import making
from locald.adapters.kubernetes import objects
from locald.adapters.kubernetes.api import GONE, Api, core
from locald.adapters.kubernetes.kubectl import Place, Proxy
from locald.adapters.kubernetes.pods import Pod, Workload, pod, workload

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from locald.adapters.kubernetes.api import Path
    from locald.domain.project.names import Key, Run

log = logging.getLogger(__name__)

PODS: Path = ("api", "v1", "pods")
DEPLOYMENTS: Path = ("apis", "apps", "v1", "deployments")
JOBS: Path = ("apis", "batch", "v1", "jobs")
KINDS = (PODS, DEPLOYMENTS, JOBS)
BEATS = 5.0
"""seconds between two questions to a cluster of which nothing is heard"""
LOOKS = 0.2
"""seconds between two looks at a namespace that is being removed"""


class User(Protocol):
    """A run with a workload in this cluster."""

    run: Run

    def seen(self, pods: list[Pod], workload: Workload | None) -> None: ...
    def engine_went(self, why: str) -> None: ...


class Cluster(Connection[User]):
    KIND = "cluster"

    def __init__(
        self,
        proxy: Proxy,
        place: Place,
        owner: str,
        runs: Callable[[], Collection[Run]],
    ) -> None:
        """`proxy` serves now; it is closed with this. `runs`: all that anybody knows."""
        super().__init__(place)
        self.place = place
        self._proxy, self.api = proxy, Api(proxy.socket, place)
        self._owner, self._runs = owner, runs
        self._found: dict[Path, dict[str, dict[str, Any]]] = {kind: {} for kind in KINDS}
        """by kind and uid, what there is of ours"""
        self._turn = asyncio.Lock()
        """of what concerns namespaces"""

    async def up(self) -> Api:
        """The API, when the cluster is there."""
        await self._up.wait()
        return self.api

    def use(self, user: User) -> None:
        super().use(user)
        if self.is_up:
            self._show(user)

    # The connection.

    async def _talk(self) -> str:
        """Follow what happens for as long as it is told of, and say why it is not any more."""
        why = "the cluster ended"
        try:
            await self._tidy()
            listed = [asyncio.Event() for _ in KINDS]
            async with asyncio.TaskGroup() as group:
                for kind, event in zip(KINDS, listed, strict=True):
                    group.create_task(self._follow(kind, event), name=f"watch {kind[-1]}")
                group.create_task(self._beat(), name="ask whether the cluster is there")
                for event in listed:
                    await event.wait()
                self._came()
                for user in list(self._users):
                    self._show(user)
        except* EngineAbsent as absent:
            why = _first(absent).reason
        except* Refusal as refusal:
            why = f"the cluster refuses: {_first(refusal).message}"
        return why

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEATS)
            await self.api.get(("version",))

    async def _follow(self, kind: Path, listed: asyncio.Event) -> None:
        """Raises EngineAbsent, Refusal."""
        selector = f"{objects.OWNER}={self._owner}"
        while True:
            found = await self.api.get(kind, {"labelSelector": selector})
            self._found[kind] = {each["metadata"]["uid"]: each for each in found.get("items") or ()}
            if listed.is_set():
                for user in list(self._users):
                    self._show(user)
            listed.set()
            try:
                await self._watch(kind, selector, str(found["metadata"]["resourceVersion"]))
            except Refusal as refusal:
                if refusal.status != GONE:
                    raise

    async def _watch(self, kind: Path, selector: str, version: str) -> None:
        """Raises EngineAbsent, Refusal."""
        while True:
            async for what, said in self.api.watch(kind, selector, version):
                about = said["metadata"]
                version = str(about["resourceVersion"])
                if what == "BOOKMARK":
                    continue
                if what == "DELETED":
                    self._found[kind].pop(about["uid"], None)
                else:
                    self._found[kind][about["uid"]] = said
                run = objects.run_of(objects.carried(said))
                for user in [each for each in self._users if each.run == run]:
                    self._show(user)

    def _show(self, user: User) -> None:
        if not self.is_up:
            return
        pods = [pod(each) for each in self._of(user, PODS)]
        made = [workload(each) for kind in (DEPLOYMENTS, JOBS) for each in self._of(user, kind)]
        user.seen(pods, made[0] if made else None)

    def _of(self, user: User, kind: Path) -> list[dict[str, Any]]:
        return [
            each for each in self._found[kind].values() if objects.run_of(objects.carried(each)) == user.run
        ]

    async def _try_again(self) -> None:
        """A proxy that has ended is begun again."""
        if self._proxy.has_ended:
            await self.api.close()
            self._proxy = await Proxy.begin(self.place)
            self.api = Api(self._proxy.socket, self.place)
        await self.api.get(("version",))

    async def close(self) -> None:
        await self.api.close()
        await self._proxy.close()

    # What is nobody's.

    async def _tidy(self) -> None:
        """Remove what is of runs that nobody knows, and the namespaces of projects without any. Raises
        EngineAbsent, Refusal."""
        self.is_clean = True
        ours = {"labelSelector": f"{objects.OWNER}={self._owner}"}
        for kind in (DEPLOYMENTS, JOBS):
            for listed in (await self.api.get(kind, ours)).get("items") or ():
                run = objects.run_of(objects.carried(listed))
                if run is not None and run not in self._runs():
                    log.warning("removing %s from the cluster: its run is not known", run)
                    await self.remove(run.key)
        projects = {run.key.project for run in self._runs()}
        for listed in (await self.api.get(("api", "v1", "namespaces"), ours)).get("items") or ():
            project = objects.project_of(objects.carried(listed))
            if project not in projects:
                await self._drop(project)

    async def remove(self, key: Key) -> None:
        """Have all that was made for a service go, but claims. Raises EngineAbsent, Refusal."""
        for path in (objects.workload(key, job=False), objects.workload(key, job=True), *objects.others(key)):
            await self.api.delete(path)

    # Namespaces.

    async def have_namespace(self, project: str) -> str:
        """That of the project, which is made if it is not there: empty then, or why it cannot be used.
        Raises Refusal, EngineAbsent."""
        name = objects.namespace(project)
        labels = objects.project_labels(project, self._owner)
        async with self._turn:
            while found := await self._namespace(name):
                if (found.get("status") or {}).get("phase") == "Terminating":
                    await asyncio.sleep(LOOKS)
                    continue
                carried = objects.carried(found)
                return "" if labels.items() <= carried.items() else "a namespace that is not of this locald"
            about = {"name": name, "labels": labels}
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": about}
            await making(self.api.create(("api", "v1", "namespaces"), body))
            return ""

    async def _namespace(self, name: str) -> dict[str, Any] | None:
        try:
            return await self.api.get(core(name))
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            return None

    async def drop_namespace(self, project: str, in_use: Callable[[], bool]) -> None:
        """Remove it, but for one with claims: who removes that removes the data. Never raises."""
        async with self._turn:
            if in_use() or not self.is_up:
                return
            try:
                await self._drop(project)
            except (EngineAbsent, Refusal) as error:
                log.warning("the namespace of %s is not removed: %s", project, error)

    async def _drop(self, project: str) -> None:
        """Raises EngineAbsent, Refusal."""
        name = objects.namespace(project)
        claims = await self.api.get(core(name, "persistentvolumeclaims"), {"limit": "1"})
        if not claims.get("items"):
            await self.api.delete(core(name))

    async def warning(self, pod: Pod, project: str) -> str:
        """The latest event that warns of a pod, which says what no field of it does. Raises EngineAbsent,
        Refusal."""
        wanted = {"fieldSelector": f"involvedObject.uid={pod.uid},type=Warning"}
        found = (await self.api.get(core(objects.namespace(project), "events"), wanted)).get("items") or ()
        latest = max(found, key=_moment, default=None)
        return f"{latest.get('reason')}: {latest.get('message')}" if latest else ""


def _moment(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _first(group: BaseExceptionGroup[Any]) -> Any:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


async def reach(where: Place, owner: str, runs: Callable[[], Collection[Run]]) -> Cluster:
    """Raises EngineAbsent."""
    proxy = await Proxy.begin(where)
    cluster = Cluster(proxy, where, owner, runs)
    try:
        await cluster.api.get(("version",))
    except Refusal as refusal:
        await cluster.close()
        raise EngineAbsent(f"the cluster of {where} refuses: {refusal.message}") from None
    except BaseException:
        await cluster.close()
        raise
    return cluster


async def usable(context: str, shell: Mapping[str, str]) -> None:
    """Raises EngineAbsent where the cluster does not answer, or this user may not do what is needed there."""
    cluster = await reach(Place(context, dict(shell)), "", lambda: ())
    try:
        await _permitted(cluster.api)
    finally:
        await cluster.close()


NEEDED = (("create", "", "namespaces"), ("list", "", "pods"), ("list", "apps", "deployments"))


async def _permitted(api: Api) -> None:
    """Raises EngineAbsent."""
    for verb, group, resource in NEEDED:
        asked = {"verb": verb, "group": group, "resource": resource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        path = ("apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews")
        try:
            answer = await api.create(path, review)
        except Refusal as refusal:
            raise EngineAbsent(f"the cluster refuses: {refusal.message}") from None
        if not (answer.get("status") or {}).get("allowed"):
            hint = f"run `kubectl auth can-i {verb} {resource}`, and ask who runs the cluster"
            raise EngineAbsent(f"you may not {verb} {resource} in this cluster", hint)
