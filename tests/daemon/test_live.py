"""What the live socket promises whoever looks: everything once, in order, and never more than it can take."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from daemon.office import Office, server, worker
from locald.adapters.usage import Used
from locald.capture import frames
from locald.capture.writer import CaptureWriter
from locald.daemon import hub
from locald.daemon.api import lines, live
from locald.domain.project.names import Key, Run
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemon.office import Json

__all__ = ["blocking_raises"]

SHOP = worker("db") + worker("web", "db")


@pytest.fixture
async def office(tmp_path: Path, blocking_raises: object) -> AsyncIterator[Office]:
    office = Office(tmp_path)
    async with office.open():
        yield office


class Face:
    """Somebody who looks."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, **request: Any) -> None:
        await self.socket.send_str(json.dumps(request))

    async def hear(self, kind: str) -> Json:
        """The next message of this kind; others are passed over."""
        while True:
            told: Json = json.loads(await self.socket.receive_str())
            if told["kind"] == kind:
                return told

    async def until(self, name: str, **fields: Any) -> None:
        """Wait until this service is shown so."""
        while True:
            told = json.loads(await self.socket.receive_str())
            for row in told.get("services", []):
                if row["name"] == name and fields.items() <= row.items():
                    return

    async def read(self, count: int) -> list[str]:
        """The next so many lines."""
        found: list[str] = []
        while len(found) < count:
            found += [line["line"] for line in (await self.hear("lines"))["lines"]]
        return found


@asynccontextmanager
async def looking(office: Office) -> AsyncIterator[Face]:
    async with office.client.ws_connect("http://locald/v1/live") as socket:
        yield Face(socket)


def prints(office: Office, name: str, *texts: str, at: float | None = None) -> None:
    run = Run(Key("shop", name), 1)
    writer = CaptureWriter(str(office.logbook.folder(run.key)), 1, 10**8)
    moment = office.clock.now() if at is None else at
    writer.write(moment, frames.STDOUT, "".join(f"{text}\n" for text in texts).encode())
    writer.close()
    office.logbook.hint(run)


# Rows.


async def test_first_everything_then_what_changes(office: Office) -> None:
    folder = office.project(SHOP)
    await office.up(folder)
    async with looking(office) as face:
        first = await face.hear("snapshot")
        assert first["daemon"] == (await office.get("status")).json["daemon"]
        assert {row["name"] for row in first["services"]} == {"db", "web"}
        await face.until("web", health="healthy")
        await office.post("stop", project="shop", services=["web"])
        await face.until("web", state="stopped")
        await office.post("down", project="shop")
        removed: list[str] = []
        while len(removed) < 2:
            removed += [each["name"] for each in (await face.hear("change"))["removed"]]
        assert sorted(removed) == ["db", "web"]


