"""What a server of Unix sockets has still to read, by a real one."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

from locald.linux.other_sockets import unread_of_the_gone

if TYPE_CHECKING:
    from pathlib import Path


def test_what_those_that_have_gone_have_sent_is_counted_until_the_server_has_read_it(tmp_path: Path) -> None:
    path = str(tmp_path / "stdout")
    with closing(socket.socket(socket.AF_UNIX)) as server, closing(socket.socket(socket.AF_UNIX)) as stays:
        server.bind(path)
        server.listen()
        stays.connect(path)
        kept, _ = server.accept()
        stays.sendall(b"of somebody who is there")
        assert unread_of_the_gone(path) == 0
        with closing(socket.socket(socket.AF_UNIX)) as leaves:
            leaves.connect(path)
            connection, _ = server.accept()
            leaves.sendall(b"bye\n")
        assert unread_of_the_gone(path) == 4
        assert unread_of_the_gone(f"{path}-of-another") == 0
        assert connection.recv(100) == b"bye\n"
        assert unread_of_the_gone(path) == 0
        connection.close()
        kept.close()
