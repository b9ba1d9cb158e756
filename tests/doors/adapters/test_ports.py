"""A service's port is the same every day, outside the kernel's own range, free, and its holder has a name."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.adapters import ports
from locald.domain.project.names import Key
from locald.linux import socket_owners

WEB = Key("shop", "web")
HOME = "/home/me/.local/state/locald"
USUAL = (32768, 60999)


def listener(address: str = "127.0.0.1", port: int = 0) -> closing[socket.socket]:
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((address, port))
    bound.listen()
    return closing(bound)


def port_of(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def test_the_same_names_give_the_same_ports_every_day() -> None:
    assert list(islice(ports.candidates(WEB, HOME, 20000, 29999), 2)) == [24638, 24639]
    assert next(ports.candidates(Key("shop", "api"), HOME, 20000, 29999)) == 24418


def test_another_locald_draws_other_ports_for_the_same_names() -> None:
    assert next(ports.candidates(WEB, "/tmp/other/state", 20000, 29999)) != 24638


def test_every_port_of_the_range_is_a_candidate_once() -> None:
    assert sorted(ports.candidates(WEB, HOME, 20000, 20009)) == list(range(20000, 20010))


@pytest.mark.parametrize(
    ("ephemeral", "usable"),
    [
        (USUAL, (20000, 29999)),
        ((32768, 28231), (20000, 29999)),
        ((25000, 60999), (20000, 24999)),
        ((15000, 22000), (22001, 29999)),
        ((16384, 65535), (10000, 16383)),
        ((10000, 40000), (40001, 65535)),
        ((1024, 65535), (20000, 29999)),
    ],
)
def test_ports_lie_outside_the_kernels_own_range(ephemeral: ports.Range, usable: ports.Range) -> None:
    assert ports.usable(ephemeral) == usable


@given(st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(sorted))
def test_the_range_is_never_narrow_and_overlaps_only_where_nothing_else_is_left(bounds: list[int]) -> None:
    low, high = ports.usable((bounds[0], bounds[1]))
    assert high - low + 1 >= ports.ENOUGH
    overlaps = low <= bounds[1] and bounds[0] <= high
    assert not overlaps or (low, high) == ports.PREFERRED


def test_this_machines_range_is_known() -> None:
    told = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert ports.ephemeral() == (int(told[0]), int(told[1]))


def test_a_remembered_port_is_kept_while_it_is_free() -> None:
    with listener() as bound:
        remembered = port_of(bound)
        assert ports.assign(WEB, HOME, remembered, set()) != remembered
    assert ports.assign(WEB, HOME, remembered, set()) == remembered
    assert ports.assign(WEB, HOME, remembered, {remembered}) != remembered


def test_the_next_candidate_comes_when_one_is_taken_or_promised() -> None:
    low, high = ports.usable(ports.ephemeral())
    free = (port for port in ports.candidates(WEB, HOME, low, high) if ports.free(port))
    first, second, third = islice(free, 3)
    assert ports.assign(WEB, HOME, None, set()) == first
    with listener(port=second):
        assert ports.assign(WEB, HOME, None, {first}) == third


def test_when_every_port_is_taken_that_is_said() -> None:
    with pytest.raises(OSError, match="no port from"):
        ports.assign(WEB, HOME, None, range(65536))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "127.0.0.2", "::1", "::"])
def test_a_listener_on_any_address_holds_the_port(address: str) -> None:
    with listener(address) as bound:
        assert not ports.free(port_of(bound))
        found = ports.holder(port_of(bound))
        assert found is not None
        assert (found.address, found.port, found.owner.pid) == (address, port_of(bound), os.getpid())
        assert found.owner.program == Path("/proc/self/comm").read_text().strip()
    assert ports.free(found.port)
    assert ports.holder(found.port) is None


def test_a_bound_socket_holds_its_port_before_it_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert not ports.free(port_of(bound))
        assert ports.holder(port_of(bound)) is None


def test_late_packets_of_an_old_connection_hold_no_port() -> None:
    with listener() as bound:
        port = port_of(bound)
        with socket.create_connection(bound.getsockname()) as peer:
            accepted, _ = bound.accept()
            accepted.close()  # the side that closes first keeps the port in TIME_WAIT
            assert peer.recv(1) == b""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert any(row[1].endswith(f":{port:04X}") and row[3] == "06" for row in rows)
    assert ports.free(port)


def test_a_port_that_takes_privilege_is_free_when_nobody_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert ports.free(80)


def test_a_holder_whose_process_cannot_be_known_has_pid_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_owners, "holders_anywhere", lambda _: {})
    with listener() as bound:
        found = ports.holder(port_of(bound))
    assert found is not None
    assert str(found.owner) == "pid 0"
