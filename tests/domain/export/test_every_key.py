"""No key is lost in silence: whatever is written for a service changes what is exported, or is told to be
lost, or has a reason here not to be.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from locald.domain.export import compose, kubernetes, systemd
from locald.domain.export.plan import Outside, make
from locald.domain.project import config
from locald.domain.project.config.keys import ServiceTable
from locald.domain.project.spec import Type
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.domain.export.plan import Loss, Plan

    Files = dict[str, str]
    Writer = Callable[[Plan], tuple[Files, list[Loss]]]

WRITERS: dict[str, Writer] = {
    "compose": compose.write,
    "systemd": systemd.write,
    "kubernetes": kubernetes.write,
}
VALUES = {
    "container_port": "8123",
    "volumes": '["data:/data"]',
    "port": "8124",
    "env": '{ A = "1" }',
    "env_file": '["more.env"]',
    "workdir": '"sub"',
    "depends_on": '["other"]',
    "health_check": '{ type = "command", command = "true" }',
    "start_timeout": '"7m"',
    "restart": '"always"',
    "max_restarts": "77",
    "stop_signal": '"SIGQUIT"',
    "stop_timeout": '"77s"',
    "kill_mode": '"mixed"',
    "watchdog": '"7s"',
    "log_size": '"7MB"',
    "tty": "false",
    "stdin": '"open"',
    "watch": '["*.py"]',
    "autostart": "false",
    "shared": "true",
    "domains": '["more.shop.localhost"]',
    "on_demand": "true",
    "idle_timeout": '"7m"',
    "usage": '"always"',
}
"""one that is not the default"""
WITH = {"max_restarts": 'restart = "on-failure"', "idle_timeout": "on_demand = true"}
"""what a key has a meaning with"""
IN_WORDS_OF_THE_ENGINE = {
    "restart": {"restart", "restartPolicy"},
    "max_restarts": {"restart", "restartPolicy"},
    "health_check": {"healthcheck"},
    "port": {"port", "ports"},
}
"""under which names a loss of the key may be told"""
WHAT_RUNS = {"type", "command", "image"}
"""The keys that all the others are tried with"""
NOTHING_TO_LOSE = {
    "tty": "elsewhere output is a pipe, which is what `false` asks for",
    "usage": "it is of the graphs of locald",
    "idle_timeout": "it goes with on_demand, which is told",
}
OF_TASKS = {"health_check": "a task is ready when it has ended"}
IN_CONTAINERS = {"kill_mode": "the main process of a container gets the signal, as `mixed` asks for"}
BASE = {
    Type.EXEC: 'command = "serve"',
    Type.WORKER: 'type = "worker"\ncommand = "work"',
    Type.TASK: 'type = "task"\ncommand = "do"',
    Type.CONTAINER: 'image = "some/image:1"',
}
OTHER = '[services.other]\ntype = "worker"\ncommand = "stay"\n'
IMAGES = {"it": "its/image:1", "other": "other/image:1"}


def exported(writer: str, type_: Type, more: str) -> tuple[Files, list[Loss]]:
    """Raises Refused for a key that this type does not have."""
    spec = config.parse(f'[project]\nname = "shop"\n{OTHER}[services.it]\n{BASE[type_]}\n{more}\n')
    images = {} if writer == "systemd" else {name: IMAGES[name] for name in IMAGES if name in spec.services}
    if type_ is Type.CONTAINER:
        images.pop("it", None)
    outside = Outside("/srv/shop", {"more.env": {"B": "2"}}, {"PATH": "/bin"}, {}, images)
    return WRITERS[writer](make(spec, outside))


def is_excused(key: str, writer: str, type_: Type) -> bool:
    in_container = writer != "systemd" or type_ is Type.CONTAINER
    is_of_task = type_ is Type.TASK and key in OF_TASKS
    return key in NOTHING_TO_LOSE or is_of_task or (in_container and key in IN_CONTAINERS)


def test_every_key_is_tried() -> None:
    assert VALUES.keys() | WHAT_RUNS == ServiceTable.keys.keys()


@pytest.mark.parametrize("key", VALUES)
def test_what_is_written_is_exported_or_told_to_be_lost(key: str) -> None:
    tried = 0
    for writer, type_ in product(WRITERS, Type):
        beside = WITH.get(key, "")
        try:
            before = exported(writer, type_, beside)
            after = exported(writer, type_, f"{beside}\n{key} = {VALUES[key]}")
        except Refused:
            continue
        tried += 1
        if not is_excused(key, writer, type_):
            told = {loss.key for loss in after[1] if loss.service == "it"}
            is_told = told & IN_WORDS_OF_THE_ENGINE.get(key, {key})
            assert is_told or after != before, f"{key} of {type_} is lost in {writer}"
    assert tried, f"{key} could be written for no type of service"
