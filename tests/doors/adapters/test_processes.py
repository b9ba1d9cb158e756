"""Processes by way of the keeper: every run that is ordered has one end, whatever becomes of the keeper."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import signal
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from keeping import ENV, Keeping, notify, once, python, sh
from locald.adapters import processes as module
from locald.adapters.keeper_words import refusal, translate
from locald.adapters.processes import LONGEST_EVENT, Order, Processes
from locald.domain.lifecycle.messages import (
    Event,
    Exit,
    Exited,
    Gone,
    Lost,
    Notified,
    NotStarted,
    Process,
    Sender,
    Spawned,
    Stuck,
)
from locald.domain.project.names import Key, Run
from locald.keeper.wire import protocol
from locald.linux import procfs
from locald.linux.clock import Clock
from nonblocking import blocking_raises
from posted import Posted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from locald.domain.lifecycle.messages import Standing

__all__ = ["blocking_raises"]

RUN = Run(Key("shop", "web"), 1)
OTHER = Run(Key("shop", "db"), 7)
CLOCK = Clock.new()
SLEEP = ["sleep", "9999"]


def ends(events: list[Event], run: Run) -> list[str]:
    return [kind(e) for e in events if e.run == run and isinstance(e, NotStarted | Gone | Lost)]


def kind(event: Event) -> str:
    return type(event).__name__


class Ears(Posted):
    """Also remembers everything, and at which turn of the loop it came."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Event] = []
        self.turns: list[int] = []
        self._turn = 0
        self._news = asyncio.Event()

    def post(self, event: Event) -> None:
        self.all.append(event)
        self.turns.append(self._turn)
        asyncio.get_running_loop().call_soon(self._next_turn)
        self._news.set()
        super().post(event)

    def _next_turn(self) -> None:
        self._turn += 1

    def of(self, run: Run) -> list[str]:
        return [kind(event) for event in self.all if event.run == run]

    async def until_over(self, run: Run) -> list[str]:
        """The kinds of all events of the run, when its end has been told."""
        while not ends(self.all, run):
            self._news.clear()
            await self._news.wait()
        return self.of(run)


class Desk:
    """The adapter with a keeper of its own: what a daemon has of it."""

    def __init__(self, keeping: Keeping, clock: Clock = CLOCK) -> None:
        self.keeping = keeping
        self.ears = Ears()
        self.printed: asyncio.Queue[Run] = asyncio.Queue()
        self.processes = Processes(self._reach, self.ears.post, clock, self.printed.put_nowait)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await asyncio.to_thread(self.keeping.start)
        return await asyncio.open_unix_connection(f"{self.keeping.run}/keeper.sock", limit=LONGEST_EVENT)

    def order(self, argv: list[str], **changed: Any) -> Order:
        logs = str(self.keeping.home / "logs" / "shop" / "web")
        order = Order(tuple(argv), "/", ENV, 0o022, {}, True, None, logs, 10**7)
        return replace(order, **changed)

    def start(self, argv: list[str], run: Run = RUN, **changed: Any) -> None:
        self.processes.start(run, self.order(argv, **changed))

    async def started(self, argv: list[str], run: Run = RUN, **changed: Any) -> Spawned:
        self.start(argv, run, **changed)
        return await self.ears.wait_for(Spawned, lambda event: event.run == run)

    def captured(self) -> bytes:
        folder = self.keeping.home / "logs" / "shop" / "web"
        return b"".join(path.read_bytes() for path in sorted(folder.glob("*.cap")))

    def kill_keeper(self) -> None:
        assert self.processes.keeper_pid
        self.keeping.pid = self.processes.keeper_pid
        self.keeping.kill()


@asynccontextmanager
async def talking(keeping: Keeping, clock: Clock = CLOCK) -> AsyncIterator[Desk]:
    """A daemon's life, as far as processes go."""
    desk = Desk(keeping, clock)
    async with running(desk.processes):
        yield desk


