"""What a service of a swarm is made of: a definition and an environment become what `services/create` takes.

It carries labels that say whose it is, and has one task at a time. The check of the file becomes the
HEALTHCHECK of the container, and `start_timeout` the time in which a failed one does not count: the limit of
a start itself is held by locald. Its port is published on its node, in host mode, and its name is answered by
the network's DNS with the address of its container: neither needs a virtual IP.

Source: docs.docker.com/reference/api/engine (ServiceCreate).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from locald.adapters.containers import create
from locald.domain.export.asking import as_command
from locald.domain.export.losses import CONSISTENCIES, PROPAGATIONS
from locald.domain.export.plan import explicit
from locald.domain.lifecycle.restarts import WINDOW
from locald.domain.project.labelled import AT
from locald.domain.project.spec import RestartPolicy, StandardInput, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.adapters.containers.create import Order, Volume
    from locald.domain.project.names import Key, Run
    from locald.domain.project.spec import ServiceSpec

Json = dict[str, Any]

OWNER = "locald.swarm"
"""the label of what is ours; another one than that of local containers, which are tidied by theirs"""
LONGEST = 63
"""characters of a service's name in a swarm"""
CONDITIONS = {
    RestartPolicy.NO: "none",
    RestartPolicy.ON_FAILURE: "on-failure",
    RestartPolicy.ALWAYS: "any",
}
DELAY = 0.5
"""seconds before the swarm starts another task: it knows no delay that grows"""
SOON = 0.5
"""seconds between two looks at a container that starts, where the engine can be told"""


def name(key: Key) -> str:
    """`locald-shop-web`; a swarm's names are DNS labels, so a long one ends in a digest of itself."""
    whole = f"{network(key.project)}-{key.service}".replace("_", "-", 1)
    if len(whole) <= LONGEST:
        return whole
    return f"{whole[: LONGEST - 9]}-{hashlib.sha256(str(key).encode()).hexdigest()[:8]}"


def network(project: str) -> str:
    """`locald_shop`, `locald_shop_feat`: the local engine's bridge of the project has another name."""
    return f"locald_{project.replace(AT, '_')}"


def labels(run: Run, owner: str) -> dict[str, str]:
    return {
        create.PROJECT: run.key.project,
        create.SERVICE: run.key.service,
        create.RUN: str(run.number),
        OWNER: owner,
    }


def body(run: Run, order: Order, inside: int | None, network_id: str, owner: str, *, soon: bool) -> Json:
    """What `services/create` takes. `inside`: the port to publish. `soon`: the engine knows StartInterval."""
    spec, published = order.definition.spec, order.definition.port
    return {
        "Name": name(run.key),
        "Labels": labels(run, owner),
        "TaskTemplate": {
            "ContainerSpec": _container(order, inside, soon=soon),
            "RestartPolicy": _restart(spec),
            "Networks": [{"Target": network_id, "Aliases": [run.key.service]}],
        },
        "Mode": _mode(spec),
        "EndpointSpec": {"Mode": "dnsrr", "Ports": _ports(inside, published)},
    }


def _mode(spec: ServiceSpec) -> Json:
    if spec.type is Type.TASK:
        return {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}
    return {"Replicated": {"Replicas": 1}}


def _ports(inside: int | None, published: int | None) -> list[Json]:
    if inside is None or published is None:
        return []
    port = {"Protocol": "tcp", "TargetPort": inside, "PublishedPort": published, "PublishMode": "host"}
    return [port]


def _restart(spec: ServiceSpec) -> Json:
    """For the swarm 0 restarts mean any number."""
    if spec.restart is RestartPolicy.NO or spec.max_restarts == 0:
        return {"Condition": "none"}
    return {
        "Condition": CONDITIONS[spec.restart],
        "Delay": _ns(DELAY),
        "MaxAttempts": spec.max_restarts,
        "Window": _ns(WINDOW),
    }


def _container(order: Order, inside: int | None, *, soon: bool) -> Json:
    """`Args` go to the image's own program, as the command of a local container does."""
    spec = order.definition.spec
    port = {} if inside is None else {"PORT": str(inside)}
    return {
        "Image": order.image,
        "Init": True,
        "Env": [f"{name}={value}" for name, value in {**order.env, **port}.items()],
        "OpenStdin": spec.stdin is StandardInput.OPEN,
        "StopSignal": spec.stop_signal,
        "StopGracePeriod": _ns(spec.stop_timeout),
        "Mounts": [_mount(each) for each in create.volumes(order.definition)],
        "Healthcheck": _health(spec, inside, soon=soon),
        **({"Args": given} if (given := create.command(order.definition)) else {}),
    }


def _mount(volume: Volume) -> Json:
    kind = "bind" if volume.is_path else "volume"
    mount: Json = {"Type": kind, "Source": volume.source, "Target": volume.target}
    for option in volume.options:
        mount |= _option(option)
    return mount


def _option(option: str) -> Json:
    """What `-v` takes, as a mount has it; the rest is told to be lost."""
    if option == "ro":
        return {"ReadOnly": True}
    if option in PROPAGATIONS:
        return {"BindOptions": {"Propagation": option}}
    if option == "nocopy":
        return {"VolumeOptions": {"NoCopy": True}}
    return {"Consistency": option} if option in CONSISTENCIES else {}


def _health(spec: ServiceSpec, inside: int | None, *, soon: bool) -> Json:
    """Without a test it is that of the image, with our time for a start."""
    grace: Json = {"StartPeriod": _ns(spec.start_timeout)} if spec.start_timeout else {}
    grace |= {"StartInterval": _ns(SOON)} if soon and grace else {}
    probe = explicit(spec, inside) if spec.health_check else None
    if probe is None or spec.type is Type.TASK:
        return {"Test": ["NONE"]} if spec.health_check else grace
    return {
        "Test": ["CMD-SHELL", as_command(probe)[0]],
        "Interval": _ns(probe.interval),
        "Timeout": _ns(probe.timeout),
        "Retries": probe.retries,
        **grace,
    }


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def is_ours(found: Mapping[str, Any], owner: str) -> bool:
    """Whether a service or a network of the swarm was made by this locald."""
    return carried(found).get(OWNER) == owner


def carried(found: Mapping[str, Any]) -> dict[str, str]:
    """The labels of a service, or of a network."""
    said = found.get("Labels") or (found.get("Spec") or {}).get("Labels")
    return dict(said) if isinstance(said, dict) else {}
