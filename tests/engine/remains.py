"""Ends whatever a private Docker Engine has left: processes, mounts, network links, cgroups, files.

Everything of an engine can be told from its *slot*, a small number: its folder, its bridge, its range of
addresses, its cgroup. So nothing needs to be remembered, and what a test that was killed left behind is
found by whoever uses the slot next. Only root can have such an engine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2", "docker-proxy", "runc")
PATIENCE = 10.0
"""seconds for processes to end"""


@dataclass(frozen=True, slots=True)
class Slot:
    """What belongs to the engine of this number (0 to 15)."""

    number: int

    @property
    def folder(self) -> Path:
        return Path(f"/tmp/locald-engine-{self.number}")

    @property
    def lock(self) -> Path:
        return Path(f"/tmp/locald-engine-{self.number}.lock")

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def cgroup(self) -> str:
        return f"locald-engine-{self.number}"

    @property
    def bridge(self) -> str:
        return f"ldengine{self.number}"

    @property
    def gateway(self) -> str:
        """The bridge's own address, in the first /24 of the slot's /20."""
        return f"10.231.{self.number * 16}.1"

    @property
    def pool(self) -> str:
        """Where the engine's further networks get their addresses: the second half of the slot's /20."""
        return f"10.231.{self.number * 16 + 8}.0/21"

    @property
    def namespace(self) -> str:
        """The network namespace of an engine that is a node of a swarm."""
        return f"ldnode{self.number}"

    def owns(self, address: str) -> bool:
        """Whether an IPv4 address is one of this slot's /20."""
        first, second, third, _ = (int(part) for part in address.split("."))
        return (first, second, third // 16) == (10, 231, self.number)


def remove(slot: Slot) -> None:
    """Leave nothing of the slot's engine, whether it runs, died, or never was."""
    _end_processes(slot)
    _unmount(slot)
    _do("ip", "netns", "del", slot.namespace)
    _remove_links(slot)
    _remove_cgroups(slot)
    shutil.rmtree(slot.folder, ignore_errors=True)


def _end_processes(slot: Slot) -> None:
    deadline = time.monotonic() + PATIENCE
    while (pids := [*_engine(slot), *_contained(slot)]) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)


def _engine(slot: Slot) -> list[int]:
    """The engine's own processes: those with our folder on their command line, and a name that we expect."""
    ours = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = process.joinpath("cmdline").read_bytes()
            program = Path(os.readlink(process / "exe")).name
        except OSError:
            continue
        if program in PROGRAMS and f"{slot.folder}/".encode() in words:
            ours.append(int(process.name))
    return ours


def _contained(slot: Slot) -> list[int]:
    """What runs in containers, and docker-proxies: their command line says nothing, their cgroup does."""
    found: set[int] = set()
    for folder in _cgroups(slot):
        try:
            found.update(map(int, folder.joinpath("cgroup.procs").read_text().split()))
        except OSError:
            continue
    return sorted(found)


def _cgroups(slot: Slot) -> list[Path]:
    """The engine's cgroups in every hierarchy, the innermost first."""
    tops = [*Path("/sys/fs/cgroup").glob(slot.cgroup), *Path("/sys/fs/cgroup").glob(f"*/{slot.cgroup}")]
    below = [folder for top in tops for folder in [top, *top.rglob("*/")] if folder.is_dir()]
    return sorted(below, key=lambda folder: len(folder.parts), reverse=True)


def _unmount(slot: Slot) -> None:
    with open("/proc/self/mountinfo") as mounts:
        points = [line.split()[4] for line in mounts]
    for point in sorted((point for point in points if point.startswith(f"{slot.folder}/")), reverse=True):
        _do("umount", "-l", point)


def _remove_links(slot: Slot) -> None:
    """The engine's bridges, by their addresses. Containers' links go with the containers."""
    listed = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        _, link, _, address, *_ = line.split()
        if slot.owns(address.partition("/")[0]):
            _do("ip", "link", "del", link)


def _remove_cgroups(slot: Slot) -> None:
    for folder in _cgroups(slot):
        try:
            folder.rmdir()
        except OSError:
            pass


def _do(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=False)
