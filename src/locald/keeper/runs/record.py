"""What happened to one run, kept for the next daemon.

A daemon may be dead when a service says READY=1 or exits. So every event of a run is recorded, and replayed
in order to each daemon that connects. Events are few, except for datagrams, which a service may send as
often as it likes: of the same bytes from the same process only the newest is kept, and at most 256 in all.
Three kinds are never dropped, since they decide about health: the first READY=1 (when the run became ready),
the last MAINPID= that counts, and STOPPING=1; those of processes outside the run do not count.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Hashable

    from locald.keeper.wire.protocol import Event

MOST_DATAGRAMS = 256
MOST_BYTES = 256 * 1024
"""of datagrams in one run's record"""


class Record:
    """The events of a run in the order of their (last) happening."""

    __slots__ = ("_bytes", "_datagrams", "_events", "_ready", "_serial", "_vital")

    def __init__(self) -> None:
        self._events: dict[Hashable, Event] = {}
        self._datagrams: dict[Hashable, int] = {}
        self._bytes = 0
        self._serial = 0
        self._ready = False
        self._vital: dict[bytes, Hashable] = {}

    def events(self) -> list[Event]:
        return list(self._events.values())

    def add(self, event: Event) -> None:
        """Anything but a datagram. Of `stuck` only the newest is kept."""
        self._serial += 1
        key = "stuck" if event["event"] == "stuck" else self._serial
        self._events.pop(key, None)
        self._events[key] = event

    def add_datagram(self, event: Event, data: bytes) -> None:
        lines = data.removesuffix(b"\0").split(b"\n")
        trusted = event["standing"] != "stranger"
        if trusted and not self._ready and b"READY=1" in lines:
            self._ready = True
            self._events["first ready"] = event
            return
        key = (event["pid"], data)
        self._put(key, event, len(data))
        if "main" in event:
            self._vital[b"MAINPID="] = key
        if trusted and b"STOPPING=1" in lines:
            self._vital.setdefault(b"STOPPING=1", key)
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
