"""A run's first process is born in the run's cgroup, and enters it where the kernel does not let it be born
there."""

from __future__ import annotations

import os
import subprocess
import sys

from keeping import Keeping, grouped, own_house, sh, tree_of
from locald.linux import cgroup, clone

REFUSING = """
import ctypes, struct, sys
from locald.keeper import launch
# Linux's include/uapi/linux/filter.h: load the call's number; clone3 is refused with EPERM, all else allowed.
words = [(0x20, 0, 0, 0), (0x15, 0, 1, 435), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in words))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_void_p)]
filter = Filter(len(words), ctypes.addressof(program))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
assert libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0, ctypes.get_errno()
assert libc.syscall(435, None, 0) == -1 and ctypes.get_errno() == 1  # else EINVAL
launch.start(*sys.argv[1:])
"""
"""Starts a keeper in which clone3 is refused, as in some containers."""


@grouped
def test_a_child_is_born_in_the_cgroup(kind: str) -> None:
    base = cgroup.usable(f"locald-test-{os.getpid()}")
    assert base
    folder = cgroup.make(base, "born")
    listen, tell = os.pipe()
    try:
        pid = clone.fork_into(folder)
        if pid == 0:
            os.write(tell, b"1" if cgroup.has(folder, os.getpid()) else b"0")
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        assert os.read(listen, 1) == b"1"
    finally:
        os.close(listen)
        os.close(tell)
        cgroup.remove(base)


@grouped
@own_house
def test_where_it_cannot_be_born_there_it_enters_the_cgroup(keeping: Keeping) -> None:
    command = [sys.executable, "-I", "-c", REFUSING, keeping.run, str(keeping.log)]
    subprocess.run(command, env=os.environ, check=True)
    daemon = keeping.daemon()
    spawned = daemon.start("shop:web#1", sh("sleep 1000 & sleep 1000"))
    tree = tree_of(spawned)
    assert "cgroup" in spawned["tree"]
    assert tree.has(spawned["pid"])
    daemon.send(do="kill", run="shop:web#1")
    daemon.wait("exited", "shop:web#1", pid=spawned["pid"])
    daemon.wait("gone", "shop:web#1")
    assert not tree.pids()
