"""A locald with an engine, and words for its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whole.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.session import Docker


@pytest.fixture
def harbour(tmp_path: Path, docker: Docker) -> Iterator[Machine]:
    """A locald in the engine's own network: published ports are there and nowhere else."""
    made = Machine(tmp_path / "harbour")
    made.env["DOCKER_HOST"] = docker.host
    yield made
    made.close()
    label = f"locald.project={made.name}"
    assert docker.api.labelled(label) == []
    assert docker.api.networks_labelled(label) == []


def write(machine: Machine, services: str) -> None:
    machine.write(services, name=machine.name)


def image(short: str) -> str:
    return f'image = "locald-test/{short}:1"\n'
