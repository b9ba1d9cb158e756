"""The kernel tells whose socket is at the other end of a connection."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from locald.linux import peers

if TYPE_CHECKING:
    import pytest


def test_the_other_end_is_the_user_who_made_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        ours, there = server.accept()
        with ours:
            assert peers.uid_of(there, ours.getsockname()) == os.geteuid()


def test_of_a_connection_that_is_not_there_nothing_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert peers.uid_of(("127.0.0.1", 1), server.getsockname()) is None


def test_where_the_kernel_may_not_be_asked_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket, "socket", forbidden)
    assert peers.uid_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
