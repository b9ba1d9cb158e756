"""`locald doctor`: what locald needs of this machine, checked one by one, each with its fix.

A check returns what it found and never fails itself. Only what would stop locald from working is `fail`;
what makes it slower or smaller is `warn`. Nothing is changed: folders are looked at, not made.
"""

from __future__ import annotations

import json
import os
import socket
import sys

from locald.cli.shared import named, say
from locald.client import daemon
from locald.client.http import Api, Denied, Unreachable
from locald.domain.values.amounts import size
from locald.domain.values.problem import Refused
from locald.faces.text import plain
from locald.linux import cgroup, procfs, sockdiag
from locald.wire import buses, engines
from locald.wire.home import USE_ANOTHER, Home
from locald.wire.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

ABOUT = """\
Check what locald needs of this machine: folders, the daemon, containment of processes,
detection of listeners, limits, Docker, systemd, the proxy. Each line is ok, warn or fail, with a hint how
to fix it. Exits 1 if a check fails.
"""
ENOUGH_SPACE = 500_000_000
LITTLE_SPACE = 50_000_000
"""bytes free on the disk of the logs"""
NO_SPACE = 100_000
"""and on those of the rest"""
ENOUGH_FILES = 4096
FEW_FILES = 16
ENOUGH_TERMINALS = 64
LOWEST_EPHEMERAL = 24000
"""Ports are assigned from 20000 up to where the kernel's ephemeral range begins"""
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


class Check:
    """What was found: `ok`, `warn` or `fail`, one sentence, and the next step or nothing."""

    __slots__ = ("detail", "hint", "level")

    def __init__(self, level: str, detail: str, hint: str = "") -> None:
        self.level = level
        self.detail = detail
        self.hint = hint


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("doctor", description=ABOUT)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    found = {name: check() for name, check in _checks().items()}
    if args.json:
        rows = [{"name": name, **_fields(check)} for name, check in found.items()]
        print(json.dumps({"version": __version__, "checks": rows}, indent=2))
    else:
        _show(found)
    return 1 if any(check.level == "fail" for check in found.values()) else 0


def _checks() -> dict[str, Callable[[], Check]]:
    """All checks by name. Those that need a home are left out when there can be none."""
    machine = {
        "python": _python,
        "shell": _shell,
        "processes": _processes,
        "listeners": _listeners,
        "loopback": _loopback,
        "ports": _ports,
        "files": _files,
        "terminals": _terminals,
        "docker": _docker,
        "systemd": _systemd,
        "names": lambda: Check(*named.resolution()),
    }
    try:
        home = Home.find()
    except Refused as refused:
        problem = refused.problems[0]
        return {"home": lambda: Check("fail", problem.head, problem.hint), **machine}
    return {
        "home": lambda: _folders(home),
        "disk": lambda: _disk(home),
        "daemon": lambda: _daemon(home),
        "keeper": lambda: _keeper(home),
        "proxy": lambda: Check(*named.proxy(home)),
        "dashboard": lambda: Check(*named.dashboard(home)),
        "trust": lambda: Check(*named.certificates(home)),
        **machine,
        "files": lambda: _files_of(home) or _files(),  # in its place among them
    }


def _fields(check: Check) -> dict[str, str]:
    return {"level": check.level, "detail": check.detail, "hint": check.hint}


def _show(found: dict[str, Check]) -> None:
    colour = say.has_colour(sys.stdout)
    for name, check in found.items():
        level = say.paint(f"{check.level:<4}", COLOURS[check.level], on=colour)
        print(f"{level}  {name:<10}  {plain(check.detail)}")
        if check.hint:
            print(f"{'':<18}{say.paint('hint:', 'bold', 'cyan', on=colour)} {plain(check.hint)}")


# Of this locald.


def _folders(home: Home) -> Check:
    for folder in (home.run, home.state, home.logs):
        nearest = _nearest(folder)
        if not os.access(nearest, os.W_OK | os.X_OK):
            return Check("fail", f"{nearest} is not writable", USE_ANOTHER)
        if nearest != folder:
            continue
        found = os.stat(folder)
        if found.st_uid != os.geteuid():
            return Check("fail", f"{folder} belongs to another user", USE_ANOTHER)
        if found.st_mode & 0o077:
            return Check("warn", f"other users can read {folder}", f"run `chmod 700 {folder}`")
    return Check("ok", f"{home.state}, sockets in {home.run}")


