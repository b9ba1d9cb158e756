"""Whoever looks sees every change, once, and never needs to ask again; however slowly he reads."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from domain.story import Story, key, service, task, worker
from locald.daemon import hub as module
from locald.daemon.hub import Hub, News, Subscription
from locald.domain.explain.view import Row, row
from locald.domain.lifecycle.messages import Due
from locald.domain.lifecycle.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.domain.lifecycle.messages import Message
    from locald.domain.project.names import Key
    from locald.domain.project.spec import ServiceSpec


class Told(Story):
    """A story that a hub is told of as it goes."""

    def __init__(self, *specs: ServiceSpec) -> None:
        super().__init__(*specs)
        self.hub = Hub(lambda: self.world)

    def tell(self, message: Message) -> list[str]:
        before = self.world.services
        orders = super().tell(message)
        after = self.world.services
        moved = {k for k in before.keys() | after.keys() if before.get(k) is not after.get(k)}
        if moved:
            self.hub.change(self.world, frozenset(moved))
        return orders

    def look(self, *names: str, until: str = "ready") -> Look:
        chosen = {key(name) for name in names}
        return Look(self.hub, self.hub.subscribe(lambda _, k: not chosen or k in chosen, until))


class Look:
    """A reader, and what it has been shown."""

    def __init__(self, hub: Hub, reader: Subscription) -> None:
        self.hub, self.reader = hub, reader
        self.rows: dict[Key, Row] = {}
        self.settled = False

    async def news(self) -> News:
        async with asyncio.timeout(5):
            news = await self.hub.next(self.reader)
        if news.complete:
            self.rows.clear()
        self.rows.update({key(each.name): each for each in news.rows})
        for gone in news.removed:
            del self.rows[gone]
        self.settled = news.settled
        return news

    async def states(self) -> dict[str, str]:
        """The rows of the next piece of news."""
        return {each.name: each.state for each in (await self.news()).rows}

    async def nothing(self) -> None:
        """There is no news, also when everything that is due has been done."""
        await idle()
        assert self.reader.queue.empty()
        assert not self.reader.behind


async def idle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_the_first_news_is_everything_as_it_is() -> None:
    s = Told(worker("db"), worker("web", "db"))
    s.up(), s.healthy("db#1")
    look = s.look()
    news = await look.news()
    assert news.complete
    assert {each.name: each.state for each in news.rows} == {"db": "running", "web": "starting"}
    assert (news.removed, news.settled) == ((), False)
    await look.nothing()


async def test_a_burst_is_one_piece_of_news() -> None:
    s = Told(worker("db"), worker("web", "db"))
    s.up()
    look = s.look()
    await look.news()
    s.healthy("db#1", "web#1")
    assert await look.states() == {"db": "running", "web": "running"}
    await look.nothing()


async def test_only_rows_that_differ_are_told() -> None:
    s = Told(worker("db"), worker("web"))
    s.up(), s.healthy("db#1", "web#1")
    look = s.look()
    await look.news()
    s.wait(2), s.says("web#1", "STATUS=busy")
    assert await look.states() == {"web": "running"}
    s.says("web#1", "STATUS=busy")
    await look.nothing()
    s.tell(Due(key("web")))
    await look.nothing()


async def test_what_goes_to_and_fro_within_a_burst_is_no_news() -> None:
    s = Told(service("web"))
    s.up(), s.healthy("web#1")
    look = s.look()
    await look.news()
    before = look.rows[key("web")]
    s.world = World.of(s.world.services.values(), s.world.places)
    s.hub.change(s.world, frozenset({key("web")}))
    await look.nothing()
    assert row(s.world, s.world.services[key("web")]) == before


async def test_a_dependent_that_does_not_move_is_told_of_what_it_lost() -> None:
    s = Told(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1")
    look = s.look("web")
    await look.news()
    s.closes("db#1")
    news = await look.news()
    assert [each.waiting_on for each in news.rows] == [("db",)]
    assert "db" in news.rows[0].because


async def test_a_reader_sees_what_it_has_chosen_and_no_more() -> None:
    s = Told(worker("db"), worker("web"))
    look = s.look("web")
    assert (await look.news()).rows == ()
    s.up()
    assert await look.states() == {"web": "starting"}
    s.healthy("db#1")
    await look.nothing()


async def test_what_is_forgotten_is_told_as_removed() -> None:
    s = Told(worker("db"), worker("web"))
    s.up(), s.healthy("db#1", "web#1")
    look, other = s.look("web"), s.look("db")
    await look.news(), await other.news()
    s.edit(worker("db")), s.up(), s.stopped("web#1")
    news = await look.news()
    assert (news.rows, news.removed) == ((), (key("web"),))
    await other.nothing()
    s.edit(worker("db"), worker("web")), s.up()
    assert await look.states() == {"web": "starting"}


async def test_settled_is_told_when_it_changes() -> None:
    s = Told(task("seed"), worker("web"))
    up = s.look("seed", until="ready")
    assert (await up.news()).settled, "there is nothing that could move"
    s.up()
    assert not (await up.news()).settled
    s.healthy("seed#1")
    assert (await up.news()).settled
    down = s.look("web", until="down")
    assert (await down.news()).settled, "nobody has told it to end"
    s.healthy("web#1"), s.stop("web")
    assert not (await down.news()).settled
    s.stopped("web#1")
    assert (await down.news()).settled


async def test_to_be_settled_without_a_change_of_rows_is_news_too() -> None:
    """A command alone can do it."""
    s = Told(worker("web"))
    s.up(), s.healthy("web#1"), s.stop("web")
    look = s.look("web", until="down")
    await look.news()
    assert not look.settled
    s.world = World.of((), {})
    s.hub.change(s.world, frozenset({key("web")}))
    assert (await look.news()).settled


async def test_a_slow_reader_is_told_everything_anew_when_it_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when nothing has changed since: it would wait for ever."""
    monkeypatch.setattr(module, "BACKLOG", 2)
    s = Told(worker("web"))
    s.up(), s.healthy("web#1")
    quick, slow = s.look(), s.look()
    for number in range(10):
        s.says("web#1", f"STATUS=step {number}")
        await quick.news()
    s.edit(worker("db")), s.up(), s.stopped("web#1")
    await idle()
    seen = [await slow.news() for _ in range(module.BACKLOG + 1)]
    assert [each.complete for each in seen] == [True, False, True]
    assert slow.rows.keys() == {key("db")}
    await slow.nothing()
    s.healthy("db#1")
    assert await slow.states() == {"db": "running"}


