"""One run as a transient unit, from its order to the news that nothing is left of it.

    order ── StartTransientUnit ──► follow its unit ──► Exited ── what it left ends ── remove ──► Gone
          └─► NotStarted                           └─► Lost

It is stopped by stopping the unit: systemd sends the stop signal, waits, and kills what is left. What a
systemd that is away would have to do is done when it is back; who cannot wait for that is told what is left,
by name.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

from locald.adapters.containers.elsewhere import AGAIN, Elsewhere, Vanished
from locald.adapters.containers.engine import EngineAbsent
from locald.adapters.containers.networks import CannotBegin
from locald.adapters.containers.refusals import Reason, name_held, shown
from locald.adapters.keeper_words import refusal
from locald.adapters.systemd import unit as units
from locald.adapters.systemd.bus import Denied
from locald.adapters.systemd.following import Following, state
from locald.adapters.systemd.manager import NO_SUCH_UNIT, remove
from locald.domain.lifecycle.messages import Ends, Exited, NotStarted, Spawned
from locald.linux import cgroup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from locald.adapters.containers.printing import Printing
    from locald.adapters.systemd.bus import Bus
    from locald.adapters.systemd.manager import Manager
    from locald.adapters.systemd.unit import Order
    from locald.domain.lifecycle.messages import Event
    from locald.domain.project.names import Run
    from locald.linux import clock as clocks

log = logging.getLogger(__name__)

SOON = 0.02
"""seconds before what takes systemd no time is looked at again"""
TAKEN = "UnitExists"


class Held(Elsewhere):
    ENGINE = "systemd"

    def __init__(
        self,
        run: Run,
        order: Order,
        *,
        owner: str,
        reach: Callable[[Held], Awaitable[Manager]],
        printing: Printing,
        post: Callable[[Event], None],
        clock: clocks.Clock,
    ) -> None:
        super().__init__(run, printing, post, clock)
        self.order = order
        self.unit = units.unit_name(run.key)
        self.path = ""
        self.manager: Manager | None = None
        self._owner, self._reach = owner, reach
        self._known: dict[str, Any] = {}
        self._is_new = self._stops = False
        self._working: set[asyncio.Task[None]] = set()
        self._folder: str | None = None
        self._following = Following(run, self.unit, order.process.argv[0], self._steady, speaks=order.speaks)

    # For the manager.

    def changed(self, properties: Mapping[str, Any]) -> None:
        self._known |= properties
        self._news.set()

    def engine_came(self) -> None:
        self._is_new = bool(self.path)
        self._news.set()

    # What others want of it.

    def signal(self, number: int) -> None:
        self._tell_them("main", number)

    def _kill(self) -> None:
        self._tell_them("all", signal.SIGKILL)

    def _tell_them(self, whom: str, number: int) -> None:
        if self.manager and self.manager.is_up and self.path:
            work = asyncio.get_running_loop().create_task(self._send(self.manager.bus, whom, number))
            self._working.add(work)
            work.add_done_callback(self._working.discard)

    async def _send(self, bus: Bus, whom: str, number: int) -> None:
        try:
            await bus.call("KillUnit", "ssi", self.unit, whom, number)
        except (Denied, EngineAbsent) as error:
            log.info("%s did not get signal %d: %s", self.run, number, error)

    @property
    def main(self) -> int:
        """The main process; 0 while there is none."""
        return state(self._known).main if self._spawned else 0

    def pids(self) -> list[int]:
        """Those of its processes."""
        if self._folder is None and (main := self.main):
            found = cgroup.folder_of(main)
            self._folder = found if found and os.path.basename(found) == self.unit else None
        return cgroup.pids(self._folder) if self._folder else []

    # Its life.

    async def _begin(self) -> None:
        self.manager = await self._reach(self)
        bus = await self.manager.up()
        await self.manager.journal.follow(self.unit, self.printing, time.time_ns())
        try:
            await self._create(self.manager, bus)
        except Denied as denied:
            raise CannotBegin(_refused(denied)) from None

    async def _create(self, manager: Manager, bus: Bus) -> None:
        """Raises CannotBegin, Denied, EngineAbsent."""
        program = await asyncio.to_thread(_found, self.order)
        if untaken := units.untaken(self.order.process.env):
            told = "systemd takes no variables of these names or values"
            self.printing.note(f"{told}: {', '.join(untaken)}")
        given = units.properties(self.run, self.order, program, self._owner, await bus.environment())
        for last in (False, True):
            try:
                await bus.start(self.unit, given)
            except Denied as denied:
                if last or denied.name != TAKEN:
                    raise
                await self._make_way(manager, bus)
            else:
                await self._look(bus)
                return

    async def _make_way(self, manager: Manager, bus: Bus) -> None:
        """Remove what an earlier run of this service left. What is not ours stays. Raises CannotBegin."""
        labels = await manager.labels(await bus.call("LoadUnit", "s", self.unit))
        run = units.run_of(labels)
        if labels.get(units.OWNER) != self._owner or run is None or run.key != self.run.key:
            hint = f"run `systemctl --user status {self.unit}` to see it, or rename one of the two"
            raise CannotBegin(name_held(self.unit, "a unit that is not of this locald", hint))
        await remove(bus, self.unit)
        await self._until_forgotten(bus)

    async def _until_forgotten(self, bus: Bus) -> None:
        """Until systemd knows no unit of this name. Raises Denied, EngineAbsent."""
        while True:
            try:
                await bus.call("GetUnit", "s", self.unit)
            except Denied as denied:
                if denied.name == NO_SUCH_UNIT:
                    return
                raise
            await asyncio.sleep(SOON)

    async def _look(self, bus: Bus) -> None:
        """All that its unit is now. What is told of meanwhile may be newer than the answer; if it is older,
        more will be told. Raises Denied, EngineAbsent."""
        path = await bus.call("GetUnit", "s", self.unit)
        self._known, self.path = {}, path
        found = await bus.properties(path)
        self._known = found | self._known
        self._news.set()

    async def _find(self) -> None:
        """Raises Vanished."""
        while True:
            try:
                self.manager = self.manager or await self._reach(self)
                await self._claim(await self._patiently(self.manager.up))
            except EngineAbsent as absent:
                self._be_silent(absent.reason)
            else:
                since = round((state(self._known).started or time.time()) * 1e9)
                await self.manager.journal.follow(self.unit, self.printing, since)
                return
            self._check_patience()
            await asyncio.sleep(AGAIN)

    async def _claim(self, bus: Bus) -> None:
        """The unit, if it is this run's still. Raises Vanished, EngineAbsent."""
        assert self.manager
        try:
            path = await bus.call("GetUnit", "s", self.unit)
            if await self.manager.labels(path) != units.labels(self.run, self._owner):
                raise Vanished(f"the run was lost: the unit {self.unit} is of another run")
            await bus.call("RefUnit", "s", self.unit)
            await self._look(bus)
        except Denied as denied:
            if denied.name != NO_SUCH_UNIT:
                raise Vanished(f"the run was lost: systemd refuses: {shown(denied.message)}") from None
            raise Vanished(f"the run was lost: systemd has no unit {self.unit}") from None
        self._is_new = False
        self._be_heard()

    def _left(self) -> str:
        left = f"locald ends what is left when it can, or `systemctl --user stop {self.unit}` does"
        return f"systemd cannot be reached: {left}"

    # Following it.

    async def _follow(self) -> None:
        """From its first process to the end of its last. Raises CannotBegin, Vanished."""
        has_ended = False
        while True:
            self._news.clear()
            if not self._silent or self._is_new:
                await self._attend()
                has_ended = has_ended or await self._tell()
                if has_ended and state(self._known).is_cleared and not self.pids():
                    return
            self._check_patience()
            try:
                async with asyncio.timeout(AGAIN if has_ended or self._ending else None):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _attend(self) -> None:
        """What has to be asked of systemd, if it is there. Raises Vanished."""
        assert self.manager
        try:
            if self._is_new:
                self._stops = False
                await self._claim(self.manager.bus)
            if self._ending and not self._stops:
                await self.manager.bus.call("StopUnit", "ss", self.unit, "replace")
                self._stops = self._is_obeyed = True
        except EngineAbsent as absent:
            log.debug("%s: %s", self.run, absent)
        except Denied as denied:
            log.warning("%s cannot be stopped: %s", self.unit, denied)
            self._stops = True

    async def _tell(self) -> bool:
        """Post what is new; whether its main process has ended. Raises CannotBegin."""
        assert self.manager
        for event in self._following.look(state(self._known)):
            if isinstance(event, NotStarted):
                raise CannotBegin(Reason(event.reason, event.hint))
            if isinstance(event, Exited):
                self._post(Ends(event.run, event.at))
                await self.manager.journal.finish(self.unit)
                self._post(Exited(event.run, event.pid, event.exit, len(self.pids()), event.at))
                return True
            self._spawned = self._spawned or isinstance(event, Spawned)
            self._post(event)
        return False

    async def _take_away(self) -> None:
        """Have the unit stopped and forgotten, if there is one; a systemd that is away does so when it is
        back. Of a run that never was none is waited for: what is there is found by the next start."""
        if self.manager is None:
            return
        await self.manager.journal.finish(self.unit)
        try:
            if not (self._spawned or self.manager.is_up):
                return
            bus = await self._patiently(self.manager.up)
            path = await bus.call("GetUnit", "s", self.unit)
            if await self.manager.labels(path) == units.labels(self.run, self._owner):
                await remove(bus, self.unit)
                await bus.call("UnrefUnit", "s", self.unit)
        except (Vanished, EngineAbsent, Denied) as error:
            log.debug("%s: %s", self.unit, error)

    def _steady(self, wall: float | None) -> float:
        """A moment of the machine's clock on ours; now, where it is not known. Never later than now."""
        now = self._clock.now()
        return now if wall is None else min(now, now - (time.time() - wall))


def _found(order: Order) -> str:
    """The path of its program, as a shell would find it: systemd looks in folders of its own. Raises
    CannotBegin."""
    process = order.process
    if not all(map(units.is_text, (process.cwd, *process.argv))):
        raise CannotBegin(Reason("systemd takes no command or folder that is not UTF-8", "rename it"))
    if not os.path.isdir(process.cwd):
        text = os.strerror(errno.ENOTDIR if os.path.exists(process.cwd) else errno.ENOENT)
        raise CannotBegin(Reason(*refusal("workdir", 0, process.cwd, text)))
    wanted = process.argv[0]
    path = os.path.join(process.cwd, wanted) if "/" in wanted else wanted
    if found := shutil.which(path, path=process.env.get("PATH", os.defpath)):
        return os.path.abspath(os.path.join(process.cwd, found))
    number = errno.EACCES if "/" in wanted and os.path.exists(path) else errno.ENOENT
    raise CannotBegin(Reason(*refusal("program", number, wanted, os.strerror(number))))


def _refused(denied: Denied) -> Reason:
    told = f"systemd refuses to start it: {shown(denied.message)}"
    return Reason(told, "correct it, then run `locald up` again")
