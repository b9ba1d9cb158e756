"""`locald try`: run any server command with a free PORT, and report when it is ready.

No project and no daemon are needed. The command is a child of this process, which makes itself the
parent of whatever the command leaves orphaned, so that at the end nothing is left. Whether it listens is
asked of the kernel: which sockets listen, and which of them a process of ours holds. There is no news of
a new listener, so this is looked at often in the beginning and ever less often after.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import time

from locald.cli.shared import child, say
from locald.domain.values.amounts import length
from locald.linux import prctl, socket_owners
from locald.linux.sockdiag import Table
from locald.linux.tree import Family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from locald.linux.sockdiag import Listening

ABOUT = """\
Run a command with a free port in PORT, and report when it listens there. Needs no
project and keeps nothing: when the command exits, its children are killed, and its
exit code is returned.

    locald try sh -c 'python3 -m http.server $PORT'
    locald try npm run dev
"""
EXAMPLE = "locald try sh -c 'python3 -m http.server $PORT'"
LOWEST = 20000
"""Ports that are assigned begin here, well away from those that programs usually have"""
OTHER_PORT_AFTER = 1.0
"""seconds that a listener elsewhere must last: build tools open ports of their own for a moment"""
GRACE = 2.0
"""seconds that what is left of the command's children has before SIGKILL"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("try", usage="locald try [-h] CMD…", description=ABOUT)
    parser.add_argument(
        "command", metavar="CMD", nargs=argparse.REMAINDER, help="the command and its arguments"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    command = child.given(args.command, "try", EXAMPLE)
    port = free_port()
    try:
        prctl.become_subreaper()
    except OSError:
        pass  # then only those that stay below the command are found
    say.note(f"PORT={port}")
    environment = {**os.environ, "PORT": str(port)}
    return child.run(command, environment, look=_Watch(port, command).look, after=_end_all)


def free_port() -> int:
    """A port that nobody has, outside the range from which the kernel gives ports to connections."""
    highest = _ephemeral_from()
    for _ in range(100):
        port = LOWEST + int.from_bytes(os.urandom(4)) % max(highest - LOWEST, 1)
        if _is_free(port):
            return port
    with socket.create_server(("127.0.0.1", 0)) as any_port:
        chosen: int = any_port.getsockname()[1]
        return chosen


def _ephemeral_from() -> int:
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as limits:
            return int(limits.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 32768


def _is_free(port: int) -> bool:
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                trial.bind((address, port))
        except OSError as error:
            if family == socket.AF_INET or error.errno == errno.EADDRINUSE:  # else: no IPv6
                return False
    return True


class _Watch:
    """Looks for the command's listeners until one has the port; warns once of one that has another."""

    def __init__(self, port: int, command: Sequence[str]) -> None:
        self._port = port
        self._command = command
        self._began = time.monotonic()
        self._table = Table()
        self._family = Family(os.getpid())
        self._elsewhere: dict[int, float] = {}
        self._warned = False

    def look(self) -> float | None:
        """Seconds until it is worth looking again; None when there is nothing more to find."""
        now = time.monotonic()
        ours = _held(self._table.read(), self._family)
        for listening in ours:
            if listening.port == self._port:
                say.note(f"ready on {_url(listening)} after {length(now - self._began)}")
                self._table.close()
                return None
        self._warn_of(ours, now)
        return min(max((now - self._began) / 20, 0.01), 1.0)

    def _warn_of(self, ours: list[Listening], now: float) -> None:
        since = {each.port: self._elsewhere.get(each.port, now) for each in ours}
        self._elsewhere = since
        lasting = [each for each in ours if now - since[each.port] >= OTHER_PORT_AFTER]
        if lasting and not self._warned:
            self._warned = True
            what = f"listening on {_url(lasting[0])}, not on PORT {self._port}"
            say.warning(what, f"pass PORT to the command: `locald try sh -c '{self._example()}'`")

    def _example(self) -> str:
        from locald.domain.knowledge.port_options import recognise  # only who has gone wrong needs this

        server = recognise(" ".join(self._command))
        return server.fix if server else "COMMAND --port $PORT"


def _held(listening: list[Listening], family: Family) -> list[Listening]:
    """Those that a process of the family holds."""
    held = socket_owners.holders([each.inode for each in listening], family.pids())
    return [each for each in listening if each.inode in held]


def _url(listening: Listening) -> str:
    """Where a browser finds it."""
    address = "127.0.0.1" if listening.address in ("0.0.0.0", "::") else listening.address
    return f"http://{f'[{address}]' if ':' in address else address}:{listening.port}/"


def _end_all() -> None:
    """Nothing of the command stays: SIGTERM, then SIGKILL."""
    family, began = Family(os.getpid()), time.monotonic()
    family.signal(signal.SIGTERM)
    while _reap() and (left := family.members()):
        waited = time.monotonic() - began
        if waited > GRACE:
            family.kill()
        if waited > 2 * GRACE:
            say.warning(f"processes still running after SIGKILL: {', '.join(map(str, left))}")
            return
        time.sleep(0.01)


def _reap() -> bool:
    """Collect the children that have ended. Whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
