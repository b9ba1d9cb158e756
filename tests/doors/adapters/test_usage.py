"""What runs take of the machine is told right, wherever their processes went and however they ended."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from children import Child, Children, children
from locald.adapters.usage import PAGE, TICK, Main, Usage
from locald.domain.project.names import Key, Run
from locald.linux import cgroup, procfs
from locald.linux.tree import Family, Group, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["children"]

RUN = Run(Key("shop", "web"), 1)
OTHER = Run(Key("shop", "db"), 1)

BURN = """
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
"""
FORKS = (
    BURN
    + """
print("ready", flush=True)
told()
for _ in range(2):
    if (pid := os.fork()) == 0:
        burn(0.15); os._exit(0)
    {how}
print("burnt", flush=True)
told()
"""
)


class Moments:
    """The clock of the sweeps: it goes by seconds, as the test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.clock_gettime(time.CLOCK_BOOTTIME)
        monkeypatch.setattr(time, "clock_gettime", lambda _: self.now)


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    return Moments(monkeypatch)


@pytest.fixture
def group() -> Iterator[Callable[[Child], Group]]:
    """Puts a child into a cgroup of its own."""
    base = cgroup.usable(f"test-usage-{os.getpid()}")
    if base is None:
        pytest.skip("no cgroup can be made here")
    folders = []

    def put(child: Child) -> Group:
        folders.append(cgroup.make(base, f"run-{child.pid}"))
        cgroup._write(folders[-1], "cgroup.procs", str(child.pid).encode())
        return Group(folders[-1])

    yield put
    for folder in folders:
        cgroup.kill(folder)
        while not cgroup.remove(folder):
            pass
    cgroup.remove(base)


async def burnt(usage: Usage, tree: Tree | Main, child: Child, moments: Moments) -> float:
    """Seconds of the processor that the run is said to have had while the child did what it was told."""
    assert child.says() == "ready"
    await usage.sweep({RUN: tree})
    child.tell()
    assert child.says() == "burnt"
    moments.now += 2
    return (await usage.sweep({RUN: tree}))[RUN].cpu * 2


@pytest.mark.parametrize("how", ["os.waitpid(pid, 0)", "pass"])
async def test_what_children_had_counts_also_when_they_have_ended(
    children: Children, moments: Moments, how: str
) -> None:
    """One of each way: waited for, and left as a zombie."""
    if how == "pass":
        how = "os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)"
    child = children.start(FORKS.format(how=how))

    assert 0.28 <= await burnt(Usage(), Main(child.pid, ""), child, moments) <= 0.5


async def test_a_cgroup_counts_by_itself(
    children: Children, group: Callable[[Child], Group], moments: Moments
) -> None:
    child = children.start(FORKS.format(how="os.waitpid(pid, 0)"))
    tree = group(child)
    if cgroup.processor_time(tree.folder) is None:
        pytest.skip("this kernel does not count the time of a cgroup")

    assert 0.28 <= await burnt(Usage(), tree, child, moments) <= 0.5


async def test_where_a_cgroup_does_not_count_its_members_do(
    children: Children,
    group: Callable[[Child], Group],
    moments: Moments,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cgroup, "processor_time", lambda _: None)
    child = children.start(FORKS.format(how="os.waitpid(pid, 0)"))

    assert 0.28 <= await burnt(Usage(), group(child), child, moments) <= 0.5


async def test_at_first_sight_it_is_told_since_the_beginning(children: Children) -> None:
    child = children.start(BURN + 'burn(0.3); print("burnt", flush=True); told()')
    assert child.says() == "burnt"

    used = (await Usage().sweep({RUN: Main(child.pid, "")}))[RUN]

    assert 0.05 < used.cpu <= 1.1


async def test_an_end_that_nobody_waited_for_is_no_time_that_was_given_back(
    children: Children, moments: Moments
) -> None:
    child = children.start(
        BURN
        + """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if os.fork() == 0:
    burn(0.1); print("ready", flush=True); told(); os._exit(0)
try: os.wait()
except ChildProcessError: pass
print("over", flush=True)
told()
"""
    )
    assert child.says() == "ready"
    usage, tree = Usage(), Main(child.pid, "")
    await usage.sweep({RUN: tree})
    child.tell()
    assert child.says() == "over"
    moments.now += 2

    assert 0 <= (await usage.sweep({RUN: tree}))[RUN].cpu < 0.05


async def test_memory_is_that_of_all_processes(children: Children) -> None:
    child = children.start(
        """
big = b"x" * 40_000_000
if os.fork() == 0:
    more = b"y" * 30_000_000
    print("ready", flush=True)
told()
"""
    )
    assert child.says() == "ready"

    used = (await Usage().sweep({RUN: Main(child.pid, "")}))[RUN]

    assert used.memory > 100_000_000
    assert used.memory % PAGE == 0


async def test_one_sweep_tells_of_all_kinds(children: Children, group: Callable[[Child], Group]) -> None:
    """A subreaper is not counted itself; the main process of a container is."""
    here, grouped = children.start("told()"), children.start("told()")
    reaper = children.start('subprocess.Popen(["sleep", "9999"]); print("ready", flush=True); told()')
    assert reaper.says() == "ready"
    third = Run(Key("shop", "third"), 1)

    used = await Usage().sweep({RUN: Main(here.pid, ""), OTHER: Family(reaper.pid), third: group(grouped)})

    (sleeper,) = procfs.descendants(reaper.pid)
    asleep = procfs.stat(sleeper)
    assert asleep
    assert used.keys() == {RUN, OTHER, third}
    assert used[OTHER].memory == asleep.pages * PAGE
    assert used[RUN].memory > used[OTHER].memory


async def test_what_is_not_there_is_not_told_of(children: Children, tmp_path: object) -> None:
    gone = children.start("")
    gone.end()
    stranger = children.start("told()")
    trees = {RUN: Main(gone.pid, ""), OTHER: Main(stranger.pid, "c0ffee" * 10)}

    assert await Usage().sweep(trees) == {}
    assert await Usage().sweep({RUN: Group(f"{tmp_path}/gone"), OTHER: Family(gone.pid)}) == {}
    assert await Usage().sweep({}) == {}


async def test_a_pid_that_is_used_again_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def stat(start: int, ticks: int) -> procfs.Stat:
        fields = [
            "1",
            "0",
            "0",
            *"0000000",
            str(ticks),
            "0",
            "0",
            "0",
            *"00",
            "1",
            "0",
            str(start),
            "0",
            "5",
            *"0000",
        ]
        return procfs.Stat(77, "web", "S", [field.encode() for field in fields])

    found = [stat(100, 900)]
    monkeypatch.setattr(procfs, "all_stats", lambda: {77: found[0]})
    now = [100.0]
    monkeypatch.setattr(time, "clock_gettime", lambda _: now[0])
    usage = Usage()
    await usage.sweep({RUN: Family(1)})
    found[0], now[0] = stat(9000, 20), 102.0

    assert (await usage.sweep({RUN: Family(1)}))[RUN].cpu == pytest.approx(20 * TICK / 2)
