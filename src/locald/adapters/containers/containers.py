"""Containers, by way of the local engine: the face of this package, of the same shape as `processes`.

Every run that was ordered ends in exactly one `NotStarted`, `Gone` or `Lost`. An engine is looked for only
when something is started or adopted, and let go of when nothing is left there; which one it is says
the environment of the shell that ran `up`.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from locald.adapters.containers import inside
from locald.adapters.containers.connection import Connections
from locald.adapters.containers.engine import EngineAbsent, first, where
from locald.adapters.containers.engines_used import EnginesUsed
from locald.adapters.containers.held import Held
from locald.adapters.containers.link import Link
from locald.adapters.containers.lives import Lives
from locald.adapters.containers.networks import Networks
from locald.domain.project.labelled import of_all
from locald.wire.engines import Address

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from locald.adapters.containers.create import Order
    from locald.adapters.containers.looking import News
    from locald.domain.project.names import Run
    from locald.linux.clock import Clock


class Containers:
    def __init__(
        self,
        post: Callable[[News], None],
        clock: Clock,
        tasks: asyncio.TaskGroup,
        on_output: Callable[[Run], None],
        owner: str,
        used: str,
    ) -> None:
        """`tasks`: where the work lives. `on_output` is called when a run has printed something. `owner`:
        what tells our containers from those of another locald on the same engine; always the same. `used`:
        the file in which a later daemon finds where something of ours may be."""
        self._post, self._clock, self._owner = post, clock, owner
        self._lives: Lives[Held] = Lives(post, clock, tasks, on_output)
        self._links = Connections(tasks, EnginesUsed(used, Address), self._connect)
        self._met: set[Address] = set()
        """where an engine has answered"""

    # Orders.

    def start(self, run: Run, order: Order) -> None:
        """Answered by `Prepares`, if the image has to be fetched, and `Spawned` or `NotStarted`."""
        self._hold(run, order, known=False)

    def adopt(self, run: Run, order: Order, pid: int | None = None) -> None:
        """Look for a run of an earlier daemon, of which `pid` was the process: answered like a start, or by
        `Lost`. Adopt all that there may be at once: what nobody knows is removed."""
        self._hold(run, order, known=True, pid=pid or 0)

    def tidy(self) -> None:
        """Remove what earlier daemons have left, and nobody knows any more. Call it when all that is known
        has been adopted."""
        self._links.tidy()

    def signal(self, run: Run, number: int) -> None:
        """Tell the first process of the container; call off what has not begun."""
        if held := self._lives.held.get(run):
            held.signal(number)

    def kill(self, run: Run) -> None:
        """Answered by `Exited` and `Gone`; by `Stuck` meanwhile, if it does not die."""
        self.signal(run, signal.SIGKILL)

    def note(self, run: Run, line: str) -> None:
        self._lives.note(run, line)

    def forget(self, run: Run) -> None:
        self._lives.forget(run)

    async def exec_check(self, run: Run, command: str, timeout: float) -> tuple[bool, str]:
        """Run `sh -c command` in the container, for `timeout` seconds at most: whether it exited with 0, and
        one sentence. Never raises for what the command or the engine does."""
        held = self._lives.held.get(run)
        if held is None or not held.container or held.link is None:
            return False, "the container does not exist yet"
        return await inside.check(held.link.engine, held.container, command, timeout)

    def main(self, run: Run) -> tuple[int, str] | None:
        """The main process of the run and the id of its container, as the engine tells them: the process may
        be one of another machine. None while there is none."""
        held = self._lives.held.get(run)
        return (held.pid, held.container) if held and held.pid and held.container else None

    def way_in(self, run: Run) -> tuple[str, dict[str, str]] | None:
        """The id of its container, and the environment with which the docker command finds that. None while
        there is none."""
        held = self._lives.held.get(run)
        if held is None or not held.pid or held.link is None:
            return None
        return held.container, held.link.engine.address.variables

    async def close(self) -> None:
        """Let go of everything; containers keep running. What is being cleared away is cleared away first."""
        await self._lives.close(self._links.tasks)

    # Runs.

    def _hold(self, run: Run, order: Order, *, known: bool, pid: int = 0) -> None:
        held = Held(
            run,
            order,
            pid=pid,
            owner=self._owner,
            reach=self._reach,
            sharing=self._sharing,
            printing=self._lives.printing(run, order),
            post=self._post,
            clock=self._clock,
        )
        self._lives.begin(held, self._leave, known=known)

    # Engines.

    async def _reach(self, held: Held) -> Link:
        """The link to the engine of the run's order, made if there is none. Raises EngineAbsent."""
        candidates = await where(held.order.shell)
        link = await self._links.reach(held, candidates)
        self._met.add(link.engine.address)
        return link

    async def _connect(self, candidates: tuple[Address, ...]) -> Link:
        try:
            engine = await first(candidates)
        except EngineAbsent as absent:
            absent.was_there = not self._met.isdisjoint(candidates)
            raise
        networks = Networks(self._owner, self._in_use, self._members)
        return Link(engine, self._owner, self._lives.held.keys, networks)

    def _in_use(self, project: str) -> bool:
        return any(self._of(project))

    def _members(self, project: str) -> dict[str, str]:
        there = [*self._of(project), *self._of(of_all(project))]
        return {held.container: held.run.key.service for held in there if held.container}

    def _of(self, project: str) -> list[Held]:
        return [
            held for held in self._lives.held.values() if held.run.key.project == project and not held.gone
        ]

    def _sharing(self, run: Run) -> set[str]:
        """The projects with a network that this container has to be in too: those that share it."""
        return {
            held.run.key.project
            for held in self._lives.held.values()
            if run.key.is_shared and held.order.definition.key_of(run.key.service) == run.key
            if not (held.gone or held.order.is_alone or held.run.key.is_shared)
        }

    async def _leave(self, held: Held) -> None:
        """With the last container of a project goes its network, and with the last of all the connection."""
        if (link := held.link) is None:
            return
        await link.networks.drop(link.engine, held.run.key.project)
        self._links.leave(held, link, is_removed=held.is_removed)
