"""The exit of the process that MAINPID= named is told, with its code whenever anybody knows it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from keeping import sh, tree_of, wait_dead
from locald.linux import pidfd

if TYPE_CHECKING:
    from keeping import Daemon, Keeping

WEB = "shop:web#1"


@pytest.mark.parametrize("parent", ["lives", "has ended"])
def test_a_followed_members_exit_is_told_with_its_code(daemon: Daemon, keeping: Keeping, parent: str) -> None:
    born, end = keeping.gate("born"), keeping.gate("end")
    main = f"echo $$ > {born}; read _ < {end}; exit 7"
    rest = "wait; exec sleep 1000" if parent == "lives" else "exit 0"
    spawned = daemon.start(WEB, sh(f"setsid /bin/sh -c '{main}' & {rest}"))
    pid = int(born.read())
    if parent == "has ended":
        assert daemon.wait("exited", WEB)["left"] == 1
    daemon.send(do="follow", run=WEB, pid=pid)
    daemon.fence()
    end.write()
    exited = daemon.wait("exited", WEB, pid=pid)
    assert (exited["code"], exited["signal"]) == (7, None)
    assert exited["left"] == (1 if parent == "lives" else 0)
    assert pid not in tree_of(spawned).pids()


def test_a_followed_members_signal_is_told(daemon: Daemon, keeping: Keeping) -> None:
    born = keeping.gate("born")
    daemon.start(WEB, sh(f"/bin/sh -c 'echo $$ > {born}; exec sleep 1000' & wait; exec sleep 1000"))
    pid = int(born.read())
    daemon.send(do="follow", run=WEB, pid=pid)
    daemon.fence()
    os.kill(pid, signal.SIGUSR1)
    exited = daemon.wait("exited", WEB, pid=pid)
    assert (exited["code"], exited["signal"]) == (None, signal.SIGUSR1)


def test_who_is_no_member_is_not_followed(daemon: Daemon) -> None:
    daemon.start(WEB, ["sleep", "1000"])
    for pid in (os.getpid(), 1, 2**22 + 1):
        daemon.send(do="follow", run=WEB, pid=pid)
        assert daemon.wait("error", WEB)["text"] == f"pid {pid} does not belong to the run"
    assert daemon.of(WEB).count("exited") == 0


def test_an_orphan_that_ended_before_it_was_followed_is_told_at_once(
    daemon: Daemon, keeping: Keeping
) -> None:
    born = keeping.gate("born")
    daemon.start(WEB, sh(f"(/bin/sh -c 'echo $$ > {born}; exit 9' &); exec sleep 1000"))
    pid = int(born.read())
    wait_dead([pid])
    while os.path.exists(f"/proc/{pid}"):  # until the keeper has reaped it, or its subreaper has
        daemon.start(f"shop:other#{len(daemon.events) + 1}", ["true"])
    daemon.send(do="follow", run=WEB, pid=pid)
    assert daemon.wait("exited", WEB, pid=pid)["code"] == 9


def test_to_follow_the_leader_again_ends_the_following_of_another(daemon: Daemon, keeping: Keeping) -> None:
    born = keeping.gate("born")
    leader = daemon.start(WEB, sh(f"/bin/sh -c 'echo $$ > {born}; exec sleep 1000' & wait"))["pid"]
    member = int(born.read())
    daemon.send(do="follow", run=WEB, pid=member)
    daemon.send(do="follow", run=WEB, pid=leader)
    daemon.send(do="signal", run=WEB, signal=signal.SIGKILL)
    daemon.wait("gone", WEB)
    assert [event["pid"] for event in daemon.events if event["event"] == "exited"] == [leader]


def test_a_zombie_and_a_reaped_child_both_tell_their_status() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(5)
    file = os.pidfd_open(pid)
    os.waitid(os.P_PIDFD, file, os.WEXITED | os.WNOWAIT)
    assert pidfd.exit_status(file, pid) == 5 << 8
    assert pidfd.still(file)
    os.waitpid(pid, 0)
    assert pidfd.exit_status(file, pid) in (5 << 8, None)  # older kernels forget
    assert not pidfd.still(file)
    os.close(file)
