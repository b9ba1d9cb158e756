from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """A process in a network and a user namespace of its own, in which not even the loopback is up."""
    words = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", "echo there; exec sleep 1000000"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        try:
            if process.stdout.readline() != "there\n":
                pytest.skip("this machine lets nobody make a network of his own")
            yield process.pid
        finally:
            process.kill()
