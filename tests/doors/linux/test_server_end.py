"""Whether a program has taken a connection is what the kernel says of the server's end."""

from __future__ import annotations

import os
import socket
import sys
import textwrap
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING

import pytest

from locald.linux import socket_owners
from locald.linux.server_end import ESTABLISHED, SYN_RECV, End, ServerEnds, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ends() -> Iterator[ServerEnds]:
    ends = ServerEnds()
    yield ends
    ends.close()


def listening(family: socket.AddressFamily, address: str, *, both: bool = False) -> socket.socket:
    listener = socket.socket(family)
    if both:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((address, 0))
    listener.listen()
    return listener


FAMILIES = [
    pytest.param(socket.AF_INET, "127.0.0.1", "127.0.0.1", id="ipv4"),
    pytest.param(socket.AF_INET, "0.0.0.0", "127.0.0.7", id="any address"),
    pytest.param(socket.AF_INET6, "::1", "::1", id="ipv6"),
    pytest.param(socket.AF_INET6, "::", "::1", id="both, asked by ipv6"),
    pytest.param(socket.AF_INET6, "::", "127.0.0.1", id="both, asked by ipv4"),
]


@pytest.mark.parametrize(("family", "bound", "host"), FAMILIES)
def test_an_end_belongs_to_nobody_until_the_program_takes_it(
    ends: ServerEnds, family: socket.AddressFamily, bound: str, host: str
) -> None:
    with listening(family, bound, both=bound == "::") as listener:
        client = socket.create_connection((host, listener.getsockname()[1]))
        assert ends.of(client) == End(ESTABLISHED, 0, 0)
        taken, _ = listener.accept()
        end = ends.of(client)
        assert end == End(ESTABLISHED, os.fstat(taken.fileno()).st_ino, os.geteuid())
        assert end is not None
        assert socket_owners.holders({end.inode}, [os.getpid()]) == {end.inode: [os.getpid()]}
        client.close()
        taken.close()


def test_an_end_that_the_program_has_closed_is_not_waiting_for_it(ends: ServerEnds) -> None:
    with listening(socket.AF_INET, "127.0.0.1") as listener:
        client = socket.create_connection(listener.getsockname())
        listener.accept()[0].close()
        end = ends.of(client)
        assert end is None or end.state != ESTABLISHED
        client.close()


def test_a_deferred_accept_is_told_from_one_that_is_late(ends: ServerEnds) -> None:
    with listening(socket.AF_INET, "127.0.0.1") as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 10)
        client = socket.create_connection(listener.getsockname())
        end = ends.of(client)
        assert end is not None
        assert end.state == SYN_RECV
        client.close()


def test_a_connection_whose_listener_is_gone_has_no_end(ends: ServerEnds) -> None:
    listener = listening(socket.AF_INET, "127.0.0.1")
    client = socket.create_connection(listener.getsockname())
    server, own = client.getpeername(), client.getsockname()
    listener.close()
    client.close()
    asked = encode(server, own, 1)
    ends._socket.send(asked)
    assert decode(ends._socket.recv(65536), 1) == (True, None)


def test_where_no_connection_is_the_listener_is_not_taken_for_one(ends: ServerEnds) -> None:
    with listening(socket.AF_INET, "127.0.0.1") as listener:
        ends._socket.send(encode(listener.getsockname(), ("127.0.0.1", 9), 1))
        assert decode(ends._socket.recv(65536), 1) == (True, None)


def test_the_child_that_took_it_is_found_by_the_inode(ends: ServerEnds) -> None:
    """The parent listens, the child accepts: the connection is the child's."""
    program = """
        import os, socket, sys
        listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
        print(listener.getsockname()[1], flush=True)
        if os.fork():
            os.wait()
        else:
            sys.stdin.readline()
            taken, _ = listener.accept()
            print(os.getpid(), flush=True)
            sys.stdin.readline()
    """
    with Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdin=PIPE, stdout=PIPE, text=True
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        client = socket.create_connection(("127.0.0.1", int(parent.stdout.readline())))
        assert ends.of(client) == End(ESTABLISHED, 0, 0)
        parent.stdin.write("\n")
        parent.stdin.flush()
        child = int(parent.stdout.readline())
        end = ends.of(client)
        assert end is not None
        assert socket_owners.holders({end.inode}, [parent.pid, child]) == {end.inode: [child]}
        client.close()


@pytest.mark.parametrize("answer", [b"", b"\0" * 16, b"\0" * 200])
def test_an_answer_that_is_none_tells_nothing(answer: bytes) -> None:
    assert decode(answer, 1) == (False, None)


def test_an_answer_to_another_question_is_none() -> None:
    assert decode(b"", 1) == (False, None)
    assert decode(b"\x10\0\0\0" + b"\0" * 12, 1) == (False, None)
