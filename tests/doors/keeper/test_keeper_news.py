"""What a run says of itself costs the others nothing, however often it says it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from keeping import NOTIFY, once, python, sh
from locald.keeper.runs.news import Allowance, Waiting, topic

if TYPE_CHECKING:
    from keeping import Daemon, Keeping

Said = tuple[int, bytes]
FLOODER, OTHER = "shop:web#1", "shop:api#1"


def told(*said: Said) -> list[Said]:
    """What is told of these words, which all waited."""
    waiting = Waiting()
    for pid, data in said:
        waiting.add({"pid": pid, "data": data}, data)
    return [(event["pid"], event["data"]) for event in waiting.take()]


# What waits.


def test_of_many_words_on_its_status_the_last_is_told() -> None:
    assert told((1, b"STATUS=a"), (1, b"STATUS=b"), (1, b"STATUS=c")) == [(1, b"STATUS=c")]


def test_another_process_has_a_word_of_its_own() -> None:
    assert told((1, b"STATUS=a"), (2, b"STATUS=b"), (1, b"STATUS=c")) == [(2, b"STATUS=b"), (1, b"STATUS=c")]


def test_ready_and_stopping_are_told_each_time_and_in_their_order() -> None:
    said: list[Said] = [
        (1, b"READY=1"),
        (2, b"READY=1"),
        (1, b"STOPPING=1"),
        (1, b"READY=1"),
        (2, b"READY=1"),
    ]
    assert told(*said) == said


def test_a_status_that_came_with_more_is_not_replaced() -> None:
    said: list[Said] = [(1, b"READY=1\nSTATUS=a"), (1, b"STATUS=b")]
    assert told(*said) == said


@pytest.mark.parametrize(
    "data",
    [b"READY=1", b"x\rREADY=1\0", b"MAINPID=7", b"WATCHDOG=trigger", b"EXTEND_TIMEOUT_USEC=1", b"ERRNO=2"],
)
def test_what_a_later_word_does_not_replace(data: bytes) -> None:
    assert topic(data) is None


def test_what_nobody_knows_is_one_topic_whatever_it_is() -> None:
    assert topic(b"X_1=a") == topic(b"X_2=b\0") == topic(b"") == frozenset()


def test_an_allowance_comes_back_with_time_and_not_beyond() -> None:
    allowance = Allowance(10, 5, 100.0)
    allowance.spend(12)
    assert allowance.wait(1, 100.0) == pytest.approx(0.6)
    assert allowance.left(101.0) == pytest.approx(3)
    assert allowance.left(200.0) == 10


# A real keeper.

MANY = ";[s.send(b'STATUS=%d' % n) for n in range(300)]"
FLOOD = (
    NOTIFY.format("b'READY=1'")
    + ";n=0\nwhile True:\n n+=1\n s.send({} % n)\n if n==3000: open({!r},'w').write('many\\n')"
)


@once
@pytest.mark.parametrize("words", ["b'STATUS=%d'", "b'X=%d\\nSTOPPING=0'"], ids=["status", "lasting"])
def test_a_flood_costs_the_daemon_little_and_another_run_nothing(
    daemon: Daemon, keeping: Keeping, words: str
) -> None:
    many = keeping.gate("many")
    daemon.start(FLOODER, python(FLOOD.format(words, str(many))))
    daemon.wait("notified", FLOODER)
    if "STATUS" in words:
        many.read()
    began = len(daemon.events)
    for number in range(1, 21):
        daemon.spawn(f"shop:api#{number}", sh("exit 0"))
        daemon.wait("gone", f"shop:api#{number}")
    news = [event for event in daemon.events[began:] if event["event"] == "notified"]
    took = daemon.events[-1]["at"] - daemon.events[began]["at"] if len(daemon.events) > began else 0.0
    assert len(news) <= 160 + 30 * took, (len(news), took)


@once
def test_the_last_word_before_an_exit_is_told_before_it(daemon: Daemon) -> None:
    """However much waits: also beyond what a run may say at once."""
    code = (
        NOTIFY.format("b'READY=1'") + ";[s.send(b'STATUS=%d' % n) for n in range(300)];s.send(b'STOPPING=1')"
    )
    daemon.start(FLOODER, python(code))
    daemon.wait("gone", FLOODER)
    assert daemon.of(FLOODER)[-2:] == ["exited", "gone"]
    said = [_said(event) for event in _notified(daemon)]
    assert said[0] == b"READY=1"
    assert said[-2:] == [b"STATUS=299", b"STOPPING=1"]


@once
def test_a_new_daemon_is_told_nothing_twice(daemon: Daemon, keeping: Keeping) -> None:
    done = keeping.gate("done")
    code = NOTIFY.format("b'READY=1'") + MANY + f";open({str(done)!r},'w').write('x\\n');input()"
    daemon.start(FLOODER, python(code), stdin="open")
    done.read()
    again = keeping.daemon()
    again.wait_for(lambda event: event["event"] == "notified" and _said(event) == b"STATUS=299", "the last")
    again.fence()
    said = [_said(event) for event in _notified(again)]
    assert (said[0], said[-1]) == (b"READY=1", b"STATUS=299")
    assert len(said) == len(set(said))


def _notified(daemon: Daemon) -> list[dict[str, Any]]:
    return [event for event in daemon.events if event["event"] == "notified"]


def _said(event: dict[str, Any]) -> bytes:
    return base64.b64decode(event["data"])
