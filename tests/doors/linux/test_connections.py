"""Which socket is connected to which is what the kernel says."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from locald.linux.connections import connected_to

if TYPE_CHECKING:
    from pathlib import Path


def inode(held: socket.socket) -> int:
    return os.fstat(held.fileno()).st_ino


@pytest.mark.parametrize(
    ("bound", "called"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")],
    ids=["IPv4", "IPv6", "IPv4 to a listener of both"],
)
def test_both_ends_of_a_tcp_connection_know_each_other(bound: str, called: str) -> None:
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with socket.create_server((bound, 0), family=family, dualstack_ipv6=bound == "::") as listener:
        with socket.create_connection((called, listener.getsockname()[1])) as client:
            server, _ = listener.accept()
            with server:
                assert connected_to({inode(server)}) == {inode(client)}
                assert connected_to({inode(client)}) == {inode(server)}
        assert connected_to({inode(listener)}) == set()


def test_so_do_those_of_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        client.connect(path)
        server, _ = listener.accept()
        with server:
            assert connected_to({inode(server)}) == {inode(client)}


def test_who_has_hung_up_is_connected_to_nobody() -> None:
    one, other = socket.socketpair()
    with one:
        other.close()
        assert connected_to({inode(one)}) == set()
