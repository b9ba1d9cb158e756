"""One message after the other, each deadline at its moment, and no fault costs more than itself."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from domain.story import key, pid_of, project, service, task, worker
from locald.daemon import loop as module
from locald.daemon.loop import Loop
from locald.domain.lifecycle.messages import (
    Down,
    Due,
    Effect,
    Exit,
    Exited,
    Gone,
    Message,
    Notified,
    Process,
    Sender,
    Slept,
    Spawned,
    Start,
    Stop,
    Up,
)
from locald.domain.lifecycle.phase import Backoff, Failed, Running, Starting, Stopping, state
from locald.domain.lifecycle.step import step
from locald.domain.lifecycle.world import World
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Caller
from virtual_time import VirtualClock, in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from locald.domain.project.spec import ServiceSpec

WEB = Run(key("web"), 1)


class Bench:
    """A loop, and who carries out its effects: he writes them down."""

    def __init__(self, world: World | None = None) -> None:
        self.clock = VirtualClock()
        self.loop = Loop(world or World(), self.clock)  # type: ignore[arg-type]
        self.effects: list[Effect] = []
        self.states: list[tuple[float, str, str]] = []
        self.loop.watch(self._watch)

    def perform(self, effect: Effect, world: World) -> None:
        assert world is self.loop.world
        self.effects.append(effect)

    def _watch(self, world: World, moved: frozenset[Key]) -> None:
        for each in moved:
            found = world.services.get(each)
            now = round(asyncio.get_running_loop().time(), 6)
            self.states.append((now, each.service, state(found.phase) if found else "forgotten"))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.loop.run(self))
            yield
            running.cancel()

    async def up(self, *specs: ServiceSpec) -> None:
        shop = project(*specs)
        await self.loop.ask(Up(shop, frozenset(shop.definitions), frozenset(), Caller()))

    async def started(self, *specs: ServiceSpec) -> None:
        await self.up(*specs)
        for spec in specs:
            await self.loop.ask(spawned(spec.name))

    def phase(self, name: str = "web") -> object:
        return self.loop.world.services[key(name)].phase


def now() -> float:
    return VirtualClock().now()


def spawned(name: str, number: int = 1) -> Spawned:
    return Spawned(Run(key(name), number), pid_of(f"{name}#{number}"), now())


def says(name: str, words: bytes) -> Notified:
    sender = Sender(Process(pid_of(f"{name}#1"), "x"), 0, "member")
    return Notified(Run(key(name), 1), sender, words, now())


def exited(name: str, code: int) -> Exited:
    return Exited(Run(key(name), 1), pid_of(f"{name}#1"), Exit(code), 0, now())


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Every message that the loop takes in."""
    found: list[Message] = []

    def noting(world: World, message: Message, at: float) -> Any:
        found.append(message)
        return step(world, message, at)

    monkeypatch.setattr(module, "step", noting)
    return found


@in_virtual_time
async def test_what_is_to_be_written_down_is_known_before_anything_is_done() -> None:
    bench = Bench()
    known: list[frozenset[Key]] = []
    bench.loop.record(lambda _, moved: known.append(moved))
    seen: list[int] = []
    bench.perform = lambda *_: seen.append(len(known))  # type: ignore[method-assign]
    async with bench.running():
        await bench.up(worker("web"))
    assert known == [frozenset({key("web")})]
    assert seen == [1]


def timers() -> int:
    """How many timers the running loop has that were not called off."""
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return sum(not timer.cancelled() for timer in scheduled)


# Messages.


@in_virtual_time
async def test_messages_are_taken_in_one_by_one_in_the_order_they_came(handled: list[Message]) -> None:
    bench = Bench()
    sent: list[Message] = [Stop(frozenset({key(name)})) for name in "abc"]
    async with bench.running():
        for each in sent[:2]:
            bench.loop.post(each)
        await bench.loop.ask(sent[2])
    assert handled == sent


@in_virtual_time
async def test_who_asks_waits_until_the_world_has_taken_it_in() -> None:
    bench = Bench()
    async with bench.running():
        await bench.up(worker("web"))
        assert bench.loop.world.services[key("web")].run == WEB
        assert bench.effects == [Start(WEB)]
        assert bench.states == [(0.0, "web", "starting")]


@in_virtual_time
async def test_who_does_not_wait_any_more_is_heard_all_the_same() -> None:
    bench = Bench()
    shop = project(worker("web"))
    up = Up(shop, frozenset({"web"}), frozenset(), Caller())
    asked = asyncio.ensure_future(bench.loop.ask(up))
    await asyncio.sleep(0)
    asked.cancel()
    async with bench.running():
        await bench.loop.ask(Down("other"))
        assert key("web") in bench.loop.world.services


@in_virtual_time
async def test_effects_are_carried_out_in_order_and_before_watchers_are_told() -> None:
    bench = Bench()
    seen: list[list[Effect]] = []
    bench.loop.watch(lambda *_: seen.append(list(bench.effects)))
    async with bench.running():
        await bench.up(worker("db"), worker("web"), worker("api"))
    starts = [effect.run.key.service for effect in bench.effects if isinstance(effect, Start)]
    assert sorted(starts) == ["api", "db", "web"]
    assert seen == [bench.effects]