@asynccontextmanager
async def running(processes: Processes) -> AsyncIterator[None]:
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(processes.run())
        yield
        task.cancel()


# With a real keeper.


async def test_a_run_is_spawned_exits_and_is_gone(keeping: Keeping) -> None:
    async with talking(keeping) as desk:
        spawned = await desk.started(sh("exit 7"))
        assert await desk.ears.until_over(RUN) == ["Spawned", "Exited", "Gone"]
        exited = desk.ears.all[1]
        assert isinstance(exited, Exited)
        assert (exited.pid, exited.exit, exited.left) == (spawned.pid, Exit(7, None), 0)
        assert abs(exited.at - CLOCK.now()) < 60


@once
async def test_an_exit_that_leaves_nothing_and_the_end_are_one_piece_of_news(keeping: Keeping) -> None:
    """Nobody sees a run that has exited and is still being ended."""
    async with talking(keeping) as desk:
        await desk.started(sh("exit 0"))
        await desk.ears.until_over(RUN)
    assert desk.ears.turns[1] == desk.ears.turns[2]


async def test_an_exit_that_leaves_children_is_told_at_once(keeping: Keeping) -> None:
    gate = keeping.gate("gate")
    async with talking(keeping) as desk:
        await desk.started(sh(f"(read _ < {gate}) & exit 3"))
        exited = await desk.ears.wait_for(Exited)
        assert (exited.exit.code, exited.left) == (3, 1)
        assert ends(desk.ears.all, RUN) == []
        gate.write()
        assert await desk.ears.until_over(RUN) == ["Spawned", "Exited", "Gone"]


@once
async def test_what_cannot_be_started_is_told_with_its_reason_and_ends_there(keeping: Keeping) -> None:
    async with talking(keeping) as desk:
        desk.start(["no-such-program"])
        refused = await desk.ears.wait_for(NotStarted)
        assert refused.reason == "no such program: no-such-program"
        assert refused.hint
        assert desk.ears.of(RUN) == ["NotStarted"]


@once
async def test_an_order_that_no_keeper_would_read_to_its_end_is_refused_and_costs_nobody_else(
    keeping: Keeping,
) -> None:
    """A keeper cuts off who sends a line without end, and would do so again each time it is asked."""
    async with talking(keeping) as desk:
        await desk.started(SLEEP, OTHER)
        desk.start(["true"], env={"A": "x" * 2 * protocol.LONGEST_LINE})
        refused = await desk.ears.wait_for(NotStarted)
        assert refused.reason == "true: Argument list too long"
        assert "environment" in refused.hint
        desk.processes.kill(OTHER)
        assert await desk.ears.until_over(OTHER) == ["Spawned", "Exited", "Gone"]


async def test_signals_and_kill_reach_the_whole_run(keeping: Keeping) -> None:
    gate = keeping.gate("gate")
    async with talking(keeping) as desk:
        script = f"trap 'echo told > {gate}' TERM; sleep 9999 & echo up > {gate}; while :; do wait; done"
        await desk.started(sh(script))
        assert await asyncio.to_thread(gate.read) == "up"
        desk.processes.signal(RUN, signal.SIGTERM)
        assert await asyncio.to_thread(gate.read) == "told"
        assert ends(desk.ears.all, RUN) == []
        desk.processes.kill(RUN)
        exited = await desk.ears.wait_for(Exited)
        assert exited.exit == Exit(None, signal.SIGKILL)
        assert (await desk.ears.until_over(RUN))[-1] == "Gone"


@once
async def test_what_is_asked_before_there_is_a_keeper_is_asked_when_there_is(keeping: Keeping) -> None:
    async with talking(keeping) as desk:
        desk.start(SLEEP)
        desk.processes.note(RUN, "a note")
        desk.processes.signal(RUN, signal.SIGTERM)
        assert await desk.ears.until_over(RUN) == ["Spawned", "Exited", "Gone"]
        assert b"a note" in desk.captured()


