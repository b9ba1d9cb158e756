"""The daemon's tasks: each has a name, is held, and none outlives the daemon.

A task that fails is said in the log. Those that the daemon cannot live without end it: the group's exception
reaches `main`, services keep running, and the next command starts another daemon.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType


class Cancellable(Protocol):
    """What is left of a task to whoever spawned it: nobody awaits it, but it may be called off."""

    def cancel(self) -> object: ...


class Tasks:
    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._held: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._held:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    def spawn(self, work: Coroutine[None, None, None], name: str) -> Cancellable:
        """Run it, for as long as the daemon lives at most."""
        task = self._group.create_task(work, name=name)
        self._held.add(task)
        task.add_done_callback(self._held.discard)
        return task
