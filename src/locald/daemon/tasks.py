"""The daemon's tasks: each has a name, is held, and none outlives the daemon.

When the body of the group is left, what still runs is called off. A task that fails ends the daemon: services
keep running, and the next command starts another one. But what is spawned for one run costs no other run
anything: a fault there is in the log.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from types import TracebackType

log = logging.getLogger(__name__)


class Cancellable(Protocol):
    """What is left of a task to the code that spawned it: nobody awaits it, but it may be called off."""

    def cancel(self) -> object: ...


class Tasks(asyncio.TaskGroup):
    def __init__(self) -> None:
        super().__init__()
        self._held: set[asyncio.Task[Any]] = set()

    def create_task(
        self, coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        task = super().create_task(coro, **options)
        self._held.add(task)
        task.add_done_callback(self._held.discard)
        return task

    def begin(self, work: Coroutine[None, None, None], name: str) -> None:
        """Do this as long as the daemon lives: it cannot be without."""
        self._held.add(self.create_task(work, name=name))

    def spawn(self, work: Coroutine[None, None, None], name: str) -> Cancellable:
        """Do this for one run. `name` says what it is, in the log too."""
        task = self.create_task(_contained(work, name), name=name)
        task.add_done_callback(lambda _: work.close())  # it may have been called off before it began
        return task

    async def __aexit__(
        self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for task in self._held:
            task.cancel()
        await super().__aexit__(et, exc, tb)


async def _contained(work: Coroutine[None, None, None], name: str) -> None:
    try:
        await work
    except Exception:
        log.exception("failed: %s", name)