async def test_the_processes_of_a_run_are_known_while_there_are_some(keeping: Keeping) -> None:
    gate = keeping.gate("gate")
    async with talking(keeping) as desk:
        assert not desk.processes.pids(RUN)
        spawned = await desk.started(sh(f"sleep 9999 & echo $! > {gate}; wait"))
        child = int(await asyncio.to_thread(gate.read))
        # Who forked it may be about to go.
        while (pids := set(desk.processes.pids(RUN))) > {spawned.pid, child}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert pids == {spawned.pid, child}
        desk.processes.kill(RUN)
        await desk.ears.until_over(RUN)
        assert not desk.processes.pids(RUN)


@once
async def test_a_datagram_comes_with_its_sender(keeping: Keeping) -> None:
    async with talking(keeping) as desk:
        spawned = await desk.started(notify("READY=1\nSTATUS=here"))
        notified = await desk.ears.wait_for(Notified)
        assert notified.datagram == b"READY=1\nSTATUS=here"
        assert (notified.sender.process.pid, notified.sender.uid) == (spawned.pid, os.geteuid())
        assert notified.sender.standing in ("member", "exited")
        assert await desk.ears.until_over(RUN) == ["Spawned", "Notified", "Exited", "Gone"]


@once
async def test_output_is_hinted_at_for_whom_somebody_follows(keeping: Keeping) -> None:
    gate = keeping.gate("gate")
    async with talking(keeping) as desk:
        desk.start(sh(f"read _ < {gate}; echo hello; read _ < {gate}"))
        desk.processes.tail(RUN, True)
        desk.processes.tail(OTHER, True)
        gate.write()
        while b"hello" not in desk.captured():
            assert await desk.printed.get() == RUN


@once
async def test_at_the_end_of_a_run_all_that_it_printed_is_there(keeping: Keeping) -> None:
    """Whoever waits for its last line looks once more."""
    async with talking(keeping) as desk:
        desk.start(sh("echo goodbye"))
        assert await desk.printed.get() == RUN
        assert b"goodbye" in desk.captured()
        await desk.ears.until_over(RUN)


@once
async def test_what_is_forgotten_is_told_to_no_later_daemon(keeping: Keeping) -> None:
    async with talking(keeping) as desk:
        await desk.started(sh("exit 0"))
        await desk.started(SLEEP, OTHER)
        await desk.ears.until_over(RUN)
        desk.processes.forget(RUN)
        desk.processes.forget(RUN)
    async with talking(keeping) as later:
        later.processes.adopt(RUN)
        later.processes.adopt(OTHER)
        lost = await later.ears.wait_for(Lost)
        assert lost.run == RUN
        assert later.ears.of(OTHER) == ["Spawned"]


@once
async def test_a_keeper_that_is_released_ends_when_it_holds_nothing(keeping: Keeping) -> None:
    async with talking(keeping) as desk:
        await desk.started(SLEEP)
        pid = desk.processes.keeper_pid
        assert pid
        ended = os.pidfd_open(pid)
        desk.processes.release()
        desk.processes.kill(RUN)
        await desk.ears.until_over(RUN)
        desk.processes.forget(RUN)
        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(ended, gone.set)
        await gone.wait()
        asyncio.get_running_loop().remove_reader(ended)
        os.close(ended)


# Another daemon, another keeper.


async def test_another_daemon_finds_the_run_and_hears_of_its_end(keeping: Keeping) -> None:
    """At the same moments, however that daemon's clock stands."""
    async with talking(keeping) as desk:
        first = await desk.started(SLEEP)
    async with talking(keeping, Clock(CLOCK.epoch + 100)) as later:
        later.processes.adopt(RUN)
        again = await later.ears.wait_for(Spawned)
        assert again.pid == first.pid
        assert again.at == pytest.approx(first.at + 100, abs=0.01)
        assert list(later.processes.pids(RUN)) == [first.pid]
        later.processes.kill(RUN)
        assert await later.ears.until_over(RUN) == ["Spawned", "Exited", "Gone"]


