"""A project placed on an engine: its specs as they run there.

The file is the same whatever the engine. On an engine of containers each process needs an image, which
`--image` names or `locald.local.toml` sets; what such an engine cannot do at all is refused here, before
anything is created, with every service that it concerns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.project.file import FILE, LOCAL
from locald.domain.project.spec import Engine, NotifyCheck, ProjectSpec, ServiceSpec, StandardInput, Type
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

INSIDE = 8080
"""the port in a container of a process of which none is set: it is told by PORT"""

OF_PROCESSES = frozenset({Engine.SYSTEMD})
"""the engines that run processes only: containers stay with the engine of this machine"""


def placed(spec: ProjectSpec, engine: Engine, images: Mapping[str, str], context: str = "") -> ProjectSpec:
    """The project on this engine. `images`: for processes, by service (`--image`). `context`: of a KUBECONFIG
    (`--context`). Raises Refused."""
    problems = [*_images(spec, engine, images), *_context(engine, context)]
    if engine is not Engine.LOCAL:
        for service in spec.services.values():
            problems += _impossible(service, images.get(service.name, ""), engine)
    if problems:
        raise Refused(*problems)
    services = {name: on_engine(each, engine, images.get(name, "")) for name, each in spec.services.items()}
    return replace(spec, services=services, engine=engine, context=context)


def _context(engine: Engine, context: str) -> list[Problem]:
    if not context or engine is Engine.KUBERNETES:
        return []
    return [Problem(f"{engine.called} has no contexts", "--context", "add --on kubernetes, or leave it out")]


def has_port_here(spec: ServiceSpec, engine: Engine) -> bool:
    """Whether it listens on a port of a machine: in Kubernetes nothing is published."""
    return spec.type not in (Type.WORKER, Type.TASK) and engine is not Engine.KUBERNETES


def engine_of(spec: ServiceSpec, engine: Engine) -> Engine:
    """The engine that runs this service of a project that is placed on `engine`."""
    return Engine.LOCAL if engine in OF_PROCESSES and spec.in_container else engine


def on_engine(spec: ServiceSpec, engine: Engine, image: str) -> ServiceSpec:
    """One service as it runs there. `image`: that of a process."""
    if not engine.is_cluster:
        return spec
    spec = replace(spec, shared=False, image=spec.image or image or None)
    if spec.type is not Type.EXEC or not spec.image:
        return spec
    return replace(spec, type=Type.CONTAINER, container_port=spec.port or INSIDE)


def _images(spec: ProjectSpec, engine: Engine, images: Mapping[str, str]) -> list[Problem]:
    if images and not engine.is_cluster:
        hint = "add --on swarm or --on kubernetes, or leave out --image"
        return [Problem(f"the engine {engine} runs processes as they are", "--image", hint)]
    unknown = [name for name in images if name not in spec.services]
    known = [name for name in images if name not in unknown and spec.services[name].image]
    return [
        *(
            _refused(name, f"no such service: {name}", f"name one of {', '.join(spec.services)}")
            for name in unknown
        ),
        *(_refused(name, f"{name} has an image in the file", f"set `image` in {LOCAL}") for name in known),
    ]


def _refused(name: str, what: str, hint: str) -> Problem:
    return Problem(what, f"--image {name}", hint)


def _impossible(spec: ServiceSpec, image: str, engine: Engine) -> list[Problem]:
    """Why this engine cannot run the service."""
    where, found = f"{FILE}: services.{spec.name}", []
    in_container, who = engine.is_cluster, "a swarm" if engine is Engine.SWARM else engine.called
    if in_container and not (spec.image or image):
        what = f"{spec.name} is a process without an image, which {who} cannot run"
        hint = f"build one that its nodes can pull, then add --image {spec.name}=REF"
        found.append(Problem(what, where, hint))
    if in_container and spec.health_check and isinstance(spec.health_check.check, NotifyCheck):
        what = f"READY=1, which {spec.name} is to say, does not leave a container"
        found.append(Problem(what, f"{where}.health_check", f"set another `health_check` in {LOCAL}"))
    if spec.stdin is StandardInput.TERMINAL:
        what = f"{spec.name} has a terminal as its input, which {who} cannot give it"
        found.append(Problem(what, f"{where}.stdin", f'set stdin = "empty" in {LOCAL}'))
    if engine is Engine.KUBERNETES:
        found += _folders(spec, where)
    return found


def _folders(spec: ServiceSpec, where: str) -> list[Problem]:
    hint = f"put what is in it into the image, or set other `volumes` in {LOCAL}"
    return [
        Problem(f"{volume} is a file or folder of this machine, not of a cluster", f"{where}.volumes", hint)
        for volume in spec.volumes
        if volume.startswith((".", "/"))
    ]