def _nearest(folder: str) -> str:
    """The folder, or the nearest one above that exists."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _disk(home: Home) -> Check:
    """Of logs, which grow, and of the few bytes that the state and the run folder need."""
    for what, folder in {"the state": home.state, "sockets": home.run}.items():
        if (free := _free(folder)) < NO_SPACE:
            return Check("fail", f"{size(free)} free for {what} in {folder}", "free some disk space")
    free = _free(home.logs)
    level = "fail" if free < LITTLE_SPACE else "warn" if free < ENOUGH_SPACE else "ok"
    hint = (
        ""
        if level == "ok"
        else "free some disk space, or lower log_size of your services (default: 50MB each)"
    )
    return Check(level, f"{size(free)} free for logs in {home.logs}", hint)


def _free(folder: str) -> int:
    """Bytes on its disk."""
    found = os.statvfs(_nearest(folder))
    return found.f_bavail * found.f_frsize


def _daemon(home: Home) -> Check:
    if stopped := _stopped(home.lock):
        return stopped
    api = daemon.find(home)
    if api is None and (pid := daemon.holder_of(home.lock)):
        detail = f"pid {pid} holds {home.lock} but does not answer"
        return Check("fail", detail, f"run `kill {pid}`, services keep running (daemon log: {home.log})")
    if api is None:
        return Check("ok", "not running (starts when needed)")
    try:
        answer = api.get("/v1/ping", timeout=3.0)
    except (Unreachable, Denied) as error:
        return Check(
            "fail", f"{error}", f"run `locald server restart`, services keep running (daemon log: {home.log})"
        )
    detail = f"pid {answer['pid']}, version {answer['version']}, at {api.path}"
    if answer["version"] != __version__:
        return Check("warn", f"{detail}, but this command is {__version__}", "run `locald server restart`")
    return Check("ok", detail)


def _keeper(home: Home) -> Check:
    """Looked up among the sockets: to connect would take the keeper away from the daemon."""
    if stopped := _stopped(_keeper_lock(home)):
        return stopped
    listening = os.fsencode(home.keeper) in (procfs.read("/proc/net/unix") or b"").split()
    return Check("ok", "running" if listening else "not running (starts with the first service)")


def _keeper_lock(home: Home) -> str:
    return os.path.join(os.path.dirname(home.keeper), "keeper.lock")


def _stopped(lock: str) -> Check | None:
    """Whether who holds this lock is kept from running, so that whatever is asked of it waits."""
    pid = daemon.holder_of(lock)
    found = procfs.stat(pid) if pid else None
    if not pid or not found or not found.stands_still:
        return None
    if tracer := procfs.tracer(pid):
        detail = f"pid {pid} is traced by pid {tracer} ({procfs.program(tracer)}), and does nothing"
        return Check("fail", detail, f"run `kill {tracer}`")
    return Check("fail", f"pid {pid} is stopped by a signal, and does nothing", f"run `kill -CONT {pid}`")


def _files_of(home: Home) -> Check | None:
    """Whether the daemon or the keeper has nearly all open files that it may have."""
    import resource

    locks = {"daemon": home.lock, "keeper": _keeper_lock(home)}
    for name, lock in locks.items():
        try:
            pid = daemon.holder_of(lock)
            limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] if pid else resource.RLIM_INFINITY
            number = len(os.listdir(f"/proc/{pid}/fd")) if pid else 0
        except OSError:  # it has just ended
            continue
        if limit != resource.RLIM_INFINITY and number + FEW_FILES > limit:
            detail = f"the {name} (pid {pid}) has {number} of {limit} open files"
            hint = "raise the hard limit (`ulimit -Hn`), then run `locald server stop` and `locald up`"
            return Check("fail", detail, hint)
    return None


# Of this machine.


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    level = "ok" if sys.version_info >= (3, 11) else "fail"
    return Check(
        level, f"Python {version}, locald {__version__}", "" if level == "ok" else "install Python 3.11"
    )


def _shell() -> Check:
    for folder in os.get_exec_path():
        if os.access(os.path.join(folder, "sh"), os.X_OK):
            return Check("ok", os.path.join(folder, "sh"))
    return Check("fail", "no `sh` on PATH, which commands written as a string need", "add /bin to PATH")


def _processes() -> Check:
    name = f"locald-doctor-{os.getpid()}"
    base = cgroup.usable(name)
    if base:
        cgroup.remove(base)
        return Check("ok", "each run is contained by its own cgroup")
    return Check("ok", "each run is contained by its own reaper process (no writable cgroup v2 folder)")


def _listeners() -> Check:
    try:
        sockdiag.Deaths().close()
    except OSError as error:
        hint = "allow netlink sockets in this sandbox to detect listeners sooner"
        return Check("warn", f"no listener events from netlink: {error.strerror}", hint)
    return Check("ok", "detected by netlink")


def _loopback() -> Check:
    try:
        socket.create_server(("127.0.0.1", 0)).close()
    except OSError as error:
        return Check("fail", f"cannot listen on 127.0.0.1: {error.strerror}", "run `ip link set lo up`")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return Check("ok", "127.0.0.1 (no ::1)")
    return Check("ok", "127.0.0.1 and ::1")


def _ports() -> Check:
    limits = (procfs.read("/proc/sys/net/ipv4/ip_local_port_range") or b"32768 60999").split()
    first, last = int(limits[0]), int(limits[-1])
    detail = f"ephemeral ports are {first} to {last}"
    if first < LOWEST_EPHEMERAL:
        hint = "run `sysctl -w net.ipv4.ip_local_port_range='32768 60999'` to leave more for services"
        return Check("warn", detail, hint)
    return Check("ok", f"{detail}, services get ports below them")


def _files() -> Check:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < ENOUGH_FILES:
        hint = "raise the hard limit (`ulimit -Hn`, /etc/security/limits.conf)"
        return Check("warn", f"limit of {hard} open files, each service needs about ten", hint)
    return Check(
        "ok", "no limit of open files" if hard == resource.RLIM_INFINITY else f"limit of {hard} open files"
    )


def _terminals() -> Check:
    try:
        for end in os.openpty():
            os.close(end)
    except OSError as error:
        return Check(
            "fail", f"cannot open a terminal: {error.strerror}", "mount devpts, or set `tty = false`"
        )
    highest, used = (int(procfs.read(f"/proc/sys/kernel/pty/{name}") or 0) for name in ("max", "nr"))
    if highest and highest - used < ENOUGH_TERMINALS:
        hint = "run `sysctl -w kernel.pty.max=4096`, or set `tty = false` (each service takes two)"
        return Check("warn", f"{highest - used} terminals left", hint)
    return Check("ok", f"{highest - used} terminals left" if highest else "available")


def _systemd() -> Check:
    """The one that `up --on systemd` would use from this shell."""
    try:
        return Check("ok", f"of this user at {buses.bus(os.environ)} (not checked)")
    except engines.Unusable as unusable:
        return Check("ok", f"{unusable.reason} (only `up --on systemd` needs it)")


def _docker() -> Check:
    """The engine that services started from this shell would get."""
    try:
        candidates = engines.addresses(os.environ)
    except engines.Unusable as unusable:
        return Check("warn", unusable.reason, unusable.hint)
    if not candidates[0].socket:
        return Check("ok", f"engine at {candidates[0].url} (not checked)")
    paths = [each.socket for each in candidates]
    if found := next((path for path in paths if Api(path).answers()), None):
        return Check("ok", f"engine at {found}")
    if denied := next(
        (path for path in paths if os.path.exists(path) and not os.access(path, os.W_OK)), None
    ):
        return Check(
            "warn", f"no permission to use {denied}", "run `sudo usermod -aG docker $USER`, then log in again"
        )
    where = f"at {paths[0]}" if len(paths) == 1 else "on this machine"
    return Check("ok", f"no engine {where} (only services with an image need one)")
