"""What a service of a cluster is made of: a definition and an environment become objects to apply. Pure.

A project has a namespace of its own, in which each service is known by its name, as it is in the network of
local containers. A run is a Deployment of one pod, or a Job where another pod must not follow the first:
a task, and what is not to be restarted. Its environment is in a Secret, for whoever may look at pods may not
have to see passwords. Every object says by labels whose it is.

A check becomes a readiness probe, and a startup probe that asks every second, so that a service is ready as
soon as it can be. Neither restarts anything: how long a start may take is held by locald. No check becomes a
liveness probe, for health restarts nothing in locald.

Source: the API reference (v1, apps/v1, batch/v1).
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from locald.adapters.containers import create
from locald.adapters.kubernetes.api import apps, batch, core
from locald.domain.export.asking import as_probe
from locald.domain.export.kubernetes import claimed, slug
from locald.domain.export.plan import Probe, explicit
from locald.domain.lifecycle.run_facts import carries_out
from locald.domain.project.labelled import AT
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import RestartPolicy, StandardInput, Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from locald.adapters.containers.create import Order
    from locald.adapters.kubernetes.api import Path
    from locald.domain.export.plan import Probe
    from locald.domain.project.spec import ServiceSpec

Json = dict[str, Any]

OWNER, PROJECT, SERVICE, RUN = (f"locald.{word}" for word in ("owner", "project", "service", "run"))
APP = "app.kubernetes.io/name"
"""the label by which a Service and a Deployment know their pods"""
LONGEST = 63
"""characters of a name that is a DNS label"""
FOREVER = 1_000_000
"""how often a startup probe may fail: in seconds, more than a week"""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Object(NamedTuple):
    """An object, and where it is."""

    path: Path
    body: Json


def namespace(project: str) -> str:
    """`locald-shop`, `locald-shop--feat`; a long one ends in a digest of itself."""
    whole = f"locald-{project.replace(AT, '--')}"
    if len(whole) <= LONGEST:
        return whole
    return f"{whole[: LONGEST - 9]}-{hashlib.sha256(project.encode()).hexdigest()[:8]}"


def labels(run: Run, owner: str) -> dict[str, str]:
    """A label's value may not have an `@`."""
    return {**project_labels(run.key.project, owner), SERVICE: run.key.service, RUN: str(run.number)}


def project_labels(project: str, owner: str) -> dict[str, str]:
    """Of a namespace, and of a claim, which stays when the run is gone."""
    return {OWNER: owner, PROJECT: project.replace(AT, "."), "app.kubernetes.io/managed-by": "locald"}


def carried(found: Mapping[str, Any]) -> dict[str, str]:
    """The labels of an object."""
    said = (found.get("metadata") or {}).get("labels")
    return dict(said) if isinstance(said, dict) else {}


def project_of(labels: Mapping[str, str]) -> str:
    return labels.get(PROJECT, "").replace(".", AT)


def run_of(labels: Mapping[str, str]) -> Run | None:
    number = labels.get(RUN, "")
    if not number.isdecimal():
        return None
    return Run(Key(project_of(labels), labels.get(SERVICE, "")), int(number))


def is_ours(labels: Mapping[str, str], run: Run, owner: str) -> bool:
    """Whether it is of this service, of whichever run."""
    found = run_of(labels)
    return labels.get(OWNER) == owner and found is not None and found.key == run.key


def is_job(spec: ServiceSpec) -> bool:
    """Whether nothing follows it when it has ended."""
    return spec.type is Type.TASK or spec.restart is RestartPolicy.NO or spec.max_restarts == 0


def workload(key: Key, *, job: bool) -> Path:
    """Where its Deployment or its Job is."""
    where, kind = (batch, "jobs") if job else (apps, "deployments")
    return where(namespace(key.project), kind, key.service)


def others(key: Key) -> tuple[Path, ...]:
    """Where else something of a run may be."""
    name, within = key.service, namespace(key.project)
    return core(within, "services", name), core(within, "secrets", _secret(name))


def untaken(env: Mapping[str, str]) -> list[str]:
    """Variables that no container can have by a Secret."""
    return sorted(name for name in env if not _VARIABLE.fullmatch(name))


def has_probe(order: Order) -> bool:
    return _probe(order) is not None


def objects(run: Run, order: Order, owner: str) -> list[Object]:
    """In the order in which they are applied."""
    return [*_objects(run, order, owner)]


