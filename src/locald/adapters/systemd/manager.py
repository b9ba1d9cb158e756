"""The connection to a user's systemd, for as long as some run of ours is there.

It tells by itself what becomes of units. When it goes, by the end of its bus or with the last session of the
user, nobody can tell how runs are, and they say so; when it is back, each looks for its unit again.

Each time that it is there (again), units that carry our label and belong to no run that anybody knows are
stopped. What others made is never touched.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from locald.adapters.containers.connection import Connection
from locald.adapters.containers.engine import EngineAbsent
from locald.adapters.systemd.bus import DBUS, MANAGER, PROPERTIES, SERVICE, SYSTEMD, Bus, Denied, place
from locald.adapters.systemd.journal import Journal
from locald.adapters.systemd.unit import OWNER, carried, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from locald.domain.project.names import Run

log = logging.getLogger(__name__)

CHANGES = (
    f"type='signal',sender='{SYSTEMD}',interface='{PROPERTIES}',member='PropertiesChanged',"
    f"path_namespace='{MANAGER}/unit'"
)
OWNERS = f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{SYSTEMD}'"
NO_SUCH_UNIT = "NoSuchUnit"


class User(Protocol):
    """A run with a unit here. `path`: of that on the bus; empty while there is none."""

    path: str

    def changed(self, properties: Mapping[str, Any]) -> None: ...
    def engine_went(self, why: str) -> None: ...
    def engine_came(self) -> None: ...


class Manager(Connection[User]):
    KIND = "systemd of the user"

    def __init__(self, bus: Bus, place: str, owner: str, runs: Callable[[], Collection[Run]]) -> None:
        """`bus` is open now; it is closed with this. `runs`: all that anybody knows."""
        super().__init__(place)
        self.bus = bus
        self.journal = Journal()
        self._place, self._owner, self._runs = place, owner, runs
        self._ended: asyncio.Future[str] | None = None

    async def up(self) -> Bus:
        """The bus, when systemd is there."""
        await self._up.wait()
        return self.bus

    async def hold(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.journal.read(), name="read the journal")
            await super().hold()

    async def _talk(self) -> str:
        try:
            await self._begin()
            for user in list(self._users):
                user.engine_came()
            self._came()
            return await self._until_gone()
        except EngineAbsent as absent:
            return absent.reason
        except Denied as denied:
            return f"systemd refuses: {denied}"

    async def _begin(self) -> None:
        self._ended = asyncio.get_running_loop().create_future()
        self.bus.on_signal(self._heard)
        for rule in (CHANGES, OWNERS):
            await self.bus.dbus("AddMatch", "s", rule)
        await self.bus.call("Subscribe")
        await self._tidy()

    async def _until_gone(self) -> str:
        assert self._ended
        closed = asyncio.ensure_future(self.bus.gone())
        try:
            await asyncio.wait((closed, self._ended), return_when=asyncio.FIRST_COMPLETED)
            return closed.result() if closed.done() else self._ended.result()
        finally:
            closed.cancel()

    def _heard(self, path: str, member: str, body: list[Any]) -> None:
        if member == "NameOwnerChanged" and self._ended and not self._ended.done():
            self._ended.set_result("systemd has ended, or was restarted")
        elif member == "PropertiesChanged":
            for user in list(self._users):
                if user.path == path:
                    user.changed(body[1])

    async def _try_again(self) -> None:
        self.bus.close()
        self.bus = await reach(self._place)

    async def close(self) -> None:
        self.bus.close()

    async def labels(self, path: str) -> dict[str, str]:
        """Those of a unit. Raises Denied, EngineAbsent."""
        asked = ("Get", "ss", SERVICE, "LogExtraFields")
        return carried(await self.bus.call(*asked, path=path, interface=PROPERTIES))

    async def _tidy(self) -> None:
        """Stop the units of runs that nobody knows. Raises Denied, EngineAbsent."""
        self.is_clean = True
        for unit, *_, path, _, _, _ in await self.bus.call(
            "ListUnitsByPatterns", "asas", [], ["locald-*.service"]
        ):
            try:
                labels = await self.labels(path)
            except Denied:  # it is gone meanwhile
                continue
            run = run_of(labels)
            if labels.get(OWNER) == self._owner and run not in self._runs():
                log.warning("stopping the unit %s: its run is not known", unit)
                await remove(self.bus, unit)


async def remove(bus: Bus, unit: str) -> None:
    """Have a unit stopped and forgotten; what is not there is not an error. Raises EngineAbsent."""
    for ask in (("StopUnit", "ss", unit, "replace"), ("ResetFailedUnit", "s", unit)):
        try:
            await bus.call(*ask)
        except Denied as denied:
            if denied.name != NO_SUCH_UNIT:
                log.info("%s of %s: %s", ask[0], unit, denied)


async def reach(place: str) -> Bus:
    """The bus at this address, if a systemd is on it. Raises EngineAbsent."""
    bus = await Bus.connect(place)
    try:
        await bus.dbus("GetNameOwner", "s", SYSTEMD)
    except Denied:
        bus.close()
        raise EngineAbsent(f"no systemd of the user is on the bus at {place}", NO_MANAGER) from None
    except BaseException:
        bus.close()
        raise
    return bus


async def usable(env: Mapping[str, str]) -> None:
    """Raises EngineAbsent."""
    (await reach(place(env))).close()


NO_MANAGER = "run `systemctl --user status` to see what is wrong"
