"""What happened to one run, kept for the next daemon.

A daemon may be dead when a service says READY=1 or exits. So every event of a run is recorded, and replayed
in order to each daemon that connects. Events are few, except for datagrams, which a service may send as
often as it likes: of the same bytes from the same process only the newest is kept, and at most 256 in all.
Some are never dropped, since they decide about health: the first READY=1 (when the run became ready), the
last MAINPID= that counts, and of each other sender its first READY=1 and STOPPING=1; those of processes
outside the run do not count. Of senders that have ended, the last ones are remembered.
"""

from __future__ import annotations

from locald.keeper.runs.news import lines_of

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Hashable

    from locald.keeper.wire.protocol import Event

MOST_DATAGRAMS = 256
MOST_BYTES = 256 * 1024
"""of datagrams in one run's record"""
MOST_SENDERS = 64
"""of which READY=1, STOPPING=1 and their end are kept"""


class Record:
    """The events of a run in the order of their (last) happening."""

    __slots__ = ("_bytes", "_datagrams", "_ended", "_events", "_ready", "_ready_by", "_serial", "_vital")

    def __init__(self) -> None:
        self._events: dict[Hashable, Event] = {}
        self._datagrams: dict[Hashable, int] = {}
        self._bytes = 0
        self._serial = 0
        self._ready = False
        self._ready_by = 0
        self._vital: dict[tuple[bytes, int], Hashable] = {}
        """By the assignment and its sender; MAINPID= by itself."""
        self._ended: dict[int, Hashable] = {}
        """Senders that are no more, and where that is told."""

    def events(self) -> list[Event]:
        return list(self._events.values())

    def add(self, event: Event) -> None:
        """Anything but a datagram. Of `stuck`, and of the end of one sender, only the newest is kept."""
        self._serial += 1
        key = _key(event, self._serial)
        self._events.pop(key, None)
        self._events[key] = event
        if event["event"] == "ended":
            self._ended[event["pid"]] = key
            if len(self._ended) > MOST_SENDERS:
                self._forget(next(iter(self._ended)))

    def _forget(self, pid: int) -> None:
        """A sender that ended long ago: nothing that it said is true any more."""
        del self._events[self._ended.pop(pid)]
        if self._ready_by == pid:
            self._events.pop("first ready", None)
        for about in [about for about in self._vital if about[1] == pid]:
            del self._vital[about]
        for key in [key for key in self._datagrams if self._events[key]["pid"] == pid]:
            self._bytes -= self._datagrams.pop(key)
            del self._events[key]

    def add_datagram(self, event: Event, data: bytes) -> None:
        lines = lines_of(data)
        trusted = event["standing"] != "stranger"
        if trusted and not self._ready and b"READY=1" in lines:
            self._ready, self._ready_by = True, event["pid"]
            self._events["first ready"] = event
            return
        key = (event["pid"], data)
        self._put(key, event, len(data))
        if "main" in event:
            self._vital[b"MAINPID=", 0] = key
        again = b"READY=1" if event["pid"] == self._ready_by else b""
        for about in {b"READY=1", b"STOPPING=1"} - {again}:
            if trusted and about in lines and len(self._vital) < 2 * MOST_SENDERS:
                self._vital.setdefault((about, event["pid"]), key)
        self._compact()

    def _put(self, key: Hashable, event: Event, length: int) -> None:
        self._events.pop(key, None)
        self._bytes += length - self._datagrams.pop(key, 0)
        self._events[key] = event
        self._datagrams[key] = length

    def _compact(self) -> None:
        vital = set(self._vital.values())
        oldest = [key for key in self._datagrams if key not in vital] if self._too_much() else []
        for key in oldest:
            if not self._too_much():
                return
            self._bytes -= self._datagrams.pop(key)
            del self._events[key]

    def _too_much(self) -> bool:
        return len(self._datagrams) >= MOST_DATAGRAMS or self._bytes > MOST_BYTES


def _key(event: Event, serial: int) -> Hashable:
    match event["event"]:
        case "stuck":
            return "stuck"
        case "ended":
            return "ended", event["pid"]
        case _:
            return serial
