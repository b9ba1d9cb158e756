"""What a container is made of: a definition and an environment become what the engine's `create` takes.

A container belongs to one run, and says so by its labels, so that a later daemon finds it and nobody else's
is ever touched. It is named after its service, publishes its port on 127.0.0.1 only, and shares a network
with the other containers of its project, in which it is known by the service's name.

An init is its first process: a program that is the first process itself ignores every signal that it does not
handle, a shell SIGTERM among them.

Source: docs.docker.com/reference/api/engine (ContainerCreate).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from locald.domain.knowledge.signals import NUMBERS
from locald.domain.project.labelled import AT
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Definition, StandardInput

if TYPE_CHECKING:
    from locald.adapters.containers.translate import Image

Json = dict[str, Any]

PROJECT, SERVICE, RUN = (f"locald.{word}" for word in ("project", "service", "run"))
OWNER = "locald.instance"
"""the labels of what is ours; the last, which tells one locald from another, has the name that it had before
projects had instances: containers that are up bear it"""
LOCALHOST = "127.0.0.1"


class Order(Struct, frozen=True):
    """All that a container needs. `env` is its environment, but for PORT where only the image knows it.

    `shell` is the environment of the shell that ran `up`: it says where the engine is, and nothing of it gets
    into the container. `logs` is the service's folder of captures.
    """

    definition: Definition
    env: Mapping[str, str]
    shell: Mapping[str, str]
    logs: str
    is_alone: bool = False
    """it is the only container of its project, and needs no network to meet others in"""

    @property
    def image(self) -> str:
        return self.definition.spec.image or ""


# Names and labels.


def name(key: Key) -> str:
    return f"{network(key.project)}-{key.service}"


def network(project: str) -> str:
    """`locald-shop`, `locald-shop.feat`: an engine takes no `@`, and no name of a project has a point."""
    return f"locald-{project.replace(AT, '.')}"


def labels(run: Run, owner: str) -> dict[str, str]:
    return {
        PROJECT: run.key.project,
        SERVICE: run.key.service,
        RUN: str(run.number),
        OWNER: owner,
    }


def run_of(labels: Mapping[str, str]) -> Run | None:
    """The run that a container with these labels belongs to."""
    number = labels.get(RUN, "")
    if not number.isdecimal():
        return None
    return Run(Key(labels.get(PROJECT, ""), labels.get(SERVICE, "")), int(number))


# Ports.


def container_port(definition: Definition, image: Image) -> int | None:
    """The port inside: the one that the file names, else the only one that the image exposes."""
    if definition.spec.container_port is not None:
        return definition.spec.container_port
    return image.ports[0] if len(image.ports) == 1 else None


# Volumes.

EXTERNAL = "external:"
_OF_PROJECT = re.compile(r"locald_([a-z0-9-]+(?:\.(?:_|[a-z0-9-]+))?)_")


class Volume(Struct, frozen=True):
    """`source` is an absolute path, or the name of a volume."""

    source: str
    target: str
    options: tuple[str, ...] = ()

    @property
    def is_path(self) -> bool:
        return self.source.startswith("/")

    @property
    def is_plain(self) -> bool:
        """It has no options but to be read only."""
        return set(self.options) <= {"ro", "rw"}


def volumes(definition: Definition) -> list[Volume]:
    """Those of the file. A source that begins with `.` or `/` is a path, relative to the project; `external:`
    stands before the name of one of the engine's own; any other name is the project's and instance's."""
    return [_volume(written, definition) for written in definition.spec.volumes]


def _volume(written: str, definition: Definition) -> Volume:
    named = written.removeprefix(EXTERNAL)
    source, target, *options = named.split(":", 2)
    if source.startswith((".", "/")):
        source = os.path.normpath(os.path.join(definition.directory, source))
    elif named == written:
        source = volume(definition.key.project, source)
    return Volume(source, target, tuple(options[0].split(",")) if options else ())


def volume(project: str, name: str) -> str:
    """What the engine calls a volume of a project: `locald_shop_data`, `locald_shop.feat_data`."""
    return f"locald_{project.replace(AT, '.')}_{name}"


def project_of(volume: str) -> str | None:
    """The project or instance that a volume is called after; None for all others."""
    found = _OF_PROJECT.match(volume)
    return found[1].replace(".", AT) if found else None


def _mount(volume: Volume) -> Json:
    """As a mount, which is an error when its source is missing; a bind would make a folder for root."""
    mount: Json = {
        "Type": "bind" if volume.is_path else "volume",
        "Source": volume.source,
        "Target": volume.target,
    }
    return {**mount, "ReadOnly": True} if "ro" in volume.options else mount


def _bind(volume: Volume) -> str:
    """With options that mounts do not know, such as SELinux's `z`."""
    return ":".join((volume.source, volume.target, ",".join(volume.options)))


# The body.


def command(definition: Definition) -> list[str] | None:
    """What is run in the container: a string by its shell; None: what the image says."""
    given = definition.spec.command
    if given is None:
        return None
    return ["/bin/sh", "-c", given] if isinstance(given, str) else list(given)


def program(definition: Definition, image: Image) -> str | None:
    """The program that the image must have, where the file names one and the image does not take it as an
    argument of its own."""
    given = command(definition)
    return given[0] if given and not image.entrypoint else None


def places(program: str, image: Image) -> list[str]:
    """Where a program may be in the container."""
    return [program] if "/" in program else [f"{folder}/{program}" for folder in image.path]


def body(run: Run, order: Order, image: Image, owner: str) -> Json:
    """What `create` takes."""
    definition, spec = order.definition, order.definition.spec
    inside = container_port(definition, image)
    mounted = volumes(definition)
    return {
        "Image": spec.image,
        "OpenStdin": spec.stdin is StandardInput.OPEN,
        "Labels": labels(run, owner),
        "Env": list(_environment(order.env, inside)),
        "StopSignal": str(NUMBERS.get(spec.stop_signal, 15)),
        "StopTimeout": max(1, round(spec.stop_timeout)),
        **({"Cmd": given} if (given := command(definition)) else {}),
        **({"ExposedPorts": {f"{inside}/tcp": {}}} if inside else {}),
        "HostConfig": {
            "Init": True,
            **({} if order.is_alone else {"NetworkMode": network(run.key.project)}),
            "ExtraHosts": ["host.docker.internal:host-gateway"],
            "PortBindings": _bindings(inside, definition.port),
            "Mounts": [_mount(each) for each in mounted if each.is_plain],
            "Binds": [_bind(each) for each in mounted if not each.is_plain],
            "LogConfig": {
                "Type": "json-file",
                "Config": {"max-size": str(spec.log_size), "max-file": "3"},
            },
        },
        **({} if order.is_alone else {"NetworkingConfig": _endpoints(run.key)}),
    }


def _environment(env: Mapping[str, str], inside: int | None) -> Iterator[str]:
    port = {} if inside is None else {"PORT": str(inside)}
    yield from (f"{name}={value}" for name, value in {**env, **port}.items())


def _endpoints(key: Key) -> Json:
    return {"EndpointsConfig": {network(key.project): {"Aliases": [key.service]}}}


def _bindings(inside: int | None, published: int | None) -> Json:
    if inside is None or published is None:
        return {}
    return {f"{inside}/tcp": [{"HostIp": LOCALHOST, "HostPort": str(published)}]}