@once
async def test_what_ended_while_there_was_no_daemon_is_told_to_the_next(keeping: Keeping) -> None:
    gate = keeping.gate("gate")
    async with talking(keeping) as desk:
        spawned = await desk.started(sh(f"read _ < {gate}; exit 5"))
    pidfd = os.pidfd_open(spawned.pid)
    gate.write()
    await asyncio.to_thread(socket_ready, pidfd)
    async with talking(keeping) as later:
        later.processes.adopt(RUN)
        assert await later.ears.until_over(RUN) == ["Spawned", "Exited", "Gone"]
        exited = later.ears.all[1]
        assert isinstance(exited, Exited)
        assert exited.exit == Exit(5)


def socket_ready(file: int) -> None:
    import select

    assert select.select([file], [], [], 10)[0]
    os.close(file)


@once
async def test_a_run_that_the_keeper_does_not_know_is_lost(keeping: Keeping) -> None:
    async with talking(keeping) as desk:
        desk.processes.adopt(RUN)
        assert await desk.ears.until_over(RUN) == ["Lost"]
        await desk.started(SLEEP, OTHER)


async def test_with_its_keeper_a_run_is_lost_and_the_next_keeper_begins_anew(keeping: Keeping) -> None:
    """What is left of it has been ended by then."""
    async with talking(keeping) as desk:
        spawned = await desk.started(SLEEP)
        before = desk.processes.keeper_pid
        desk.kill_keeper()
        assert await desk.ears.until_over(RUN) == ["Spawned", "Lost"]
        assert not desk.processes.pids(RUN)
        again = await desk.started(SLEEP, replace_number(RUN, 2))
        assert desk.processes.keeper_pid != before
        assert again.pid != spawned.pid
        assert not procfs.alive(spawned.pid)


def replace_number(run: Run, number: int) -> Run:
    return Run(run.key, number)


@once
async def test_a_run_that_nobody_knows_of_is_ended(keeping: Keeping) -> None:
    """And who starts something waits for that: it may hold the port."""
    async with talking(keeping) as desk:
        spawned = await desk.started(SLEEP)
        ended = os.pidfd_open(spawned.pid)
    async with talking(keeping) as later:
        later.processes.look()
        await later.processes.cleared()
        await asyncio.to_thread(socket_ready, ended)
        assert later.ears.all == []


@once
async def test_a_new_run_of_the_name_of_an_unknown_one_comes_after_it(keeping: Keeping) -> None:
    """Numbers begin anew when the saved state was lost."""
    async with talking(keeping) as desk:
        old = await desk.started(SLEEP)
    async with talking(keeping) as later:
        later.start(sh("exit 4"))
        later.processes.note(RUN, "of the new one")
        assert await later.ears.until_over(RUN) == ["Spawned", "Exited", "Gone"]
        new, exited = later.ears.all[:2]
        assert isinstance(new, Spawned)
        assert isinstance(exited, Exited)
        assert new.pid != old.pid
        assert exited.exit == Exit(4)


async def test_a_name_that_the_keeper_holds_still_is_refused_and_then_free(keeping: Keeping) -> None:
    """Nothing waits for ever for a run that cannot be."""
    async with talking(keeping) as desk:
        await desk.started(sh("exit 0"))
        await desk.ears.until_over(RUN)
        desk.start(sh("exit 4"))
        refused = await desk.ears.wait_for(NotStarted)
        assert refused.reason == "locald's keeper refused it: the run already exists"
        assert refused.may_pass
        desk.start(sh("exit 4"))
        await desk.ears.wait_for(Spawned)


@once
async def test_what_holds_the_name_of_a_refused_run_is_ended(keeping: Keeping) -> None:
    async with talking(keeping) as desk:
        spawned = await desk.started(SLEEP)
        ended = os.pidfd_open(spawned.pid)
        desk.start(sh("exit 4"))
        await desk.ears.wait_for(NotStarted)
        await asyncio.to_thread(socket_ready, ended)


