"""A systemd as PID 1 of namespaces of its own, with nothing to run but the units of a test.

It sees this machine's files, and can write nowhere but in its own /run, /tmp and /var and in the test's
folder: that is made sure of before it begins. A systemd that found the machine's own units would boot them,
and one of them empties /tmp. It needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SYSTEMD = "/lib/systemd/systemd"
PATIENCE = 30.0

ENTER = """
echo $$ > "$GROUP/cgroup.procs"
exec unshare -mpf --kill-child --mount-proc --uts --ipc --cgroup -n sh -c "$BEGIN"
"""
BEGIN = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/folder
cp "$UNITS"/* /run/systemd/system/
mount --bind "$FOLDER" /run/folder
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var
mkdir -p "$FOLDER"
mount --bind /run/folder "$FOLDER"
for place in /etc /home /root /usr; do
    mount --rbind "$place" "$place"
    mount -o remount,bind,ro "$place"
done
mount -o remount,bind,ro /
for place in / /etc /home /root /usr; do
    if touch "$place/.probe" 2>/dev/null; then
        rm -f "$place/.probe"
        echo "$place can be written" >&2
        exit 9
    fi
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
: > /run/console
mount --bind /run/console /dev/console
for name in basic sysinit shutdown default; do
    printf '[Unit]\\nDefaultDependencies=no\\n' > "/run/systemd/system/$name.target"
done
ip link set lo up
export container=docker SYSTEMD_UNIT_PATH=/run/systemd/system
exec /lib/systemd/systemd --system --unit=default.target --log-target=console --show-status=no
"""


def is_possible() -> bool:
    tools = os.path.exists(SYSTEMD) and shutil.which("ip") is not None
    return os.geteuid() == 0 and tools and cgroups() is not None


def cgroups() -> Path | None:
    """Where this machine has the cgroups of version 2."""
    with open("/proc/self/mounts") as file:
        mounts = [line.split() for line in file]
    found = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"]
    return next((path for path in found if os.access(path, os.W_OK)), None)


class Box:
    """One systemd, from its first unit to its end."""

    def __init__(self, units: Path, folder: Path) -> None:
        """`folder` is the test's own, and the only one that the units can write to and that lasts."""
        around = cgroups()
        assert around is not None
        self._group = Path(tempfile.mkdtemp(prefix="locald-box-", dir=around))
        env = {"UNITS": units, "FOLDER": folder, "GROUP": self._group, "BEGIN": BEGIN}
        self._outer = subprocess.Popen(
            ["sh", "-c", ENTER],
            env={"PATH": os.environ["PATH"], **{name: str(value) for name, value in env.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._first = self._pid()
        self._until(lambda: self._run("systemctl", "is-active", "default.target").stdout == "active\n")

    @property
    def enter(self) -> list[str]:
        """What stands before a command that runs in there."""
        return ["nsenter", "-t", str(self._first), "-a"]

    def systemctl(self, *arguments: str) -> None:
        done = self._run("systemctl", *arguments)
        assert done.returncode == 0, done.stderr

    def state(self, unit: str, *properties: str) -> list[str]:
        """Some properties of a unit, in the order of their names."""
        names = ",".join(properties)
        shown = self._run("systemctl", "show", "-p", names, unit).stdout.split()
        return [each.partition("=")[2] for each in sorted(shown)]

    def until(self, unit: str, prop: str, value: str) -> None:
        self._until(lambda: self.state(unit, prop) == [value])

    def close(self) -> None:
        self._outer.kill()  # and with it, by --kill-child, the first process of its namespace
        self._outer.wait()
        assert self._outer.stderr is not None
        self._outer.stderr.close()
        self._until(self._is_cleared)

    def _is_cleared(self) -> bool:
        """Its cgroups are removed, the inner ones first: possible when the last process has gone."""
        try:
            for folder, _, _ in os.walk(self._group, topdown=False):
                os.rmdir(folder)
        except OSError:
            return False
        return True

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.enter, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def _pid(self) -> int:
        children = f"/proc/{self._outer.pid}/task/{self._outer.pid}/children"
        found: list[str] = []

        def is_systemd() -> bool:
            assert self._outer.poll() is None, self._outer.stderr and self._outer.stderr.read()
            with open(children) as file:
                found[:] = file.read().split()
            return bool(found) and os.readlink(f"/proc/{found[0]}/exe") == os.path.realpath(SYSTEMD)

        self._until(is_systemd)
        return int(found[0])

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)