async def test_who_reads_slowly_is_told_everything_anew(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the daemon keeps for it only so much."""
    monkeypatch.setattr(hub, "BACKLOG", 2)
    blocked, go_on = asyncio.Event(), asyncio.Event()
    real = aiohttp.web.WebSocketResponse.send_str

    async def slowly(self: Any, text: str, **more: Any) -> None:
        blocked.set()
        await go_on.wait()
        await real(self, text, **more)

    folder = office.project(SHOP)
    await office.up(folder)
    await office.until(lambda world: all(each.run for each in world.services.values()))
    monkeypatch.setattr(aiohttp.web.WebSocketResponse, "send_str", slowly)
    async with looking(office) as face:
        await blocked.wait()
        for _ in range(5):
            await office.post("stop", project="shop")
            await office.until(lambda world: not any(each.run for each in world.services.values()))
            await office.up(folder)
            await office.until(lambda world: all(each.run for each in world.services.values()))
        (reader,) = office.hub._readers
        assert reader.behind
        go_on.set()
        await face.hear("snapshot")
        again = await face.hear("snapshot")
        assert {row["run"] for row in again["services"]} == {6}


# Usage.


async def test_usage_is_told_while_it_is_asked_for_and_looked_for_only_then(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "USAGE_EVERY", 0.02)
    looks = 0

    async def usage() -> dict[Key, Used]:
        nonlocal looks
        looks += 1
        return {Key("shop", "web"): Used(1.5, 4096)}

    office.core.usage = usage
    async with looking(office) as face:
        await face.hear("snapshot")
        assert looks == 0
        await face.ask(usage=True)
        for _ in range(3):
            told = await face.hear("usage")
            assert told["services"] == [
                {"project": "shop", "instance": None, "name": "web", "cpu": 1.5, "memory": 4096}
            ]
        await face.ask(usage=False)
        await face.ask(logs={"watch": 1, "project": "nowhere"})
        await face.hear("refused")
        seen = looks
        await asyncio.sleep(5 * live.USAGE_EVERY)
        assert looks == seen


# Lines.


async def test_lines_come_from_history_into_the_present(office: Office) -> None:
    await office.up(office.project(SHOP))
    prints(office, "web", "one", "two")
    async with looking(office) as face:
        await face.ask(logs={"watch": 7, "project": "shop", "services": ["web"], "n": 1})
        first = await face.hear("lines")
        assert (first["watch"], first["history"], first["more"], first["skipped"]) == (7, True, False, False)
        (line,) = first["lines"]
        assert (line["service"], line["line"], line["stream"]) == ("web", "two", "stdout")
        prints(office, "web", "three")
        new = await face.hear("lines")
        assert (new["watch"], new["history"]) == (7, False)
        assert [line["line"] for line in new["lines"]] == ["three"]


async def test_of_nothing_printed_the_history_is_told_as_empty(office: Office) -> None:
    await office.up(office.project(SHOP))
    async with looking(office) as face:
        await face.ask(logs={"watch": 1})
        told = await face.hear("lines")
        assert (told["lines"], told["history"], told["more"]) == ([], True, False)


async def test_another_request_for_lines_takes_the_place_of_the_first(office: Office) -> None:
    await office.up(office.project(SHOP))
    async with looking(office) as face:
        await face.ask(logs={"watch": 1, "project": "shop", "services": ["web"], "n": 0})
        assert (await face.hear("lines"))["watch"] == 1
        await face.ask(logs={"watch": 2, "project": "shop", "services": ["db"], "n": 0})
        assert (await face.hear("lines"))["watch"] == 2
        prints(office, "web", "unheard")
        prints(office, "db", "heard")
        told = await face.hear("lines")
        assert (told["watch"], [line["line"] for line in told["lines"]]) == (2, ["heard"])
        await face.ask(logs=None, usage=True)
        await face.hear("usage")
        assert not office.logbook._followers


async def test_many_lines_come_whole_in_order_and_in_pieces(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PAUSE", 0.0)
    await office.up(office.project(SHOP))
    old = [f"old {number}" for number in range(3_500)]
    new = [f"new {number}" for number in range(2_500)]
    prints(office, "web", *old)
    async with looking(office) as face:
        await face.ask(logs={"watch": 1, "project": "shop", "services": ["web"], "n": 3_200})
        batches = [await face.hear("lines") for _ in range(4)]
        assert [len(batch["lines"]) for batch in batches] == [1000, 1000, 1000, 200]
        assert [batch["more"] for batch in batches] == [True, True, True, False]
        assert [line["line"] for batch in batches for line in batch["lines"]] == old[300:]
        prints(office, "web", *new)
        assert await face.read(2_500) == new


async def test_a_message_of_long_lines_has_few_of_them(office: Office) -> None:
    await office.up(office.project(SHOP))
    prints(office, "web", *(letter * 700_000 for letter in "abc"))
    async with looking(office) as face:
        await face.ask(logs={"watch": 1})
        for letter in "abc":
            (line,) = (await face.hear("lines"))["lines"]
            assert line["line"] == letter * 700_000


async def test_who_is_far_behind_is_led_to_the_end(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of a minute ago serve nobody; that some are left out is said."""
    monkeypatch.setattr(lines, "PAUSE", 0.0)
    await office.up(office.project(SHOP))
    async with looking(office) as face:
        await face.ask(logs={"watch": 1, "n": 0})
        await face.hear("lines")
        long_ago = office.clock.now() - 60
        prints(office, "web", *(str(number) for number in range(9_000)), at=long_ago)
        told = await face.hear("lines")
        assert [line["line"] for line in told["lines"]] == [str(number) for number in range(1_000)]
        told = await face.hear("lines")
        assert (told["skipped"], told["history"]) == (True, True)
        assert told["lines"][-1]["line"] == "8999"


async def test_lines_may_be_chosen(office: Office) -> None:
    await office.up(office.project(SHOP))
    prints(office, "web", "early", at=office.clock.now() - 100)
    prints(office, "web", "\x1b[31mred\x1b[0m", "blue")
    async with looking(office) as face:
        since = office.clock.now() - 50
        await face.ask(logs={"watch": 1, "project": "shop", "since": since, "grep": "e", "plain": True})
        assert await face.read(2) == ["red", "blue"]


async def test_what_a_screen_has_in_place_of_a_line_is_told_with_it(office: Office) -> None:
    """Of a structured log what happened and its fields, of what was drawn again its last state."""
    await office.up(office.project(SHOP))
    prints(office, "web", '{"level":"info","msg":"hello","by":"me"}', "10%\r100%", "plain")
    async with looking(office) as face:
        await face.ask(logs={"watch": 1, "project": "shop", "services": ["web"]})
        told = (await face.hear("lines"))["lines"]
    assert [line.get("shown") for line in told] == ["hello  \x1b[2mby=\x1b[22mme", None, None]
    assert told[0]["line"] == '{"level":"info","msg":"hello","by":"me"}'
    assert told[1]["line"] == "100%"


# Wrong requests.


@pytest.mark.parametrize(
    "request_",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"usage": 1}',
        '{"logs": 1}',
        '{"logs": {"project": "nowhere"}}',
        '{"logs": {"project": "shop", "services": ["wbe"]}}',
        '{"logs": {"project": 1}}',
        '{"logs": {"services": "web"}}',
        '{"logs": {"n": -1}}',
        '{"logs": {"n": 1e9}}',
        '{"logs": {"n": true}}',
        '{"logs": {"since": "now"}}',
        '{"logs": {"since": NaN}}',
        '{"logs": {"grep": "("}}',
        '{"logs": {"grep": 1}}',
        "[" * 100_000,
    ],
)
async def test_a_wrong_request_is_refused_and_the_next_one_granted(office: Office, request_: str) -> None:
    await office.up(office.project(SHOP))
    async with looking(office) as face:
        await face.socket.send_str(request_)
        for problem in (await face.hear("refused"))["problems"]:
            assert problem["what"]
            assert problem["hint"]
        await face.ask(logs={"watch": "next"})
        assert (await face.hear("lines"))["watch"] == "next"


