"""What is known of the sockets of one run: which are its own, which on its port are foreign.

A socket that appears is the run's own when one of its processes holds it. The result "foreign" may
be wrong for a moment, since a child that was just born may not be seen yet, so it is looked at again, ever
more rarely. Everything is worked out from one dump of listening sockets; only the question who holds
a socket goes to `/proc`, for the run's own processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from locald.adapters.elsewhere import Place, socket_at
from locald.adapters.main_process import MainProcess
from locald.domain.knowledge.origin import origin_of
from locald.domain.lifecycle.messages import STALLED, UNTAKEN, Listener, Process, Work
from locald.domain.project.names import Run
from locald.linux import procfs, socket_owners
from locald.linux.sockdiag import Listening

if TYPE_CHECKING:
    from locald.domain.knowledge.servers import Server

FAST = 0.004
"""seconds between two looks at first"""
STEADY = 0.02
"""seconds between two, at most, as long as a program may be about to listen"""
SHARE = 200
"""a look is due when so small a part of the time has passed that a listener has been missing"""
LEISURE = 0.1
"""the same when the program says by itself that it is ready, or can, and is waited for anyway"""
PATIENT = 10.0
"""seconds after which looks become rarer"""
WIDE = 0.5
"""seconds between two looks at everything that a starting run listens on"""
PREPARED = 0.05
"""seconds after the start of a run until its programs are looked at, before it listens"""
DOUBT = 0.01
"""seconds after which a foreign listener is first looked at again: it may be a child's, just born"""
SURE = 0.1
"""seconds between two such looks from which on a listener beside our own is believed to be foreign"""


def pace(waited: float) -> float:
    """How long to wait for the next look when a listener has been missing for `waited` seconds: a small part
    of that, since who waits longer is also later."""
    if waited < PATIENT:
        return min(max(FAST, waited / SHARE), STEADY)
    if waited < 60:
        return STEADY + (waited - PATIENT) / (60 - PATIENT) * (0.05 - STEADY)
    return 0.1 if waited < 600 else 0.5


class Seen(NamedTuple):
    """What a `Listens` says, to be told when it differs from what was told last."""

    listeners: tuple[Listener, ...] = ()
    accepts: bool = False
    holder: Listener | None = None
    acceptor: Process | None = None
    untaken: float = 0.0
    probes: int = 0
    can_notify: bool = False
    server: Server | None = None
    serving: tuple[int, ...] = ()
    known: tuple[int, ...] = ()
    sockets: tuple[Listener, ...] = ()
    work: Work | None = None


class Look(Struct):
    """One dump, by port and by inode; sometimes with the sockets of UDP and Unix."""

    listening: list[Listening]
    by_port: dict[int, list[Listening]]
    by_inode: dict[int, Listening]
    others: dict[int, Place] | None = None

    @classmethod
    def of(cls, listening: list[Listening]) -> Look:
        look = cls(listening, {}, {})
        for each in listening:
            look.by_port.setdefault(each.port, []).append(each)
            look.by_inode[each.inode] = each
        return look


class Accepting(NamedTuple):
    """A listener whose program has taken a connection: which process did (None: not known), whether that
    program can send READY=1, and which server it is, if it is a known one."""

    acceptor: Process | None = None
    can_notify: bool = False
    server: Server | None = None


