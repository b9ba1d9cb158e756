"""What /proc says is read right, whatever a program calls itself and whenever it vanishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from locald.linux import cgroup, procfs
from locald.linux.tree import Family, from_description

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 2**22 + 1
"""No pid is that large."""

FIELDS = b"1 2 3 0 -1 4 5 6 7 8 9 10 11 12 20 0 17 0 12345 " + b"0 " * 29 + b"256"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"], env={"LOCALD_RUN": "abc", "OTHER": "x=y"}) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"sh", "sh"),
        (b"a b", "a b"),
        (b") R 1 (", ") R 1 ("),
        (b"(sd-pam)", "(sd-pam)"),
        (b"x\n) S 7", "x ) S 7"),
        (b"\xff", "\ufffd"),
        ("na\u00efve".encode(), "na\u00efve"),
        (b"a\x1b[31m\x07b\r\nc", "a b  c"),
        ("a\u202eb".encode(), "a b"),
        (b"\x1b", ""),
    ],
)
def test_a_programs_name_may_be_anything_and_is_shown_as_text(name: bytes, shown: str) -> None:
    found = procfs.parse_stat(b"4711 (" + name + b") S " + FIELDS)
    assert (found.pid, found.ppid, found.state, found.threads, found.start) == (4711, 1, "S", 17, 12345)
    assert found.program == shown
    assert (found.session, found.exit_status) == (3, 256)


@pytest.mark.parametrize("data", [b"", b"4711", b"4711 (sh)", b"4711 (sh) S", b"4711 (sh) S x y"])
def test_what_is_no_stat_is_no_process(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        procfs.parse_stat(data)


@pytest.mark.parametrize(
    ("state", "threads", "alive"),
    [("S", 1, True), ("R", 1, True), ("T", 1, True), ("Z", 1, False), ("X", 0, False), ("Z", 3, True)],
)
def test_a_zombie_is_dead_unless_threads_of_it_go_on(state: str, threads: int, alive: bool) -> None:
    fields = FIELDS.split()
    fields[16] = b"%d" % threads
    assert procfs.Stat(1, "x", state, fields).alive is alive


def test_of_a_process_that_is_not_there_nothing_is_known() -> None:
    assert procfs.stat(NOBODY) is None
    assert not procfs.alive(NOBODY)
    assert procfs.start_time(NOBODY) is None
    assert procfs.program(NOBODY) == ""
    assert procfs.cmdline(NOBODY) == []
    assert procfs.environ(NOBODY) == {}
    assert procfs.children(NOBODY) == []
    assert procfs.descendants(NOBODY) == []
    assert not procfs.has_variable(NOBODY, "A", "b")
    assert not procfs.descends(NOBODY, 1)


def test_a_process_is_described(sleeper: subprocess.Popen[bytes]) -> None:
    assert procfs.alive(sleeper.pid)
    assert procfs.program(sleeper.pid) == "sleep"
    assert procfs.cmdline(sleeper.pid) == ["sleep", "1000"]
    assert procfs.environ(sleeper.pid) == {"LOCALD_RUN": "abc", "OTHER": "x=y"}
    found = procfs.stat(sleeper.pid)
    assert found is not None
    assert found.ppid == os.getpid()
    assert found.session == os.getsid(0)


def test_a_variable_is_known_by_its_whole_value(sleeper: subprocess.Popen[bytes]) -> None:
    assert procfs.has_variable(sleeper.pid, "LOCALD_RUN", "abc")
    assert not procfs.has_variable(sleeper.pid, "LOCALD_RUN", "ab")
    assert not procfs.has_variable(sleeper.pid, "RUN", "abc")


def test_start_times_tell_processes_apart(sleeper: subprocess.Popen[bytes]) -> None:
    own, its = procfs.start_time(os.getpid()), procfs.start_time(sleeper.pid)
    assert own is not None
    assert its is not None
    assert own < its or os.getpid() < sleeper.pid
    assert its == procfs.start_time(sleeper.pid)


def test_a_killed_child_is_dead_before_it_is_reaped(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not procfs.alive(sleeper.pid)
    found = procfs.stat(sleeper.pid)
    assert found is not None
    assert (found.state, found.exit_status) == ("Z", signal.SIGKILL)


def test_children_of_every_thread_are_found() -> None:
    started: list[subprocess.Popen[bytes]] = []
    ready, end = threading.Event(), threading.Event()

    def start() -> None:
        started.append(subprocess.Popen(["sleep", "1000"]))
        ready.set()
        end.wait()

    thread = threading.Thread(target=start)
    thread.start()
    ready.wait()
    assert started[0].pid in (procfs.children(os.getpid()) or ())
    end.set()
    thread.join()
    started[0].kill()
    started[0].wait()


@pytest.mark.parametrize("tells", [True, False])
def test_descendants_are_found_with_and_without_the_kernels_list_of_children(
    tells: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import subprocess; p = subprocess.Popen(['sleep', '1000']); print(p.pid, flush=True); p.wait()"
    if not tells:
        monkeypatch.setattr(procfs, "children", lambda pid: None)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert procfs.descendants(parent.pid) == [child]
        assert {parent.pid, child} <= set(procfs.descendants(os.getpid()))
        assert procfs.descends(child, os.getpid())
        assert procfs.descends(child, parent.pid)
        assert not procfs.descends(parent.pid, child)
        assert Family(parent.pid).pids() == [child]
        assert from_description({"reaper": parent.pid}).has(child)
        os.kill(child, signal.SIGKILL)


def test_a_family_is_all_below_and_not_the_roots_themselves() -> None:
    parents = {2: 1, 3: 1, 4: 2, 5: 4, 6: 3, 7: 0}
    assert procfs.family(parents, [2]) == {4, 5}
    assert procfs.family(parents, [2, 3]) == {4, 5, 6}
    assert procfs.family(parents, [7]) == set()


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (b"", []),
        (b"a\0b c\0", ["a", "b c"]),
        (b"a\0\0b\0", ["a", "", "b"]),
        (b"nginx: worker", ["nginx: worker"]),
        (b"a\x1b[31m\nb\0c\r\0", ["a b", "c"]),
    ],
)
def test_arguments_are_read(data: bytes, arguments: list[str]) -> None:
    assert procfs.parse_cmdline(data) == arguments


def test_variables_are_read() -> None:
    assert procfs.parse_environ(b"A=1\0B=\0C=x=y\0junk\0A=2\0") == {"A": "1", "B": "", "C": "x=y"}


def test_the_boot_has_a_name() -> None:
    assert len(procfs.boot_id()) == 36


# Where cgroups are.


HYBRID = (
    b"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    b"37 31 0:34 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids\n"
    b"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:5 master:1 - cgroup2 cgroup2 rw\n"
)
UNIFIED = b"30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
CONTAINER = b"30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n"
ODD = b"30 23 0:26 / /mnt/with\\040space rw - cgroup2 cgroup2 rw\n"


@pytest.mark.parametrize(
    ("mounts", "own", "folder"),
    [
        (HYBRID, b"8:pids:/x\n0::/\n", "/sys/fs/cgroup/unified"),
        (HYBRID, b"0::/user.slice/a.scope\n", "/sys/fs/cgroup/unified/user.slice/a.scope"),
        (UNIFIED, b"0::/user.slice\n", "/sys/fs/cgroup/user.slice"),
        (CONTAINER, b"0::/docker/abc/x\n", "/sys/fs/cgroup/x"),
        (CONTAINER, b"0::/docker/abc\n", "/sys/fs/cgroup"),
        (CONTAINER, b"0::/docker/abcdef\n", None),
        (UNIFIED, b"0::/../outside\n", None),
        (ODD, b"0::/a\n", "/mnt/with space/a"),
        (b"", b"0::/\n", None),
        (HYBRID, b"8:pids:/x\n", None),
    ],
)
def test_our_own_cgroup_is_found_in_every_layout(mounts: bytes, own: bytes, folder: str | None) -> None:
    path = cgroup.parse_own(own)
    assert (path and cgroup.locate(cgroup.parse_mounts(mounts), path)) == folder


def test_where_no_cgroup_can_be_made_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "locate", lambda mounts, path: "/proc/no/such/place")
    assert cgroup.usable("locald-test") is None


def _waits_as(pid: int, program: str) -> bool:
    found = procfs.stat(pid)
    return found is not None and (found.program, found.state) == (program, "S")


def test_a_program_that_becomes_another_is_another_image() -> None:
    script = "read go; exec cat"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        until = time.monotonic() + 10
        while not _waits_as(process.pid, "sh"):
            assert time.monotonic() < until
        before = procfs.image(process.pid)
        assert before is not None
        assert procfs.image(process.pid) == before
        process.stdin.write(b"go\nsaid\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"said\n"
        assert procfs.image(process.pid) not in (None, before)
        process.stdin.close()
    assert procfs.image(process.pid) is None
