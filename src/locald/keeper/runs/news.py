"""What a run says of itself on its way to the daemon, at a pace that hurts nobody else.

A service may notify as fast as it can, and each of its words would cost the daemon as much as an order of a
user. So what it says waits here until the daemon has taken everything else; each run has its turn, and one
that goes on has few. While they wait, words that a later one replaces are left out: of the datagrams of one
sender that say nothing but STATUS= and WATCHDOG=1 (or what nobody knows) the last counts. All others are
told, each one and in their order, for readiness follows from them. A run that has many of those waiting is
not listened to until they are told, so it waits itself.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Hashable

    from locald.keeper.loop import Loop, Timer
    from locald.keeper.wire.protocol import Event
    from locald.keeper.wire.server import Server

_LASTING = {b"READY", b"STOPPING", b"RELOADING", b"MAINPID", b"ERRNO", b"EXIT_STATUS", b"EXTEND_TIMEOUT_USEC"}
_REPLACED = {b"STATUS", b"WATCHDOG", b"WATCHDOG_USEC"}
_TRIGGER = b"WATCHDOG=trigger"

AT_ONCE, A_SECOND = 20, 20
"""events that a run may tell at once after a rest, and from then on"""
MOST_WAITING = 64


def lines_of(data: bytes) -> list[bytes]:
    """The lines of a datagram, as systemd's own parser splits them."""
    return data.removesuffix(b"\0").replace(b"\r", b"\n").split(b"\n")


def topic(data: bytes) -> frozenset[bytes] | None:
    """What a datagram is about, if a later one about the same may stand for it; else None."""
    lines = lines_of(data)
    keys = {line.partition(b"=")[0] for line in lines}
    return None if _TRIGGER in lines or keys & _LASTING else frozenset(keys & _REPLACED)


class Allowance:
    """So much at once, and so much a second from then on. `now`: monotonic seconds."""

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, most: float, rate: float, now: float) -> None:
        self._most = most
        self._rate = rate
        self._left = most
        self._at = now

    def left(self, now: float) -> float:
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left

    def spend(self, amount: float) -> None:
        """It may be overdrawn."""
        self._left -= amount

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much is left; 0 when it is."""
        return max(0.0, (amount - self.left(now)) / self._rate)


class Waiting:
    """Events in their order, without those that a later one stands for."""

    __slots__ = ("_events", "_serial")

    def __init__(self) -> None:
        self._events: dict[Hashable, Event] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event, data: bytes) -> None:
        about = topic(data)
        self._serial += 1
        key = self._serial if about is None else (event["pid"], about)
        self._events.pop(key, None)
        self._events[key] = event

    def take(self) -> list[Event]:
        events, self._events = self._events, {}
        return list(events.values())


class News:
    """Of one run."""

    __slots__ = ("_loop", "_server", "_timer", "_turns", "_waiting")

    def __init__(self, loop: Loop, server: Server) -> None:
        self._loop = loop
        self._server = server
        self._waiting = Waiting()
        self._turns = Allowance(AT_ONCE, A_SECOND, time.monotonic())
        self._timer: Timer | None = None

    @property
    def full(self) -> bool:
        """It would be better to wait before there is more."""
        return len(self._waiting) >= MOST_WAITING

    def tell(self, event: Event, data: bytes) -> None:
        """Now or soon."""
        self._waiting.add(event, data)
        if self._timer is None:
            wait = self._turns.wait(1, time.monotonic())
            if wait:
                self._timer = self._loop.after(wait, self._queue)
            else:
                self._queue()

    def _queue(self) -> None:
        self._timer = None
        self._server.expect(self)

    def flush(self) -> None:
        """Tell all that waits: its turn has come, or something follows that must not be told before it."""
        events = self._waiting.take()
        self._turns.spend(len(events))
        for event in events:
            self._server.tell(event)

    def drop(self) -> None:
        """Nobody listens, or is told all that is on record."""
        self._waiting.take()

    def close(self) -> None:
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
