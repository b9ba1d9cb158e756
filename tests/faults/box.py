"""A box for campaigns: process ids, mounts and a network of their own, where that is possible.

In it nothing that runs on the machine is met, a home gets a disk of its own that can be filled, and what a
campaign leaves ends with it: the box's first process is its init, which only waits for orphans. Who may not
make one (it takes root, or user namespaces) runs in the open, where nobody's disk is filled.

Sources: unshare(1), pid_namespaces(7).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from whole.network import raise_loopback

if TYPE_CHECKING:
    from pathlib import Path

INSIDE = "LOCALD_FAULTS_BOX"
DISK = "96m"
OWN_DISKS = ("state", "logs")
"""folders of a home"""


SUSPENDED = ("--time", "--monotonic", "1000000", "--boottime", "3000000")
"""seconds of the clocks: as on a machine that was up for eleven days, and asleep for twenty-three"""


def enter(module: str, arguments: list[str], suspended: bool) -> int | None:
    """Run the module again in a box; its exit code, or None where this is the box, or none can be had."""
    if INSIDE in os.environ or not shutil.which("unshare"):
        return None
    flags = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if suspended:
        flags += SUSPENDED
    if os.geteuid() != 0:
        flags += ["--user", "--map-root-user"]
    if subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False).returncode != 0:
        return None
    program = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        ["unshare", *flags, *program], env={**os.environ, INSIDE: "init"}, check=False
    ).returncode


def be_init() -> None:
    """The box's first process stays here until the campaign, which goes on, is over."""
    if os.environ.get(INSIDE) != "init":
        return
    os.environ[INSIDE] = "yes"
    raise_loopback()
    child = os.fork()
    if child == 0:
        return
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def is_inside() -> bool:
    return INSIDE in os.environ


def give_disks(home: Path) -> bool:
    """Mount a small disk there, one for what is saved, and one for logs; whether that could be done."""
    return is_inside() and all(map(_mounted, (home, *(home / name for name in OWN_DISKS))))


def _mounted(folder: Path) -> bool:
    folder.mkdir(0o700, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "faults", str(folder)]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


def take_disks(home: Path) -> None:
    subprocess.run(["umount", "--lazy", "--recursive", str(home)], check=False)