async def test_who_has_left_is_told_nothing() -> None:
    s = Told(worker("web"))
    look = s.look()
    await look.news()
    s.hub.unsubscribe(look.reader)
    s.up()
    await look.nothing()
    s.hub.unsubscribe(look.reader)


async def test_at_the_end_what_is_left_to_tell_is_told() -> None:
    s = Told(worker("web"))
    s.up(), s.healthy("web#1")
    look = s.look()
    s.stop("web")
    first, last = s.hub.rest(look.reader)
    assert first.complete
    assert [each.state for each in last.rows] == ["stopping"]
    assert list(s.hub.rest(look.reader)) == []


async def test_without_readers_nothing_is_gathered() -> None:
    s = Told(worker("web"))
    s.up()
    look = s.look()
    await look.news()
    await look.nothing()


SHOP = (task("seed"), service("db"), service("api", "db", "seed"), worker("web", "api"), worker("alone"))


@pytest.mark.parametrize("seed", range(20))
async def test_whoever_follows_knows_what_a_newcomer_is_told(seed: int) -> None:
    """Whatever happens: all that was told, put together, is how things are."""
    chance = random.Random(seed)
    s = Told(*SHOP)
    look = s.look()
    for _ in range(80):
        happening(s, chance)()
        await idle()
        while not look.reader.queue.empty():
            await look.news()
        assert look.rows == {k: row(s.world, each) for k, each in s.world.services.items()}
        assert look.settled == s.is_settled()


def happening(s: Told, chance: random.Random) -> Callable[[], object]:
    """Something that somebody may do, or that may come of it."""
    names = chance.sample([spec.name for spec in SHOP], chance.randint(1, 3))
    anything: list[Callable[[], object]] = [
        lambda: s.up(*names),
        lambda: s.stop(*(each for each in names if each in s)),
        lambda: s.restart(*(each for each in names if each in s)),
        lambda: s.wait(chance.choice([0.1, 1, 20, 100])),
        s.down,
    ]
    for each in s.world.services.values():
        if each.run:
            anything += of_run(s, f"{each.key.service}#{each.run.number}", chance) * 4
    return chance.choice(anything)


def of_run(s: Told, run: str, chance: random.Random) -> list[Callable[[], object]]:
    facts = s.service(run.partition("#")[0]).facts
    assert facts
    if facts.pid is None:
        return [lambda: s.spawned(run), lambda: s.refused(run)]
    if facts.exit:
        return [lambda: s.gone(run)]
    code = chance.choice([0, 1])
    return [
        lambda: s.exited(run, code, left=chance.randint(0, 1)),
        lambda: s.listens(run) if facts.definition.port else s.says(run, "READY=1"),
        lambda: s.closes(run) if facts.definition.port else s.says(run, "STATUS=here"),
        lambda: s.says(run, "STOPPING=1"),
    ]