@once
async def test_nothing_of_it_blocks_the_loop(keeping: Keeping, blocking_raises: object) -> None:
    async with talking(keeping) as desk:
        spawned = await desk.started(python("input()"))
        assert list(desk.processes.pids(RUN)) == [spawned.pid]
        desk.processes.kill(RUN)
        await desk.ears.until_over(RUN)
        desk.processes.forget(RUN)


# With a keeper that says what the test says.


class Scripted:
    """Our side of a conversation with the adapter, over a real socket."""

    def __init__(self) -> None:
        self.ears = Ears()
        self.printed: list[Run] = []
        self.processes = Processes(self._reach, self.ears.post, CLOCK, self.printed.append)
        self.reached = 0
        self.cannot: OSError | None = None
        self._waiting: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.reached += 1
        if self.cannot:
            raise self.cannot
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        mine = await asyncio.open_connection(sock=ours)
        self._writers.append(mine[1])
        self._waiting.put_nowait(mine)
        return await asyncio.open_connection(sock=theirs, limit=LONGEST_EVENT)

    async def connection(self) -> Line:
        """The next connection that the adapter makes, after its hello."""
        line = Line(*await self._waiting.get())
        assert (await line.request())["do"] == "hello"
        line.say(event="hello", protocol=1, pid=1, epoch=CLOCK.epoch, version="0", at=0.0)
        return line

    async def agreed(self, *held: Run) -> Line:
        """The same, when a replay of these runs is over."""
        line = await self.connection()
        for number, run in enumerate(held):
            line.spawned(run, 100 + number)
        line.say(event="replayed", at=0.0)
        return line

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            try:
                await writer.wait_closed()
            except ConnectionError:
                pass


class Line:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def say(self, **event: Any) -> None:
        self.send(json.dumps(event).encode() + b"\n")

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def spawned(self, run: Run, pid: int = 100) -> None:
        self.about(run, "spawned", pid=pid, token="t", tree={"reaper": pid})

    def exited(self, run: Run, pid: int = 100) -> None:
        self.about(run, "exited", pid=pid, code=0, signal=None, left=0)

    def about(self, run: Run, event: str, **facts: Any) -> None:
        self.say(event=event, run=str(run), at=CLOCK.now(), **facts)

    async def request(self) -> dict[str, Any]:
        line = await self._reader.readline()
        assert line, "the adapter has gone"
        found: dict[str, Any] = json.loads(line)
        return found

    async def requests(self, number: int) -> list[tuple[str, str]]:
        found = [await self.request() for _ in range(number)]
        return [(each["do"], each.get("run", "")) for each in found]

    def hang_up(self) -> None:
        self._writer.close()


ORDER = Order(("true",), "/", {}, 0o022, {}, False, None, "/nowhere", 1)


@pytest.fixture
async def keeper(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scripted]:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    scripted = Scripted()
    async with running(scripted.processes):
        yield scripted
    await scripted.close()


async def test_what_is_asked_during_a_replay_is_asked_after_it(keeper: Scripted) -> None:
    """The first news of a run may lead to an order while the rest of the replay is still to come."""
    keeper.processes.adopt(RUN)
    line = await keeper.connection()
    line.spawned(RUN)
    await keeper.ears.wait_for(Spawned)
    keeper.processes.signal(RUN, 15)
    keeper.processes.note(RUN, "stopping")
    line.say(event="replayed", at=0.0)
    assert await line.requests(2) == [("signal", str(RUN)), ("note", str(RUN))]


async def test_what_is_forgotten_during_a_replay_is_forgotten_after_it(keeper: Scripted) -> None:
    keeper.processes.adopt(RUN)
    line = await keeper.connection()
    line.spawned(RUN)
    line.exited(RUN)
    line.about(RUN, "gone")
    await keeper.ears.until_over(RUN)
    keeper.processes.forget(RUN)
    line.say(event="replayed", at=0.0)
    assert await line.requests(1) == [("forget", str(RUN))]


