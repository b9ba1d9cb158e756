"""The guide "Outgrowing one machine", line by line: what it tells its reader to type is typed, on the engines
that it is about."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from engine import warden
from engine.session import PrivateDocker, cannot, no_private_engine
from whole.guides import Reader, Section
from whole.machine import Machine, wait_for
from whole.own_systemd import Boxed, OwnSystemd, is_there, systemd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["systemd"]

GUIDE = "outgrowing"
CONFIG = os.environ.get("LOCALD_TEST_KUBECONFIG", "")
SERVE = 'command = "exec python3 -u -m http.server $PORT --bind 127.0.0.1"\n'
MINUTES = 240.0
"""seconds for a swarm, beside all else that this machine does"""

# Of units.

needs_systemd = pytest.mark.skipif(
    not is_there(), reason="needs systemd, a bus, and the rights to begin them"
)


@pytest.fixture
def boxed(systemd: OwnSystemd) -> Iterator[Boxed]:
    made = Boxed(systemd, "shop")
    made.name = "shop"
    yield made
    made.locald("down")
    made.close()
    shutil.rmtree(made.folder)
    assert systemd.locald_units() == []


@pytest.fixture
def reader(boxed: Boxed, systemd: OwnSystemd) -> Iterator[Reader]:
    made = Reader(boxed, *systemd.inside(boxed.folder))
    yield made
    made.close()


@needs_systemd
def test_a_project_runs_as_units_of_ones_own_systemd(
    reader: Reader, boxed: Boxed, systemd: OwnSystemd
) -> None:
    section = Section(GUIDE, "Run it on your own systemd")
    up, status, journal, limit = section.commands
    boxed.write(f"[services.web]\n{SERVE}")
    assert "web: healthy" in reader.prints(up)
    assert "Active: active (running)" in reader.prints(status)
    wait_for(lambda: "Serving HTTP on 127.0.0.1" in reader.prints(journal), "its line in the journal")
    reader.prints(limit)
    assert systemd.show(boxed.unit("web"), "MemoryMax") == str(500 * 1024**2)
    for place in ("transient", ""):
        assert "~/.config/systemd" in section.text
        assert not (systemd.units / place / boxed.unit("web")).exists()


@needs_systemd
def test_ones_own_systemd_becomes_the_default(reader: Reader, boxed: Boxed) -> None:
    assert '`engine = "systemd"` in\n`locald.local.toml`' in Section(GUIDE, "Run it on your own systemd").text
    boxed.write(f"[services.web]\n{SERVE}")
    boxed.file("locald.local.toml", '[project]\nengine = "systemd"\n')
    reader.prints("locald up")
    assert boxed.units() == [boxed.unit("web")]
    assert "moves to this machine" in reader.prints("locald up --on local")
    assert boxed.units() == []


@needs_systemd
def test_exported_units_are_what_the_guide_shows_and_run(
    reader: Reader, boxed: Boxed, systemd: OwnSystemd
) -> None:
    first = Section(GUIDE, "")
    (export,) = first.commands
    boxed.write(f"[services.api]\n{SERVE}port = 18437\n")
    done = reader.types(export)
    assert done.returncode == 4
    assert done.stdout + done.stderr == first.printed(export)

    (start,) = [line for line in Section(GUIDE, "Afterwards").text.splitlines() if "systemctl" in line]
    assert start.endswith("# units in ~/.config/systemd/user")
    for unit in (boxed.folder / "units").iterdir():
        shutil.copy(unit, systemd.units)
    reader.prints(start.strip())
    assert systemd.show("shop-api.service", "ActiveState") == "active"
    systemd.systemctl("stop", "shop.target")
    wait_for(lambda: systemd.show("shop-api.service", "ActiveState") == "inactive", "its end")


# Of a swarm.


@pytest.fixture(scope="module")
def node() -> Iterator[PrivateDocker]:
    """An engine that is in no swarm yet."""
    if why := no_private_engine():
        cannot(why)
    try:
        made = PrivateDocker("node")
    except warden.Unable as unable:
        cannot(str(unable))
    yield made
    made.close()


@pytest.mark.timeout(300)
def test_a_project_runs_on_a_swarm(tmp_path: Path, node: PrivateDocker) -> None:
    section = Section(GUIDE, "Run it on a swarm")
    init, up, status, down = section.commands
    shop = Machine(tmp_path / "shop")
    shop.env["DOCKER_HOST"] = node.host
    reader = Reader(shop)
    node.api.post("/images/locald-test/http:1/tag", repo="registry.example.com/shop-web", tag="3")
    shop.write(
        '[services.db]\nimage = "locald-test/store:1"\nvolumes = ["data:/data"]\n'
        '[services.web]\ncommand = "exec httpd -f -p 8080 -h /www"\ndepends_on = ["db"]\n'
    )
    try:
        assert "is now a manager" in reader.prints(init)
        told = reader.prints(up, MINUTES)
        assert "db: healthy (swarm)" in told
        assert "swarm" in reader.prints(status)
        assert "shop is down" in reader.prints(down, MINUTES)
        assert (node.api.get("/services"), node.api.networks_labelled("locald.project=shop")) == ([], [])
        assert [each for each in node.api.get("/volumes")["Volumes"] if "shop" in each["Name"]]

        local = section.indented("[project]")
        shop.file("locald.local.toml", local)
        reader.prints("locald up", MINUTES)
        assert {each["Spec"]["Name"] for each in node.api.get("/services")} == {
            "locald-shop-db",
            "locald-shop-web",
        }
        reader.prints("locald down", MINUTES)
    finally:
        reader.types("locald down", MINUTES)
        reader.close()
        shop.close()


# Of Kubernetes.


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Machine, Reader]]:
    """A shop with the tests' cluster, which has a context of the guide's name."""
    config = tmp_path / "config"
    shutil.copy(CONFIG, config)
    shop = Machine(tmp_path / "shop")
    shop.env["KUBECONFIG"] = str(config)
    add = "kubectl config set-context kind-dev --cluster=test --user=tester"
    subprocess.run(
        add.split(), env={**os.environ, "KUBECONFIG": str(config)}, check=True, capture_output=True
    )
    reader = Reader(shop)
    yield shop, reader
    reader.types("locald down", MINUTES)
    reader.close()
    shop.close()


needs_cluster = pytest.mark.skipif(not CONFIG, reason="LOCALD_TEST_KUBECONFIG is not set")


@needs_cluster
@pytest.mark.timeout(300)
def test_a_project_runs_on_kubernetes(cluster: tuple[Machine, Reader]) -> None:
    shop, reader = cluster
    up, status, there, down = Section(GUIDE, "Run it on Kubernetes").commands
    shop.write('[services.web]\ntype = "worker"\ncommand = "exec sleep 1000000"\n')
    assert "web: healthy" in reader.prints(up, MINUTES)
    assert "healthy" in reader.prints(status)
    assert {"deployment.apps/web", "pod/web-"} <= {
        word if "pod" not in word else "pod/web-" for word in reader.prints(there).split() if "web" in word
    }
    assert "shop is down" in reader.prints(down, MINUTES)
    wait_for(
        lambda: "not found" in reader.types("kubectl get namespace locald-shop").stderr, "its end", MINUTES
    )


@needs_cluster
@pytest.mark.timeout(300)
def test_exported_objects_are_applied_and_get_ready(cluster: tuple[Machine, Reader]) -> None:
    shop, reader = cluster
    (apply,) = [line for line in Section(GUIDE, "Afterwards").text.splitlines() if "kubectl" in line]
    shop.write('[services.web]\ntype = "worker"\ncommand = "exec sleep 1000000"\nenv = { A = "1" }\n')
    reader.prints("locald export kubernetes --lossy -o . --image web=registry.example.com/shop-web:3")
    try:
        assert "deployment.apps/web created" in reader.prints(apply.strip())
        reader.prints("kubectl wait --for=condition=Available deployment/web --timeout=60s", MINUTES)
    finally:
        reader.types("kubectl delete -f kubernetes.yaml", MINUTES)
