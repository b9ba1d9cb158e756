"""What PostgreSQL says of itself in the folder that it works in."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest

from locald.adapters import postmaster
from locald.linux import procfs

if TYPE_CHECKING:
    from pathlib import Path

SAYS = (
    'echo there; printf "%s\\n" "$$" /data 1 5432 /run "*" "1 2" "ready   " > postmaster.pid; echo; read -r _'
)


@pytest.mark.parametrize("inside", [[], ["unshare", "--user", "--map-root-user", "--pid", "--fork"]])
def test_its_file_is_believed_when_it_names_the_server_by_its_own_number(
    tmp_path: Path, inside: list[str]
) -> None:
    """In a container that is another number than the one which this machine has for it."""
    words = [*inside, "sh", "-c", SAYS]
    with subprocess.Popen(
        words,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        if process.stdout.readline() != "there\n":
            pytest.skip("this machine lets nobody make a pid namespace of his own")
        process.stdout.readline()
        server = procfs.children(process.pid)[0] if inside else process.pid  # type: ignore[index]
        assert procfs.inner_pid(server) == (1 if inside else server)
        assert asyncio.run(postmaster.state(server)) == "ready"

        tmp_path.joinpath("postmaster.pid").write_text("4194303\n" + "x\n" * 6 + "ready\n")
        assert asyncio.run(postmaster.state(server)) == ""
        process.communicate("\n")


def test_one_that_has_not_written_its_state_yet_is_starting(tmp_path: Path) -> None:
    """It listens then already; a question would be answered when it is ready, and leave a line in its log."""
    with subprocess.Popen(["cat"], cwd=tmp_path, stdin=subprocess.PIPE) as process:
        tmp_path.joinpath("postmaster.pid").write_text(f"{process.pid}\n/data\n1\n5432\n/run\n*\n")
        assert asyncio.run(postmaster.state(process.pid)) == postmaster.STARTING
        process.communicate()


def test_a_process_without_such_a_file_says_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(["cat"], cwd=tmp_path, stdin=subprocess.PIPE) as process:
        assert asyncio.run(postmaster.state(process.pid)) == ""
        process.communicate()