class Watched(Struct):
    """A run that has a port, and what is known of its sockets, by inode."""

    run: Run
    port: int
    pids: Callable[[], Collection[int]]
    missing_since: float
    wide_at: float
    may_become: Callable[[int], bool]
    """whether another port may turn out to be the service's"""
    assigned: int
    """the port that it was given; `port` is another one when that was found"""
    main: MainProcess | None = None
    """None where nobody knows it"""
    own: dict[int, Listener] = field(default_factory=dict)
    sockets: dict[int, Listener] = field(default_factory=dict)
    """its sockets of UDP and Unix"""
    serving: set[int] = field(default_factory=set)
    """the Unix sockets off which the program has taken a connection"""
    trying: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    """connections elsewhere than to its port, by inode"""
    accepting: dict[int, Accepting] = field(default_factory=dict)
    """which of them the program has taken a connection off"""
    foreign: dict[int, tuple[float, float]] = field(default_factory=dict)
    """on our port: when to look whether they are ours after all, and how long to wait the next time"""
    missing: bool = True
    """no listener of ours on our port is known to accept"""
    connecting: asyncio.Task[None] | None = None
    failures: int = 0
    """connections that failed in a row"""
    connect_at: float = 0.0
    is_urgent: bool = False
    """what is seen of it is told at once, whether or not its program has taken a connection"""
    is_answered: bool = False
    """what was seen of it when it first said that it is ready was told"""
    urgent_at: float = 0.0
    """when it was urgent for the last time"""
    prepare_at: float = 0.0
    """when to look next at which programs it runs"""
    settled: list[Listening] | None = None
    """what listened on its port at a look after which there was nothing to wait for but another one"""
    untaken_since: float = 0.0
    """since when a connection waits to be taken; 0: none does"""
    probes: int = 0
    """listeners that were gone before the program took a connection"""
    tells: bool = False
    """the program says by itself that it is ready: nobody waits for its listener"""
    may_tell: bool = False
    """it is not known whether it does: one that can is given a moment for it"""
    can_tell: bool = False
    """one of its programs can"""
    told: Seen | None = None
    """None: nothing was told yet, and whatever is seen will be"""

    def is_settled(self, look: Look, now: float) -> bool:
        """This look shows nothing new of it, and the last one has settled everything."""
        if self.settled is None or self.is_wide(now):
            return False
        return self.settled == look.by_port.get(self.port, []) and self.own.keys() <= look.by_inode.keys()

    def settle(self, look: Look, now: float) -> None:
        """Remember whether this look has settled everything."""
        tried = self.trying or self.connecting or (self.missing and (self.own or self.sockets))
        unsettled = tried or self.foreign or self.told is None or self.main_due(now) is not None
        self.settled = None if unsettled else look.by_port.get(self.port, [])

    def on_port(self) -> list[int]:
        """Our listeners on our port."""
        return [inode for inode, listener in self.own.items() if listener.port == self.port]

    def sort(self, look: Look, now: float) -> None:
        """Find out which sockets are ours, and which on our port are not."""
        self.own = {inode: listener for inode, listener in self.own.items() if inode in look.by_inode}
        self.accepting = {inode: known for inode, known in self.accepting.items() if inode in self.own}
        if self._in_doubt(look, now):  # then look at all: what is gone through is descriptors, not sockets
            self._look_at_all(look)
        on_port = {each.inode for each in look.by_port.get(self.port, ())} - self.own.keys()
        self.foreign = {inode: self._doubt(inode, now) for inode in on_port}

    def _look_at_all(self, look: Look) -> None:
        others = look.others or {}
        unknown = look.by_inode.keys() - self.own.keys()
        held = socket_owners.holders(unknown | others.keys(), self.pids())
        for each in held.keys() & unknown:
            self.claim(look.by_inode[each], held[each])
        if look.others is not None:
            self.sockets = {each: socket_at(others[each], held[each]) for each in held.keys() & others.keys()}
            self.serving &= self.sockets.keys()

    def renew_owners(self) -> bool:
        """Whoever made a listener may have left it to a child, and have ended. Whether that is so of one."""
        left = {inode for inode, one in self.own.items() if not procfs.alive(one.owner.pid)}
        return self._find_owners(left)

    def renew_owner(self, inode: int) -> None:
        """Whoever made this listener has become another program, or has left it to a child."""
        self._find_owners({inode} & self.own.keys())

    def _find_owners(self, left: set[int]) -> bool:
        held = socket_owners.holders(left, self.pids()) if left else {}
        for inode, pids in held.items():
            known = self.own[inode]
            self.claim(Listening(known.address, known.port, 0, inode), pids)
        return bool(held)

    def claim(self, listening: Listening, pids: list[int]) -> None:
        """It is its own: these processes hold it. On another port than the one that it was given, hints need
        to know how its process was started."""
        listener = listener_of(listening, pids)
        pid = listener.owner.pid
        if pid and listening.port != self.assigned:
            origin = origin_of(procfs.cmdline(pid), procfs.environ(pid))
            listener = replace(listener, owner=replace(listener.owner, origin=origin))
        self.own[listening.inode] = listener

    def strangers(self) -> list[int]:
        """Listeners on our port that are not ours. Beside our own that is not said before it is certain: a
        worker that was just born has a listener there, too (SO_REUSEPORT)."""
        if not self.foreign:
            return []
        return sorted(inode for inode, (_, wait) in self.foreign.items() if self.missing or wait >= SURE)

    @property
    def doubts_until(self) -> float | None:
        """When to look again at what else is on our port; None where nothing is."""
        return min((again_at for again_at, _ in self.foreign.values()), default=None)

    def is_wide(self, now: float) -> bool:
        """It is time to look at all that the run listens on. What was found may turn out to be wrong."""
        return (self.missing or self.port != self.assigned) and now >= self.wide_at

    def _in_doubt(self, look: Look, now: float) -> bool:
        """Whether we do not know whose a socket on our port is, or it is time to look at all anyway."""
        if self.is_wide(now):
            self.wide_at = now + WIDE
            return True
        on_port = (each.inode for each in look.by_port.get(self.port, ()) if each.inode not in self.own)
        return any(self.foreign.get(inode, (now, DOUBT))[0] <= now for inode in on_port)

    def _doubt(self, inode: int, now: float) -> tuple[float, float]:
        again_at, wait = self.foreign.get(inode, (now, DOUBT))
        return (now + wait, min(wait * 2, WIDE)) if again_at <= now else (again_at, wait)

    def is_to_prepare(self, now: float) -> bool:
        """It is time to look at its programs: soon after its start, then ever more rarely. A shell becomes
        the server, and a server starts others. What says by itself that it is ready need not be looked at."""
        if not self.missing or self.tells or now < self.prepare_at:
            return False
        waited = now - self.missing_since
        self.prepare_at = now + max(PREPARED, 4 * waited)
        return waited >= PREPARED

    def note(self, now: float) -> None:
        """Whether a listener of ours accepts, and since when none does."""
        missing = not any(inode in self.accepting for inode in self.on_port())
        if missing and not self.missing:
            self.missing_since, self.failures, self.connect_at = now, 0, now
        self.missing = missing
        if not missing:
            self.sockets = {}
            self._stop_trying()

    @property
    def is_at_leisure(self) -> bool:
        return self.tells or (self.may_tell and self.can_tell)

    def look_again(self, port: int, now: float) -> None:
        """Somebody waits for what it listens on, which is told even when that has not changed. `port` is the
        service's from now on."""
        self.port, self.wide_at, self.told, self.settled = port, now, None, None

    def end(self) -> None:
        """Nothing is tried any more."""
        if self.connecting:
            self.connecting.cancel()
        for trial in self.trying.values():
            trial.cancel()

    @property
    def is_trying(self) -> bool:
        return bool(self.trying)

    def _stop_trying(self) -> None:
        """It has its port: of others only that matters which it was given."""
        for inode in list(self.trying):
            if inode not in self.own or self.own[inode].port != self.assigned:
                self.trying.pop(inode).cancel()

    def accept(self, inode: int, accepting: Accepting) -> None:
        self.accepting[inode] = accepting
        self.failures = 0

    @property
    def stalls_at(self) -> float:
        """When the connection that waits has waited for too long; 0 where none waits."""
        return self.untaken_since + STALLED if self.untaken_since else 0.0

    def seen(self, holder: Listener | None, now: float) -> Seen:
        shown = {
            (one.port, one.address): one for one in sorted(self.own.values(), key=self._order, reverse=True)
        }
        known = next((each for inode in self.on_port() if (each := self.accepting.get(inode))), Accepting())
        return Seen(
            tuple(reversed(shown.values())),
            not self.missing,
            holder,
            known.acceptor,
            self._untaken(now),
            self.probes,
            known.can_notify,
            known.server,
            *self._elsewhere(),
            tuple(sorted(self._serving(), key=lambda each: each.place)),
            self.main.work if self.main else None,
        )

    def main_due(self, now: float) -> float | None:
        """Seconds until the next look at the main process; None: it needs none."""
        return self.main.due(now) if self.main else None

    def look_at_main(self, now: float) -> None:
        """What the main process does while one that is not below it takes connections: on the service's port,
        or else elsewhere."""
        if self.main is None:
            return
        taken = sorted(self.accepting, key=lambda inode: self.own[inode].port != self.port)
        if taken:
            self.main.look(self.own[taken[0]].owner, taken[0], self.pids, now)
        else:
            self.main.forget()

    def _elsewhere(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The other ports off which the program has taken a connection, and those of known servers."""
        taken = {
            self.own[inode].port: known
            for inode, known in self.accepting.items()
            if self.own[inode].port != self.port
        }
        return tuple(sorted(taken)), tuple(sorted(port for port, known in taken.items() if known.server))

    def _serving(self) -> list[Listener]:
        """Nothing but its program takes a datagram off a socket, so those of UDP always count."""
        return [one for inode, one in self.sockets.items() if one.kind == "udp" or inode in self.serving]

    def _untaken(self, now: float) -> float:
        if not self.untaken_since:
            return 0.0
        return STALLED if now >= self.stalls_at else UNTAKEN

    def _order(self, listener: Listener) -> tuple[bool, int, bool, str, int]:
        """Our port first, IPv4 before IPv6, and of several processes that share an address the oldest."""
        ipv6 = ":" in listener.address
        return (listener.port != self.port, listener.port, ipv6, listener.address, listener.owner.pid)


def listener_of(listening: Listening, pids: list[int]) -> Listener:
    """Of several processes that share a socket the one with the lowest pid, usually the parent, is named."""
    pid = pids[0] if pids else 0
    return Listener(listening.address, listening.port, Process(pid, procfs.program(pid) if pid else ""))


def untried(watched: Watched) -> list[int]:
    """The listeners of the run that may become its port, and have not been tried. Once it has one, only that
    of the port which it was given."""
    return [
        inode
        for inode, listener in watched.own.items()
        if listener.port != watched.port
        and inode not in watched.accepting
        and inode not in watched.trying
        and (watched.missing or listener.port == watched.assigned)
        and watched.may_become(listener.port)
        and not listener.is_debugger
    ]


def untried_sockets(watched: Watched) -> list[int]:
    """The Unix sockets that have not been tried; only a program that opens no port is known by one."""
    if not watched.missing or watched.own:
        return []
    own = watched.sockets.items()
    return [
        inode
        for inode, listener in own
        if listener.kind == "unix" and inode not in watched.serving and inode not in watched.trying
    ]
