"""`up --on kubernetes` where there is no cluster: told before anything changes. Needs none."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from whole.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = '[services.web]\ntype = "worker"\ncommand = "sleep 1000000"\n'
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH")


@pytest.fixture
def ashore(tmp_path: Path) -> Iterator[Machine]:
    """A locald without a cluster, whose service runs here."""
    made = Machine(tmp_path / "ashore")
    made.env["KUBECONFIG"] = str(tmp_path / "config")
    made.write(HERE, name=made.name)
    assert made.locald("up").returncode == 0
    yield made
    assert made.status()["web"]["health"] == "healthy"
    made.close()


def refused(machine: Machine, *words: str) -> str:
    """What is said of it."""
    done = machine.locald("up", "--on", "kubernetes", "--image", "web=busybox:1.36", *words)
    assert done.returncode == 2, done.stderr
    return done.stderr


def config(machine: Machine, server: str) -> None:
    with open(machine.env["KUBECONFIG"], "w") as file:
        file.write(
            "apiVersion: v1\nkind: Config\ncurrent-context: dev\n"
            f"clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n"
            "contexts: [{name: dev, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: x}}]\n"
        )


def test_without_kubectl(ashore: Machine, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "sleep"):
        os.symlink(shutil.which(name) or "", programs / name)
    ashore.env["PATH"] = str(programs)
    said = refused(ashore)
    assert "no kubectl on the PATH" in said
    assert "hint: install kubectl" in said


@needs_kubectl
def test_without_a_context(ashore: Machine) -> None:
    said = refused(ashore)
    assert "current-context is not set" in said
    assert "kubectl config get-contexts" in said


@needs_kubectl
def test_with_a_context_that_is_not_there(ashore: Machine) -> None:
    config(ashore, "https://127.0.0.1:1")
    assert 'context "prod" does not exist' in refused(ashore, "--context", "prod")


@needs_kubectl
def test_with_a_cluster_that_does_not_answer(ashore: Machine) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        config(ashore, f"https://127.0.0.1:{nobody.getsockname()[1]}")
        said = refused(ashore)
    assert "the cluster of the context dev does not answer: " in said
    assert "connection refused" in said
    assert "kubectl --context dev cluster-info" in said


def test_what_a_cluster_cannot_run_is_refused_with_every_service(ashore: Machine) -> None:
    services = """
[services.db]
image = "postgres:17"
volumes = ["./data:/var/lib/postgresql/data"]
[services.api]
command = "serve"
"""
    ashore.write(HERE + services, name=ashore.name)
    said = refused(ashore)
    assert "./data:/var/lib/postgresql/data is a file or folder of this machine, not of a cluster" in said
    assert "api is a process without an image, which Kubernetes cannot run" in said
    ashore.write(HERE, name=ashore.name)


def test_a_context_is_of_kubernetes_only(ashore: Machine) -> None:
    done = ashore.locald("up", "--context", "dev")
    assert done.returncode == 2
    assert "hint: add --on kubernetes, or leave it out" in done.stderr
