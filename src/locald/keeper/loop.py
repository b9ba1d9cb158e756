"""The keeper's one loop: descriptors, timers, and what is to be done before it sleeps.

One thread, one epoll. No handler may block, and none may end the keeper: an exception is written to the log,
and the descriptor whose handler raised is left alone for a second, so that a fault that stays costs neither
the processor nor the disk.
"""

from __future__ import annotations

import heapq
import select
import time

from locald.keeper.log import guarded
from locald.linux.clock import Clock

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

_REST_AFTER_FAULT = 1.0


class Timer:
    """An action that is due once, at `when` (monotonic seconds), unless cancelled."""

    __slots__ = ("_serial", "action", "when")

    def __init__(self, when: float, serial: int, action: Callable[[], None]) -> None:
        self.when = when
        self._serial = serial
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self.action = None

    def __lt__(self, other: Timer) -> bool:
        return (self.when, self._serial) < (other.when, other._serial)


class Loop:
    __slots__ = ("_ended", "_epoll", "_handlers", "_last", "_masks", "_serial", "_timers", "clock")

    def __init__(self) -> None:
        self.clock = Clock.new()
        """The same for all that ever connect to this keeper."""
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._masks: dict[int, int] = {}
        self._timers: list[Timer] = []
        self._last: list[Callable[[], None]] = []
        self._serial = 0
        self._ended = False

    def now(self) -> float:
        """Epoch seconds on the steady clock."""
        return self.clock.now()

    def watch(self, file: int, mask: int, handler: Callable[[], None]) -> None:
        """Call `handler` whenever one of the events in `mask` (or an error) is there. Raises OSError."""
        self._epoll.register(file, mask)
        self._handlers[file] = handler
        self._masks[file] = mask

    def watch_for(self, file: int, mask: int) -> None:
        """Change what a watched descriptor is watched for."""
        if file in self._masks and self._masks[file] != mask:
            self._epoll.modify(file, mask)
            self._masks[file] = mask

    def unwatch(self, file: int) -> None:
        """To be called before the descriptor is closed; harmless when it is not watched."""
        self._handlers.pop(file, None)
        if self._masks.pop(file, None) is not None:
            self._epoll.unregister(file)

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        self._serial += 1
        timer = Timer(time.monotonic() + seconds, self._serial, action)
        heapq.heappush(self._timers, timer)
        return timer

    def before_sleep(self, action: Callable[[], None]) -> None:
        """Call `action` each time the loop has nothing else to do."""
        self._last.append(action)

    def end(self) -> None:
        self._ended = True

    def run(self) -> None:
        while not self._ended:
            for action in self._last:
                guarded(action)
            for file, _ in self._epoll.poll(self._sleep()):
                self._handle(file)
            self._ring()

    def _sleep(self) -> float | None:
        """Seconds until the next timer; None: for as long as nothing happens."""
        if self._ended:
            return 0.0
        while self._timers and self._timers[0].action is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0].when - time.monotonic()) if self._timers else None

    def _handle(self, file: int) -> None:
        # A handler before this one may have closed the file, and another have got its number: handlers
        # bear being called for nothing.
        handler = self._handlers.get(file)
        if handler is not None and not guarded(handler):
            self._rest(file, handler)

    def _rest(self, file: int, handler: Callable[[], None]) -> None:
        if self._handlers.get(file) is handler and file in self._masks:
            mask = self._masks.pop(file)
            self._epoll.unregister(file)
            self.after(_REST_AFTER_FAULT, lambda: self._wake(file, mask, handler))

    def _wake(self, file: int, mask: int, handler: Callable[[], None]) -> None:
        if self._handlers.get(file) is handler and file not in self._masks:
            self.watch(file, mask, handler)

    def _ring(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0].when <= now:
            action = heapq.heappop(self._timers).action
            if action is not None:
                guarded(action)