def _objects(run: Run, order: Order, owner: str) -> Iterator[Object]:
    spec, key = order.definition.spec, run.key
    within, told = namespace(key.project), labels(run, owner) | {APP: key.service}

    def metadata(name: str, labels: Mapping[str, str] = told) -> Json:
        return {"name": name, "namespace": within, "labels": dict(labels)}

    for name in claims(spec):
        about = metadata(name, project_labels(key.project, owner))
        body = {**_kind("v1", "PersistentVolumeClaim"), "metadata": about, "spec": claimed()}
        yield Object(core(within, "persistentvolumeclaims", name), body)
    if env := _environment(order):
        secret = _secret(key.service)
        data = {name: base64.b64encode(value.encode()).decode() for name, value in env.items()}
        body = {**_kind("v1", "Secret"), "metadata": metadata(secret), "data": data}
        yield Object(core(within, "secrets", secret), body)
    if spec.type is Type.CONTAINER:
        body = {**_kind("v1", "Service"), "metadata": metadata(key.service), "spec": _service(spec, key)}
        yield Object(core(within, "services", key.service), body)
    template = {"metadata": {"labels": told}, "spec": _pod(order, key)}
    job = is_job(spec)
    made = _job(spec, template) if job else _deployment(key, template)
    yield Object(workload(key, job=job), made | {"metadata": metadata(key.service)})


def _kind(version: str, kind: str) -> Json:
    return {"apiVersion": version, "kind": kind}


def _secret(service: str) -> str:
    return f"{service}-env"


def _service(spec: ServiceSpec, key: Key) -> Json:
    """Its name leads to the pod that is ready; where no port is known, to any of that."""
    port = spec.container_port
    found: Json = {"selector": {APP: key.service}}
    return found | ({"ports": [{"port": port, "targetPort": port}]} if port else {"clusterIP": "None"})


def _deployment(key: Key, template: Json) -> Json:
    spec = {
        "replicas": 1,
        "revisionHistoryLimit": 0,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": {APP: key.service}},
        "template": template,
    }
    return {**_kind("apps/v1", "Deployment"), "spec": spec}


def _job(spec: ServiceSpec, template: Json) -> Json:
    again = 0 if spec.restart is RestartPolicy.NO else spec.max_restarts
    return {**_kind("batch/v1", "Job"), "spec": {"backoffLimit": again, "template": template}}


def _pod(order: Order, key: Key) -> Json:
    spec = order.definition.spec
    found: Json = {
        "containers": [_container(order, key)],
        "restartPolicy": "Never" if is_job(spec) else "Always",
        "terminationGracePeriodSeconds": max(1, math.ceil(spec.stop_timeout)),
        "enableServiceLinks": False,  # else each Service there adds variables of its own, as DB_PORT
    }
    if names := dict.fromkeys(each["name"] for each in _mounts(spec)):
        found["volumes"] = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    return found


def _container(order: Order, key: Key) -> Json:
    """`args` go to the image's own program, as the command of a local container does."""
    spec = order.definition.spec
    found: Json = {"name": key.service, "image": order.image}
    if given := create.command(order.definition):
        found["args"] = [word.replace("$(", "$$(") for word in given]  # `$(NAME)` would be filled in
    if spec.container_port and spec.type is Type.CONTAINER:
        found["ports"] = [{"containerPort": spec.container_port}]
    if _environment(order):
        found["envFrom"] = [{"secretRef": {"name": _secret(key.service)}}]
    if mounts := _mounts(spec):
        found["volumeMounts"] = mounts
    if spec.stdin is StandardInput.OPEN:
        found["stdin"] = True
    if probe := _probe(order):
        found |= _probes(probe)
    return found


def _environment(order: Order) -> dict[str, str]:
    spec = order.definition.spec
    port = {"PORT": str(spec.container_port)} if spec.container_port else {}
    return {name: value for name, value in {**order.env, **port}.items() if _VARIABLE.fullmatch(name)}


def claims(spec: ServiceSpec) -> list[str]:
    """The names of the claims that are made for its volumes."""
    own = [volume for volume in spec.volumes if not volume.startswith(create.EXTERNAL)]
    return list(dict.fromkeys(slug(volume.partition(":")[0]) for volume in own))


def _mounts(spec: ServiceSpec) -> list[Json]:
    found: list[Json] = []
    for volume in spec.volumes:
        name, target, *options = volume.removeprefix(create.EXTERNAL).split(":", 2)
        only_read = {"readOnly": True} if "ro" in ",".join(options).split(",") else {}
        named = name if volume.startswith(create.EXTERNAL) else slug(name)
        found.append({"name": named, "mountPath": target, **only_read})
    return found


def _probe(order: Order) -> Probe | None:
    """The user's own check, else whether its port is open."""
    from locald.domain.export.plan import Probe

    definition, spec = order.definition, order.definition.spec
    if spec.type is Type.TASK:
        return None
    if spec.health_check is None:
        port = spec.container_port if spec.type is Type.CONTAINER else None
        return Probe("tcp", port) if port else None
    is_asked = carries_out(definition.engine, spec.health_check.check)
    return explicit(spec, spec.container_port) if is_asked else None


def _probes(probe: Probe) -> Json:
    asked, timeout = as_probe(probe)[0], max(1, math.ceil(probe.timeout))
    first = {**asked, "periodSeconds": 1, "timeoutSeconds": timeout, "failureThreshold": FOREVER}
    again = {
        **asked,
        "periodSeconds": max(1, math.ceil(probe.interval)),
        "timeoutSeconds": timeout,
        "failureThreshold": probe.retries,
    }
    return {"startupProbe": first, "readinessProbe": again}
