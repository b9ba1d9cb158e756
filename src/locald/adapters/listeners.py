"""Sees what the processes of each run listen on, and tells when that changes.

The kernel has no news of a socket that begins to listen. So while some run has not opened its port yet, one
dump of all listening sockets is taken every few milliseconds, for all such runs together; the pace slows
down with the time that nothing comes, and is leisurely where nobody waits: for a program that says by itself
that it is ready. A listener on the expected port is the run's own when one of its
processes holds the socket; it is believed when the program has taken one real connection off it (see
`acceptance`), and only then told of, unless that takes long. (We connect to nothing but a listener that we
have seen, so we never reach a stale process, nor ourselves.) Other ports that the run listens on are looked
for twice a second meanwhile, because they explain why the expected one stays closed; so does a foreign
listener on that port.

Once every run has its port there is nothing to poll: the kernel does have news of listeners that end.

What is done in the loop never waits: netlink and `/proc` answer from memory, in some 0.1 ms for a usual
run. Only the search for a process outside the run, through all processes of the machine, is done in a thread.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from locald.adapters import elsewhere, own_listeners
from locald.adapters.acceptance import Acceptance, Answer, Door
from locald.adapters.main_process import MainProcess
from locald.adapters.own_listeners import (
    FAST,
    LEISURE,
    PATIENT,
    WIDE,
    Accepting,
    Look,
    Seen,
    Watched,
    listener_of,
    pace,
)
from locald.adapters.ports import ephemeral
from locald.adapters.programs import Program, Programs
from locald.domain.lifecycle.messages import Event, Listener, Listens, Process
from locald.linux import procfs, socket_owners
from locald.linux.sockdiag import Deaths, Listening, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from locald.domain.project.names import Run

UNTOLD = 0.25
"""seconds between two looks where the kernel gives no news of listeners that end"""
QUIET = 0.02
"""seconds for which further news is collected, so that many listeners of others cost little"""
STRANGERS = 1.0
"""seconds between two looks where nothing is missing: another server may join a port (SO_REUSEPORT)"""
AGAIN_TOLD = 0.5
"""seconds for which what an earlier daemon saw is tried once more, before its absence is told"""
AGAIN = 0.05
"""seconds from a connection that failed to the next one"""


class Listeners:
    """Posts `Listens` for every run that is watched, from when `run` runs until it is cancelled."""

    def __init__(self, post: Callable[[Event], None], clock: Callable[[], float]) -> None:
        """`clock`: epoch seconds, never going back."""
        self._post = post
        self._clock = clock
        self._table = Table()
        self._last = Look.of([])
        self._door = Door()
        self._programs = Programs()
        self._watched: dict[Run, Watched] = {}
        self._holders: dict[int, Listener | None] = {}
        """foreign listeners on our ports, by inode; None while they are being looked for"""
        self._wake = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        """while `run` runs"""
        self._told = False
        """the kernel tells of listeners that end"""

    def watch(
        self,
        run: Run,
        port: int | None,
        pids: Callable[[], Collection[int]],
        *,
        again: bool = False,
        may_become: Callable[[int], bool] = lambda _: False,
        assigned: int | None = None,
        tells: bool = False,
        may_tell: bool = False,
        main: int | None = None,
    ) -> None:
        """Look after the run until `unwatch`. `pids`: its processes. One without a port is passed over; one
        that is known is looked after at this port from now on.

        `again`: an earlier daemon saw it listen, so what is seen first is reported even when it is nothing.
        `may_become`: whether another port can turn out to be the service's; `assigned`: the one that it was
        given, where `port` is one that was found. `tells`: the program is known to say by itself that it
        is ready, or has done so, so there is no hurry; `watch` once more looks at once. `may_tell`: one that
        can, is given a moment for it.
        `main`: the run's main process.
        """
        if port is None:
            return
        now, told = self._clock(), None if again else Seen()
        known = self._watched.get(run)
        if known:
            if not (known.is_answered and known.port == port):
                known.look_again(port, now)
        else:
            wide_at = now if again else now + WIDE
            self._watched[run] = Watched(
                run, port, pids, now, wide_at, may_become, assigned or port, told=told
            )
            self._watched[run].main = MainProcess(main) if main else None
        self._watched[run].tells, self._watched[run].may_tell = tells, may_tell
        self._wake.set()

    def unwatch(self, run: Run) -> None:
        """Tell nothing more about the run."""
        watched = self._watched.pop(run, None)
        if watched:
            watched.end()

    def look_at(self, run: Run, *, everywhere: bool = False) -> None:
        """It says that it is ready: tell now where it listens, so that nobody hears of it without an address.
        One that says so without end is looked at as often as any other. `everywhere`: on any port."""
        watched, now = self._watched.get(run), self._clock()
        if watched and everywhere and watched.renew_owners():
            self._tell(watched, now)
        if not watched or not watched.missing or not self._tasks or now < watched.urgent_at + FAST:
            return
        watched.is_urgent, watched.urgent_at = True, now
        if everywhere:
            watched.wide_at = now
        self._look(self._tasks)
        watched.is_urgent = False

    def answer(self, run: Run) -> None:
        """It said that it is ready, and was looked at everywhere: whoever heard that waits for what was seen,
        also when it is nothing new."""
        watched = self._watched.get(run)
        if watched:
            watched.told, watched.is_answered, watched.is_urgent = None, True, True
            self._tell(watched, self._clock())
            watched.is_urgent = False

    def is_answered(self, run: Run) -> bool:
        """It was told once where the run listens since that is ready."""
        return run in self._watched and self._watched[run].is_answered

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                with self._news():
                    while True:
                        self._wake.clear()
                        self._look(tasks)
                        await self._pause()
        finally:
            self._tasks = None
            self._table.close()
            self._door.close()

    # When to look.

    async def _pause(self) -> None:
        """Until there is news, or until the next look is due."""
        due = self._due()
        loop = asyncio.get_running_loop()
        timer = None if due is None else loop.call_later(due, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer:
                timer.cancel()

    def _due(self) -> float | None:
        """Seconds until the next look; None: not before there is news."""
        now = self._clock()
        paces = [self._pace(each, now) for each in self._watched.values() if each.missing]
        waiting = [each for each in self._watched.values() if each.untaken_since or each.foreign]
        paces += [each.stalls_at - now for each in waiting if each.stalls_at > now]
        paces += [due for each in self._watched.values() if (due := each.main_due(now)) is not None]
        paces += [max(at - now, 0.0) for each in waiting if (at := each.doubts_until)]
        if self._watched:
            found = any(each.port != each.assigned for each in self._watched.values())
            paces.append(UNTOLD if not self._told else WIDE if found else STRANGERS)
        return min(paces, default=None)

    def _pace(self, watched: Watched, now: float) -> float:
        """What has a socket of another kind is not expected to open a port any more after a while."""
        waited = now - watched.missing_since
        if watched.is_at_leisure:
            return LEISURE
        return WIDE if watched.sockets and waited >= PATIENT else pace(waited)

    @contextmanager
    def _news(self) -> Iterator[None]:
        """Be woken when a listener of ours has ended."""
        try:
            deaths = Deaths()
        except OSError:
            yield
            return
        loop = asyncio.get_running_loop()
        self._told = True
        self._listen_to(deaths, loop)
        try:
            yield
        finally:
            loop.remove_reader(deaths.fileno())
            deaths.close()

    def _listen_to(self, deaths: Deaths, loop: asyncio.AbstractEventLoop) -> None:
        if deaths.fileno() >= 0:  # else it was closed while news was being collected
            loop.add_reader(deaths.fileno(), self._observed, deaths, loop)

    def _observed(self, deaths: Deaths, loop: asyncio.AbstractEventLoop) -> None:
        ended = deaths.read()
        ports = {one.port for each in self._watched.values() for one in each.own.values()}
        ports.update(each.port for each in self._watched.values())
        if ended is None or ended & ports:
            self._wake.set()
        loop.remove_reader(deaths.fileno())
        loop.call_later(QUIET, self._listen_to, deaths, loop)

    # One look.

    def _look(self, tasks: asyncio.TaskGroup) -> None:
        """Look once, for all. What follows from it may take a moment more, in `tasks`."""
        if not self._watched:
            return
        look, now = self._dump(), self._clock()
        to_prepare = [each for each in self._watched.values() if each.is_to_prepare(now)]
        if to_prepare:
            tasks.create_task(self._prepare(to_prepare), name="programs")
        for watched in list(self._watched.values()):
            if not watched.is_settled(look, now):
                self._look_at(watched, look, now, tasks)
        self._name_foreign(look, tasks)

    def _dump(self) -> Look:
        """The same look as the last time where nothing has changed, and no others are asked for."""
        listening, now = self._table.read(), self._clock()
        if listening is not self._last.listening:
            self._last = Look.of(listening)
        if any(each.missing and each.is_wide(now) for each in self._watched.values()):
            look = Look.of(listening)
            look.others = elsewhere.sockets({each.port for each in self._watched.values()}, ephemeral())
            return look
        return self._last

    def _look_at(self, watched: Watched, look: Look, now: float, tasks: asyncio.TaskGroup) -> None:
        watched.sort(look, now)
        watched.note(now)
        if watched.main_due(now) is not None:
            watched.look_at_main(now)
        if watched.missing and not watched.connecting and now >= watched.connect_at:
            self._connect(watched, tasks)
        self._try_elsewhere(watched, tasks)
        self._tell(watched, now)
        watched.settle(look, now)

    def _tell(self, watched: Watched, now: float) -> None:
        """Post what has changed. While the first connection is under way, what it shows is awaited."""
        is_new = watched.connecting and not watched.failures and not watched.untaken_since
        if is_new and watched.on_port() and not watched.is_urgent:
            return
        if watched.told is None and watched.is_trying and now < watched.missing_since + AGAIN_TOLD:
            return
        holders = (self._holders.get(inode) for inode in watched.strangers())
        seen = watched.seen(next((holder for holder in holders if holder), None), now)
        if seen != watched.told and self._watched.get(watched.run) is watched:
            watched.told = seen
            self._post(Listens(watched.run, at=now, **seen._asdict()))

    async def _prepare(self, all_watched: list[Watched]) -> None:
        pids = [watched.pids() for watched in all_watched]
        found = await asyncio.to_thread(lambda: list(map(self._programs.prepare, pids)))
        for watched, can_tell in zip(all_watched, found, strict=True):
            watched.can_tell = can_tell

    # Whether it accepts.

    def _connect(self, watched: Watched, tasks: asyncio.TaskGroup) -> None:
        ours = sorted(watched.on_port(), key=lambda inode: watched.own[inode].address)
        if ours:
            inode = ours[watched.failures % len(ours)]
            trial = self._try(watched, inode, watched.own[inode])
            watched.connecting = tasks.create_task(trial, name=f"connect {watched.run}")

    async def _try(self, watched: Watched, inode: int, listener: Listener) -> None:
        """One connection, and what it shows: told at once when it was taken, with the next look when not."""
        try:
            acceptance, program = await self._connected(
                watched, inode, listener, lambda: self._untaken(watched)
            )
        finally:
            watched.connecting, watched.untaken_since = None, 0.0
        self._tried(watched, inode, acceptance, program)
        self._wake.set()

    async def _connected(
        self, watched: Watched, inode: int, listener: Listener, untaken: Callable[[], None]
    ) -> tuple[Acceptance, Program]:
        """A connection to this listener until it is taken or given up, and what its program is known for.
        `untaken`: called when the program leaves it waiting."""
        loop, pid = asyncio.get_running_loop(), listener.owner.pid
        image = procfs.image(pid)
        searched = loop.run_in_executor(None, self._programs.of, pid)  # which begins now
        acceptance = await self._door.try_listener(
            listener.address,
            listener.port,
            watched.pids,
            is_there=lambda: self._is_there(inode),
            untaken=untaken,
        )
        program = await searched
        if image is not None and procfs.image(pid) == image:
            return acceptance, program
        watched.renew_owner(inode)
        owner = watched.own[inode].owner if inode in watched.own else listener.owner
        return acceptance, await loop.run_in_executor(None, self._programs.of, owner.pid)

    def _tried(self, watched: Watched, inode: int, acceptance: Acceptance, program: Program) -> None:
        now = self._clock()
        if acceptance.answer is Answer.TAKEN and inode in watched.own:
            watched.accept(inode, _accepting(acceptance, program))
            watched.note(now)
            watched.look_at_main(now)
            self._tell(watched, now)
        elif not self._is_there(inode):
            watched.probes += 1
            watched.connect_at = now  # whatever listens next is tried at once
        elif acceptance.answer is not Answer.TAKEN:
            watched.failures += 1
            watched.connect_at = now + AGAIN

    def _is_there(self, inode: int) -> bool:
        return any(each.inode == inode for each in self._table.read())

    def _untaken(self, watched: Watched) -> None:
        """The program leaves its first connection waiting: that explains why it is not ready."""
        watched.untaken_since = self._clock()
        self._wake.set()

    # Whether it serves elsewhere.

    def _try_elsewhere(self, watched: Watched, tasks: asyncio.TaskGroup) -> None:
        for inode in own_listeners.untried(watched):
            trial = self._try_port(watched, inode, watched.own[inode])
            watched.trying[inode] = tasks.create_task(trial, name=f"try {watched.run} elsewhere")
        for inode in own_listeners.untried_sockets(watched):
            trial = self._try_path(watched, inode, watched.sockets[inode].address)
            watched.trying[inode] = tasks.create_task(trial, name=f"try a socket of {watched.run}")

    async def _try_port(self, watched: Watched, inode: int, listener: Listener) -> None:
        """One connection, for as long as it takes."""
        acceptance, program = await self._connected(watched, inode, listener, lambda: None)
        if acceptance.answer is Answer.TAKEN and inode in watched.own:
            watched.accepting[inode] = _accepting(acceptance, program)
            watched.look_at_main(self._clock())
            self._wake.set()
        else:
            await asyncio.sleep(WIDE)
        watched.trying.pop(inode, None)

    async def _try_path(self, watched: Watched, inode: int, path: str) -> None:
        if await elsewhere.is_taken(path) and inode in watched.sockets:
            watched.serving.add(inode)
            self._wake.set()
        else:
            await asyncio.sleep(WIDE)
        watched.trying.pop(inode, None)

    # Who else it is.

    def _name_foreign(self, look: Look, tasks: asyncio.TaskGroup) -> None:
        """Look for the holders of sockets on our ports that are not ours, each once."""
        present = {inode for each in self._watched.values() for inode in each.foreign}
        self._holders = {inode: holder for inode, holder in self._holders.items() if inode in present}
        new = [look.by_inode[inode] for inode in present - self._holders.keys()]
        if new:
            self._holders.update((each.inode, None) for each in new)
            tasks.create_task(self._find(new), name="holders")

    async def _find(self, foreign: list[Listening]) -> None:
        try:
            held = await asyncio.to_thread(socket_owners.holders_anywhere, {each.inode for each in foreign})
        except OSError:  # no descriptor is left to look with
            await asyncio.sleep(WIDE)
            for each in foreign:
                self._holders.pop(each.inode, None)
            self._wake.set()
            return
        for each in foreign:
            pids = held.get(each.inode, [])
            if each.inode in self._holders and not self._claim(each, pids):
                self._holders[each.inode] = listener_of(each, pids)
        self._wake.set()

    def _claim(self, listening: Listening, pids: list[int]) -> bool:
        """Whether it belongs to one of our runs after all: a process that was too young to be seen."""
        for watched in self._watched.values():
            if listening.inode in watched.foreign and (ours := set(watched.pids()).intersection(pids)):
                watched.claim(listening, sorted(ours))
                return True
        return False


def _accepting(acceptance: Acceptance, program: Program) -> Accepting:
    """What a connection that was taken tells of its listener."""
    pid = acceptance.pid
    return Accepting(Process(pid, procfs.program(pid)) if pid else None, program.can_notify, program.server)
