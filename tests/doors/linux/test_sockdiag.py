"""What listens is what the kernel says, and the end of a listener is news while other traffic is not."""

from __future__ import annotations

import os
import select
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from locald.linux import procfs, server_end, sockdiag, socket_owners
from locald.linux.netns import Place
from locald.linux.sockdiag import Deaths, Listening, Table, decode_dump, parse_table

if TYPE_CHECKING:
    from collections.abc import Iterator


TCP = (socket.AF_INET, socket.SOCK_STREAM, 0)
NETLINK = (socket.AF_NETLINK, socket.SOCK_DGRAM, sockdiag.NETLINK_SOCK_DIAG)


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    yield table
    table.close()


@pytest.fixture
def deaths() -> Iterator[Deaths]:
    deaths = Deaths()
    yield deaths
    deaths.close()


def listen(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    if address.startswith("::ffff:"):
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((address, 0))
    listener.listen()
    return listener


def inode(listener: socket.socket) -> int:
    return os.fstat(listener.fileno()).st_ino


def seen(listener: socket.socket, address: str) -> Listening:
    return Listening(address, listener.getsockname()[1], os.getuid(), inode(listener))


def told(deaths: Deaths) -> set[int] | None:
    assert select.select([deaths], [], [], 5)[0]
    return deaths.read()


@pytest.mark.parametrize(
    ("bound", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.8.9.10", "127.8.9.10"),
        ("0.0.0.0", "0.0.0.0"),
        ("::1", "::1"),
        ("::", "::"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_listener_is_in_the_dump_and_in_proc_with_its_address_port_user_and_inode(
    table: Table, bound: str, shown: str
) -> None:
    with listen(bound) as listener:
        assert seen(listener, shown) in table.read()
        assert seen(listener, shown) in sockdiag.read_tables()
        held = inode(listener)
    assert held not in {each.inode for each in table.read()}


def test_a_dump_of_hundreds_is_complete(table: Table) -> None:
    listeners = [listen("127.0.0.1") for _ in range(400)]
    found = {each.inode for each in table.read()}
    assert {inode(listener) for listener in listeners} <= found
    for listener in listeners:
        listener.close()


def test_as_long_as_nothing_changes_the_answer_is_the_very_same_list(elsewhere: int) -> None:
    """Whoever asks often knows at once that there is nothing to do. Here nothing else listens."""
    netlink, one, another = Place(elsewhere).sockets([NETLINK, TCP, TCP])
    with Table(lambda: netlink) as table, another:
        with one:
            one.listen()
            found = table.read()
            assert [each.inode for each in found] == [inode(one)]
            assert table.read() is found
            another.listen()
            assert {each.inode for each in table.read()} == {inode(one), inode(another)}
        assert [each.inode for each in table.read()] == [inode(another)]


def test_a_bound_socket_that_does_not_listen_is_not_there(table: Table) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert bound.getsockname()[1] not in {each.port for each in table.read()}


def test_where_netlink_is_not_permitted_proc_is_read(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> socket.socket:
        raise PermissionError

    monkeypatch.setattr(sockdiag, "netlink", refuse)
    with listen("127.0.0.1") as listener:
        assert seen(listener, "127.0.0.1") in table.read()


def test_a_refusal_of_the_kernel_is_an_oserror_with_its_number() -> None:
    refused = (
        b"\x24\0\0\0" + b"\x02\0" + b"\0\0" + b"\x07\0\0\0" + b"\0\0\0\0" + b"\xfe\xff\xff\xff" + b"\0" * 16
    )
    with pytest.raises(FileNotFoundError):
        decode_dump(refused, 7)
    assert decode_dump(refused, 8) == ([], False)


@pytest.mark.parametrize("kind", [2, 20, 21])
def test_an_answer_that_says_less_than_its_kind_must_is_an_error_like_any_other(kind: int) -> None:
    """A kernel, or what plays one in a sandbox, may know a shorter form."""
    short = struct.pack("=IHHII", 16, kind, 0, 7, 0)
    with pytest.raises(OSError, match="Bad message"):
        decode_dump(short, 7)
    with pytest.raises(OSError, match="Bad message"):
        server_end.decode(short, 7)


@pytest.mark.parametrize("data", [b"", b"\0" * 15, b"\0" * 100, b"\xff" * 100])
def test_nonsense_holds_no_sockets(data: bytes) -> None:
    assert decode_dump(data, 1) == ([], False)


def test_lines_of_proc_that_are_no_listeners_are_skipped() -> None:
    assert (
        parse_table("heading\n  0: nonsense\n\n 1: 0100007F:1F90 0100007F:D2F0 01 0:0 0:0 0 1000 0 9\n") == []
    )


def told_of(deaths: Deaths, port: int) -> set[int]:
    """All ports told up to and with this one. (Other programs of this machine have listeners too.)"""
    ports: set[int] = set()
    while port not in ports:
        ports |= told(deaths) or set()
    return ports


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_the_end_of_a_listener_is_told(table: Table, deaths: Deaths, address: str) -> None:
    with listen(address) as listener:
        held = inode(listener)
        port = listener.getsockname()[1]
    assert port in told_of(deaths, port)
    assert held not in {each.inode for each in table.read()}


def test_connections_that_end_are_no_news(deaths: Deaths) -> None:
    with listen("127.0.0.1") as listener, listen("127.0.0.1") as last:
        ours = {listener.getsockname()[1]}
        for _ in range(20):
            with socket.create_connection(listener.getsockname()) as connection:
                ours.add(connection.getsockname()[1])
                listener.accept()[0].close()
        port = last.getsockname()[1]
        last.close()
        assert not ours & told_of(deaths, port)


def drops(deaths: Deaths) -> int:
    """How much news did not fit, as the last but one column of `/proc/net/netlink` counts it."""
    ours = str(os.fstat(deaths.fileno()).st_ino)
    rows = Path("/proc/net/netlink").read_text().splitlines()
    return next(int(row.split()[8]) for row in rows if row.split()[-1] == ours)


def test_news_that_was_lost_is_said_to_be_lost(deaths: Deaths) -> None:
    while not drops(deaths):
        for _ in range(100):
            listen("127.0.0.1").close()
    assert told(deaths) is None
    while select.select([deaths], [], [], 0.2)[0]:
        deaths.read()
    with listen("127.0.0.1") as listener:
        port = listener.getsockname()[1]
    assert port in told_of(deaths, port)


def test_a_socket_is_found_with_all_of_its_holders(table: Table) -> None:
    with listen("127.0.0.1") as listener:
        child = os.fork()
        if not child:
            os.read(os.pipe()[0], 1)
        try:
            wanted = {inode(listener)}
            assert socket_owners.holders(wanted, [child, os.getpid()]) == {
                inode(listener): sorted([os.getpid(), child])
            }
            assert child in socket_owners.holders_anywhere(wanted)[inode(listener)]
            assert socket_owners.holders(wanted, [1, 2**22 + 1]) == {}
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
    assert procfs.stat(child) is None


@pytest.mark.parametrize("link", ["/dev/null", "pipe:[12]", "socket:[]", "socket:[x]", "socket:", ""])
def test_other_descriptors_are_no_sockets(link: str) -> None:
    assert socket_owners.parse_link(link) is None
