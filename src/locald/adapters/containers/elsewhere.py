"""What runs on engines elsewhere have in common: how they are called off, stopped and killed, and what is
said while their engine is away.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, TypeVar

from locald.adapters.containers.refusals import Reason
from locald.domain.lifecycle.messages import Prepares, Resumed, Silenced

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from locald.adapters.containers.printing import Printing
    from locald.domain.lifecycle.messages import Event
    from locald.domain.project.names import Run
    from locald.linux import clock as clocks

AGAIN = 0.2
"""seconds before something that failed, or of which nobody tells, is looked at again"""
GIVES_UP = 10.0
"""seconds after SIGKILL was asked for in which an engine that is away may come back"""
CALLED_OFF = Reason("stopped before it started")

E = TypeVar("E")


class Vanished(Exception):
    """What the run was is not there, and nobody saw how it ended. One sentence."""


class Elsewhere:
    ENGINE = "the engine"
    """as people call it"""

    def __init__(
        self, run: Run, printing: Printing, post: Callable[[Event], None], clock: clocks.Clock
    ) -> None:
        self.run, self.printing = run, printing
        self.gone = False
        self._post, self._clock = post, clock
        self._beginning: asyncio.Timeout | None = None
        """while it begins, and can be called off"""
        self._ending = self._silent = self._spawned = False
        self._is_obeyed = False
        """its engine has taken the order to end it"""
        self._give_up_at: float | None = None
        self._news = asyncio.Event()

    def engine_went(self, why: str) -> None:
        if self._spawned:
            self._be_silent(why)
        elif self._beginning is None:
            detail = f"waiting for {self.ENGINE} to be back: {why}"
            self._post(Prepares(self.run, detail, self._clock.now()))

    def _be_silent(self, why: str) -> None:
        """Nobody can tell how it is."""
        if not self._silent:
            self._silent = True
            self._post(Silenced(self.run, why, self._clock.now()))

    def _be_heard(self) -> None:
        if self._silent:
            self._silent = False
            self._post(Resumed(self.run, self._clock.now()))

    def stop(self) -> None:
        if self._beginning:
            if not self._beginning.expired():
                self._beginning.reschedule(asyncio.get_running_loop().time())
            return
        self._ending = True
        self._news.set()

    def kill(self) -> None:
        """Where its engine is away, who waits is told what is left there before that is given up."""
        if self._give_up_at is None:
            self._give_up_at = self._clock.now() + GIVES_UP
            if self._silent or (self._ending and not self._is_obeyed):
                self._silent = True
                self._post(Silenced(self.run, self._left(), self._clock.now()))
        self.stop()
        self._kill()

    def signal(self, number: int) -> None:
        raise NotImplementedError

    def _kill(self) -> None:
        """Send SIGKILL, if that can be done."""
        self.signal(signal.SIGKILL)

    async def _patiently(self, up: Callable[[], Awaitable[E]]) -> E:
        """What `up` gives as soon as the engine is there. Raises Vanished."""
        while True:
            try:
                async with asyncio.timeout(AGAIN):
                    return await up()
            except TimeoutError:
                self._check_patience()

    def _check_patience(self) -> None:
        """Raises Vanished."""
        if self._give_up_at is not None and self._clock.now() >= self._give_up_at:
            raise Vanished(self._left())

    def _left(self) -> str:
        """One sentence: the engine cannot be reached, what is left there, and how that is ended."""
        raise NotImplementedError