@in_virtual_time
async def test_watchers_are_told_once_of_a_change_and_never_of_none() -> None:
    bench = Bench()
    told: list[frozenset[Key]] = []
    bench.loop.watch(lambda _, moved: told.append(moved))
    async with bench.running():
        await bench.up(worker("db"), worker("web", "db"))
        await bench.loop.ask(Gone(Run(key("web"), 99), now()))
        await bench.loop.ask(Due(key("web")))
    assert told == [frozenset({key("db"), key("web")})]


# Deadlines.


@in_virtual_time
async def test_a_deadline_is_met_at_its_moment() -> None:
    bench = Bench()
    async with bench.running():
        await bench.started(service("web", start_timeout=60.0, stop_timeout=10.0))
        await asyncio.sleep(3600)
    assert bench.states == [
        (0.0, "web", "starting"),
        (0.0, "web", "starting"),
        (60.0, "web", "stopping"),
        (70.0, "web", "stopping"),  # SIGKILL
    ]


@in_virtual_time
async def test_deadlines_of_many_services_take_one_timer() -> None:
    bench = Bench()
    async with bench.running():
        specs = [service(f"s{number}", start_timeout=60.0 + number % 7) for number in range(100)]
        await bench.started(*specs)
        assert timers() == 1
        await asyncio.sleep(63.5)
        assert sum(isinstance(bench.phase(f"s{n}"), Stopping) for n in range(100)) == sum(
            n % 7 < 4 for n in range(100)
        )
        assert timers() == 1


@in_virtual_time
async def test_a_deadline_that_was_left_is_nobody_s(handled: list[Message]) -> None:
    """What ended in time is not looked at again when its time would have been up."""
    bench = Bench()
    async with bench.running():
        await bench.started(task("seed", start_timeout=5.0), service("web", start_timeout=9.0))
        await bench.loop.ask(exited("seed", 0))
        await bench.loop.ask(Gone(Run(key("seed"), 1), now()))
        await asyncio.sleep(8)
        assert not any(isinstance(each, Due) for each in handled)
        await asyncio.sleep(2)
        assert handled[-1] == Due(key("web"))


@in_virtual_time
async def test_a_deadline_that_moves_ahead_is_met_there() -> None:
    bench = Bench()
    async with bench.running():
        await bench.started(service("web", start_timeout=2.0))
        for _ in range(5):
            await asyncio.sleep(1.5)
            bench.loop.post(says("web", b"EXTEND_TIMEOUT_USEC=2000000"))
        await asyncio.sleep(100)
    assert next(at for at, _, found in bench.states if found == "stopping") == 7.5 + 2


@in_virtual_time
async def test_a_service_that_moves_often_does_not_pile_up_deadlines() -> None:
    bench = Bench()
    async with bench.running():
        await bench.started(service("web", start_timeout=86400.0))
        for number in range(1000):
            await bench.loop.ask(says("web", b"STATUS=%d" % number))
        assert len(bench.loop._alarm._due) == 1


@in_virtual_time
async def test_moved_deadlines_are_dropped_when_they_come_up(handled: list[Message]) -> None:
    bench = Bench()
    async with bench.running():
        await bench.started(service("web", watchdog=1.0, health_check=None))
        await bench.loop.ask(says("web", b"READY=1"))
        for number in range(100):
            await asyncio.sleep(0.5)
            await bench.loop.ask(says("web", b"WATCHDOG=1"))
            if number == 10:  # until then it was looked where it listens
                handled.clear()
        assert isinstance(bench.phase(), Running)
        assert not any(isinstance(each, Due) for each in handled)
        assert len(bench.loop._alarm._due) <= 3
        await asyncio.sleep(1)
        assert not isinstance(bench.phase(), Running)


@in_virtual_time
async def test_a_deadline_that_passed_while_nobody_was_there_is_met_at_once() -> None:
    before = Bench()
    async with before.running():
        await before.started(worker("web"))
        await before.loop.ask(exited("web", 1))
        await before.loop.ask(Gone(WEB, now()))
        assert isinstance(before.phase(), Backoff)
    await asyncio.sleep(30)
    bench = Bench(before.loop.world)
    async with bench.running():
        await asyncio.sleep(0.001)
        assert bench.effects == [Start(Run(key("web"), 2))]


@in_virtual_time
async def test_without_a_deadline_there_is_no_timer() -> None:
    bench = Bench()
    async with bench.running():
        await bench.up(worker("web"))
        assert timers() == 0
        await bench.loop.ask(spawned("web"))
        assert timers() == 1
        await asyncio.sleep(1)
        assert isinstance(bench.phase(), Running)
        assert timers() == 0


