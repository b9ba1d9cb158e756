"""What an instance takes on disk: its logs, and the volumes of its containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from whole.harbour import image
from whole.machine import Machine
from whole.worktrees import up, worktrees

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.session import PrivateDocker
    from whole.machine import Json

PER_VOLUME = 1_000_000
FILL = f"dd if=/dev/zero of=$0/blob bs={PER_VOLUME} count=1 2>/dev/null && sync"
SHOP = f"""
[services.db]
{image("plain")}volumes = ["data:/data", "external:shop_of_all:/theirs", "./mine:/mine"]
command = ["sh", "-c", "for d in /data /theirs /mine; do sh -c '{FILL}' $d; done; echo full; exec sleep 1000"]
health_check = {{ type = "log", pattern = "full" }}
"""


@pytest.fixture
def harbour(tmp_path: Path, private_docker: PrivateDocker) -> Iterator[Machine]:
    made = Machine(tmp_path / "harbour")
    made.env["DOCKER_HOST"] = private_docker.host
    yield made
    try:
        private_docker.start_again()
    finally:
        made.close()


def listed(machine: Machine, *words: str) -> dict[str | None, Json]:
    done = machine.locald("instances", "--json", *words)
    assert done.returncode == 0, done.stderr
    return {each["instance"]: each for each in json.loads(done.stdout)["instances"]}


def test_volumes_of_each_instance_are_counted_while_their_engine_can_tell(
    harbour: Machine, private_docker: PrivateDocker
) -> None:
    trees = worktrees(harbour, SHOP, "feat")
    for folder in trees.values():
        (folder / "mine").mkdir()
        up(harbour, folder)
    measured = listed(harbour, "--timeout", "1m")
    for each in measured.values():
        assert PER_VOLUME <= each["volumes_bytes"] < 2 * PER_VOLUME  # neither the engine's own nor a folder
        assert each["disk_bytes"] == each["volumes_bytes"] + each["logs_bytes"]
        assert each["disk_unknown"] is None
    harbour.locald("down", "shop@feat")
    assert listed(harbour, "--timeout", "1m")["feat"]["volumes_bytes"] >= PER_VOLUME  # data outlives `down`

    private_docker.freeze()
    for each in listed(harbour, "--timeout", "100ms").values():
        assert each["disk_bytes"] == each["logs_bytes"]
        assert each["disk_unknown"] == "the engine did not measure its volumes within 100ms"
    table = harbour.locald("instances", "--timeout", "100ms")
    assert "+ ?" in table.stdout
    assert table.stderr == (
        "not all volumes of shop and shop@feat are counted: "
        "the engine did not measure its volumes within 100ms\n"
    )


def test_a_time_that_is_none_is_refused(harbour: Machine) -> None:
    done = harbour.locald("instances", "--timeout", "soon")
    assert done.returncode == 2
