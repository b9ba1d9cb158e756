"""No key is lost in silence on another engine: whatever is written for a service changes what is
made there, or is told to be lost, or is locald's own to hold. What it does on a real one is shown by
tests/whole/test_keys_on_systemd.py and test_keys_on_swarm.py.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from domain.export.test_every_key import BASE, IMAGES, OTHER, VALUES, WHAT_RUNS, WITH
from locald.adapters.containers.create import Order
from locald.adapters.kubernetes import objects
from locald.adapters.processes import Order as ProcessOrder
from locald.adapters.swarm import create
from locald.adapters.systemd import unit
from locald.daemon.runners import workdir
from locald.domain.export.losses import lost_on
from locald.domain.project import config
from locald.domain.project.config.keys import ServiceTable
from locald.domain.project.names import Key, Run
from locald.domain.project.placing import engine_of, placed
from locald.domain.project.resolving import resolve
from locald.domain.project.spec import Definition, Engine, Type
from locald.domain.values.problem import Refused

RUN = Run(Key("shop", "it"), 1)
BY_LOCALD = {
    "depends_on": "locald creates one after the other",
    "start_timeout": "locald ends what takes longer",
    "watch": "locald restarts it",
    "autostart": "locald leaves it",
    "log_size": "of the capture, which is here",
    "domains": "of the proxy, which is here",
    "on_demand": "the same",
    "idle_timeout": "the same",
    "shared": "each instance has its own, which the guide says",
    "usage": "of the graphs, which are here",
}
NOTHING_FOR_SYSTEMD = {"tty": "output is a pipe, which is what `false` asks for"}
NOTHING_TO_LOSE = {
    "tty": "elsewhere output is a pipe, which is what `false` asks for",
    "kill_mode": "the main process of a container gets the signal, as `mixed` asks for",
}
BY_LOCALD_FOR_SYSTEMD = BY_LOCALD | {
    "health_check": "locald asks, but for READY=1, which has a test of its own",
    "restart": "locald restarts, and the unit does not",
    "max_restarts": "the same",
    "port": "locald gives it to the program as PORT",
}
OF_TASKS = {"health_check": "a task is ready when it has ended"}
TOLD_AS = {"max_restarts": {"restart"}, "port": {"port", "container_port"}}


def swarm(order: Order) -> Any:
    inside = order.definition.spec.container_port
    return create.body(RUN, order, inside, "n", "me", soon=True)


def kubernetes(order: Order) -> Any:
    return objects.objects(RUN, order, "me")


MAKERS = {Engine.SWARM: swarm, Engine.KUBERNETES: kubernetes}


def made(engine: Engine, type_: Type, more: str) -> tuple[Any, set[str]]:
    """What is made of it there, and the keys of its losses. Raises Refused."""
    written = config.parse(f'[project]\nname = "shop"\n{OTHER}[services.it]\n{BASE[type_]}\n{more}\n')
    images = {name: image for name, image in IMAGES.items() if not written.services[name].image}
    spec = placed(written, engine, images)
    ports = {"it": spec.services["it"].port or 24001, "other": 24002}
    files = {"more.env": {"B": "2"}}
    found: Definition = resolve(spec, "/srv/shop", ports, files, {}).definitions["it"]
    order = Order(found, {**found.env_files, **found.env}, {}, "")
    return MAKERS[engine](order), {loss.key for loss in lost_on(engine, found.spec)}


@pytest.mark.parametrize("key", VALUES)
def test_what_is_written_runs_there_or_is_told_to_be_lost(key: str) -> None:
    tried = 0
    for engine, type_ in product(MAKERS, Type):
        beside = WITH.get(key, "")
        try:
            before = made(engine, type_, beside)[0]
            after, told = made(engine, type_, f"{beside}\n{key} = {VALUES[key]}")
        except Refused:
            continue
        tried += 1
        if key in BY_LOCALD or key in NOTHING_TO_LOSE or (type_ is Type.TASK and key in OF_TASKS):
            continue
        is_told = told & TOLD_AS.get(key, {key})
        assert is_told or after != before, f"{key} of {type_} is lost on {engine}"
    assert tried, f"{key} can be written for nothing that runs there"


def by_systemd(type_: Type, more: str) -> tuple[dict[str, Any], set[str]]:
    """The properties of its unit, and the keys of its losses. Raises Refused."""
    written = config.parse(f'[project]\nname = "shop"\n{OTHER}[services.it]\n{BASE[type_]}\n{more}\n')
    spec = placed(written, Engine.SYSTEMD, {})
    ports = {"it": spec.services["it"].port or 24001, "other": 24002}
    found = resolve(spec, "/srv/shop", ports, {"more.env": {"B": "2"}}, {}).definitions["it"]
    process = ProcessOrder(
        argv=("/bin/sh", "-c", str(found.spec.command)),
        cwd=workdir(found),
        env={**found.env_files, **found.env},
        umask=0o022,
        limits={},
        tty=found.spec.tty,
        watchdog=found.spec.watchdog,
        logs="/logs",
        log_size=found.spec.log_size,
    )
    made = unit.properties(RUN, unit.Order(found, process, {}, "/logs", False), "/bin/serve", "me", [])
    return {name: value for name, _, value in made}, {
        loss.key for loss in lost_on(Engine.SYSTEMD, found.spec)
    }


def test_each_key_of_a_service_is_tried() -> None:
    assert VALUES.keys() | WHAT_RUNS == ServiceTable.keys.keys()


@pytest.mark.parametrize("key", VALUES)
def test_what_is_written_is_in_a_unit_or_told_to_be_lost(key: str) -> None:
    tried = 0
    for type_ in Type:
        beside = WITH.get(key, "")
        try:
            before = by_systemd(type_, beside)[0]
            after, told = by_systemd(type_, f"{beside}\n{key} = {VALUES[key]}")
        except Refused:
            continue
        tried += 1
        stays_here = type_ is Type.CONTAINER
        if stays_here or key in BY_LOCALD_FOR_SYSTEMD or key in NOTHING_FOR_SYSTEMD:
            continue
        assert key in told or after != before, f"{key} of {type_} is lost by systemd"
    assert tried


def test_a_container_of_a_project_on_systemd_stays_with_the_engine_of_this_machine() -> None:
    written = config.parse(f'[project]\nname = "shop"\n[services.it]\n{BASE[Type.CONTAINER]}\n')
    assert engine_of(placed(written, Engine.SYSTEMD, {}).services["it"], Engine.SYSTEMD) is Engine.LOCAL


@pytest.mark.parametrize("engine", MAKERS)
def test_options_of_a_volume_are_heeded_or_told(engine: Engine) -> None:
    plain = 'volumes = ["data:/data"]'
    before = made(engine, Type.CONTAINER, plain)[0]
    assert made(engine, Type.CONTAINER, 'volumes = ["data:/data:ro"]')[0] != before
    assert "z of data" in lost(engine, 'volumes = ["data:/data:z,ro"]')
    unheeded = "nocopy of data" in lost(engine, 'volumes = ["data:/data:nocopy"]')
    assert unheeded == (engine is Engine.KUBERNETES)


def lost(engine: Engine, more: str) -> str:
    spec = config.parse(f'[project]\nname = "shop"\n[services.it]\n{BASE[Type.CONTAINER]}\n{more}\n')
    return " ".join(loss.because for loss in lost_on(engine, spec.services["it"]) if loss.key == "volumes")


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("/srv:/data:rshared,ro", {"BindOptions": {"Propagation": "rshared"}, "ReadOnly": True}),
        ("data:/data:nocopy", {"VolumeOptions": {"NoCopy": True}}),
        ("/srv:/data:cached", {"Consistency": "cached"}),
    ],
)
def test_a_swarm_has_mounts_of_other_words_for_the_same(written: str, options: dict[str, Any]) -> None:
    body, _ = made(Engine.SWARM, Type.CONTAINER, f'volumes = ["{written}"]')
    (mount,) = body["TaskTemplate"]["ContainerSpec"]["Mounts"]
    assert options.items() <= mount.items()
