"""What engines elsewhere have in common: their adapters, how runs live there, are called off, stopped and
killed, and what is said while their engine is away.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from locald.adapters.containers.connection import Connection, Connections
from locald.adapters.containers.engine import EngineAbsent
from locald.adapters.containers.engines_used import EnginesUsed
from locald.adapters.containers.lives import Lives
from locald.adapters.containers.networks import CannotBegin
from locald.adapters.containers.refusals import Reason
from locald.domain.lifecycle.messages import Gone, Lost, NotStarted, Prepares, Resumed, Silenced

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from locald.adapters.containers.printing import Printing
    from locald.domain.lifecycle.messages import Event, Exited
    from locald.domain.project.names import Run
    from locald.linux import clock as clocks

AGAIN = 0.2
"""seconds before something that failed, or of which nobody tells, is looked at again"""
GIVES_UP = 10.0
"""seconds after SIGKILL was asked for in which an engine that is away may come back"""
CALLED_OFF = Reason("stopped before it started")

E = TypeVar("E")
H = TypeVar("H", bound="Elsewhere")
C = TypeVar("C", bound=Connection[Any])
A = TypeVar("A")
"""how an engine is addressed"""


class Adapter(Generic[H, C, A]):
    """An engine's own says how it is reached (`_connect`), how a run is made of an order (`_made`), and what
    goes with it (`_leave`)."""

    KIND = "run"
    """what a run is to the engine"""
    ADDRESS: type[A]

    def __init__(
        self,
        post: Callable[[Event], None],
        clock: clocks.Clock,
        tasks: asyncio.TaskGroup,
        on_output: Callable[[Run], None],
        owner: str,
        used: str,
    ) -> None:
        """`tasks`: where the work lives. `owner`: what tells what is ours from that of another locald.
        `used`: the file in which a later daemon finds where something of ours may be."""
        self._post, self._clock, self._owner = post, clock, owner
        self._lives: Lives[H] = Lives(post, clock, tasks, on_output, self.KIND)
        known = EnginesUsed(used, self.ADDRESS)
        self._connections: Connections[C, A] = Connections(tasks, known, self._connect)

    # Orders. A run that is not there any more needs none.

    def start(self, run: Run, order: Any) -> None:
        self._hold(run, order, known=False)

    def adopt(self, run: Run, order: Any) -> None:
        self._hold(run, order, known=True)

    def stop(self, run: Run) -> None:
        if held := self._lives.held.get(run):
            held.stop()

    def signal(self, run: Run, number: int) -> None:
        if held := self._lives.held.get(run):
            held.signal(number)

    def kill(self, run: Run) -> None:
        if held := self._lives.held.get(run):
            held.kill()

    def tidy(self) -> None:
        """Remove what earlier daemons have left, and nobody knows any more. Call it when all that is known
        has been adopted."""
        self._connections.tidy()

    def note(self, run: Run, line: str) -> None:
        self._lives.note(run, line)

    def forget(self, run: Run) -> None:
        self._lives.forget(run)

    async def close(self) -> None:
        """Let go of everything; what runs goes on. What is being cleared away is cleared away first."""
        await self._lives.close(self._connections.tasks)

    async def _connect(self, candidates: tuple[A, ...]) -> C:
        """To the first of these engines that answers. Raises EngineAbsent."""
        raise NotImplementedError

    # Runs.

    def _hold(self, run: Run, order: Any, *, known: bool) -> None:
        held = self._made(run, order, self._lives.printing(run, order))
        self._lives.begin(held, self._leave, known=known)

    def _made(self, run: Run, order: Any, printing: Printing) -> H:
        raise NotImplementedError

    async def _leave(self, held: H) -> None:
        """Nothing of it is left: its connection may go, and what its project needs no more."""
        raise NotImplementedError

    def _in_use(self, project: str) -> bool:
        return any(held.run.key.project == project and not held.gone for held in self._lives.held.values())


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
        self.is_removed = True
        """nothing of it is left on its engine, as far as is known, once it is gone"""
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
        else:
            asks = f"asking {self.ENGINE} to create it" if self._beginning else ""
            detail = f"{asks or f'waiting for {self.ENGINE} to be back'}: {why}"
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
                self._post(Silenced(self.run, self._left(), self._clock.now(), is_left=True))
        self.stop()
        self._kill()

    def signal(self, number: int) -> None:
        raise NotImplementedError

    def _kill(self) -> None:
        """Send SIGKILL, if that can be done."""
        self.signal(signal.SIGKILL)

    # Its life.

    async def live(self, *, known: bool) -> None:
        """`known`: it was begun by an earlier daemon, and is looked for."""
        try:
            await (self._find() if known else self._start())
            ended = await self._follow()
        except CannotBegin as cannot:
            await self._take_away()
            self._post(NotStarted(self.run, *cannot.reason, self._clock.now()))
        except Vanished as vanished:
            self._post(Lost(self.run, str(vanished), self._clock.now()))
        else:
            await self._end(ended)
            self._post(Gone(self.run, self._clock.now()))

    async def _start(self) -> None:
        """Raises CannotBegin, and then what is left of it is to be taken away."""
        try:
            async with asyncio.timeout(None) as self._beginning:
                await self._begin()
        except TimeoutError:
            await self._call_off()
            raise CannotBegin(CALLED_OFF) from None
        except EngineAbsent as absent:
            self.is_removed = False  # it may have been made
            raise CannotBegin(Reason(absent.reason, absent.hint)) from None
        finally:
            self._beginning = None

    async def _begin(self) -> None:
        """Make it, so that it can be followed. Raises CannotBegin, EngineAbsent."""
        raise NotImplementedError

    async def _call_off(self) -> None:
        """It was called off in the middle of that: undo what is not taken away anyway."""

    async def _find(self) -> None:
        """Raises Vanished."""
        raise NotImplementedError

    async def _follow(self) -> Exited | None:
        """To its end; the news of that, unless it is told already. Raises Vanished."""
        raise NotImplementedError

    async def _end(self, ended: Exited | None) -> None:
        """Tell of it, and leave nothing of the run."""
        if ended:
            self._post(ended)
        await self._take_away()

    async def _take_away(self) -> object:
        """Remove what was made, if it is not."""
        raise NotImplementedError

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
            self.is_removed = False
            raise Vanished(self._left())

    def _left(self) -> str:
        """One sentence: the engine cannot be reached, what is left there, and how that is ended."""
        raise NotImplementedError
