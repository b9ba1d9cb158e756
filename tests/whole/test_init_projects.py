"""From a project as it is to services that are healthy: `init`, `up`, and nothing edited in between."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine import images
from whole.harbour import harbour
from whole.machine import free_port
from whole.projects import BUILT, EXPECTED, NEEDS, NOT_STARTED, PROJECTS, PYTHON, SERVER

if TYPE_CHECKING:
    from engine.session import Docker
    from whole.machine import Json, Machine

__all__ = ["harbour"]


def make(machine: Machine, files: dict[str, str]) -> None:
    for path, text in files.items():
        whole = machine.folder / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(text)


def healthy(rows: Json) -> set[str]:
    return {name for name, row in rows.items() if row["health"] == "healthy"}


@pytest.mark.timeout(240)  # Go compiles its own library first
@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_is_healthy_after_init_without_an_edit(machine: Machine, name: str) -> None:
    if name in NEEDS and not shutil.which(NEEDS[name]):
        pytest.skip(f"{NEEDS[name]} is not installed")
    # Servers that are installed for the tests are found as those of the project's environment are.
    machine.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{machine.env['PATH']}"
    make(machine, PROJECTS[name])

    if name in BUILT:
        subprocess.run(BUILT[name], cwd=machine.folder, check=True, capture_output=True)

    done = machine.locald("init", "--name", "shop")
    assert done.returncode == 0, done.stderr
    rows = machine.up("--timeout", "50s")

    assert set(rows) | NOT_STARTED == EXPECTED[name] | NOT_STARTED
    assert healthy(rows) == EXPECTED[name] - NOT_STARTED
    for row in rows.values():
        if row["url"]:
            assert answers(row["url"])


def answers(url: str) -> bool:
    """It speaks HTTP: an application without pages says 404."""
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 404


COMPOSE = """\
name: {name}
x-common: &common
  restart: unless-stopped
  environment: {{ LOG: "${{LOG_LEVEL:-info}}" }}
services:
  store:
    <<: *common
    image: {store}
    ports: ["{port}:6379"]
    volumes: [visits:/data]
    healthcheck: {{ test: ["CMD-SHELL", "echo PING | nc 127.0.0.1 6379 | grep PONG"], interval: 1s }}
  front:
    <<: *common
    image: ${{FRONT:-{http}}}
    expose: [8080]
    depends_on: {{ store: {{ condition: service_healthy }} }}
    command: ["httpd", "-f", "-p", "8080", "-h", "/www"]
    deploy: {{ replicas: 2 }}
  admin:
    build: ./admin
    depends_on: [store]
  debug:
    image: {plain}
    command: sleep 1000
    profiles: [tools]
volumes: {{ visits: }}
"""


def test_a_compose_file_is_healthy_after_init_and_what_it_had_more_is_told(
    harbour: Machine, docker: Docker
) -> None:
    port = free_port()
    names = {short: images.name(short) for short in ("store", "http", "plain")}
    text = COMPOSE.format(name=harbour.name, port=port, **names)
    make(
        harbour,
        {"compose.yaml": text, "compose.override.yaml": "services: { front: { stop_signal: SIGINT } }"},
    )

    done = harbour.locald("init")
    assert done.returncode == 0, done.stderr
    rows = harbour.up()

    assert healthy(rows) == {"store", "front"}
    assert (rows["store"]["port"], rows["store"]["source"], rows["front"]["source"]) == (
        port,
        "explicit",
        "tcp",
    )
    assert "front: deploy: locald sets no limits" in done.stderr
    assert "its image is built from ./admin, and locald builds none" in done.stderr
    assert harbour.locald("up", "tools").returncode == 0
    assert harbour.status()["debug"]["health"] == "healthy"
    assert harbour.locald("down").returncode == 0
    docker.api.delete(f"/volumes/locald_{harbour.name}_visits")


def test_processes_beside_containers_find_them_where_compose_published_them(
    harbour: Machine, docker: Docker
) -> None:
    port = free_port()
    compose = f"services: {{ store: {{ image: {images.name('store')}, ports: ['{port}:6379'] }} }}"
    program = f"import socket\nsocket.create_connection(('127.0.0.1', {port})).close()\n{SERVER}"
    make(harbour, {"Procfile": f"web: {PYTHON} server.py\n", "compose.yaml": compose, "server.py": program})

    assert harbour.locald("init", "--name", harbour.name).returncode == 0
    assert harbour.up("store")["store"]["health"] == "healthy"
    assert harbour.up()["web"]["health"] == "healthy"
    assert harbour.locald("down").returncode == 0


def test_a_file_of_ten_megabytes_is_refused_and_nothing_is_written(machine: Machine) -> None:
    machine.file("compose.yaml", "services:\n" + "  a: { image: x } # much\n" * 500_000)
    done = machine.locald("init")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: compose.yaml: is larger than 1 MB")
    assert [path.name for path in machine.folder.iterdir()] == ["compose.yaml"]
