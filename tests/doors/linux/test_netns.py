"""Sockets in another network: made there, used here."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import threading

import pytest

from locald.linux import netns

TCP = (socket.AF_INET, socket.SOCK_STREAM, 0)
NETLINK = (socket.AF_NETLINK, socket.SOCK_DGRAM, 4)


def leads_nowhere(made: socket.socket) -> bool:
    with made:
        return made.connect_ex(("127.0.0.1", 1)) == errno.ENETUNREACH


def test_sockets_belong_to_the_network_in_which_they_were_made(elsewhere: int) -> None:
    kernel, made = netns.Place(elsewhere).sockets([NETLINK, TCP])
    with kernel:
        assert kernel.family == socket.AF_NETLINK
        assert not kernel.getblocking()
    assert not made.getblocking()
    assert leads_nowhere(made)
    with socket.socket() as ours:
        assert ours.connect_ex(("127.0.0.1", 1)) == errno.ECONNREFUSED  # we are where we were
    assert [each.name for each in threading.enumerate() if "container" in each.name] == []


def test_a_network_of_our_own_user_namespace_is_entered_by_a_process(elsewhere: int) -> None:
    """What an engine without root needs: a program with threads may not enter its user namespace."""
    kernel, made = netns.Place(elsewhere).by_process([NETLINK, TCP])
    with kernel:
        assert kernel.family == socket.AF_NETLINK
    assert not made.getblocking()
    assert leads_nowhere(made)


def test_the_network_of_a_process_that_is_gone_cannot_be_entered() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.raises(OSError, match="No such file"):
        netns.Place(process.pid)


def test_a_place_is_kept_for_as_long_as_somebody_has_it(elsewhere: int) -> None:
    """The pid may be another process's by then."""
    before = os.listdir("/proc/self/fd")
    place = netns.Place(elsewhere)
    os.kill(elsewhere, signal.SIGKILL)
    os.waitid(os.P_PID, elsewhere, os.WEXITED | os.WNOWAIT)
    for make in (place.by_thread, place.by_process):
        (made,) = make([TCP])
        assert leads_nowhere(made)
    del place, make
    assert os.listdir("/proc/self/fd") == before
