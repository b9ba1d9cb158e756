"""Nothing is said to another user's process, and nothing of another user's is used."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from locald.linux import ownership
from locald.linux.ownership import ForeignOwner

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")

ANSWERS = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
server.listen()
print("listens", flush=True)
connection, _ = server.accept()
print(len(connection.recv(1000)), flush=True)
"""


def listening(path: Path, uid: int) -> subprocess.Popen[str]:
    """A process of this user that counts what it is told at this socket."""
    started = subprocess.Popen(
        [sys.executable, "-S", "-c", ANSWERS, str(path), str(uid)], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout
    assert started.stdout.readline() == "listens\n"
    return started


def test_our_own_socket_is_connected_to(tmp_path: Path) -> None:
    with listening(tmp_path / "s", os.geteuid()) as server, ownership.connect(str(tmp_path / "s")) as link:
        assert ownership.peer(link) == os.geteuid()
        link.sendall(b"hello")
        link.close()
        assert server.communicate()[0] == "5\n"


@as_root
def test_in_a_folder_of_somebody_else_nobody_is_even_connected_to(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(ForeignOwner) as refused:
        ownership.connect(str(folder / "missing"))
    assert refused.value.filename == str(folder)
    assert refused.value.owner == ownership.user(NOBODY)


@as_root
def test_a_link_of_somebody_else_to_a_folder_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    link = tmp_path / "run"
    link.symlink_to(tmp_path / "ours")
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(ForeignOwner):
        ownership.require_own_folder(str(link))


@as_root
def test_a_link_of_ours_to_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", NOBODY, NOBODY)
    (tmp_path / "run").symlink_to(tmp_path / "theirs")
    with pytest.raises(ForeignOwner):
        ownership.require_own_folder(str(tmp_path / "run"))


@as_root
def test_a_process_of_somebody_else_in_a_folder_of_ours_is_told_nothing(tmp_path: Path) -> None:
    """Between the look at the folder and the connection anything may have happened: the kernel knows."""
    tmp_path.chmod(0o777)
    for above in list(tmp_path.parents)[:3]:
        above.chmod(above.stat().st_mode | 0o011)
    with listening(tmp_path / "s", NOBODY) as server:
        with pytest.raises(ForeignOwner) as refused:
            ownership.connect(str(tmp_path / "s"))
        assert refused.value.filename == str(tmp_path / "s")
        assert server.communicate()[0] == "0\n"


@as_root
def test_a_socket_of_somebody_else_that_is_linked_into_a_folder_of_ours_is_told_nothing(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o777)
    for above in list(tmp_path.parents)[:3]:
        above.chmod(above.stat().st_mode | 0o011)
    ours = tmp_path / "ours"
    ours.mkdir(0o700)
    with listening(tmp_path / "theirs", NOBODY) as server:
        (ours / "s").hardlink_to(tmp_path / "theirs")
        with pytest.raises(ForeignOwner):
            ownership.connect(str(ours / "s"))
        assert server.communicate()[0] == "0\n"


def test_a_user_without_a_name_is_told_by_number() -> None:
    assert ownership.user(4_000_000) == "user 4000000"


def test_where_there_is_nothing_there_is_no_connection(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ownership.connect(str(tmp_path / "none"))
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "stale"))
    stale.close()
    with pytest.raises(ConnectionRefusedError):
        ownership.connect(str(tmp_path / "stale"))
