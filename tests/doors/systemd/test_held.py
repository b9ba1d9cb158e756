"""A run whose systemd goes away in the middle of its start: nobody waits for it to come back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from locald.adapters.containers.engine import EngineAbsent
from locald.adapters.processes import Order as ProcessOrder
from locald.adapters.systemd.held import Held
from locald.adapters.systemd.unit import Order
from locald.domain.lifecycle.messages import Event, NotStarted, Prepares
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Definition, ServiceSpec
from locald.linux.clock import Clock

if TYPE_CHECKING:
    from pathlib import Path

RUN = Run(Key("shop", "web"), 1)


class Silent:
    """Stands for a journal and for what keeps output."""

    async def follow(self, *_: object) -> None: ...
    async def finish(self, _: str) -> None: ...
    def note(self, _: str) -> None: ...


class GoesAway:
    """A manager, and its bus, that are there until the unit is to be started."""

    def __init__(self) -> None:
        self.journal = Silent()
        self.is_up = True

    async def up(self) -> GoesAway:
        if not self.is_up:
            await asyncio.Event().wait()
        return self

    async def environment(self) -> list[str]:
        return []

    async def start(self, *_: object) -> NoReturn:
        self.is_up = False
        raise EngineAbsent("lost the bus", "log in")


class DoesNotAnswer(GoesAway):
    """The same, that takes the order and says nothing."""

    async def start(self, *_: object) -> NoReturn:
        self.is_up = False
        await asyncio.Event().wait()
        raise AssertionError("never")


async def test_a_systemd_that_takes_an_order_and_does_not_answer_is_told(tmp_path: Path) -> None:
    held, manager, posted = held_by(DoesNotAnswer(), tmp_path)
    async with asyncio.timeout(10):
        living = asyncio.create_task(held.live(known=False))
        while manager.is_up:  # noqa: ASYNC110
            await asyncio.sleep(0)
        held.engine_went("the bus does not answer")
        held.stop()
        await living
    told, over = posted
    assert isinstance(told, Prepares)
    assert told.detail == "asking systemd to create it: the bus does not answer"
    assert isinstance(over, NotStarted)


def held_by(manager: GoesAway, folder: Path) -> tuple[Held, GoesAway, list[Event]]:
    """A run, and what it posts."""
    process = ProcessOrder(("true",), str(folder), {}, 0o022, {}, True, None, str(folder), 1)
    order = Order(Definition(RUN.key, str(folder), ServiceSpec("web"), None), process, {}, "", False)
    posted = list[Event]()

    async def reach(_: Held) -> Any:
        return manager

    printing: Any = Silent()
    held = Held(RUN, order, owner="me", reach=reach, printing=printing, post=posted.append, clock=Clock.new())
    return held, manager, posted


async def test_a_systemd_that_goes_away_in_the_middle_of_a_start_is_told_at_once(tmp_path: Path) -> None:
    held, _, posted = held_by(GoesAway(), tmp_path)
    async with asyncio.timeout(10):
        await held.live(known=False)
    (told,) = posted
    assert isinstance(told, NotStarted)
    assert (told.reason, told.hint) == ("lost the bus", "log in")
