"""A one-off command beside a service: what it runs with, by the daemon's answer to `/v1/environment`."""

from __future__ import annotations

import os
import shutil

from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

OF_THE_RUN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LOCALD_RUN")
"""Variables with which the service itself speaks, and by which it is recognised: not this command's"""
OF_AN_ENGINE = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


def environment(answer: dict[str, Any]) -> dict[str, str]:
    """The service's, without what belongs to its run."""
    own = {name: value for name, value in answer["env"].items() if name not in OF_THE_RUN}
    return {**own, "PWD": answer["workdir"]}


def inside(
    service: str, answer: dict[str, Any], command: Sequence[str], options: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """The command of an engine that runs it in the service's container, and its environment. `answer`: of
    `GET /v1/environment`. `options` are those of `docker exec`. Refused when there is no container, or no
    program that can."""
    container = answer["container"]
    if container is None and answer.get("engine") == "kubernetes":
        hint = f"run `kubectl get pods -A -l locald.service={service}`, then `kubectl exec` with its pod"
        raise Refused(Problem(f"{service} is on Kubernetes, where locald enters no pod", hint=hint))
    if container is None:
        hint = f"run `locald up {service}` to start it"
        raise Refused(Problem(f"{service} is not running, so it has no container", hint=hint))
    here = {name: value for name, value in os.environ.items() if name not in OF_AN_ENGINE}
    docker = _docker(container["docker"]["DOCKER_HOST"])
    return [*docker, "exec", *options, container["id"], *command], {**here, **container["docker"]}


def _docker(url: str) -> list[str]:
    """The command that speaks to an engine. Podman's looks at no DOCKER_HOST."""
    if shutil.which("docker"):
        return ["docker"]
    if shutil.which("podman"):
        return ["podman", "--url", url]
    hint = "install Docker: https://docs.docker.com/engine/install"
    raise Refused(Problem("no docker command found, which exec needs for a container", hint=hint))
