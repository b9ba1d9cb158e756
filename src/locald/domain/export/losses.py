"""What engines cannot express: a row for each meaning of the file that is lost there, or only near.

With `up --on ENGINE`, what locald itself holds (order, restarts by `watch`, `log` checks, limits of a start)
is not lost. What only one format of an export loses is told where that is written.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from locald.domain.export.asking import as_command, as_probe
from locald.domain.export.plan import Loss, explicit
from locald.domain.project.spec import Engine, RestartPolicy, ServiceSpec, StandardInput, Type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locald.domain.export.plan import Unit

DEFAULT = ServiceSpec("")
PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
CONSISTENCIES = ("consistent", "cached", "delegated")
READ_ONLY = frozenset({"ro", "rw"})
ON_A_SWARM = READ_ONLY.union(PROPAGATIONS, CONSISTENCIES, ("nocopy",))
"""the options of a volume that its mounts have words for"""
CLAIMED = "1Gi"
"""what a volume takes in Kubernetes: a claim has to have a size"""
ALWAYS = "always, with a delay of up to five minutes, without a limit"
"""what Kubernetes restarts"""


def lost_on(engine: Engine, spec: ServiceSpec) -> list[Loss]:
    """Of a service as it is placed there."""
    match engine:
        case Engine.LOCAL:
            return []
        case Engine.SWARM:
            return [Loss(spec.name, key, because) for key, because in _on_a_swarm(spec)]
        case Engine.KUBERNETES:
            return [Loss(spec.name, key, because) for key, because in _on_kubernetes(spec)]
        case Engine.SYSTEMD:
            return [Loss(spec.name, key, because) for key, because in _by_systemd(spec)]


def _on_a_swarm(spec: ServiceSpec) -> Iterator[tuple[str, str]]:
    if spec.type is Type.CONTAINER and (spec.port or spec.container_port):
        yield "port", "published on every address of its node, not on 127.0.0.1 only"
    for volume in spec.volumes:
        source = volume.removeprefix("external:").partition(":")[0]
        is_path = source.startswith((".", "/"))
        what = "has to exist on the node that runs it" if is_path else "is a volume of its node"
        yield "volumes", f"{source} {what}: another node does not have it"
        yield from _options(volume, ON_A_SWARM)
    yield from _of_containers(spec)
    if spec.health_check is not None and (probe := explicit(spec, spec.container_port)):
        for because in as_command(probe)[1]:
            yield "health_check", because
        yield "health_check", "when it fails later, the swarm kills the container and starts another"


def _on_kubernetes(spec: ServiceSpec) -> Iterator[tuple[str, str]]:
    if spec.type is Type.CONTAINER and spec.port:
        yield "port", f"nothing listens on {spec.port} of this machine: `kubectl port-forward` does that"
    if spec.type is Type.CONTAINER and spec.container_port is None:
        yield "container_port", "is not known, so its pod is ready as soon as it runs"
    for volume in spec.volumes:
        yield from _options(volume, READ_ONLY)
        if not volume.startswith("external:"):
            name = volume.partition(":")[0]
            yield "volumes", f"{name} is a new claim of {CLAIMED}: what is in the volume here is not in it"
    if spec.type is not Type.TASK and spec.restart is not RestartPolicy.NO and spec.max_restarts:
        yield "restart", f"{ALWAYS}, also after exit code 0"
    if spec.stop_signal != DEFAULT.stop_signal:
        yield "stop_signal", f"{spec.stop_signal}: the image's own is sent"
    yield from _of_containers(spec)
    if spec.health_check is not None and (probe := explicit(spec, spec.container_port)):
        for because in as_probe(probe)[1]:
            yield "health_check", because
        if (math.ceil(probe.interval), math.ceil(probe.timeout)) != (probe.interval, probe.timeout):
            yield "health_check", "times are whole seconds"


def _options(volume: str, heeded: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Options of a volume that are not among these."""
    name, _, *options = volume.removeprefix("external:").split(":", 2)
    lost = [each for each in ",".join(options).split(",") if each and each not in heeded]
    if lost:
        yield "volumes", f"the option {', '.join(lost)} of {name} is not heeded"


def _by_systemd(spec: ServiceSpec) -> Iterator[tuple[str, str]]:
    if spec.stdin is StandardInput.OPEN:
        yield "stdin", "standard input is at its end at once"


def _of_containers(spec: ServiceSpec) -> Iterator[tuple[str, str]]:
    """What is of a process, and not of a container."""
    if spec.watchdog:
        yield "watchdog", "WATCHDOG=1 is not heeded"
    if spec.workdir != DEFAULT.workdir:
        yield "workdir", "it works in the folder that the image says"


# What the files of an export do not say.


def lost_keys(spec: ServiceSpec) -> Iterator[tuple[str, str]]:
    """Keys that no engine of containers has a word for."""
    yield from lost_everywhere(spec)
    yield from _of_containers(spec)


def lost_start(unit: Unit) -> Iterator[tuple[str, str]]:
    """What containers lose of a limit that was set, where there is no probe that has it."""
    limit = unit.spec.start_timeout
    is_set = limit is not None and limit != DEFAULT.start_timeout
    if is_set and (unit.probe is None or unit.is_task):
        yield "start_timeout", "its start has no limit"


def lost_everywhere(spec: ServiceSpec) -> Iterator[tuple[str, str]]:
    """Keys that only locald has a word for."""
    if spec.stdin is not StandardInput.EMPTY:
        yield "stdin", "standard input is at its end at once"
    if spec.log_size != DEFAULT.log_size:
        yield "log_size", "how much output is kept is set where it runs"
    if spec.domains:
        yield "domains", "there is no proxy"
    if spec.watch:
        yield "watch", "files are not watched"
    if spec.on_demand:
        yield "on_demand", "it starts with the others, not with the first request"
    if spec.shared:
        yield "shared", "there are no instances"


def lost_check(unit: Unit) -> str:
    """What is lost of a check that no command can make; empty where nothing is."""
    given = unit.spec.health_check
    if given and given.check.kind in ("log", "notify"):
        return f"a check of type {given.check.kind} is lost"
    return "READY=1 is not heeded" if unit.speaks else ""
