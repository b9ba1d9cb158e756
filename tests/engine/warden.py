"""Runs a private Docker Engine for as long as somebody holds the other end of its standard input.

A test session starts this program, reads one line of JSON (`{"host": "unix://…"}` or `{"error": "…"}`),
and may then say `kill`, `stop`, `start`, `freeze` or `thaw` of the engine, each answered by a line. At the
end of its input, however the session ended, the engine and all that came of it are removed. The engine dies
with this program, and should even this one be killed, whoever claims the same slot next cleans up.

The engine is Debian's, started by hand: no systemd, no image registry, no change of iptables or sysctl.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).parent.parent))

from engine.remains import Slot, remove

SLOTS = 16
STARTS_WITHIN = 60.0
"""seconds; it takes one on an idle machine"""
LAUNCHES, LAUNCHED_AGAIN_AFTER = 3, 2.0
"""StartLimitBurst= and RestartSec= of Docker's own unit"""
STOPS_WITHIN = 20.0
PR_SET_PDEATHSIG = 1
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Unable(Exception):
    """There can be no engine, and why."""


class Warden:
    """`node`: the engine is a node of a swarm, in a network namespace of its own, with which goes what swarms
    leave. Nodes are linked by a bridge: that of the first, or that of the slot which is `joins`."""

    def __init__(self, slot: Slot, *, node: bool = False, joins: int | None = None) -> None:
        self.slot = slot
        self._node = node
        self._link = slot if joins is None else Slot(joins)
        self.address = f"{self._link.gateway.rpartition('.')[0]}.{2 + slot.number}" if node else ""
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """A bridge of our own: an engine on docker0 would share it with a real one."""
        remove(self.slot)
        self.slot.folder.mkdir(mode=0o755)
        self.slot.folder.joinpath("daemon.json").write_text("{}")
        _mount_cgroups()
        if self._link is self.slot:
            _do("ip", "link", "add", self.slot.bridge, "type", "bridge")
            _do("ip", "addr", "add", f"{self.slot.gateway}/24", "dev", self.slot.bridge)
            _do("ip", "link", "set", self.slot.bridge, "up")
        if self._node:
            self._plug()

    def _plug(self) -> None:
        """Put the node on the bridge."""
        name, end = self.slot.namespace, f"ldveth{self.slot.number}"
        _do("ip", "netns", "add", name)
        _do("ip", "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", name)
        _do("ip", "link", "set", end, "master", self._link.bridge, "up")
        _do("ip", "-n", name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _do("ip", "-n", name, "link", "set", link, "up")
        _do("ip", "-n", name, "route", "add", "default", "via", self._link.gateway)

    def start(self) -> None:
        """Until it answers. One that ends instead is started again, as its unit of systemd has it, and what
        it said goes to standard error. Raises Unable."""
        if self._process and self._process.poll() is None:
            return  # a second one would take the place of the first, which would go on unseen
        deadline = time.monotonic() + STARTS_WITHIN
        for launch in range(LAUNCHES):
            if launch:
                print(
                    f"dockerd ended, and is started again: {self._last_line()}", file=sys.stderr, flush=True
                )
                time.sleep(LAUNCHED_AGAIN_AFTER)
            self._launch()
            if self._is_answered(deadline):
                return
        raise Unable(f"dockerd did not start: {self._last_line()}")

    def _is_answered(self, deadline: float) -> bool:
        """Whether it answers before it ends. Raises Unable when it does neither by the deadline."""
        assert self._process
        while not self._answers():
            if self._process.poll() is not None:
                return False
            if time.monotonic() > deadline:
                raise Unable(f"dockerd does not answer: {self._last_line()}")
            time.sleep(0.02)
        return True

    def _launch(self) -> None:
        for stale in ("docker.pid", "exec/containerd/containerd.pid"):  # one may name a zombie for seconds
            self.slot.folder.joinpath(stale).unlink(missing_ok=True)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._inside(), shutil.which("dockerd", path=PATH) or "dockerd", *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={"PATH": PATH, "HOME": str(self.slot.folder), "DOCKER_SERVICE_PREFER_OFFLINE_IMAGE": "1"},
                preexec_fn=_die_with_parent,
            )

    @property
    def _log(self) -> Path:
        return self.slot.folder / "dockerd.log"

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _inside(self) -> list[str]:
        """Not by `ip netns exec`, which hides the cgroups."""
        return ["nsenter", f"--net=/run/netns/{self.slot.namespace}"] if self._node else []

    def _options(self) -> list[str]:
        slot, folder = self.slot, self.slot.folder
        return [
            f"--config-file={folder}/daemon.json",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/docker.pid",
            f"--host=unix://{slot.socket}",
            "--group=root",
            f"--storage-driver={_storage(folder)}",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{slot.cgroup}",
            f"--bridge={'none' if self._node else slot.bridge}",
            f"--host-gateway-ip={slot.gateway}",
            f"--default-address-pool=base={slot.pool},size=27",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-forward=false",
            "--ip-masq=false",
            "--shutdown-timeout=5",
            "--log-level=warn",
        ]

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as trial:
                trial.settimeout(2)
                trial.connect(str(self.slot.socket))
                trial.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in trial.recv(100)
        except OSError:
            return False

    def signal(self, number: int) -> None:
        if self._process:
            self._process.send_signal(number)

    def end(self, number: int) -> None:
        """Signal the engine and wait until it has gone."""
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def claim() -> tuple[Slot, IO[str]]:
    """A slot that nobody else uses, and the lock that says so for as long as it is open."""
    for number in range(SLOTS):
        slot = Slot(number)
        lock = slot.lock.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        return slot, lock
    raise Unable(f"all {SLOTS} private engines are in use")


