"""Where an engine may be, found as the docker command finds it.

`DOCKER_HOST` decides; else the context that `DOCKER_CONTEXT` or `~/.docker/config.json` names; else the usual
sockets are tried in turn: Docker's own, that of an engine without root, Docker Desktop's, Podman's. What
counts is the environment and the home of the user who ran `up`, never the daemon's.

Nothing is asked of an engine here; only small files are read.

Sources: docs.docker.com/reference/cli/docker (environment variables, contexts), podman-system-service(1),
docs.docker.com/engine/security (rootless, protect-access).
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCKER = "unix:///var/run/docker.sock"
PODMAN = "unix:///run/podman/podman.sock"
CONTEXT_HINT = "run `docker context ls` to list the contexts"


class Address(Struct, frozen=True):
    """`url` as people write it: `unix:///…` or `tcp://host:port`.

    `certificates` is the folder of ca.pem, cert.pem and key.pem for TLS, or empty; `verify`: whether the
    engine has to prove who it is.
    """

    url: str
    certificates: str = ""
    verify: bool = True

    @property
    def socket(self) -> str:
        """The path of a Unix socket; empty for what is none."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""

    @property
    def variables(self) -> dict[str, str]:
        """With which the docker command speaks to this engine."""
        found = {"DOCKER_HOST": self.url}
        if self.certificates:
            found |= {"DOCKER_TLS_VERIFY" if self.verify else "DOCKER_TLS": "1"}
            found |= {"DOCKER_CERT_PATH": self.certificates}
        return found


class Unusable(Exception):
    """What the user set leads nowhere: one sentence, and what to do."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


def addresses(env: Mapping[str, str]) -> tuple[Address, ...]:
    """Where to look, best first: exactly one when somebody has chosen it. Raises Unusable."""
    host = env.get("DOCKER_HOST", "")
    if host:
        return (_checked(_of_host(host, env), "DOCKER_HOST"),)
    folder = config_folder(env)
    name = env.get("DOCKER_CONTEXT") or _current(folder)
    if name and name != "default":
        return (_checked(_of_context(name, folder), f'the docker context "{name}"'),)
    return usual(env)


def config_folder(env: Mapping[str, str]) -> str:
    """Where the docker command keeps what its user has set."""
    return env.get("DOCKER_CONFIG") or os.path.join(_home(env), ".docker")


def usual(env: Mapping[str, str]) -> tuple[Address, ...]:
    """The sockets that engines make where nobody says otherwise."""
    home, runtime = _home(env), env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return (
        Address(DOCKER),
        Address(f"unix://{runtime}/docker.sock"),
        Address(f"unix://{home}/.docker/run/docker.sock"),
        Address(f"unix://{home}/.docker/desktop/docker.sock"),
        Address(f"unix://{runtime}/podman/podman.sock"),
        Address(PODMAN),
    )


def _home(env: Mapping[str, str]) -> str:
    return env.get("HOME") or os.path.expanduser("~")


def _of_host(host: str, env: Mapping[str, str]) -> Address:
    wants_tls = bool(env.get("DOCKER_TLS_VERIFY"))
    folder = env.get("DOCKER_CERT_PATH") or os.path.join(_home(env), ".docker")
    return Address(host, folder if wants_tls else "")


def _checked(address: Address, where: str) -> Address:
    kind, colon, rest = address.url.partition("://")
    if kind == "ssh":
        hint = (
            "forward its socket and set DOCKER_HOST: ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST"
        )
        raise Unusable(f"{where} is {address.url}: locald does not support engines over ssh", hint)
    if kind not in ("unix", "tcp") or not colon or not rest:
        raise Unusable(f'{where} is "{address.url}", which is not an address', f"like {DOCKER}")
    return address


# Contexts: ~/.docker/config.json names one, contexts/meta/<sha256 of its name>/meta.json says where it leads.


def _current(folder: str) -> str:
    name = _read(os.path.join(folder, "config.json")).get("currentContext")
    return name if isinstance(name, str) else ""


def _of_context(name: str, folder: str) -> Address:
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = _read(os.path.join(folder, "contexts", "meta", digest, "meta.json"))
    endpoint = _table(_table(meta.get("Endpoints")).get("docker"))
    host = endpoint.get("Host")
    if not isinstance(host, str):
        raise Unusable(f'no such docker context: "{name}"', CONTEXT_HINT)
    tls = os.path.join(folder, "contexts", "tls", digest, "docker")
    return Address(host, tls if os.path.isdir(tls) else "", not endpoint.get("SkipTLSVerify"))


def _read(path: str) -> dict[str, Any]:
    """A JSON object; empty when there is none that can be read."""
    try:
        with open(path, "rb") as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return _table(found)


def _table(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
