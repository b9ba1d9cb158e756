"""The Docker Engine of a test session: the one of DOCKER_HOST, else a private one where there can be one.

Nothing stands in for an engine: where there is none, the tests that need it are not run, and say why. With
CI=true that is a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from engine import images, warden
from engine.api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

REMOVED_WITHIN = 60.0
HINT = "./test --install (as root, on Debian or Ubuntu), or set DOCKER_HOST to an engine that may be used"


class Docker:
    """An engine with the images of the tests."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.api = Api(host)
        images.make_all(self.api)


class PrivateDocker(Docker):
    """One that may be killed: it belongs to this session alone."""

    def __init__(self, *words: str) -> None:
        """`words`: for the warden. Raises Unable."""
        self._warden = subprocess.Popen(
            [sys.executable, str(Path(warden.__file__)), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            said = self._heard("host")
            self.address, self.slot = said["address"], said["slot"]
            super().__init__(said["host"])
        except BaseException:
            self.close()
            raise

    def kill(self) -> None:
        """SIGKILL for the engine; its containers go on."""
        self._tell("kill")

    def stop(self) -> None:
        """SIGTERM: it ends its containers first."""
        self._tell("stop")

    def start(self) -> None:
        self._tell("start")

    def freeze(self) -> None:
        """SIGSTOP for the engine: it takes connections, and answers nobody."""
        self._tell("freeze")

    def thaw(self) -> None:
        self._tell("thaw")

    def start_again(self) -> None:
        """Have it running, whatever it was before."""
        self._tell("kill")
        self._tell("start")

    def _tell(self, word: str) -> None:
        assert self._warden.stdin
        self._warden.stdin.write(f"{word}\n")
        self._warden.stdin.flush()
        self._hear("done")

    def _hear(self, word: str) -> str:
        return self._heard(word)[word]

    def _heard(self, word: str) -> dict[str, str]:
        """A line in which this word is told."""
        assert self._warden.stdout
        said: dict[str, str] = json.loads(self._warden.stdout.readline() or '{"error": "its warden ended"}')
        if "error" in said:
            raise warden.Unable(said["error"])
        assert word in said
        return said

    def close(self) -> None:
        for pipe in (self._warden.stdin, self._warden.stdout):
            assert pipe
            pipe.close()
        self._warden.wait(REMOVED_WITHIN)


@pytest.fixture(scope="session")
def private_docker() -> Iterator[PrivateDocker]:
    """For tests in which the engine goes away."""
    if why := no_private_engine():
        cannot(why)
    try:
        docker = PrivateDocker()
    except warden.Unable as unable:
        cannot(str(unable))
    yield docker
    docker.close()


@pytest.fixture(scope="session")
def docker(request: pytest.FixtureRequest) -> Iterator[Docker]:
    """An engine to use; others may use it too, so leave nothing behind."""
    host = os.environ.get("DOCKER_HOST")
    if not host:
        yield request.getfixturevalue("private_docker")
        return
    shared = Docker(host)
    yield shared
    images.remove_all(shared.api)


def no_private_engine() -> str:
    missing = warden.missing()
    if missing or images.is_static():
        return missing
    return f"{images.BUSYBOX} needs libraries, and images need one that does not (busybox-static)"


def cannot(why: str) -> NoReturn:
    """Not running these tests is a failure on a build machine."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"no Docker Engine to test with: {why}")
    pytest.skip(f"no Docker Engine to test with: {why}; {HINT}")