async def test_what_is_asked_while_the_keeper_cannot_be_heard_is_not_lost(keeper: Scripted) -> None:
    """SIGKILL above all: nobody would send it again."""
    keeper.processes.adopt(RUN)
    line = await keeper.agreed(RUN)
    await keeper.ears.wait_for(Spawned)
    line.hang_up()
    line = await keeper.connection()
    keeper.processes.kill(RUN)
    line.spawned(RUN)
    line.say(event="replayed", at=0.0)
    assert await line.requests(1) == [("kill", str(RUN))]


async def test_what_was_forgotten_meanwhile_is_ended_when_it_turns_up_again(keeper: Scripted) -> None:
    keeper.processes.adopt(RUN)
    keeper.processes.adopt(OTHER)
    line = await keeper.agreed(RUN, OTHER)
    await keeper.ears.wait_for(Spawned, lambda event: event.run == OTHER)
    line.hang_up()
    line = await keeper.connection()
    keeper.processes.forget(RUN)
    line.spawned(RUN)
    line.spawned(OTHER)
    line.about(RUN, "gone")
    line.say(event="replayed", at=0.0)
    assert await line.requests(2) == [("kill", str(RUN)), ("forget", str(RUN))]
    keeper.processes.kill(OTHER)
    assert await line.requests(1) == [("kill", str(OTHER))], "and nothing else was asked"


async def test_what_no_disk_has_taken_is_handed_on(keeper: Scripted) -> None:
    told: asyncio.Queue[tuple[Run, bytes]] = asyncio.Queue()
    keeper.processes.on_unwritten = lambda run, data: told.put_nowait((run, data))
    keeper.processes.adopt(RUN)
    line = await keeper.agreed(RUN)
    line.about(RUN, "output")
    line.about(RUN, "output", unwritten=base64.b64encode(b"ready\n").decode())
    assert await told.get() == (RUN, b"ready\n")
    assert keeper.printed == [RUN, RUN]


async def test_an_exit_waits_for_the_end_of_its_run_only_a_moment(keeper: Scripted) -> None:
    keeper.processes.adopt(RUN)
    line = await keeper.agreed(RUN)
    line.exited(RUN)
    await keeper.ears.wait_for(Exited)
    assert ends(keeper.ears.all, RUN) == []


