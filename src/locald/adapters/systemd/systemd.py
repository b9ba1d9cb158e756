"""The user's own systemd as the place where processes run: the face of this package.

Every run that was ordered ends in exactly one `NotStarted`, `Gone` or `Lost`. Whose systemd it is says the
environment of the shell that ran `up`; a connection is made when the first run needs it, and let go of with
the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.adapters.containers import elsewhere
from locald.adapters.containers.engine import EngineAbsent
from locald.adapters.systemd.bus import place
from locald.adapters.systemd.held import Held
from locald.adapters.systemd.manager import Manager, reach, usable
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.adapters.containers.printing import Printing
    from locald.adapters.systemd.unit import Order
    from locald.domain.project.names import Run


class Adapter(elsewhere.Adapter[Held, Manager, str]):
    KIND = "unit"
    ADDRESS = str

    async def ready(self, shell: Mapping[str, str], context: str) -> str:
        """It has no contexts. Raises Refused where there is no systemd of this user that takes orders."""
        try:
            await usable(shell)
        except EngineAbsent as absent:
            raise Refused(Problem(absent.reason, "--on systemd", absent.hint)) from None
        return ""

    def way_in(self, run: Run) -> None:
        """A process has no container."""

    def main(self, run: Run) -> tuple[int, str] | None:
        """The main process of a run, and the name of its unit, which its cgroup has too."""
        held = self._lives.held.get(run)
        return (held.main, held.unit) if held and held.main else None

    def pids(self, run: Run) -> list[int]:
        """The processes of a run, which are of this machine."""
        held = self._lives.held.get(run)
        return held.pids() if held else []

    def _made(self, run: Run, order: Order, printing: Printing) -> Held:
        return Held(
            run,
            order,
            owner=self._owner,
            reach=self._reach,
            printing=printing,
            post=self._post,
            clock=self._clock,
        )

    async def _reach(self, held: Held) -> Manager:
        """The systemd of the run's order. Raises EngineAbsent."""
        return await self._connections.reach(held, (place(held.order.shell),))

    async def _connect(self, candidates: tuple[str, ...]) -> Manager:
        (where,) = candidates
        return Manager(await reach(where), where, self._owner, self._lives.held.keys)

    async def _leave(self, held: Held) -> None:
        """With the last run goes the connection."""
        if held.manager:
            self._connections.leave(held, held.manager, is_removed=held.is_removed)
