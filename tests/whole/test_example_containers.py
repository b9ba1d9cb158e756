"""The example with a container does what its pages say. Only its image is another: one without a registry."""

from __future__ import annotations

import re
import shutil
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine import images
from whole.machine import Machine, is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.session import Docker

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "containers"


@pytest.fixture
def example(tmp_path: Path, docker: Docker) -> Iterator[Machine]:
    """The example in a folder of its own, under names of its own."""
    made = Machine(tmp_path / "unused")
    made.env["DOCKER_HOST"] = docker.host
    made.folder = tmp_path / "containers"
    shutil.copytree(EXAMPLE, made.folder)
    text = (made.folder / "locald.toml").read_text()
    for pattern, replacement in {
        r'^name = ".*"': f'name = "{made.name}"',
        r'^image = ".*"': f'image = "{images.name("store")}"',
    }.items():
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count == 1, pattern
    (made.folder / "locald.toml").write_text(text)
    yield made
    made.close()
    docker.api.delete(f"/volumes/locald_{made.name}_store")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_the_example_shows_health_by_docker_and_an_api_that_finds_its_store(example: Machine) -> None:
    rows = example.up()
    assert (rows["store"]["source"], rows["store"]["fallback"]) == ("docker", False)
    assert (rows["api"]["source"], rows["api"]["health"]) == ("tcp", "healthy")
    assert get(rows["api"]["url"]) == "visits: 1\n"
    assert get(rows["api"]["url"]) == "visits: 2\n"
    assert "HEALTHCHECK succeeded" in example.why("store")["because"]


def test_what_is_stored_outlives_the_container_and_the_container_the_daemon(example: Machine) -> None:
    first = example.up()
    assert get(first["api"]["url"]) == "visits: 1\n"
    example.kill_daemon()
    assert is_alive(first["store"]["pid"])
    example.status()  # which starts another daemon
    second = example.until("store", lambda row: row["health"] == "healthy")
    assert second["container"] == first["store"]["container"]
    assert example.locald("down").returncode == 0
    assert get(example.up()["api"]["url"]) == "visits: 2\n"
