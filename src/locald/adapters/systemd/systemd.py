"""The user's own systemd as the place where processes run: the face of this package.

Every run that was ordered ends in exactly one `NotStarted`, `Gone` or `Lost`. Whose systemd it is says the
environment of the shell that ran `up`; a connection is made when the first run needs it, and let go of with
the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.adapters.containers.connection import Connections
from locald.adapters.containers.engine import EngineAbsent
from locald.adapters.containers.lives import Lives, Orders
from locald.adapters.systemd.bus import place
from locald.adapters.systemd.held import Held
from locald.adapters.systemd.manager import Manager, reach, usable
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from locald.adapters.systemd.unit import Order
    from locald.domain.lifecycle.messages import Event
    from locald.domain.project.names import Run
    from locald.linux.clock import Clock


class Adapter(Orders[Held]):
    def __init__(
        self,
        post: Callable[[Event], None],
        clock: Clock,
        tasks: asyncio.TaskGroup,
        on_output: Callable[[Run], None],
        owner: str,
    ) -> None:
        """`tasks`: where the work lives. `owner`: what tells our units from those of another locald."""
        self._post, self._clock, self._owner = post, clock, owner
        super().__init__(Lives(post, clock, tasks, on_output, "unit"))
        self._managers: Connections[Manager] = Connections(tasks)

    async def ready(self, shell: Mapping[str, str], context: str) -> str:
        """It has no contexts. Raises Refused where there is no systemd of this user that takes orders."""
        try:
            await usable(shell)
        except EngineAbsent as absent:
            raise Refused(Problem(absent.reason, "--on systemd", absent.hint)) from None
        return ""

    # Orders.

    def start(self, run: Run, order: Order) -> None:
        self._hold(run, order, known=False)

    def adopt(self, run: Run, order: Order) -> None:
        self._hold(run, order, known=True)

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

    async def close(self) -> None:
        """Let go of everything; units keep running."""
        await self._lives.close(self._managers.tasks)

    # Runs.

    def _hold(self, run: Run, order: Order, *, known: bool) -> None:
        held = Held(
            run,
            order,
            owner=self._owner,
            reach=self._reach,
            printing=self._lives.printing(run, order),
            post=self._post,
            clock=self._clock,
        )
        self._lives.begin(held, self._leave, known=known)

    async def _reach(self, held: Held) -> Manager:
        """The systemd of the run's order. Raises EngineAbsent."""
        where = place(held.order.shell)

        async def connect() -> Manager:
            return Manager(await reach(where), where, self._owner, self._lives.held.keys)

        return await self._managers.reach(held, (where,), connect)

    async def _leave(self, held: Held) -> None:
        """With the last run goes the connection."""
        if held.manager:
            self._managers.leave(held, held.manager)
