"""The daemon's tasks: each has a name, is held, and none outlives the daemon.

When the body of the group is left, what still runs is called off. A task that fails ends the daemon: services
keep running, and the next command starts another one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from types import TracebackType


class Cancellable(Protocol):
    """What is left of a task to whoever spawned it: nobody awaits it, but it may be called off."""

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

    def spawn(self, work: Coroutine[None, None, None], name: str) -> Cancellable:
        return self.create_task(work, name=name)

    async def __aexit__(
        self, et: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for task in self._held:
            task.cancel()
        await super().__aexit__(et, exc, tb)
