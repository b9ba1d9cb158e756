"""The one loop: take a message, step the world, hand out the effects, tell the watchers. What is to be
written down is noted first, for an effect may need it on disk.

Who has news posts it; nobody else writes the world, so there are no locks and every reader sees a
finished one. A deadline is an ordinary message that one timer posts: the next deadline of all services is on
top of a heap, and entries of services that have moved on since are dropped when they come up.

When the machine has slept, that is taken in before anything else: else all deadlines of the night would have
come at once. So it is when the daemon itself has stood still (SIGSTOP, a machine that has no time for it):
what others told it meanwhile lies in its sockets, unread. The timer rings once a second at least, so that it
knows for how long.

A fault of ours in one message, one effect or one watcher is in the log, and costs the others nothing: the
world is as it was before the message, or as it is after it.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from locald.domain.lifecycle.messages import Due, Effect, Message, Slept
from locald.domain.lifecycle.step import step
from locald.domain.lifecycle.world import Step, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from locald.domain.project.names import Key
    from locald.linux.clock import Clock

log = logging.getLogger(__name__)

NAP = 1.0
"""seconds: a shorter sleep is none, since the two clocks that tell of it are not read in one moment"""
PULSE = 1.0
"""seconds between two rings of the timer, while anything is timed"""
READ_WITHIN = 0.2
"""seconds without a deadline after the daemon stood still, to read what lies in its sockets"""


class Performer(Protocol):
    """Turns effects into deeds. Returns at once; results come back as posted events."""

    def perform(self, effect: Effect, world: World) -> None: ...


class Loop:
    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self._clock = clock
        self._asleep = clock.asleep()
        self._inbox: asyncio.Queue[tuple[Message, asyncio.Future[None] | None]] = asyncio.Queue()
        self._watchers: list[Callable[[World, frozenset[Key]], None]] = []
        self._recorders: list[Callable[[World, frozenset[Key]], None]] = []
        self._alarm = _Alarm(clock, self.post)

    def post(self, message: Message) -> None:
        """Leave a message. It is handled in its turn."""
        self._inbox.put_nowait((message, None))

    async def ask(self, message: Message) -> None:
        """Leave a message and wait until the world has taken it in."""
        done = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait((message, done))
        await done

    def watch(self, watcher: Callable[[World, frozenset[Key]], None]) -> None:
        """Be told of every change: the new world, and which services moved."""
        self._watchers.append(watcher)

    def record(self, recorder: Callable[[World, frozenset[Key]], None]) -> None:
        """The same, before any effect is carried out. It only notes what is to be written down."""
        self._recorders.append(recorder)

    async def run(self, performer: Performer) -> None:
        self._alarm.look(self.world, self.world.services.keys())
        while True:
            message, done = await self._inbox.get()
            if seconds := self._slept():
                self._handle(Slept(seconds), None, performer)
            self._handle(message, done, performer)

    def _slept(self) -> float:
        """Seconds that the machine has slept since the last time that this was asked."""
        slept = self._clock.asleep() - self._asleep
        if slept < NAP:
            return 0.0
        self._asleep += slept
        return slept

    def _handle(self, message: Message, done: asyncio.Future[None] | None, performer: Performer) -> None:
        try:
            outcome = step(self.world, message, self._clock.now())
        except Exception as error:
            log.exception("%s could not be processed", type(message).__name__)
            _answer(done, error)
        else:
            self._take(outcome, performer)
            _answer(done, None)

    def _take(self, outcome: Step, performer: Performer) -> None:
        self.world = outcome.world
        if outcome.moved:
            _tell(self._recorders, outcome)
        for effect in outcome.effects:
            with _contained(effect):
                performer.perform(effect, outcome.world)
        if outcome.moved:
            self._alarm.look(outcome.world, outcome.moved)
            _tell(self._watchers, outcome)


def _tell(watchers: Iterable[Callable[[World, frozenset[Key]], None]], outcome: Step) -> None:
    for watcher in watchers:
        with _contained(watcher):
            watcher(outcome.world, outcome.moved)


def _answer(done: asyncio.Future[None] | None, fault: Exception | None) -> None:
    """Tell who asked, if anybody did and still waits."""
    if done is None or done.done():
        return
    if fault:
        done.set_exception(fault)
    else:
        done.set_result(None)


@contextmanager
def _contained(deed: object) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("%s could not be carried out", deed)


class _Alarm:
    """One timer for the deadlines of all services."""

    def __init__(self, clock: Clock, post: Callable[[Message], None]) -> None:
        self._clock = clock
        self._post = post
        self._due: list[tuple[float, Key]] = []
        self._latest: dict[Key, float] = {}
        """the deadline of each service that was put on the heap last, so that it is there once"""
        self._world = World()
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0
        """on the event loop's clock"""

    def look(self, world: World, moved: Iterable[Key]) -> None:
        self._world = world
        for key in moved:
            service = world.services.get(key)
            self._note(key, service.deadline if service else None)
        self._set()

    def _note(self, key: Key, at: float | None) -> None:
        if at is None:
            self._latest.pop(key, None)
        elif at != self._latest.get(key):
            self._latest[key] = at
            heapq.heappush(self._due, (at, key))

    def _set(self) -> None:
        while self._due and not self._holds(*self._due[0]):
            heapq.heappop(self._due)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._due:
            loop = asyncio.get_running_loop()
            due = max(self._clock.monotonic(self._due[0][0]), self._quiet_until, loop.time())
            self._timer = loop.call_at(min(due, loop.time() + PULSE), self._ring)

    def _holds(self, at: float, key: Key) -> bool:
        service = self._world.services.get(key)
        return service is not None and service.deadline == at

    def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        stood = loop.time() - self._timer.when() if self._timer else 0.0
        self._timer = None
        if stood > NAP:
            self._quiet_until = loop.time() + READ_WITHIN
            self._post(Slept(stood))
        elif loop.time() >= self._quiet_until:
            self._post_due()
        self._set()

    def _post_due(self) -> None:
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            _, key = heapq.heappop(self._due)
            self._latest.pop(key, None)
            self._post(Due(key))