async def test_an_exit_that_was_seen_is_told_before_the_loss_of_its_run(
    keeper: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOMENT", 10.0)
    keeper.processes.adopt(RUN)
    line = await keeper.agreed(RUN)
    line.exited(RUN)
    line.hang_up()
    await keeper.agreed()
    assert await keeper.ears.until_over(RUN) == ["Spawned", "Exited", "Lost"]


@pytest.mark.parametrize(
    "said",
    [
        b"no json\n",
        b"[]\n",
        b"{}\n",
        b'{"event": "spawned"}\n',
        b'{"event": "spawned", "run": "shop:web#1"}\n',
        b'{"event": "spawned", "run": "nameless", "at": 0}\n',
        b'{"event": "notified", "run": "shop:web#1", "at": 0, "data": "%%%"}\n',
        b'{"event": "exited", "run": "shop:web#1", "at": 0}\n',
        b'{"event": "output", "run": "shop:web#1", "at": "noon"}\n',
        b'{"event": "of a later keeper", "run": "shop:web#1", "at": 0}\n',
        b'{"event": "error", "text": "no such run"}\n',
        b"x" * 3 * LONGEST_EVENT + b"\n",
    ],
)
async def test_news_that_cannot_be_understood_costs_nothing_but_itself(keeper: Scripted, said: bytes) -> None:
    keeper.processes.adopt(RUN)
    line = await keeper.agreed(RUN)
    line.send(said)
    line.exited(RUN)
    line.about(RUN, "gone")
    assert await keeper.ears.until_over(RUN) == ["Spawned", "Exited", "Gone"]
    assert keeper.reached == 1


async def test_a_refusal_that_cannot_be_understood_is_one_all_the_same(keeper: Scripted) -> None:
    """Else the service would be starting for ever."""
    keeper.processes.start(RUN, ORDER)
    line = await keeper.agreed()
    assert await line.requests(1) == [("spawn", str(RUN))]
    line.about(RUN, "refused", why="in other words")
    assert await keeper.ears.until_over(RUN) == ["NotStarted"]


@pytest.mark.parametrize("facts", [{}, {"do": "spawn"}])
async def test_an_error_about_a_spawn_is_the_end_of_that_run(keeper: Scripted, facts: dict[str, str]) -> None:
    """And of what the keeper holds under this name. An earlier keeper does not say which request it was."""
    keeper.processes.start(RUN, ORDER)
    line = await keeper.agreed()
    assert await line.requests(1) == [("spawn", str(RUN))]
    line.about(RUN, "error", text="the run already exists", **facts)
    assert await keeper.ears.until_over(RUN) == ["NotStarted"]
    assert await line.requests(2) == [("forget", str(RUN)), ("kill", str(RUN))]
    line.exited(RUN)
    line.about(RUN, "gone")
    assert await line.requests(1) == [("forget", str(RUN))]
    assert keeper.ears.of(RUN) == ["NotStarted"]


async def test_an_error_about_anything_else_is_the_end_of_nothing(keeper: Scripted) -> None:
    keeper.processes.start(RUN, ORDER)
    keeper.processes.signal(RUN, 15)
    line = await keeper.agreed()
    line.about(RUN, "error", text="signal must be a number", do="signal")
    line.about(OTHER, "error", text="the run already exists", do="spawn")
    line.spawned(RUN)
    line.about(RUN, "error", text="the run has not ended")
    line.exited(RUN)
    line.about(RUN, "gone")
    assert await keeper.ears.until_over(RUN) == ["Spawned", "Exited", "Gone"]


async def test_without_a_keeper_what_was_ordered_is_refused_after_some_attempts(
    keeper: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.cannot = OSError(errno.ENOSPC, "No space left on device")
    keeper.processes.start(RUN, ORDER)
    keeper.processes.adopt(OTHER)
    assert await keeper.ears.until_over(RUN) == ["NotStarted"]
    assert await keeper.ears.until_over(OTHER) == ["Lost"]
    assert keeper.reached == module.PATIENCE
    refused = next(event for event in keeper.ears.all if isinstance(event, NotStarted))
    assert refused.reason == "locald's keeper cannot be started: No space left on device"
    assert refused.hint == "run `locald doctor` to find the cause"
    keeper.cannot = None
    keeper.processes.start(Run(RUN.key, 2), ORDER)
    line = await keeper.agreed()
    assert await line.requests(1) == [("spawn", "shop:web#2")]


async def test_a_keeper_that_ends_before_it_speaks_is_tried_again_and_not_for_ever(keeper: Scripted) -> None:
    """One that is about to end may still let us connect."""
    keeper.processes.start(RUN, ORDER)
    for _ in range(module.PATIENCE):
        (await keeper.connection()).hang_up()
    assert await keeper.ears.until_over(RUN) == ["NotStarted"]
    assert keeper.reached == module.PATIENCE


async def test_a_keeper_that_never_stays_is_not_started_as_fast_as_can_be(
    keeper: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies of what it is asked, say; and what is lost with it is wanted again at once."""
    monkeypatch.setattr(module, "PAUSE", 0.1)
    began = asyncio.get_running_loop().time()
    keeper.processes.look()
    line = await keeper.agreed()
    for number in (1, 2):
        run = replace_number(RUN, number)
        keeper.processes.start(run, ORDER)
        assert await line.requests(1) == [("spawn", str(run))]
        line.hang_up()
        line = await keeper.agreed()
        assert await keeper.ears.until_over(run) == ["Lost"]
    assert asyncio.get_running_loop().time() - began > 0.1


async def test_nobody_waits_for_the_unknown_when_there_is_no_keeper(keeper: Scripted) -> None:
    await keeper.processes.cleared()
    keeper.cannot = OSError(0, "none")
    keeper.processes.look()
    await keeper.processes.cleared()
    assert keeper.reached == 1


# Its words in ours.

AT = 1000.5


def said(event: str, **facts: Any) -> Event | None:
    return translate(RUN, {"event": event, "run": str(RUN), "at": AT, **facts})


def test_every_event_of_the_keeper_has_a_word_of_ours() -> None:
    assert said("spawned", pid=5, token="t", tree={"reaper": 4}) == Spawned(RUN, 5, AT)
    assert said("exited", pid=5, code=3, signal=None, left=2) == Exited(RUN, 5, Exit(3), 2, AT)
    assert said("exited", pid=5, code=None, signal=9, left=0) == Exited(RUN, 5, Exit(None, 9), 0, AT)
    assert said("exited", pid=5, code=None, signal=None, left=0) == Exited(RUN, 5, Exit(), 0, AT)
    assert said("gone") == Gone(RUN, AT)
    assert said("stuck", pids=[os.getpid(), 2**22 + 1]) == Stuck(
        RUN, (Process(os.getpid(), program()), Process(2**22 + 1, "")), AT
    )
    assert said("of a later keeper") is None


def program() -> str:
    with open("/proc/self/comm") as comm:
        return comm.read().strip()


def notified(standing: str, uid: int, **facts: Any) -> Notified:
    data = base64.b64encode(b"READY=1").decode()
    found = said("notified", pid=5, uid=uid, gid=0, program="node", standing=standing, data=data, **facts)
    assert isinstance(found, Notified)
    return found


def test_a_datagram_keeps_its_bytes_and_names_the_main_process() -> None:
    sender = Sender(Process(5, "node"), os.geteuid(), "member")
    assert notified("member", os.geteuid()) == Notified(RUN, sender, b"READY=1", AT)
    assert notified("member", os.geteuid(), main=6) == Notified(RUN, sender, b"READY=1", AT, 6)


@pytest.mark.parametrize(
    ("standing", "uid", "taken_for"),
    [
        ("member", os.geteuid(), "member"),
        ("member", os.geteuid() + 1, "member"),
        ("exited", os.geteuid(), "exited"),
        ("exited", os.geteuid() + 1, "outside"),
        ("stranger", os.geteuid(), "outside"),
        ("spawner", 0, "spawner"),
        ("spawner", 12345, "outside"),
    ],
)
def test_whom_the_kernel_cannot_tell_any_more_is_known_by_its_user(
    standing: str, uid: int, taken_for: Standing
) -> None:
    assert notified(standing, uid).sender.standing == taken_for


@pytest.mark.parametrize(
    ("stage", "number", "subject", "text", "reason", "hint"),
    [
        ("program", errno.ENOENT, "nodde", os.strerror(errno.ENOENT), "no such program: nodde", "PATH"),
        ("program", errno.ENOENT, "run.sh", "no interpreter /bin/zsh", "run.sh: no interpreter", "install"),
        ("program", errno.EACCES, "./x", "Permission denied", "./x: Permission denied", "chmod +x ./x"),
        ("program", errno.ENOEXEC, "x.bin", "Exec format error", "x.bin: Exec format error", "#!/bin/sh"),
        ("program", errno.E2BIG, "x", "Argument list too long", "x: Argument list too long", "shorten"),
        ("program", errno.EIO, "x", "Input/output error", "x: Input/output error", "doctor"),
        ("workdir", errno.ENOENT, "/a/b", "No such file", "workdir /a/b: No such file", "locald.toml"),
        ("resources", errno.EAGAIN, "", "fork: Resource", "fork: Resource", "doctor"),
        ("of a later keeper", 0, "", "something is missing", "something is missing", "doctor"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(
    stage: str, number: int, subject: str, text: str, reason: str, hint: str
) -> None:
    said_reason, said_hint = refusal(stage, number, subject, text)
    assert said_reason.startswith(reason)
    assert hint in said_hint
