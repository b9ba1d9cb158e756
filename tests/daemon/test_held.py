"""A request that is held for a service goes on when that is healthy, and is answered when the time is up."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from daemon.office import Office, server
from locald.daemon.api.http import Answer, Query, Request
from locald.daemon.proxy import answers
from locald.domain.lifecycle.messages import Notified, Process, Sender
from locald.domain.project.names import Key, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WEB = Key("shop", "web")


async def _no_body() -> bytes:
    return b""


class Heard(answers.Answers):
    """`held`: somebody waits."""

    def __init__(self, office: Office) -> None:
        super().__init__(office.core, office.api.reading)
        self.held = asyncio.Event()

    async def _moved(self, key: Key) -> None:
        self.held.set()
        await super()._moved(key)


class Visitor:
    """Who is at the door that Caddy asks at."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.answers = Heard(office)
        office.loop.watch(self.answers.change)

    def asks(self, **said: str) -> asyncio.Task[Answer]:
        headers = {"x-locald-service": str(WEB), "x-locald-host": "web.shop.localhost", **said}
        request = Request("GET", "/hold", Query(""), _no_body, headers=headers)
        return asyncio.ensure_future(self.answers.respond(request))

    def ready(self) -> None:
        sender = Sender(Process(100_000), 0, "member")
        self.office.loop.post(Notified(Run(WEB, 1), sender, b"READY=1", self.office.clock.now()))


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    office = Office(tmp_path)
    async with office.open():
        await office.up(office.project(server("web", more='env = { A = "${NOTIFY_SOCKET:-}" }')))
        yield Visitor(office)


async def test_it_is_held_for_a_minute_and_then_told_why(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answers.HELD == 60.0
    monkeypatch.setattr(answers, "HELD", 0.3)
    began = asyncio.get_running_loop().time()
    answer = await visitor.asks()
    assert asyncio.get_running_loop().time() - began >= 0.3
    told = json.loads(answer.body)
    assert (answer.status, answer.headers["Retry-After"], told["state"]) == (503, "1", "starting")
    assert told["because"]


async def test_it_goes_on_with_the_news_of_health(visitor: Visitor) -> None:
    asked = visitor.asks()
    await visitor.answers.held.wait()
    visitor.ready()
    assert (await asked).status == 204
    assert not visitor.answers._waiting


async def test_a_service_that_fails_meanwhile_is_told_at_once(visitor: Visitor) -> None:
    asked = visitor.asks()
    await visitor.answers.held.wait()
    await visitor.office.post("stop", project="shop", services=["web"])
    answer = await asked
    assert (answer.status, json.loads(answer.body)["state"]) == (503, "stopped")


async def test_a_browser_is_not_held(visitor: Visitor) -> None:
    answer = await visitor.asks(**{"sec-fetch-mode": "navigate"})
    assert (answer.status, answer.content_type) == (503, "text/html; charset=utf-8")