@in_virtual_time
async def test_retries_wait_twice_as_long_each_time() -> None:
    """Deadlines that follow from each other come at the sum of their times."""
    bench = Bench()
    async with bench.running():
        await bench.up(worker("web", max_restarts=4))
        for number in range(1, 6):
            run = Run(key("web"), number)
            await bench.loop.ask(spawned("web", number))
            await bench.loop.ask(Exited(run, pid_of(f"web#{number}"), Exit(1), 0, now()))
            await bench.loop.ask(Gone(run, now()))
            pause = 0.1 * 2 ** (number - 1)
            await asyncio.sleep(pause - 0.001)
            assert isinstance(bench.phase(), Backoff | Failed)
            await asyncio.sleep(0.002)
        assert isinstance(bench.phase(), Failed)
    assert [effect.run.number for effect in bench.effects if isinstance(effect, Start)] == [1, 2, 3, 4, 5]


@in_virtual_time
async def test_a_machine_that_slept_for_a_night_finds_what_was_timed_where_it_was() -> None:
    bench = Bench()
    async with bench.running():
        await bench.started(service("web", start_timeout=3.0))
        await asyncio.sleep(1)
        bench.clock.slept += 8 * 3600
        await asyncio.sleep(1.999)
        assert isinstance(bench.phase(), Starting)
        await asyncio.sleep(0.002)
        assert isinstance(bench.phase(), Stopping)


@in_virtual_time
async def test_the_first_news_of_the_morning_ends_nothing(handled: list[Message]) -> None:
    """The night is told before it, and once."""
    bench = Bench()
    async with bench.running():
        await bench.started(service("web", start_timeout=3.0), service("api", start_timeout=3.0))
        bench.clock.slept += 8 * 3600
        handled.clear()
        await bench.loop.ask(says("web", b"STATUS=still loading"))
        await bench.loop.ask(says("api", b"STATUS=still loading"))
        assert isinstance(bench.phase("web"), Starting)
        assert isinstance(bench.phase("api"), Starting)
    assert [type(message) for message in handled] == [Slept, Notified, Notified]


def stand_still(seconds: float) -> None:
    """Nothing of the loop runs for so long, while time passes."""
    asyncio.get_running_loop()._jumping.now += seconds  # type: ignore[attr-defined]


@in_virtual_time
async def test_a_daemon_that_stood_still_reads_what_it_was_told_before_anything_expires() -> None:
    """Here a watchdog that was fed all the time, which takes some turns to be heard."""
    bench = Bench()
    async with bench.running():
        await bench.started(service("web", watchdog=2.0))
        await bench.loop.ask(says("web", b"READY=1"))
        await asyncio.sleep(1.5)
        stand_still(20)
        for _ in range(10):
            await asyncio.sleep(0)
        await bench.loop.ask(says("web", b"WATCHDOG=1"))
        await asyncio.sleep(1.9)
        assert isinstance(bench.phase(), Running)
        await asyncio.sleep(1)
        assert isinstance(bench.phase(), Stopping)


@in_virtual_time
async def test_time_in_which_the_daemon_stood_still_counts_for_no_deadline() -> None:
    bench = Bench()
    async with bench.running():
        await bench.started(service("web", start_timeout=3.0))
        await asyncio.sleep(1)
        stand_still(20)
        await asyncio.sleep(1)
        assert isinstance(bench.phase(), Starting)
        await asyncio.sleep(1 + 2 * module.PULSE)
        assert isinstance(bench.phase(), Stopping)


# Faults.


@in_virtual_time
async def test_a_fault_in_one_message_leaves_the_world_as_it_was(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asked is told; the next message is taken in as ever. No secret of the caller's is in the log."""

    def faulty(world: World, message: Message, at: float) -> Any:
        if isinstance(message, Due | Down):
            raise ZeroDivisionError
        return step(world, message, at)

    monkeypatch.setattr(module, "step", faulty)
    bench = Bench()
    async with bench.running():
        await bench.up(worker("web"))
        before = bench.loop.world
        bench.loop.post(Due(key("web")))
        with pytest.raises(ZeroDivisionError):
            await bench.loop.ask(Down("shop"))
        assert bench.loop.world is before
        await bench.loop.ask(spawned("web"))
        assert isinstance(bench.phase(), Starting)
    assert [record.getMessage() for record in caplog.records] == [
        "Due could not be processed",
        "Down could not be processed",
    ]


@in_virtual_time
async def test_a_fault_in_one_effect_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Clumsy(Bench):
        def perform(self, effect: Effect, world: World) -> None:
            super().perform(effect, world)
            if isinstance(effect, Start) and effect.run == WEB:
                raise KeyError(effect.run)

    bench = Clumsy()
    async with bench.running():
        await bench.up(worker("api"), worker("web"), worker("db"))
    assert len(bench.effects) == 3
    assert len(bench.states) == 3
    assert "could not be carried out" in caplog.text


@in_virtual_time
async def test_a_fault_in_one_watcher_costs_the_others_nothing() -> None:
    told: list[str] = []

    def clumsy(_world: World, _moved: frozenset[Key]) -> None:
        told.append("first")
        raise ZeroDivisionError

    bench = Bench()
    bench.loop.watch(clumsy)
    bench.loop.watch(lambda *_: told.append("second"))
    async with bench.running():
        await bench.up(worker("web"))
        await bench.loop.ask(spawned("web"))
    assert told == ["first", "second"] * 2
