"""The process that MAINPID= names is told, and its exit, with its code whenever anybody knows it."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from keeping import ENV, NOTIFY, python, sh, tree_of
from locald.linux import pidfd

if TYPE_CHECKING:
    from keeping import Daemon, Keeping

WEB = "shop:web#1"


NAMES_ITSELF = NOTIFY.format("b'MAINPID=%d' % os.getpid()")


def below(shell: str, code: str) -> list[str]:
    """A shell that runs this Python program as `"$@"`."""
    return ["/bin/sh", "-c", shell, "-", *python(code)]


@pytest.mark.parametrize("parent", ["lives", "has ended"])
def test_the_main_process_is_told_and_its_exit_with_its_code(
    daemon: Daemon, keeping: Keeping, parent: str
) -> None:
    go, end = keeping.gate("go"), keeping.gate("end")
    code = f"open({str(go)!r}).readline(); {NAMES_ITSELF}; open({str(end)!r}).readline(); sys.exit(7)"
    rest = "wait; exec sleep 1000" if parent == "lives" else "exit 0"
    spawned = daemon.start(WEB, below(f'setsid "$@" & {rest}', f"import sys; {code}"))
    if parent == "has ended":
        assert daemon.wait("exited", WEB)["left"] == 1
    go.write()
    notified = daemon.wait("notified", WEB)
    main = notified["main"]
    assert (main, notified["standing"]) == (notified["pid"], "member")
    assert main != spawned["pid"]
    end.write()
    exited = daemon.wait("exited", WEB, pid=main)
    assert (exited["code"], exited["signal"]) == (7, None)
    assert exited["left"] == (1 if parent == "lives" else 0)
    assert main not in tree_of(spawned).pids()


def test_the_signal_that_ended_the_main_process_is_told(daemon: Daemon) -> None:
    code = f"{NAMES_ITSELF}; import time; time.sleep(1000)"
    daemon.start(WEB, below('"$@" & wait; exec sleep 1000', code))
    main = daemon.wait("notified", WEB)["main"]
    os.kill(main, signal.SIGUSR1)
    exited = daemon.wait("exited", WEB, pid=main)
    assert (exited["code"], exited["signal"]) == (None, signal.SIGUSR1)


def test_who_is_no_member_does_not_become_the_main_process(daemon: Daemon) -> None:
    named = [str(os.getpid()), "1", str(2**22 + 1), "0", "-1", "", "9" * 30, "x"]
    sends = [NOTIFY.format(f"b'MAINPID={each}'") for each in (*named, "1\\nMAINPID=%d' % os.getpid() + b'")]
    daemon.start(WEB, python("; ".join([*sends, "import time; time.sleep(1000)"])))
    for _ in sends:
        assert "main" not in daemon.wait("notified", WEB)
    assert daemon.of(WEB).count("exited") == 0


def test_a_stranger_cannot_name_the_main_process(daemon: Daemon, keeping: Keeping) -> None:
    socket = keeping.gate("socket")
    leader = daemon.start(WEB, sh(f"echo $NOTIFY_SOCKET > {socket}; exec sleep 1000"))["pid"]
    speaks = NOTIFY.format(f"b'MAINPID={leader}'")
    env = {**ENV, "NOTIFY_SOCKET": socket.read()}
    with subprocess.Popen(python(f"{speaks}; sys.stdin.read()"), env=env, stdin=subprocess.PIPE) as stranger:
        assert "main" not in daemon.wait("notified", WEB)
        stranger.communicate()


def test_when_the_leader_is_named_again_the_other_is_followed_no_longer(daemon: Daemon) -> None:
    both = "; ".join(NOTIFY.format(f"b'MAINPID=%d' % os.get{which}()") for which in ("pid", "ppid"))
    leader = daemon.start(WEB, below('"$@" & wait', f"{both}; import time; time.sleep(1000)"))["pid"]
    member = daemon.wait("notified", WEB)["main"]
    assert daemon.wait("notified", WEB)["main"] == leader != member
    daemon.send(do="signal", run=WEB, signal=signal.SIGKILL)
    daemon.wait("gone", WEB)
    assert [event["pid"] for event in daemon.events if event["event"] == "exited"] == [leader]


def test_the_next_daemon_hears_of_the_main_process_too(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, below('"$@" & wait', f"{NAMES_ITSELF}; import time; time.sleep(1000)"))
    main = daemon.wait("notified", WEB)["main"]
    again = keeping.daemon()
    assert again.wait("notified", WEB)["main"] == main
    os.kill(main, signal.SIGKILL)
    assert again.wait("exited", WEB, pid=main)["signal"] == signal.SIGKILL


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
