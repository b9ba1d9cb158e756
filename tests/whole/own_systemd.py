"""A systemd of a user's own, with its bus and a journal, in a box; and a locald that lives in there with it.

All of it sees the processes of the box only. The home of that locald and its projects are in the box's one
folder that this machine sees too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whole.machine import Machine, wait_for
from whole.systemd_box import Box, cgroups, is_possible

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIME = "/run/user/0"
_ALONE = "[Unit]\nDefaultDependencies=no\n"
JOURNAL = f"""{_ALONE}
[Service]
Type=notify
ExecStartPre=/bin/sh -c 'mkdir -p $PLACE && printf "[Journal]\\n{{settings}}\\n" > $PLACE/test.conf'
Environment=PLACE=/run/systemd/journald.conf.d
ExecStart=/lib/systemd/systemd-journald
StandardOutput=null
"""
USER = f"""{_ALONE}
Requires=systemd-journald.service
After=systemd-journald.service
[Service]
Type=notify
Slice=user-0.slice
Delegate=yes
Environment=XDG_RUNTIME_DIR={RUNTIME} SYSTEMD_UNIT_PATH={{units}} HOME=/root OF_THE_MANAGER=1
ExecStartPre=/bin/mkdir -p -m 0700 {RUNTIME}
ExecStart=/lib/systemd/systemd --user
ExecReload=/bin/sh -c 'XDG_RUNTIME_DIR=/run/user/0 systemctl --user start dbus.service'
"""
BUS = f"""{_ALONE}
Requires=dbus.socket
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --syslog-only
"""


def is_there() -> bool:
    """Whether a test can have one."""
    return is_possible() and shutil.which("dbus-daemon") is not None and cgroups() is not None


class OwnSystemd:
    def __init__(self, journal: str = "") -> None:
        """`journal`: settings of journald, one."""
        self.folder = Path(tempfile.mkdtemp(prefix="lb", dir="/tmp"))
        of_machine, self.units = self.folder / "machine", self.folder / "units"
        of_machine.mkdir()
        self.units.mkdir()
        (of_machine / "systemd-journald.service").write_text(JOURNAL.format(settings=journal))
        (of_machine / "user@0.service").write_text(USER.format(units=self.units))
        (self.units / "dbus.socket").write_text(f"{_ALONE}[Socket]\nListenStream=%t/bus\n")
        (self.units / "dbus.service").write_text(BUS)
        for name in ("basic", "sockets", "shutdown", "exit"):
            (self.units / f"{name}.target").write_text(_ALONE)
        (self.units / "default.target").write_text(f"{_ALONE}Requires=dbus.service\nAfter=dbus.service\n")
        self._box = Box(of_machine, self.folder)
        self._box.systemctl("start", "user@0.service")

    def inside(self, folder: Path) -> list[str]:
        """What stands before a command that runs in the box."""
        return [*self._box.enter, f"--wdns={folder}"]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.inside(self.folder), *command],
            env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": RUNTIME},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def systemctl(self, *arguments: str) -> str:
        """Of the user's own systemd; what it printed."""
        done = self.run("systemctl", "--user", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def of_machine(self, *arguments: str) -> None:
        """systemctl of the machine in the box."""
        self._box.systemctl(*arguments)

    def is_up(self) -> bool:
        return self.run("systemctl", "is-active", "user@0.service").stdout == "active\n"

    def show(self, unit: str, prop: str) -> str:
        return self.systemctl("show", "--value", "-p", prop, unit).strip()

    def locald_units(self) -> list[str]:
        listed = self.systemctl("list-units", "--all", "--plain", "--no-legend", "locald-*")
        return sorted(line.split()[0] for line in listed.splitlines())

    def close(self) -> None:
        self._box.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def systemd() -> Iterator[OwnSystemd]:
    made = OwnSystemd()
    yield made
    made.close()


class Boxed(Machine):
    """A locald in there."""

    def __init__(self, systemd: OwnSystemd, name: str) -> None:
        super().__init__(systemd.folder / name)
        self.home.rmdir()
        self.home = systemd.folder / f"h-{name}"
        self.systemd = systemd
        self.env["LOCALD_HOME"] = str(self.home)
        self.env["XDG_RUNTIME_DIR"] = RUNTIME
        self.python = [*systemd.inside(self.folder), *self.python]

    def unit(self, service: str) -> str:
        return f"locald-{self.name}-{service}.service"

    def units(self) -> list[str]:
        """Those of this project that systemd knows."""
        return [unit for unit in self.systemd.locald_units() if self.name in unit]

    def kill_daemon(self) -> int:
        """Its pid is one of the box."""
        pid = self.daemon_pid()
        self.systemd.run("kill", "-9", str(pid))
        wait_for(lambda: self.systemd.run("kill", "-0", str(pid)).returncode != 0, "its end")
        return pid

    def up_there(self, services: str, *args: str) -> dict[str, dict[str, object]]:
        """`up --on systemd`, which has to succeed."""
        self.write(services, name=self.name)
        rows: dict[str, dict[str, object]] = self.up("--on", "systemd", *args)
        return rows
