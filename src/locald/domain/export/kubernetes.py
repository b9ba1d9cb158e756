"""A plan as objects of Kubernetes: a Deployment and a Service each, a Job for a task, a claim for a volume.

Nothing orders the start of pods there: an init container waits for the port of what is needed. No check
becomes a liveness probe, for health restarts nothing in locald. Source: the API reference (v1, apps/v1,
batch/v1).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from locald.domain.export import yaml_out
from locald.domain.export.asking import as_probe
from locald.domain.export.losses import ALWAYS, CLAIMED, lost_check, lost_keys, lost_start
from locald.domain.export.plan import Filler, Loss, filled_now, need_images
from locald.domain.export.yaml_out import Comment
from locald.domain.project.spec import Condition, RestartPolicy, ServiceSpec, Type
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from locald.domain.export.plan import Plan, Probe, Unit

FILE = "kubernetes.yaml"
DEFAULT = ServiceSpec("")
WAITS_IN = "busybox:1.36"
"""the image of what waits for a port"""
_OF_PODS = ("initContainers", "restartPolicy", "terminationGracePeriodSeconds")


def write(plan: Plan) -> tuple[dict[str, str], list[Loss]]:
    """The files by name, and what they do not say. Raises Refused."""
    need_images(plan, "Kubernetes")
    _need_no_folders(plan)
    losses: list[Loss] = []
    documents: list[dict[Any, Any]] = []
    for unit in plan.units.values():
        made, lost = _Writer(plan, unit).documents()
        documents += made
        losses += lost
    documents += [_claim(plan, name, losses) for name in _named_volumes(plan)]
    head = "# Written by `locald export kubernetes`.\n"
    return {FILE: head + "---\n".join(yaml_out.text(each) for each in documents)}, losses


def _need_no_folders(plan: Plan) -> None:
    hint = "put what is in it into the image"
    problems = [
        Problem(f"{volume} is a file or folder of this machine", f"services.{unit.name}", hint)
        for unit in plan.units.values()
        for volume in unit.spec.volumes
        if volume.startswith((".", "/"))
    ]
    if problems:
        raise Refused(*problems)


def _named_volumes(plan: Plan) -> list[str]:
    volumes = [volume for unit in plan.units.values() for volume in unit.spec.volumes]
    return list(dict.fromkeys(volume.removeprefix("external:").partition(":")[0] for volume in volumes))


def claim_name(plan: Plan, volume: str) -> str:
    return f"{plan.project.name}-{slug(volume)}"


def slug(volume: str) -> str:
    """The name of a volume as the name of an object."""
    return re.sub("[^a-z0-9]+", "-", volume.lower()).strip("-")


def _claim(plan: Plan, volume: str, losses: list[Loss]) -> dict[Any, Any]:
    because = f"a new claim of {CLAIMED}: what is in the volume here is not in it"
    losses.append(Loss("", f"volume {volume}", because))
    labels = {"app.kubernetes.io/part-of": plan.project.name}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim_name(plan, volume), "labels": labels},
        Comment(0): f"volume {volume}: {because}",
        "spec": claimed(),
    }


def claimed() -> dict[str, Any]:
    """What a claim asks for."""
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": CLAIMED}}}


class _Writer:
    """One service."""

    def __init__(self, plan: Plan, unit: Unit) -> None:
        self._plan, self._unit, self._spec = plan, unit, unit.spec
        self._losses: list[Loss] = []
        self._filler = Filler(unit, plan, lambda _, other: (other.name, other.port), filled_now(plan, unit))
        self._secret = plan.variables(unit)

    def documents(self) -> tuple[list[dict[Any, Any]], list[Loss]]:
        found: list[dict[Any, Any]] = []
        if self._secret:
            metadata = self._metadata(f"{self._unit.name}-env")
            found.append(
                {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": self._secret}
            )
        found.append(self._job() if self._unit.is_task else self._deployment())
        if self._unit.serves:
            found.append(self._service())
        return found, self._losses

    def _lost(self, key: str, because: str) -> None:
        self._losses.append(Loss(self._unit.name, key, because))

    def _labels(self) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": self._unit.name,
            "app.kubernetes.io/part-of": self._plan.project.name,
        }

    def _metadata(self, name: str = "") -> dict[str, Any]:
        return {"name": name or self._unit.name, "labels": self._labels()}

    def _deployment(self) -> dict[Any, Any]:
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self._metadata(),
            "spec": {
                "replicas": 1 if self._spec.autostart else 0,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": self._labels()},
                "template": {"metadata": {"labels": self._labels()}, "spec": self._pod("Always")},
            },
        }

    def _job(self) -> dict[Any, Any]:
        retried = self._spec.restart is not RestartPolicy.NO
        limit = self._spec.start_timeout
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": self._metadata(),
            "spec": {
                "backoffLimit": self._spec.max_restarts if retried else 0,
                **({"activeDeadlineSeconds": math.ceil(limit)} if limit else {}),
                **({} if self._spec.autostart else {"suspend": True}),
                "template": {"metadata": {"labels": self._labels()}, "spec": self._pod("Never")},
            },
        }

    def _service(self) -> dict[Any, Any]:
        ports = [{"port": self._unit.port, "targetPort": self._unit.port}]
        spec = {"selector": self._labels(), "ports": ports}
        return {"apiVersion": "v1", "kind": "Service", "metadata": self._metadata(), "spec": spec}

    def _pod(self, restart: str) -> dict[Any, Any]:
        waiting = self._waiting()
        container = self._container()
        self._rest()
        pairs = [(each.key, each.because) for each in self._losses]
        inner = yaml_out.commented(container, [each for each in pairs if each[0] not in _OF_PODS])
        pod: dict[str, Any] = {"initContainers": waiting} if waiting else {}
        pod |= {"containers": [inner], "restartPolicy": restart}
        pod["terminationGracePeriodSeconds"] = max(1, math.ceil(self._spec.stop_timeout))
        if volumes := self._volumes():
            pod["volumes"] = volumes
        return yaml_out.commented(pod, [each for each in pairs if each[0] in _OF_PODS])

    def _waiting(self) -> list[dict[str, Any]]:
        """An init container for each dependency with a port: pods have no order."""
        found: list[dict[str, Any]] = []
        for other, condition in self._plan.conditions(self._unit):
            if not other.serves or condition is not Condition.HEALTHY:
                self._lost("initContainers", f"does not wait for {other.name}: only a port can be waited for")
                continue
            self._lost("initContainers", f"until the port of {other.name} is open, and it is ready")
            loop = f"until nc -z {other.name} {other.port}; do sleep 1; done"
            name = f"wait-for-{other.name}"[:63].rstrip("-")
            found.append({"name": name, "image": WAITS_IN, "command": ["sh", "-c", loop]})
        return found

    def _container(self) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self._unit.name, "image": self._unit.image}
        if words := [self._filler.text(word, _literal, command=True) for word in self._unit.command]:
            found["args" if self._spec.type is Type.CONTAINER else "command"] = words
        if self._unit.serves:
            found["ports"] = [{"containerPort": self._unit.port}]
        found |= self._environment()
        if mounts := self._mounts():
            found["volumeMounts"] = mounts
        return found | self._probes()

    def _environment(self) -> dict[str, Any]:
        given = self._plan.table(self._unit)
        values = {name: self._filler.text(text, _literal) for name, text in given.items()}
        if self._unit.serves:
            values["PORT"] = str(self._unit.port)
        if any(re.search(r"(?<!\$)\$\{(?!services\.)", text) for text in given.values()):
            self._lost("env", "variables have the values that they had at export")
        if self._spec.type is not Type.CONTAINER:
            self._lost("env", "the shell's variables are not there")
        found: dict[str, Any] = {}
        if self._secret:
            files = ", ".join(self._unit.env_files)
            self._lost("envFrom", f"the values of {files} are those at export, in a Secret")
            found["envFrom"] = [{"secretRef": {"name": f"{self._unit.name}-env"}}]
        if values:
            found["env"] = [{"name": name, "value": value} for name, value in values.items()]
        return found

    def _mounts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for volume in self._spec.volumes:
            name, target, *options = volume.removeprefix("external:").split(":")
            only_read = {"readOnly": True} if "ro" in ",".join(options).split(",") else {}
            found.append({"name": claim_name(self._plan, name), "mountPath": target, **only_read})
        return found

    def _volumes(self) -> list[dict[str, Any]]:
        names = dict.fromkeys(each["name"] for each in self._mounts())
        return [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]

    def _probes(self) -> dict[str, Any]:
        probe = self._unit.probe
        if probe is None or self._unit.is_task:
            if lost := lost_check(self._unit) or self._ignored():
                self._lost("readinessProbe", lost)
            return {}
        asked = self._asked(probe)
        if probe.found:
            self._lost("readinessProbe", f"was not in the file: {probe.found}")
        period, timeout = max(1, math.ceil(probe.interval)), max(1, math.ceil(probe.timeout))
        if (period, timeout) != (probe.interval, probe.timeout):
            self._lost("readinessProbe", "times are whole seconds")
        because = f"when start_timeout is over, the container is started again{self._unit.took}"
        self._lost("startupProbe", because)
        patience = math.ceil(self._spec.start_timeout or 60)
        first = {**asked, "periodSeconds": 1, "timeoutSeconds": timeout, "failureThreshold": patience}
        again = {
            **asked,
            "periodSeconds": period,
            "timeoutSeconds": timeout,
            "failureThreshold": probe.retries,
        }
        return {"startupProbe": first, "readinessProbe": again}

    def _ignored(self) -> str:
        because = "the image's HEALTHCHECK is ignored by Kubernetes: write it as `health_check`"
        return because if self._unit.has_own_check else ""

    def _asked(self, probe: Probe) -> dict[str, Any]:
        asked, lost = as_probe(probe)
        for because in lost:
            self._lost("readinessProbe", because)
        return asked

    def _rest(self) -> None:
        spec = self._spec
        if not self._unit.is_task:
            self._lost("restartPolicy", ALWAYS)
        elif spec.restart is not RestartPolicy.NO and spec.max_restarts:
            because = f"{spec.max_restarts} times in total, not within a minute, up to six minutes apart"
            self._lost("restart", because)
        if spec.stop_signal != DEFAULT.stop_signal:
            self._lost("stop_signal", f"{spec.stop_signal}: the image's own is sent")
        if spec.stop_timeout != math.ceil(spec.stop_timeout):
            self._lost("terminationGracePeriodSeconds", "times are whole seconds")
        if spec.type is Type.CONTAINER and self._unit.port is None:
            self._lost("ports", "the port in the container is unknown: set `container_port`")
        if self._unit.serves and spec.port is not None and spec.type is Type.CONTAINER:
            self._lost("port", f"nothing listens on {spec.port} of a machine: it is reached by its name")
        of_start = () if self._unit.is_task else lost_start(self._unit)  # a Job has a deadline
        for key, because in (*of_start, *lost_keys(spec)):
            self._lost(key, because)


def _literal(text: str) -> str:
    """Kubernetes replaces `$(NAME)`."""
    return text.replace("$(", "$$(")
