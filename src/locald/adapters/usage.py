"""What each run takes of the machine: processors and memory of all its processes, wherever they went.

One sweep looks at every run once. Who belongs to a run is asked as everywhere: its cgroup, or descent from
its subreaper; of a container, descent from its main process, where that is a process of this machine. Where
all runs have cgroups only their members are read; else one pass over `/proc` serves them all.

Time of the processor is reported in cores since the sweep before (1.0: one core all the time), at first sight
since the run's oldest process began. A cgroup counts it itself, to the last of its dead. Elsewhere it is
added up from the processes, in clock ticks (10 ms): what has ended counts through the parent that waited for
it, and what nobody of the run waited for is lost.

Memory is the sum of what the processes have in memory (RSS). What several of them share (a library, the pages
of a parent that forked) counts once for each, so it is rather too much than too little.

Source: proc(5), proc_pid_stat(5); Documentation/admin-guide/cgroup-v2.rst (cpu.stat).
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from msgspec import Struct

from locald.linux import cgroup, procfs
from locald.linux.clock import since_boot
from locald.linux.tree import Family, Group, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from locald.domain.project.names import Run

    Stats = Mapping[int, procfs.Stat]

TICK = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Main(Struct, frozen=True):
    """The main process of a container, as its engine tells it: perhaps of another machine."""

    pid: int
    container: str

    @property
    def is_here(self) -> bool:
        """Its cgroup is named after the container."""
        return self.container.encode() in (procfs.read(f"/proc/{self.pid}/cgroup") or b"")


class Used(Struct, frozen=True):
    cpu: float
    """cores"""
    memory: int
    """bytes"""


class _Seen(Struct, frozen=True):
    """A run at one moment. `at`: seconds since boot; `time`: of the processor, counted by the kernel."""

    at: float
    members: Stats
    time: float | None


class Usage:
    def __init__(self) -> None:
        self._before: dict[Run, _Seen] = {}

    async def sweep(self, trees: Mapping[Run, Tree | Main]) -> dict[Run, Used]:
        """What each takes; those of which no process is there are left out."""
        return await asyncio.to_thread(self._sweep, trees)

    def _sweep(self, trees: Mapping[Run, Tree | Main]) -> dict[Run, Used]:
        seen = {run: found for run, found in _look(trees).items() if found.members}
        used = {run: _used(now, self._before.get(run)) for run, now in seen.items()}
        self._before = seen
        return used


def _look(trees: Mapping[Run, Tree | Main]) -> dict[Run, _Seen]:
    at = since_boot()
    groups = {run: tree for run, tree in trees.items() if isinstance(tree, Group)}
    found = {
        run: _Seen(at, _stats(cgroup.pids(tree.folder)), cgroup.processor_time(tree.folder))
        for run, tree in groups.items()
    }
    others = {run: tree for run, tree in trees.items() if run not in groups}
    if others:
        everybody = procfs.all_stats()
        children = procfs.by_parent({pid: stat.ppid for pid, stat in everybody.items()})
        for run, tree in others.items():
            members = {pid: everybody[pid] for pid in _members(tree, children) if pid in everybody}
            found[run] = _Seen(at, members, None)
    return found


def _stats(pids: Iterable[int]) -> Stats:
    found = (procfs.stat(pid) for pid in pids)
    return {each.pid: each for each in found if each is not None}


def _members(tree: Tree | Main, children: Mapping[int, list[int]]) -> set[int]:
    """A subreaper is not one of its run; the main process of a container is."""
    match tree:
        case Family(reaper=pid):
            return procfs.below(children, [pid])
        case Main(pid) if tree.is_here:
            return {pid} | procfs.below(children, [pid])
        case _:
            return set()


def _used(now: _Seen, before: _Seen | None) -> Used:
    memory = sum(member.pages for member in now.members.values()) * PAGE
    if before is None:
        oldest = min(member.start for member in now.members.values()) * TICK
        before = _Seen(oldest, {}, 0.0)
    return Used(_time_between(before, now) / max(now.at - before.at, TICK), memory)


def _time_between(before: _Seen, now: _Seen) -> float:
    """Seconds of the processor."""
    if now.time is not None and before.time is not None:
        return max(now.time - before.time, 0.0)
    earlier = (member.ticks for member in before.members.values() if _counts_still(member, now.members))
    ticks = sum(member.ticks for member in now.members.values()) - sum(earlier)
    return max(ticks, 0) * TICK


def _counts_still(member: procfs.Stat, now: Stats) -> bool:
    """What it had is part of the present sum: it is there, or somebody of the run has waited for it."""
    there = now.get(member.pid)
    return (there is not None and there.start == member.start) or member.ppid in now
