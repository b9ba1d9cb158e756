"""The runs that an engine's adapter looks after: a task for each, and one thread that writes their output.

An engine of its own says how a run lives; what all have in common is here. A fault of ours costs one run, not
the daemon.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from locald.adapters.containers.logs import Capture
from locald.adapters.containers.printing import Printing
from locald.domain.lifecycle.messages import Lost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from locald.domain.project.names import Run
    from locald.domain.project.spec import Definition
    from locald.linux.clock import Clock

log = logging.getLogger(__name__)

CLEARED_WITHIN = 5.0
"""seconds that the end of the daemon may wait for networks to be removed"""


class Printed(Protocol):
    """What its order says of a run that prints. `logs`: its service's folder of captures."""

    @property
    def definition(self) -> Definition: ...
    @property
    def logs(self) -> str: ...


class Life(Protocol):
    """A run. `gone`: nothing of it runs any more."""

    run: Run
    printing: Printing
    gone: bool

    async def live(self, *, known: bool) -> None:
        """Until nothing of it is left. `known`: it was begun by an earlier daemon, and is looked for."""
        ...


H = TypeVar("H", bound=Life)


class Lives(Generic[H]):
    """`held`: the runs, until they are forgotten."""

    def __init__(
        self,
        post: Callable[[Lost], None],
        clock: Clock,
        tasks: asyncio.TaskGroup,
        on_output: Callable[[Run], None],
        kind: str = "container",
    ) -> None:
        """`on_output` is called when a run has printed something. `kind`: of what a run is to its engine."""
        self.held: dict[Run, H] = {}
        self._post, self._clock, self._tasks, self._on_output = post, clock, tasks, on_output
        self._kind = kind
        self._working: set[asyncio.Task[None]] = set()
        self._clearing: set[asyncio.Task[Any]] = set()
        """the tasks of runs that have ended, while their network may have to go"""
        self._disk = ThreadPoolExecutor(1, f"output of {kind}s")

    def printing(self, run: Run, order: Printed) -> Printing:
        """What keeps its output."""
        capture = Capture(order.logs, run.number, order.definition.spec.log_size, self._clock)
        return Printing(capture, self._in_thread, lambda: self._on_output(run), kind=f"{self._kind}s")

    def begin(self, held: H, leave: Callable[[H], Awaitable[None]], *, known: bool) -> None:
        """`leave`: what is done when nothing of it is left."""
        self.held[held.run] = held
        life = self._tasks.create_task(
            self._look_after(held, leave, known=known), name=f"{self._kind} of {held.run}"
        )
        self._working.add(life)
        life.add_done_callback(self._working.discard)

    def note(self, run: Run, line: str) -> None:
        if held := self.held.get(run):
            held.printing.note(line)
            self._on_output(run)

    def forget(self, run: Run) -> None:
        if held := self.held.pop(run, None):
            held.printing.close(over=True)

    async def close(self, others: Callable[[], Iterable[asyncio.Task[None]]]) -> None:
        """Let go of everything, of other tasks too; what runs goes on. What is being cleared away is cleared
        away first, which may end some of those."""
        if self._clearing:
            await asyncio.wait(self._clearing, timeout=CLEARED_WITHIN)
        working = [*self._working, *others()]
        for task in working:
            task.cancel()
        if working:
            await asyncio.wait(working)
        for held in self.held.values():
            held.printing.close(over=False)
        self.held.clear()  # what is still asked for comes too late
        await asyncio.to_thread(self._disk.shutdown)

    async def _look_after(self, held: H, leave: Callable[[H], Awaitable[None]], *, known: bool) -> None:
        try:
            await held.live(known=known)
        except Exception as error:
            log.exception("%s can no longer be managed", held.run)
            reason = f"internal error while managing its {self._kind}: {error!r}"
            self._post(Lost(held.run, reason, self._clock.now()))
        held.gone = True
        if task := asyncio.current_task():
            self._clearing.add(task)
            task.add_done_callback(self._clearing.discard)
        await leave(held)  # when all of this is called off, the daemon ends, and everything stays

    def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().run_in_executor(self._disk, function, *arguments)
