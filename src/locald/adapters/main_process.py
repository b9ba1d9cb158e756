"""What the main process of a run does, while a process serves that is not below it.

Usually the server is the main process, or below it: then a look is one or two files of `/proc`, and nothing
follows. Else the processes below the main one are looked at every so often, for as long as they may matter:
what they are, and whether one of them is connected to the server. What that means is for
`lifecycle/background`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from locald.domain.knowledge.idle import only_stays
from locald.domain.lifecycle.background import rests_at
from locald.domain.lifecycle.messages import AtWork, Process, Work
from locald.linux import procfs, socket_owners
from locald.linux.connections import connected_to

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from locald.linux.procfs import Stat

FAST, STEADY = 0.03, 0.1
"""seconds between two looks: in the first second after something new, and later"""
LAUNCHED = 60.0
"""seconds for which a program that starts a server is looked at"""
_LONGEST = 64
"""processes above one another that are climbed"""


_Doing = tuple[AtWork, frozenset[tuple[str, ...]]]
"""its state, and the arguments of each process below it"""


class Line(NamedTuple):
    """A process and those above it: up to the main process, which is not among them, if that is above it."""

    up: list[Stat]
    is_below: bool


class MainProcess:
    """`work`: None while the process that serves is below it, or none does."""

    def __init__(self, pid: int) -> None:
        self.work: Work | None = None
        self._pid = pid
        self._doing: _Doing | None = None
        self._done: set[tuple[_Doing | None, _Doing]] = set()
        """what it was seen to do, and what before that"""
        self._since = 0.0
        """when it last did something new"""

    def due(self, now: float) -> float | None:
        """Seconds until the next look; None: it needs none."""
        if self.work is None:
            return None
        waited = now - self.work.since
        until = LAUNCHED if self.work.state == "launching" else rests_at(self.work) - self.work.since + 1
        return None if waited > until else FAST if waited < 1 else STEADY

    def forget(self) -> None:
        """Nobody serves any more."""
        self.work = None

    def look(self, owner: Process, inode: int, pids: Callable[[], Collection[int]], now: float) -> None:
        """`owner` holds the listener with this inode, or did so when it was found. Where its holder cannot be
        seen, because it is just ending, nothing has changed."""
        main = procfs.stat(self._pid)
        line = _line_of_holder(owner.pid, inode, pids, main.pid) if main and main.alive else None
        if main and line:
            self.work = self._work(main, line, now)

    def _work(self, main: Stat, line: Line, now: float) -> Work | None:
        if line.is_below:
            launcher = _launcher(line.up, main)
            since = self._entered("launching", now)
            return _work(main, line.up[0], launcher, "launching", since) if launcher else None
        server = line.up[0]
        below = _below(main.pid, server.pid)
        state = _state(main, below, server)
        self._note((state, frozenset(tuple(procfs.cmdline(each.pid)) for each in below)), now)
        doing = max(below, key=lambda each: each.start, default=None)
        is_alone = not below and state in ("nothing", "busy")
        return _work(main, server, doing, state, self._entered(state, now) if is_alone else self._since)

    def _entered(self, state: AtWork, now: float) -> float:
        """Since when it has been in this state, with nothing below it or launching."""
        known = self.work if self.work and self.work.state == state else None
        return known.since if known and (state == "launching" or known.doing is None) else now

    def _note(self, doing: _Doing, now: float) -> None:
        """What it does now. That something ends is new, too: another thing is about to begin, and is known by
        its name only when it is executed. A loop does the same after the same, again and again."""
        step = self._doing, doing
        if doing != self._doing and step not in self._done:
            self._done.add(step)
            self._since = now
        self._doing = doing


def _work(main: Stat, server: Stat, doing: Stat | None, state: AtWork, since: float) -> Work:
    known = _process(doing) if doing else None
    return Work(_process(main), _process(server), known, state, since)


def _state(main: Stat, below: list[Stat], server: Stat) -> AtWork:
    parents = {each.ppid for each in below}
    last = [each for each in (main, *below) if each.pid not in parents]
    if all(only_stays(procfs.cmdline(each.pid)) for each in last):
        return "idle"
    if _is_connected((main, *below), server):
        return "client"
    return "busy" if below or main.is_at_work else "nothing"


def _below(pid: int, server: int) -> list[Stat]:
    """What is alive below a process, but for the server and what is below that."""
    of_server = {server, *procfs.descendants(server)}
    found = (procfs.stat(each) for each in procfs.descendants(pid) if each not in of_server)
    return [each for each in found if each and each.alive]


def _is_connected(clients: Iterable[Stat], server: Stat) -> bool:
    """Whether one of them has a connection to the server, or to what is below that."""
    serving = (server.pid, *procfs.descendants(server.pid))
    theirs = connected_to(_sockets(serving))
    return bool(theirs) and not theirs.isdisjoint(_sockets(each.pid for each in clients))


def _sockets(pids: Iterable[int]) -> set[int]:
    return {inode for pid in pids for inode in socket_owners.sockets(pid)}


def _line_of_holder(owner: int, inode: int, pids: Callable[[], Collection[int]], main: int) -> Line | None:
    """From the process that holds this listener up; from one below the main process, if it is there. Whoever
    made a listener may have left it to a child, and have ended."""
    line = _line(owner, main)
    if line and line.is_below:
        return line
    holders = socket_owners.holders({inode}, pids()).get(inode, [])
    lines = [line for pid in holders if (line := _line(pid, main))]
    return next((line for line in lines if line.is_below), next(iter(lines), None))


def _line(pid: int, main: int) -> Line | None:
    """None for a process that is no more."""
    up: list[Stat] = []
    while pid != main and len(up) < _LONGEST:
        found = procfs.stat(pid)
        if found is None or not found.alive:
            return Line(up, False) if up else None
        up.append(found)
        pid = found.ppid
    return Line(up, pid == main)


def _launcher(up: list[Stat], main: Stat) -> Stat | None:
    """What has started a server in another session than its own, where that has no terminal: a program that
    is given a terminal of its own is one that stays. The main process itself is no launcher."""
    server = next(iter(up), None)
    if server is None or server.session == main.session or server.terminal:
        return None
    return next((each for each in up if each.session != server.session), None)


def _process(found: Stat) -> Process:
    return Process(found.pid, found.program)
