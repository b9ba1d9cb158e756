"""`locald attach` at a real keeper, with a daemon that says when a run has a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faces.fake_daemon import FakeDaemon, Stream, change, down_row, row, snapshot
from keeping import House, Keeping
from locald.wire.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faces.run_cli import Cli, Terminal
    from keeping import Daemon

LEAVE = "\x1c"
FIRST, SECOND = "shop:web#1", "shop:web#2"


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


@pytest.fixture
def home(house: House) -> Home:
    return Home.find({"LOCALD_HOME": str(house.home)})


@pytest.fixture
def keeper(house: House) -> Iterator[Daemon]:
    """Asked by the test, in place of the daemon."""
    keeping = Keeping(house)
    yield keeping.daemon()
    keeping.close()


def begin(keeper: Daemon, run: str) -> None:
    keeper.start(run, ["cat"], stdin="terminal")


def tell(daemon: FakeDaemon, *streams: Iterator[bytes]) -> None:
    """The first run is the one to attach to; what is said to who asks for events, each time."""
    each = iter(streams)
    daemon.on("GET /v1/terminal", {"run": FIRST})
    daemon.on("GET /v1/events", lambda _: Stream(next(each)))


def begins(keeper: Daemon, run: str) -> Iterator[bytes]:
    """`up` has answered, and the order to the keeper is still on the way; then it is carried out."""
    number = int(run[-1])
    yield snapshot(row("web", health="starting", because="nothing runs yet", pid=None, run=number))
    begin(keeper, run)
    yield change(row("web", run=number))


def echoes(seat: Terminal, text: str) -> None:
    seat.type(f"{text}\r")
    seat.until(f"{text}\r\n{text}\r\n")


def leave(seat: Terminal) -> None:
    seat.type(LEAVE)
    assert seat.end() == 0


def test_a_run_that_the_keeper_has_not_begun_is_waited_for(
    cli: Cli, daemon: FakeDaemon, keeper: Daemon
) -> None:
    tell(daemon, begins(keeper, FIRST))
    seat = cli.terminal("attach", "web")
    seat.until("attached to web (run 1): Ctrl-\\ leaves it")
    echoes(seat, "hello")
    leave(seat)


def test_after_a_restart_the_next_run_is_waited_for(cli: Cli, daemon: FakeDaemon, keeper: Daemon) -> None:
    begin(keeper, FIRST)
    tell(daemon, iter([snapshot(row("web"))]), begins(keeper, SECOND))
    seat = cli.terminal("attach", "web")
    echoes(seat, "hello")
    keeper.send(do="kill", run=FIRST)
    seat.until("attached to web (run 2)")
    echoes(seat, "again")
    leave(seat)


def test_who_comes_while_a_run_is_stopping_sees_it_end(cli: Cli, daemon: FakeDaemon, keeper: Daemon) -> None:
    begin(keeper, FIRST)
    over = down_row("web", "stopped", "stopped by user")
    tell(daemon, iter([snapshot(row("web", state="stopping"))]), iter([snapshot(over)]))
    seat = cli.terminal("attach", "web")
    echoes(seat, "bye")
    keeper.send(do="kill", run=FIRST)
    assert seat.end() == 0
    assert "web stopped: stopped by user" in seat.screen
