"""A container that the instances of a project share is reached by the containers of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from whole.harbour import harbour, image
from whole.machine import wait_for
from whole.worktrees import in_each, up, worktrees

if TYPE_CHECKING:
    from engine.session import Docker
    from whole.machine import Machine

__all__ = ["harbour"]

ADDRESS = "http://${services.web.host}:${services.web.port}/"
SHOP = f"""
[services.web]
{image("http")}container_port = 8080
shared = true
[services.line]
{image("plain")}depends_on = ["web"]
command = "wget -qO- {ADDRESS} && echo asked {ADDRESS} && exec sleep 1000"
"""


def asked(machine: Machine, instance: str) -> bool:
    return "asked http://web:8080/" in machine.locald("logs", f"{instance}:line").stdout


def test_the_containers_of_each_instance_reach_it_by_its_name(harbour: Machine, docker: Docker) -> None:
    trees = worktrees(harbour, SHOP, "feat")
    rows = in_each(harbour, trees)
    assert rows[""]["web"]["container"] == rows["feat"]["web"]["container"]
    assert asked(harbour, "shop")
    assert asked(harbour, "shop@feat")
    down = harbour.locald("-C", str(trees[""]), "down")
    assert down.returncode == 0, down.stderr
    wait_for(lambda: not docker.api.networks_labelled("locald.project=shop"), "its network goes without it")
    again = harbour.locald("restart", "shop@_:web")
    assert again.returncode == 0, again.stderr
    once_more = harbour.locald("-C", str(trees["feat"]), "restart", "line", "--json")
    assert once_more.returncode == 0, once_more.stderr
    assert [each["health"] for each in json.loads(once_more.stdout)["services"]] == ["healthy"]
    assert harbour.locald("logs", "shop@feat:line").stdout.count("asked http://web:8080/") == 2
    assert up(harbour, trees[""])["line"]["state"] == "running"
    for name in ("shop", "shop@feat"):
        assert harbour.locald("down", name).returncode == 0
    labels = [f"locald.project={project}" for project in ("shop", "shop@feat", "shop@_")]
    assert [docker.api.labelled(label) for label in labels] == [[], [], []]
    wait_for(lambda: not any(map(docker.api.networks_labelled, labels)), "and no network is left")
