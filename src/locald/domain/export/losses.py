"""What `up --on ENGINE` cannot express: a row for each meaning of the file that is lost there, or only near.

What locald itself holds (order, restarts by `watch`, `log` checks, limits of a start) is not lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.export.asking import as_command
from locald.domain.export.plan import Loss, explicit
from locald.domain.project.spec import Engine, ServiceSpec, Type

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = ServiceSpec("")


def lost_on(engine: Engine, spec: ServiceSpec) -> list[Loss]:
    """Of a service as it is placed there."""
    match engine:
        case Engine.LOCAL:
            return []
        case Engine.SWARM:
            return [Loss(spec.name, key, because) for key, because in _on_a_swarm(spec)]


def _on_a_swarm(spec: ServiceSpec) -> Iterator[tuple[str, str]]:
    if spec.type is Type.CONTAINER and (spec.port or spec.container_port):
        yield "port", "published on every address of its node, not on 127.0.0.1 only"
    for volume in spec.volumes:
        source = volume.removeprefix("external:").partition(":")[0]
        is_path = source.startswith((".", "/"))
        what = "has to exist on the node that runs it" if is_path else "is a volume of its node"
        yield "volumes", f"{source} {what}: another node does not have it"
    yield from _of_a_process(spec)
    if spec.health_check is not None and (probe := explicit(spec, spec.container_port)):
        for because in as_command(probe)[1]:
            yield "health_check", because
        yield "health_check", "when it fails later, the swarm kills the container and starts another"


def _of_a_process(spec: ServiceSpec) -> Iterator[tuple[str, str]]:
    """Keys that containers do not have at all."""
    if spec.watchdog:
        yield "watchdog", "WATCHDOG=1 is not heeded"
    if spec.workdir != DEFAULT.workdir:
        yield "workdir", "it works in the folder that its image says"
