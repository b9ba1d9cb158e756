"""What a container listens on, in the words of this machine: pids as seen here, its port as published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from locald.adapters.containers.create import LOCALHOST
from locald.domain.lifecycle.messages import Listener, Listens, Process
from locald.linux import procfs, socket_owners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from locald.domain.knowledge.servers import Server
    from locald.domain.project.names import Run
    from locald.linux.sockdiag import Listening

INITS = ("docker-init", "tini", "catatonit")
_RESOLVER = "127.0.0.11"
"""where an engine answers DNS in the network of a container"""


class Target(Struct, frozen=True):
    """A container's id, first process (0: not of this machine), port inside, and the published one."""

    container: str
    pid: int
    inside: int
    published: int
    host: str = LOCALHOST
    """the address of the machine on which it is published"""

    def is_own(self, listening: Listening) -> bool:
        """Whether this is what its published port leads to."""
        return listening.port == self.inside and not _is_loopback(listening.address)

    def pids(self) -> list[int]:
        """Its processes, but for those that an engine put into it later."""
        return [self.pid, *procfs.descendants(self.pid)]


def is_of_this_machine(pid: int, container: str) -> bool:
    """Whether this process of ours is the container's: its cgroup is named after it, and we may look."""
    cgroup = procfs.read(f"/proc/{pid}/cgroup") if pid else None
    return container.encode() in (cgroup or b"") and bool(procfs.read(f"/proc/{pid}/net/tcp"))


def listeners(target: Target, table: Iterable[Listening]) -> tuple[Listener, ...]:
    """What the container listens on. Its own port, where it can be reached from outside, is shown as the one
    that it is published on; everything else as it is inside."""
    seen = [each for each in table if not each.address.startswith(_RESOLVER)]
    held = socket_owners.holders({each.inode for each in seen}, target.pids())
    found = (_shown(each, target, held.get(each.inode, [])) for each in seen)
    return tuple(
        sorted(set(found), key=lambda each: (each.port != target.published, each.port, each.address))
    )


def own(target: Target, seen: Iterable[Listener]) -> Listener | None:
    """Its published port among them."""
    at = (target.host, target.published)
    return next((each for each in seen if (each.address, each.port) == at), None)


def _shown(listening: Listening, target: Target, holders: list[int]) -> Listener:
    pid = holders[0] if holders else _speaker(target.pid)
    owner = Process(pid, procfs.program(pid))
    if target.is_own(listening):
        return Listener(target.host, target.published, owner)
    return Listener(listening.address, listening.port, owner)


def _is_loopback(address: str) -> bool:
    """Nobody outside of the container can reach it."""
    return address.startswith("127.") or address == "::1"


def _speaker(pid: int) -> int:
    """The process that people know, where we may not see who holds a socket: the child of the init."""
    if procfs.program(pid) not in INITS:
        return pid
    return min(procfs.children(pid) or [pid])


class Telling:
    """Posts what is seen, when that is something new."""

    def __init__(
        self, run: Run, post: Callable[[Listens], None], clock: Callable[[], float], *, again: bool
    ) -> None:
        """`again`: an earlier daemon looked before, so what is seen first is told even when it is nothing."""
        self._run, self._post, self._clock = run, post, clock
        self._told = None if again else Listens(run, (), False, None, 0.0)

    @property
    def has_told(self) -> bool:
        return self._told is not None

    def tell(
        self,
        seen: tuple[Listener, ...],
        *,
        accepts: bool = False,
        acceptor: Process | None = None,
        untaken: float = 0.0,
        probes: int = 0,
        server: Server | None = None,
        unproven: bool = False,
    ) -> None:
        told = Listens(
            self._run,
            seen,
            accepts,
            None,
            0.0,
            acceptor=acceptor,
            untaken=untaken,
            probes=probes,
            server=server,
            unproven=unproven,
        )
        if told != self._told:
            self._told = told
            self._post(replace(told, at=self._clock()))
