"""Whose datagram it is, is what the kernel says; nothing that a sender does hurts it or us."""

from __future__ import annotations

import _thread
import base64
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from keeping import (
    NOTIFY,
    PATIENCE,
    files_of,
    is_closer,
    notify,
    once,
    own_house,
    python,
    sh,
    wait_dead,
    wait_files,
)
from locald.linux import procfs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keeping import Daemon, Event, Gate, Keeping

WEB = "shop:web#1"
LINGERED = 25
"""seconds"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may claim another's pid")
needs_notify = pytest.mark.skipif(shutil.which("systemd-notify") is None, reason="no systemd-notify here")


def said(event: Event) -> bytes:
    return base64.b64decode(event["data"])


class Service:
    """A run that only waits, and whose notify socket the test knows."""

    def __init__(self, daemon: Daemon, gate: Gate, run: str = WEB) -> None:
        self.pid = daemon.start(run, sh(f"echo $NOTIFY_SOCKET > {gate}; exec sleep 1000"))["pid"]
        self.path = gate.read()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.connect(self.path)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def service(daemon: Daemon, keeping: Keeping) -> Iterator[Service]:
    service = Service(daemon, keeping.gate("socket"))
    yield service
    service.close()


# Who.


def test_the_leader_is_a_member(daemon: Daemon) -> None:
    pid = daemon.start(WEB, python(NOTIFY.format("b'READY=1'") + "; import time; time.sleep(1000)"))["pid"]
    event = daemon.wait("notified", WEB)
    assert (event["pid"], event["standing"], said(event)) == (pid, "member", b"READY=1")
    assert (event["uid"], event["gid"]) == (os.getuid(), os.getgid())
    assert event["program"].startswith("python")


def test_a_grandchild_in_another_session_is_a_member(daemon: Daemon, keeping: Keeping) -> None:
    end = keeping.gate("end")
    code = NOTIFY.format("b'READY=1'") + f"; open({str(end)!r}).readline()"
    leader = daemon.start(WEB, ["sh", "-c", '(setsid "$@" &); exec sleep 1000', "-", *python(code)])["pid"]
    event = daemon.wait("notified", WEB)
    assert event["standing"] == "member"
    assert event["pid"] != leader


def test_somebody_else_is_a_stranger_and_is_named(daemon: Daemon, service: Service) -> None:
    code = f"import socket; s=socket.socket(1,2); s.sendto(b'READY=1',{service.path!r}); input()"
    with subprocess.Popen(python(code), stdin=subprocess.PIPE) as other:
        event = daemon.wait("notified", WEB)
        assert (event["pid"], event["standing"]) == (other.pid, "stranger")
        assert event["program"].startswith("python")
        other.kill()


def test_a_member_of_another_run_is_a_stranger(daemon: Daemon, service: Service) -> None:
    code = f"import socket,time; socket.socket(1,2).sendto(b'READY=1',{service.path!r}); time.sleep(1000)"
    pid = daemon.start("shop:api#1", python(code))["pid"]
    event = daemon.wait("notified", WEB)
    assert (event["pid"], event["standing"]) == (pid, "stranger")


def test_a_sender_that_is_no_more_is_told_as_exited(daemon: Daemon, keeping: Keeping) -> None:
    """The keeper is stopped while the datagram arrives and its sender is reaped by its own parent."""
    go, done = keeping.gate("go"), keeping.gate("done")
    script = f'read _ < {go}; "$@"; echo done > {done}; exec sleep 1000'
    daemon.start(WEB, ["sh", "-c", script, "-", *notify("READY=1")])
    os.kill(keeping.pid, 19)
    try:
        go.write()
        done.read()
    finally:
        os.kill(keeping.pid, 18)
    event = daemon.wait("notified", WEB)
    assert (event["standing"], event["program"], said(event)) == ("exited", "", b"READY=1")


@once
def test_the_daemon_itself_is_told_as_spawner(daemon: Daemon, service: Service) -> None:
    service.socket.send(b"READY=1")
    event = daemon.wait("notified", WEB)
    assert (event["pid"], event["standing"]) == (os.getpid(), "spawner")


@needs_root
@needs_notify
def test_systemd_notify_run_by_root_as_the_leader_shows_the_spawner(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["systemd-notify", "--ready"])
    event = daemon.wait("notified", WEB)
    assert event["standing"] == "spawner"
    assert said(event).startswith(b"READY=1")


# What.


@once
@needs_notify
def test_systemd_notify_does_not_hang(daemon: Daemon) -> None:
    """It sends a descriptor, waits until nobody holds it any more, and fails after five seconds."""
    daemon.start(WEB, sh("systemd-notify --ready --status=warm; exit $?"))
    assert daemon.wait("exited", WEB)["code"] == 0
    assert said(daemon.wait("notified", WEB)) == b"READY=1\nSTATUS=warm"


@once
def test_descriptors_that_come_along_are_closed_at_once(daemon: Daemon, keeping: Keeping) -> None:
    service = Service(daemon, keeping.gate("socket"))
    ours, theirs = os.pipe()
    socket.send_fds(service.socket, [b"BARRIER=1"], [theirs] * 5)
    os.close(theirs)
    assert os.read(ours, 1) == b""  # the end of the file: nobody holds the other end
    os.close(ours)
    assert said(daemon.wait("notified", WEB)) == b"BARRIER=1"
    service.close()


@once
def test_descriptors_do_not_leak_whatever_is_sent(daemon: Daemon, service: Service, keeping: Keeping) -> None:
    with open("/dev/null") as file:
        socket.send_fds(service.socket, [b"STATUS=first"], [file.fileno()])
        daemon.wait("notified", WEB)
        daemon.fence()
        before = len(files_of(keeping.pid))
        for number in range(50):
            socket.send_fds(service.socket, [b"x" * 5000 if number % 2 else b"a\0b"], [file.fileno()] * 3)
    service.socket.send(b"STATUS=last")
    daemon.wait_for(lambda event: event["event"] == "notified" and said(event) == b"STATUS=last", "last")
    daemon.fence()
    wait_files(keeping.pid, before)


@pytest.fixture
def clogged() -> Iterator[socket.socket]:
    """A socket whose last close takes LINGERED seconds: it waits for its peer, which takes nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    with peer, ours:
        ours.setblocking(False)
        with suppress(BlockingIOError):
            while ours.send(b"x" * 65536):
                pass
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, LINGERED))
        yield ours
        if ours.fileno() >= 0:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hand_over(to: socket.socket, given: socket.socket, data: bytes) -> None:
    """The receiver has it alone, as soon as this one is closed, which waits should it be the last."""
    socket.send_fds(to, [data], [given.fileno()])
    _thread.start_new_thread(os.close, (given.detach(),))


