"""The credentials that `docker login` has kept: from its file, or a program, for the registry of an image."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from locald.adapters.containers.credentials import HEADER, HUB, credentials, headers

if TYPE_CHECKING:
    from pathlib import Path

AUTH = base64.b64encode(b"me:pass:word").decode()
PROGRAM = """#!/bin/sh
read server || [ "$server" ]
[ "$1 $server" = "get registry.example:5000" ] || { echo 'credentials not found'; exit 1; }
echo '{"ServerURL": "x", "Username": "%s", "Secret": "kept"}'
"""


def shell(folder: Path, **config: Any) -> dict[str, str]:
    folder.joinpath("config.json").write_text(json.dumps(config))
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:/usr/bin:/bin"}


def program(folder: Path, name: str, user: str = "me") -> None:
    path = folder / f"docker-credential-{name}"
    path.write_text(PROGRAM % user)
    path.chmod(0o755)


def sent(image: str, env: dict[str, str]) -> Any:
    found = headers(image, env)
    return json.loads(base64.urlsafe_b64decode(found[HEADER])) if found else None


def test_each_registry_is_told_its_own_and_nobody_elses(tmp_path: Path) -> None:
    env = shell(tmp_path, auths={"registry.example:5000": {"auth": AUTH}, HUB: {"auth": AUTH}})
    login = {"username": "me", "password": "pass:word"}
    assert sent("registry.example:5000/team/app:1", env) == {
        **login,
        "serveraddress": "registry.example:5000",
    }
    assert sent("team/app", env) == {**login, "serveraddress": HUB}
    assert sent("docker.io/library/redis", env) == {**login, "serveraddress": HUB}
    assert sent("other.example/app", env) is None


def test_an_identity_token_and_a_whole_address_are_understood(tmp_path: Path) -> None:
    env = shell(tmp_path, auths={"https://registry.example/v1/": {"identitytoken": "tok"}})
    assert credentials("registry.example", env) == {
        "identitytoken": "tok",
        "serveraddress": "registry.example",
    }


@pytest.mark.parametrize("keys", [{"credsStore": "mine"}, {"credHelpers": {"registry.example:5000": "mine"}}])
def test_a_program_is_asked_where_the_file_names_one(tmp_path: Path, keys: dict[str, Any]) -> None:
    program(tmp_path, "mine")
    env = shell(tmp_path, **keys)
    assert credentials("registry.example:5000", env)["password"] == "kept"
    assert credentials("other.example", env) == {}


def test_a_program_may_keep_a_token(tmp_path: Path) -> None:
    program(tmp_path, "mine", "<token>")
    found = credentials("registry.example:5000", shell(tmp_path, credsStore="mine"))
    assert found == {"identitytoken": "kept", "serveraddress": "registry.example:5000"}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"credsStore": "is-not-there"},
        {"auths": [1]},
        {"auths": {"registry.example": {"auth": "%%%"}}},
        {"auths": {"registry.example": {"auth": base64.b64encode(b"\xff:\xff").decode()}}},
        {"auths": {"registry.example": None}},
    ],
)
def test_what_cannot_be_read_is_no_credential(tmp_path: Path, config: dict[str, Any]) -> None:
    assert credentials("registry.example", shell(tmp_path, **config)) == {}


def test_no_file_and_one_that_is_broken(tmp_path: Path) -> None:
    assert credentials("registry.example", {"HOME": str(tmp_path)}) == {}
    tmp_path.joinpath("config.json").write_text("{")
    assert credentials("registry.example", {"DOCKER_CONFIG": str(tmp_path)}) == {}