def missing() -> str:
    """Why there can be no private engine on this machine; empty when there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a private Docker Engine can only be started by root on Linux"
    absent = [
        f"{program} (of {package})"
        for program, package in {
            "dockerd": "docker.io",
            "containerd": "docker.io",
            "runc": "docker.io",
            "docker-proxy": "docker.io",
            "docker-init": "docker.io",
            "ip": "iproute2",
            "busybox": "busybox-static",
        }.items()
        if not shutil.which(program, path=PATH)
    ]
    return f"not installed: {', '.join(absent)}" if absent else ""


def _storage(folder: Path) -> str:
    """overlay2 where this file system can carry it: much faster than copying everything."""
    trial = folder / "trial"
    for name in ("lower", "upper", "work", "merged"):
        (trial / name).mkdir(parents=True, exist_ok=True)
    layers = f"lowerdir={trial}/lower,upperdir={trial}/upper,workdir={trial}/work"
    works = _do("mount", "-t", "overlay", "overlay", "-o", layers, f"{trial}/merged")
    if works:
        _do("umount", f"{trial}/merged")
    shutil.rmtree(trial, ignore_errors=True)
    return "overlay2" if works else "vfs"


def _mount_cgroups() -> None:
    """A bare container may have none."""
    with open("/proc/mounts") as mounts:
        if not any(line.split()[2] in ("cgroup", "cgroup2") for line in mounts):
            _do("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _do(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def say(**words: str) -> None:
    print(json.dumps(words), flush=True)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the end of the input is what ends us
    try:
        slot, _lock = claim()
    except Unable as unable:
        say(error=str(unable))
        return
    words = sys.argv[1:]
    warden = Warden(slot, node="node" in words, joins=int(words[1]) if len(words) > 1 else None)
    try:
        warden.prepare()
        warden.start()
        say(host=f"unix://{slot.socket}", address=warden.address, slot=str(slot.number))
        for line in sys.stdin:
            try:
                _obey(warden, line.strip())
                say(done=line.strip())
            except Unable as unable:
                say(error=str(unable))  # and keep the slot: its address is not to become another session's
    except Unable as unable:
        say(error=str(unable))
    except BrokenPipeError:
        pass  # nobody reads any more: the session has gone
    finally:
        warden.end(signal.SIGKILL)  # it would wait for its containers, and nothing of it is kept anyway
        remove(slot)


def _obey(warden: Warden, word: str) -> None:
    match word:
        case "kill":
            warden.end(signal.SIGKILL)
        case "stop":
            warden.end(signal.SIGTERM)
        case "freeze":
            warden.signal(signal.SIGSTOP)
        case "thaw":
            warden.signal(signal.SIGCONT)
        case "start":
            warden.start()
        case _:
            raise Unable(f"what is {word!r}?")


if __name__ == "__main__":
    main()
