"""A probe in the words of engines: a command that is run in the container, which is all that engines like
Docker's can ask with, and what a kubelet asks from outside."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locald.domain.export.plan import Probe

ASKED = {
    "postgres": "pg_isready -h 127.0.0.1 -p {port}",
    "mysql": "mysqladmin ping -h 127.0.0.1 -P {port} --silent",
    "redis": "redis-cli -p {port} ping | grep PONG",
    "mongodb": "mongosh --quiet --port {port} --eval 'db.adminCommand(\"ping\")'",
    "amqp": "rabbitmq-diagnostics -q check_port_connectivity",
}
"""how a server of a protocol is asked by a program of its own image"""
NEEDS_GREP = "needs `grep` in the image"


def as_command(probe: Probe) -> tuple[str, list[str]]:
    """The command, for a shell, and what it does not say of the probe."""
    match probe.kind:
        case "command":
            return probe.command, []
        case "http":
            return _http(probe)
        case kind if kind in ASKED:
            return ASKED[kind].format(port=probe.port), []
        case kind:
            lost = [] if kind == "tcp" else [f"{kind} is not asked in its protocol: only its port is"]
            assert probe.port is not None
            return listens(probe.port), [*lost, NEEDS_GREP]


def _http(probe: Probe) -> tuple[str, list[str]]:
    lost = [f"any 2xx is healthy, not {', '.join(map(str, probe.status))}"] if probe.status else []
    headers = "".join(f" --header {shlex.quote(f'{name}: {said}')}" for name, said in probe.headers.items())
    tls = " --no-check-certificate" if probe.scheme == "https" else ""
    url = shlex.quote(f"{probe.scheme}://127.0.0.1:{probe.port}{probe.path}")
    return f"wget -q -O /dev/null{tls}{headers} {url}", [*lost, "needs `wget` in the image"]


def as_probe(probe: Probe) -> tuple[dict[str, Any], list[str]]:
    """What a kubelet asks, as a probe of Kubernetes has it, and what that does not say."""
    match probe.kind:
        case "http":
            return _get(probe)
        case "command":
            return {"exec": {"command": ["sh", "-c", probe.command]}}, []
        case kind if kind in ASKED:
            return {"exec": {"command": ["sh", "-c", ASKED[kind].format(port=probe.port)]}}, []
        case kind:
            lost = [] if kind == "tcp" else [f"{kind} is not asked in its protocol: only its port is"]
            return {"tcpSocket": {"port": probe.port}}, lost


def _get(probe: Probe) -> tuple[dict[str, Any], list[str]]:
    lost = ["any status from 200 to 399 is healthy"] if probe.status else []
    get: dict[str, Any] = {"path": probe.path, "port": probe.port}
    if probe.scheme == "https":
        get["scheme"] = "HTTPS"
    if probe.headers:
        get["httpHeaders"] = [{"name": name, "value": value} for name, value in probe.headers.items()]
    return {"httpGet": get}, lost


def listens(port: int) -> str:
    """Asks the kernel whether somebody listens on a port: most images have `grep`, few an `nc` with `-z`.

    A listener's row in /proc/net/tcp: local address and port in hexadecimal, no peer, state 0A."""
    return f"grep -qs ':{port:04X} [0-9A-F]*:0000 0A ' /proc/net/tcp /proc/net/tcp6"