async def test_bytes_are_no_request(office: Office) -> None:
    async with looking(office) as face:
        await face.socket.send_bytes(b"\0")
        assert (await face.hear("refused"))["watch"] is None


async def test_who_does_not_speak_websocket_is_told(office: Office) -> None:
    answer = await office.get("live")
    assert answer.status == 422
    assert answer.problem["what"] == "this is a WebSocket"


@pytest.mark.parametrize(("name", "value"), [("Version", "99"), ("Key", "{}=="), ("Key", "")])
async def test_who_speaks_it_wrongly_is_told_and_nothing_is_logged(
    office: Office, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    fields = {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "A" * 22 + "=="}
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", **fields, f"Sec-WebSocket-{name}": value}
    answer = await office.ask("GET", "/v1/live", headers=asked)
    assert answer.status == 422
    assert answer.problem["what"] == "this is a WebSocket"
    assert not caplog.records


# Ends.


async def test_the_socket_ends_with_the_daemon_and_the_last_news_is_told(office: Office) -> None:
    office.crew.stubborn = True
    await office.up(office.project(server("web")))
    async with looking(office) as face:
        await face.ask(usage=True, logs={"watch": 1})
        await face.hear("snapshot")
        await office.post("stop", project="shop")
        async with asyncio.timeout(5):
            ended = asyncio.ensure_future(office.entrance.finish())
            await face.until("web", state="stopping")
            while not face.socket.closed:
                await face.socket.receive()
            assert face.socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
            await ended


async def test_who_goes_away_is_forgotten(office: Office) -> None:
    await office.up(office.project(SHOP))
    async with looking(office) as face:
        await face.ask(logs={"watch": 1})
        await face.hear("lines")
        assert office.hub._readers
        face.socket._response.close()  # without a word
    async with asyncio.timeout(5):
        while office.hub._readers or office.logbook._followers:  # noqa: ASYNC110 (nobody tells of it)
            await asyncio.sleep(0.01)
