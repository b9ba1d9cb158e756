"""What an adapter posts, for tests that wait until it says something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.domain.lifecycle.messages import Event

E = TypeVar("E")


class Posted:
    """`post` is what the adapter gets; `events` are those that nobody has waited for yet."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._posted = asyncio.Event()

    def post(self, event: Event) -> None:
        self.events.append(event)
        self._posted.set()

    async def wait_for(
        self, kind: type[E], what: Callable[[E], bool] = lambda _: True, timeout: float = 10
    ) -> E:
        """The next event of this kind of which `what` holds; those before it are passed over."""
        async with asyncio.timeout(timeout):
            while True:
                while self.events:
                    event = self.events.pop(0)
                    if isinstance(event, kind) and what(event):
                        return event
                self._posted.clear()
                await self._posted.wait()
