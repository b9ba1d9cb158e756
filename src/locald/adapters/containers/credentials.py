"""What a registry is told of who pulls: the credentials that `docker login` has kept, found as the docker
command finds them.

They are in the `config.json` of the user who ran `up`, or with a program that it names for one registry
(`credHelpers`) or for all (`credsStore`). An engine takes them with each pull, and keeps none.

Sources: docs.docker.com/reference/cli/docker/login (credential stores, credential helpers), the protocol of
github.com/docker/docker-credential-helpers, docs.docker.com/reference/api/engine (X-Registry-Auth).
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
import subprocess
from typing import TYPE_CHECKING, Any

from locald.domain.project.image_names import registry
from locald.wire.engines import config_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

HEADER = "X-Registry-Auth"
HUB = "https://index.docker.io/v1/"
"""what Docker Hub is called among credentials"""
ANSWERS_WITHIN = 10.0
"""seconds that a program has to tell them: it may have to unlock a keyring"""
TOKEN = "<token>"
"""the name of a user whose secret is an identity token"""


def headers(image: str, shell: Mapping[str, str]) -> dict[str, str]:
    """What goes with a pull of this image; empty where nothing is known of its registry. It may wait for a
    program."""
    found = credentials(registry(image) or HUB, shell)
    if not found:
        return {}
    return {HEADER: base64.urlsafe_b64encode(json.dumps(found).encode()).decode()}


def credentials(server: str, shell: Mapping[str, str]) -> dict[str, str]:
    """As an engine takes them."""
    try:
        with open(os.path.join(config_folder(shell), "config.json"), "rb") as file:
            config = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    config = _table(config)
    helper = _table(config.get("credHelpers")).get(server) or config.get("credsStore")
    if isinstance(helper, str) and helper:
        return _from_program(helper, server, shell)
    return _from_file(_table(config.get("auths")), server)


def _from_program(helper: str, server: str, shell: Mapping[str, str]) -> dict[str, str]:
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"],
            input=server.encode(),
            env=dict(shell),
            capture_output=True,
            timeout=ANSWERS_WITHIN,
            check=False,
        )
        said = _table(json.loads(done.stdout)) if done.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        log.warning("no credentials for %s from %s: %s", server, program, error)
        return {}
    return _made(server, said.get("Username"), said.get("Secret"))


def _from_file(auths: Mapping[str, Any], server: str) -> dict[str, str]:
    """Older files name a registry by a whole address."""
    entries = [_table(each) for name, each in auths.items() if _host(name) == _host(server)]
    for entry in [_table(auths.get(server)), *entries]:
        if token := entry.get("identitytoken"):
            return _made(server, TOKEN, token)
        user, _, password = _decoded(entry.get("auth")).partition(":")
        if found := _made(server, user or entry.get("username"), password or entry.get("password")):
            return found
    return {}


def _made(server: str, user: object, secret: object) -> dict[str, str]:
    if not (isinstance(user, str) and user and isinstance(secret, str) and secret):
        return {}
    if user == TOKEN:
        return {"identitytoken": secret, "serveraddress": server}
    return {"username": user, "password": secret, "serveraddress": server}


def _decoded(auth: object) -> str:
    try:
        return base64.b64decode(auth, validate=True).decode() if isinstance(auth, str) else ""
    except (binascii.Error, ValueError):
        return ""


def _host(name: str) -> str:
    return name.partition("://")[2].partition("/")[0] if "://" in name else name.partition("/")[0]


def _table(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
