"""What is asked of an engine is not left in the middle, whoever is called off meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from locald.adapters.containers import making as module
from locald.adapters.containers.engine import EngineAbsent
from locald.adapters.containers.making import making


class Works:
    """An engine that makes something when it is let."""

    def __init__(self) -> None:
        self.asked, self.may, self.made = asyncio.Event(), asyncio.Event(), False

    async def make(self) -> str:
        self.asked.set()
        await self.may.wait()
        self.made = True
        return "made"


async def test_what_was_made_is_told() -> None:
    engine = Works()
    engine.may.set()
    assert await making(engine.make()) == "made"


async def test_who_is_called_off_knows_that_it_was_made() -> None:
    engine = Works()
    asks = asyncio.create_task(making(engine.make()))
    await engine.asked.wait()
    asks.cancel()
    await asyncio.sleep(0)
    assert not asks.done()
    engine.may.set()
    with pytest.raises(asyncio.CancelledError):
        await asks
    assert engine.made


async def test_an_engine_that_does_not_say_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ENDS_WITHIN", 0.01)
    engine = Works()
    asks = asyncio.create_task(making(engine.make()))
    await engine.asked.wait()
    asks.cancel()
    with pytest.raises(EngineAbsent, match="does not say whether it was made"):
        await asks


async def test_a_daemon_that_ends_waits_no_longer() -> None:
    engine = Works()
    asks = asyncio.create_task(making(engine.make()))
    await engine.asked.wait()
    for _ in range(2):
        asks.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await asks
    assert not engine.made