def the_closer(service: Service, keeping: Keeping) -> int:
    """The process that has closed a socket just now."""
    ours, theirs = socket.socketpair()
    with ours:
        hand_over(service.socket, theirs, b"BARRIER=1")
        ours.settimeout(PATIENCE)
        assert ours.recv(1) == b""  # nobody holds the other end
    found = filter(is_closer, procfs.children(keeping.pid) or [])
    (closer,) = filter(procfs.alive, found)
    return closer


@once
@own_house
def test_a_socket_that_takes_long_to_close_holds_up_nobody(
    daemon: Daemon, keeping: Keeping, service: Service, clogged: socket.socket
) -> None:
    began = time.monotonic()
    hand_over(service.socket, clogged, b"STATUS=mine")
    assert said(daemon.wait("notified", WEB)) == b"STATUS=mine"
    closer = the_closer(service, keeping)
    assert time.monotonic() - began < LINGERED / 2
    keeping.kill()
    wait_dead([closer])


@once
@own_house
def test_with_the_process_killed_that_closes_there_is_another(
    daemon: Daemon, keeping: Keeping, service: Service
) -> None:
    for _ in range(3):
        closer = the_closer(service, keeping)
        os.kill(closer, signal.SIGKILL)
        wait_dead([closer])
    assert daemon.wait("notified", WEB)


@once
@own_house
def test_a_socket_that_nobody_has_read_when_the_run_is_gone_holds_up_nobody(
    daemon: Daemon, keeping: Keeping, service: Service, clogged: socket.socket
) -> None:
    """The keeper is stopped while the run ends; what lies in the queue then is closed with it."""
    os.kill(keeping.pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            service.socket.send(b"X=1")
        hand_over(service.socket, clogged, b"STATUS=mine")
        os.kill(service.pid, signal.SIGKILL)
        wait_dead([service.pid])
    finally:
        os.kill(keeping.pid, signal.SIGCONT)
    began = time.monotonic()
    daemon.wait("gone", WEB)
    daemon.fence()
    assert time.monotonic() - began < LINGERED / 2


@once
def test_what_is_too_long_or_holds_a_nul_is_dropped(daemon: Daemon, service: Service) -> None:
    dropped = (b"x" * 4097, b"READY=1\0\nSTATUS=a", b"\0\0")
    for data in (*dropped, b"x" * 4096, b"STATUS=nul at the end\0"):
        service.socket.send(data)
    assert said(daemon.wait("notified", WEB)) == b"x" * 4096
    assert said(daemon.wait("notified", WEB)) == b"STATUS=nul at the end\0"


def test_a_datagram_is_told_before_the_exit_of_its_sender(daemon: Daemon) -> None:
    for number in range(1, 11):
        daemon.spawn(f"shop:web#{number}", notify("READY=1"))
    for number in range(1, 11):
        run = f"shop:web#{number}"
        daemon.wait("gone", run)
        assert daemon.of(run) == ["spawned", "notified", "exited", "gone"]


@once
def test_many_datagrams_do_not_block_their_sender(daemon: Daemon, keeping: Keeping) -> None:
    """The kernel lets ten wait; with the daemon away the keeper alone must take them."""
    daemon.close()
    done = keeping.gate("done")
    other = keeping.daemon()
    sends = "; ".join(["s.send(b'WATCHDOG=1')"] * 200)
    code = NOTIFY.format("b'READY=1'") + f"; {sends}; open({str(done)!r}, 'w').write('done\\n')"
    other.spawn(WEB, python(code))
    other.close()
    assert done.read() == "done"
    again = keeping.daemon()
    again.wait("gone", WEB)
    assert again.of(WEB) == ["spawned", "notified", "notified", "exited", "gone"]


@once
def test_the_socket_of_a_run_is_gone_with_it(daemon: Daemon, service: Service) -> None:
    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)
    wait_dead([service.pid])
    with pytest.raises(OSError, match="refused"):
        service.socket.send(b"READY=1")
    assert not os.path.exists(service.path)
