"""What is kept of a run's events is bounded, and what decides about health is always kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locald.keeper.loop import Loop
from locald.keeper.runs import kill_rounds, record
from locald.keeper.runs.children import Children
from locald.keeper.runs.context import Context
from locald.keeper.runs.leftovers import Table
from locald.keeper.runs.record import Record
from locald.keeper.runs.run import Run
from locald.keeper.wire.protocol import Order, Request
from locald.linux.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def kept(record: Record) -> list[bytes]:
    return [event["data"] for event in record.events() if event["event"] == "notified"]


def datagram(record: Record, data: bytes, pid: int = 7, standing: str = "member") -> None:
    event = {"event": "notified", "pid": pid, "standing": standing, "data": data}
    if b"MAINPID=" in data:
        event["main"] = pid
    record.add_datagram(event, data)


def test_of_the_same_bytes_from_the_same_process_the_newest_is_kept() -> None:
    record = Record()
    for data in (b"WATCHDOG=1", b"STATUS=a", b"WATCHDOG=1"):
        datagram(record, data)
    datagram(record, b"WATCHDOG=1", pid=8)
    assert kept(record) == [b"STATUS=a", b"WATCHDOG=1", b"WATCHDOG=1"]


def test_the_order_among_other_events_stays() -> None:
    record = Record()
    record.add({"event": "spawned"})
    datagram(record, b"READY=1")
    record.add({"event": "exited"})
    datagram(record, b"STATUS=late")
    record.add({"event": "gone"})
    assert [event["event"] for event in record.events()] == [
        "spawned",
        "notified",
        "exited",
        "notified",
        "gone",
    ]


def test_the_record_does_not_grow_without_bound() -> None:
    record = Record()
    for number in range(10_000):
        datagram(record, b"STATUS=%d" % number)
    assert 200 <= len(kept(record)) <= 256
    assert kept(record)[-1] == b"STATUS=9999"


def test_large_datagrams_are_bounded_by_their_bytes() -> None:
    kept_record = Record()
    for number in range(1000):
        datagram(kept_record, b"STATUS=%d " % number + b"x" * 4000)
    assert sum(map(len, kept(kept_record))) <= record.MOST_BYTES


def test_the_first_ready_and_the_last_mainpid_and_stopping_are_never_dropped() -> None:
    record = Record()
    first = [b"MAINPID=1", b"READY=1\nMAINPID=2", b"STATUS=x", b"MAINPID=3", b"STOPPING=1", b"READY=1"]
    for data in first:
        datagram(record, data)
    for number in range(1000):
        datagram(record, b"STATUS=%d" % number)
    assert [data for data in kept(record) if data in first] == [
        b"READY=1\nMAINPID=2",
        b"MAINPID=3",
        b"STOPPING=1",
    ]


def test_the_time_of_the_first_ready_survives_a_reload() -> None:
    record = Record()
    for data in (b"READY=1", b"RELOADING=1", b"READY=1", b"RELOADING=1", b"READY=1"):
        datagram(record, data)
    assert kept(record) == [b"READY=1", b"RELOADING=1", b"READY=1"]


def test_a_strangers_ready_does_not_count_as_the_first() -> None:
    record = Record()
    datagram(record, b"READY=1", pid=5, standing="stranger")
    datagram(record, b"READY=1")
    for number in range(1000):
        datagram(record, b"STATUS=%d" % number)
    assert [event["pid"] for event in record.events() if event["data"] == b"READY=1"] == [7]


class Deathless(Tree):
    """A process in the kernel's hands: SIGKILL has no effect until it returns."""

    def members(self) -> list[int]:
        return [4711]

    def pids(self) -> list[int]:
        return [4711]

    def kill(self) -> None:
        pass


class Holding:
    def __init__(self) -> None:
        self.tree = Deathless()
        self.returned = False

    def kill(self) -> None:
        self.tree.kill()

    def empty(self) -> bool:
        return self.returned

    def close(self) -> None:
        pass


class Told:
    """Whom a run tells, until it is gone."""

    def __init__(self, loop: Loop, hold: Holding) -> None:
        self.loop = loop
        self.hold = hold
        self.told: list[dict[str, Any]] = []

    def tell(self, event: dict[str, Any]) -> None:
        self.told.append(event)
        if event["event"] == "stuck":
            self.hold.returned = True
        if event["event"] == "gone":
            self.loop.end()


def test_what_sigkill_does_not_end_is_named_and_gone_is_told_when_it_ends_at_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kill_rounds, "STUCK_AFTER", 0.05)
    fields = {"argv": ["x"], "cwd": "/", "env": {}, "umask": 0, "limits": {}, "tty": True}
    order = Order(Request({"run": "shop:web#1", "logs": str(tmp_path), "log_size": 1, **fields}))
    loop, hold = Loop(), Holding()
    told = Told(loop, hold)
    children, table = Children(loop, None), Table(str(tmp_path))
    context = Context(loop, told, children, table, str(tmp_path), (64, 64), 64)  # type: ignore[arg-type]
    stuck = Run(context, order)
    stuck._hold = hold  # type: ignore[assignment]
    stuck.kill()
    loop.run()
    assert [event["event"] for event in told.told] == ["stuck", "gone"]
    assert told.told[0]["pids"] == [4711]
    assert [event["event"] for event in stuck.record.events()] == ["stuck", "gone"]
