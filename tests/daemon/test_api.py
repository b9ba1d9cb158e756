"""What the API promises whoever asks, however wrong he asks, and when several ask at once."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import shutil
import socket
from typing import TYPE_CHECKING, Any

import pytest

from daemon.office import SHELL, Office, server, worker
from locald.adapters import ports
from locald.adapters.state.reading import load
from locald.capture import frames
from locald.capture.writer import CaptureWriter
from locald.daemon import requests
from locald.daemon.api import changing, http, openapi, reading, scope
from locald.domain.explain import view
from locald.domain.lifecycle.messages import Kill, Start, Terminate
from locald.domain.project.names import Key
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from daemon.office import Answer, Json
    from locald.domain.explain.view import Row
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World

__all__ = ["blocking_raises"]

SHOP = worker("db") + worker("web", "db") + worker("alone")


@pytest.fixture
async def office(tmp_path: Path, blocking_raises: object) -> AsyncIterator[Office]:
    office = Office(tmp_path)
    async with office.open():
        yield office


def is_refused(answer: Answer, status: int = 422, exit_code: int = 2) -> None:
    assert answer.status == status, answer.body
    assert list(answer.json) == ["problems", "exit"]
    assert answer.json["exit"] == exit_code
    for problem in answer.json["problems"]:
        assert list(problem) == ["what", "where", "hint"]
        assert problem["what"]
        assert problem["hint"]


# The description.


async def test_every_route_is_described(office: Office) -> None:
    described = (await office.get("openapi.json")).json
    routes = {(route.method.lower(), route.path) for route in office.entrance.routes}
    routes -= {("get", "/v1/openapi.json")}
    paths = described["paths"]
    assert {(method, path) for path in paths for method in paths[path]} == routes
    for path in paths:
        for operation in paths[path].values():
            assert operation["summary"]
            assert operation["responses"].keys() == {"200", "422", "default"}
            assert all(response["description"] for response in operation["responses"].values())
    for table in (openapi.QUERIES, openapi.BODIES, openapi.SUMMARIES, openapi.ANSWERS, openapi.STREAMS):
        assert table.keys() <= paths.keys()


ASKED: dict[str, Json] = {
    "/v1/ping": {},
    "/v1/status": {"project": "shop"},
    "/v1/why": {"project": "shop", "service": "web"},
    "/v1/timeline": {"project": "shop"},
    "/v1/runs": {"project": "shop"},
    "/v1/usage": {"project": "shop"},
    "/v1/lines": {"project": "shop"},
    "/v1/environment": {"project": "shop", "service": "web", "mask": "1"},
    "/v1/definition": {"project": "shop", "service": "web"},
    "/v1/terminal": {"project": "shop", "service": "console"},
    "/v1/effect": {"project": "shop", "action": "stop"},
    "/v1/up": {"directory": "", "services": [], "caller": SHELL},
    "/v1/instances": {},
    "/v1/instances/prune": {},
    "/v1/proxy": {},
    "/v1/restart": {"project": "shop", "services": ["web"], "caller": SHELL},
    "/v1/stop": {"project": "shop", "services": []},
    "/v1/down": {"project": "shop"},
    "/v1/dashboard": {},
    "/v1/server/restart": {},
    "/v1/server/stop": {},
}


class Anywhere:
    """A dashboard that nobody visits."""

    url = "http://127.0.0.1:1/"

    def invite(self, *, by_name: bool = False) -> str:
        return f"{self.url}signin?ticket=t"


class NoProxy:
    def status(self) -> Json:
        numbers: Json = dict.fromkeys(
            ("https_port", "http_port", "dashboard", "ca", "caddy", "trouble", "hint")
        )
        return {"running": False, **numbers, "routes": [], "lost": [], "notes": []}

    async def served(self) -> None:
        """There is nothing to wait for."""


async def test_answers_have_the_fields_that_are_described(office: Office) -> None:
    """All of them, and no others; so have refusals."""
    described = (await office.get("openapi.json")).json
    folder = office.project(
        worker("db")
        + worker("web", "db", "bad")
        + worker("bad", more='env = { PORT = "1" }')
        + worker("console", more='stdin = "terminal"')
    )
    await office.up(folder)
    office.core.dashboard, office.core.proxy = Anywhere(), NoProxy()
    paths = described["paths"]
    streams = set(openapi.STREAMS)
    assert ASKED.keys() == paths.keys() - streams
    for path, asked in ASKED.items():
        (method,) = paths[path]
        body = asked | {"directory": folder} if path == "/v1/up" else asked
        how: Json = {"params": body} if method == "get" else {"json": body}
        answer = await office.ask(method.upper(), path, **how)
        assert answer.status == 200, answer.body
        schema = paths[path][method]["responses"]["200"]["content"]["application/json"]["schema"]
        has_the_fields(answer.json, schema, described, path)
    refusal = await office.get("why", project="nowhere")
    schema = paths["/v1/why"]["get"]["responses"]["422"]["content"]["application/json"]["schema"]
    has_the_fields(refusal.json, schema, described, "a refusal")


def has_the_fields(value: Any, schema: Json, described: Json, where: str) -> None:
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict) and "additionalProperties" not in schema:
        fields = schema["properties"]
        assert set(schema["required"]) <= value.keys() <= fields.keys(), where
        for name, each in value.items():
            has_the_fields(each, fields[name], described, f"{where}.{name}")
    elif isinstance(value, list):
        for each in value:
            has_the_fields(each, schema["items"], described, f"{where}[]")


# Requests that come from no shell.


async def test_who_has_no_shell_means_the_one_that_brought_it_up_last(office: Office) -> None:
    folder = office.project(SHOP)
    await office.up(folder, "db", caller={**SHELL, "env": {"WHO": "first"}})
    await office.up(folder, "db", caller={**SHELL, "env": {"WHO": "last"}})

    answer = await office.post("up", project="shop", services=["web"])

    assert (answer.status, answer.json["services"]) == (200, ["db", "web"])
    assert office.loop.world.services[Key("shop", "web")].caller.env == {"WHO": "last"}
    await office.post("restart", project="shop", services=["alone"])
    assert office.loop.world.services[Key("shop", "alone")].caller.env == {"WHO": "last"}
    await office.post("up", directory=folder)
    assert office.loop.world.services[Key("shop", "web")].caller.env == {"WHO": "last"}


async def test_without_a_shell_the_file_is_read_again(office: Office) -> None:
    folder = office.project(worker("db"))
    await office.up(folder)
    office.project(worker("db") + worker("new", more='env = { A = "${HOME}" }'))

    is_refused(await office.post("up", project="shop"))
    await office.up(folder, caller={**SHELL, "env": {"HOME": "/home/me"}})
    office.project(worker("db") + worker("new", more='env = { A = "${HOME}/b" }'))
    await office.post("up", project="shop")

    assert office.loop.world.services[Key("shop", "new")].definition.env == {"A": "/home/me/b"}


async def test_the_shell_is_remembered_by_the_next_daemon(office: Office) -> None:
    await office.up(office.project(SHOP))
    saved = await asyncio.to_thread(load, str(office.folder / "state.json"))
    assert saved.world.places["shop"].caller.env == SHELL["env"]


async def test_a_refused_up_tells_warnings_beside_the_errors_in_the_order_of_the_file(office: Office) -> None:
    folder = office.project(worker("db", more='workdir = "gone"') + worker("web", more="prot = 1"))
    answer = await office.post("up", directory=folder)

    assert (answer.status, answer.json["exit"]) == (422, 2)
    assert [(each.get("level"), each["where"]) for each in answer.json["problems"]] == [
        ("warning", "locald.toml:7: services.db.workdir"),
        (None, "locald.toml:12: services.web.prot"),
    ]


async def test_an_up_warns_of_what_is_doubtful_about_what_it_starts(office: Office) -> None:
    gone = 'workdir = "gone"'
    folder = office.project(worker("db", more=gone) + worker("web", "db") + worker("alone", more=gone))
    answer = await office.post("up", directory=folder, services=["web"])

    (warning,) = answer.json["warnings"]
    assert warning["where"] == "locald.toml:7: services.db.workdir"
    assert warning["what"] == f"there is no folder {folder}/gone"


# What an action would do.


async def test_an_effect_is_told_and_nothing_happens(office: Office) -> None:
    folder = office.project(SHOP)
    await office.up(folder)
    await office.until(lambda world: all(each.is_healthy for each in world.services.values()))
    before = office.loop.world

    async def effect(action: str, **query: str) -> tuple[list[str], list[str]]:
        answer = await office.get("effect", action=action, project="shop", **query)
        assert list(answer.json) == ["ends", "starts"]
        return answer.json["ends"], answer.json["starts"]

    assert await effect("stop", service="db") == (["web", "db"], [])
    assert await effect("restart", service="db") == (["db"], ["db"])
    assert await effect("up") == ([], [])
    assert await effect("down") == (["web", "db", "alone"], [])
    office.project(worker("db") + worker("web", "db", more='env = { A = "1" }'))
    assert await effect("up") == (["web", "alone"], ["web"])
    office.project(SHOP, name="other")
    ends, starts = await effect("up")
    assert (sorted(ends), sorted(starts)) == (["alone", "db", "web"], ["alone", "db", "web"])
    office.project("nonsense = 1")
    is_refused(await office.get("effect", action="up", project="shop"))
    assert office.loop.world is before


# Wrong questions.


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("status", {"project": "nowhere"}),
        ("status", {"project": "shpo"}),
        ("status", {"project": "shop", "service": "wbe"}),
        ("status", {"directory": "shop"}),
        ("status", {"directory": "/no\0where"}),
        ("status", {"directory": "/nowhere"}),
        ("status", {"project": "x" * 20_000}),
        ("why", {}),
        ("why", {"project": "shop"}),
        ("why", {"directory": "/nowhere", "service": "web"}),
        ("timeline", {}),
        ("environment", {"project": "shop"}),
        ("effect", {"project": "shop"}),
        ("effect", {"project": "shop", "action": "burn"}),
        ("effect", {"action": "stop"}),
        ("effect", {"project": "shop", "action": "stop", "service": "wbe"}),
        ("events", {"until": "never"}),
        ("events", {"project": "nowhere"}),
        ("logs", {"n": "many"}),
        ("logs", {"n": "-1"}),
        ("logs", {"n": "٣"}),
        ("logs", {"n": "9" * 5000}),
        ("logs", {"run": "9" * 5000}),
        ("lines", {"n": "9" * 5000}),
        ("logs", {"since": "yesterday"}),
        ("logs", {"since": "nan"}),
        ("logs", {"since": "inf"}),
        ("logs", {"grep": "("}),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused(office: Office, path: str, query: Json) -> None:
    await office.up(office.project(SHOP))
    is_refused(await office.get(path, **query))


async def test_a_status_is_made_anew_only_when_something_changed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Service] = []
    real = view.row

    def counted(world: World, service: Service) -> Row:
        made.append(service)
        return real(world, service)

    monkeypatch.setattr(reading, "row", counted)
    await office.up(office.project(SHOP))
    await office.until(lambda world: all(each.is_healthy for each in world.services.values()))
    first, again = await office.rows(project="shop"), await office.rows(project="shop")
    assert first == again
    assert len(made) == 3
    assert list(await office.rows(project="shop", service="web")) == ["web"]
    await office.post("stop", project="shop", services=["alone"])
    await office.until(lambda world: not world.services[Key("shop", "alone")].run)
    assert (await office.rows(project="shop"))["alone"]["state"] == "stopped"


async def test_a_pattern_that_is_slow_in_every_line_ends_the_search(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope, "SEARCHING_ALL", 0.05)
    monkeypatch.setattr(scope, "SEARCHING", 60)
    await office.up(office.project(SHOP))
    writer = CaptureWriter(str(office.logbook.folder(Key("shop", "web"))), 1, 10**7)
    writer.write(1.0, frames.STDOUT, b"aaaaaaaaaaaaaaaaaaaaaa!\n" * 2_000)
    writer.close()
    for n in ("all", "5"):
        answer = await office.get("logs", project="shop", n=n, grep="(a|aa)+$")
        refusal = json.loads(answer.body.splitlines()[-1])
        (problem,) = refusal["problems"]
        assert problem["what"] == "matching /(a|aa)+$/ against all lines took longer than 50ms"
        assert problem["hint"].startswith("use a simpler pattern")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("up", {}),
        ("up", {"directory": 5}),
        ("up", {"directory": "shop"}),
        ("up", {"directory": "/no\0where"}),
        ("up", {"directory": "/no\ud800where"}),
        ("up", {"directory": "/nowhere"}),
        ("up", {"directory": "/nowhere", "services": "web"}),
        ("up", {"directory": "/nowhere", "services": [5]}),
        ("up", {"directory": "/nowhere", "caller": 5}),
        ("up", {"directory": "/nowhere", "caller": {"env": {"A": 5}}}),
        ("up", {"directory": "/nowhere", "caller": {"limits": {"nofile": [1]}}}),
        ("stop", {}),
        ("stop", {"services": ["web"]}),
        ("stop", {"project": 5}),
        ("stop", {"project": ["shop"]}),
        ("stop", {"project": "nowhere"}),
        ("stop", {"project": "shop", "services": ["wbe", "db"]}),
        ("stop", {"directory": "shop"}),
        ("restart", {"directory": "/nowhere"}),
        ("restart", {"project": "shop", "services": {"web": 1}}),
        ("restart", {"project": "shop", "caller": []}),
        ("down", {}),
        ("down", {"project": None, "directory": None}),
    ],
)
async def test_a_request_that_cannot_be_understood_changes_nothing(
    office: Office, path: str, body: Json
) -> None:
    await office.up(office.project(SHOP))
    before = office.loop.world
    is_refused(await office.post(path, **body))
    assert office.loop.world.places == before.places
    assert not office.crew.said(Terminate)


async def test_a_body_announced_as_a_terabyte_is_not_waited_for(office: Office) -> None:
    reader, writer = await asyncio.open_unix_connection(office.socket)
    writer.write(b"POST /v1/up HTTP/1.1\r\nHost: locald\r\nContent-Length: 1000000000000\r\n\r\n{")
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"up"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"directory": ' * 100_000,
        gzip.compress(b"{}", mtime=0),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(office: Office, body: bytes) -> None:
    is_refused(await office.ask("POST", "/v1/up", data=io.BytesIO(body)))


async def test_a_field_that_nobody_knows_is_refused_before_anything_is_done(office: Office) -> None:
    """A misspelt `services` would mean all of them."""
    await office.up(office.project(SHOP))
    answer = await office.post("stop", project="shop", service=["web"])
    is_refused(answer)
    assert (answer.problem["what"], answer.problem["where"]) == ("unknown field", "service")
    assert office.crew.said(Terminate) == []


async def test_the_words_around_a_body_do_not_matter(office: Office) -> None:
    """Nobody has to say that it is JSON, or in which letters."""
    body = json.dumps({"directory": office.project(SHOP), "caller": SHELL}).encode()
    for kind in ("text/plain", "application/json; charset=of-mars"):
        answer = await office.ask("POST", "/v1/up", data=body, headers={"Content-Type": kind})
        assert answer.status == 200, answer.body


@pytest.mark.parametrize(("path", "field"), [("dashboard", "by_name"), ("up", "attach")])
async def test_what_is_neither_true_nor_false_is_refused(office: Office, path: str, field: str) -> None:
    asked: Json = {field: {}}
    if path == "up":
        asked |= {"directory": office.project(SHOP), "caller": SHELL}
    answer = await office.post(path, **asked)
    is_refused(answer)
    assert (answer.problem["what"], answer.problem["where"]) == ("must be true or false", field)


async def test_a_body_that_is_too_long_is_refused(office: Office) -> None:
    body = io.BytesIO(b" " * (http.LARGEST_REQUEST + 1))
    is_refused(await office.ask("POST", "/v1/up", data=body), 413)


async def test_what_there_is_not_is_told_like_any_problem(office: Office) -> None:
    is_refused(await office.ask("GET", "/"), 404)
    is_refused(await office.ask("GET", "/v2/status"), 404)
    wrong = await office.ask("DELETE", "/v1/status")
    is_refused(wrong, 405)
    assert wrong.headers["Allow"] == "GET,HEAD"


async def test_a_fault_of_the_daemon_s_costs_one_answer(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    await office.up(office.project(SHOP))
    with monkeypatch.context() as context:
        context.setattr("locald.daemon.api.reading.row", broken)
        failed = await office.get("status")
    is_refused(failed, 500, 3)
    assert failed.problem["what"] == "the daemon failed: ZeroDivisionError: division by zero"
    assert "Traceback" not in failed.body.decode()
    assert "Traceback" in caplog.text
    assert (await office.get("status")).status == 200


async def test_a_fault_in_the_core_is_told_to_who_asked(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    await office.up(office.project(SHOP))
    with monkeypatch.context() as context:
        context.setattr("locald.daemon.loop.step", broken)
        is_refused(await office.post("stop", project="shop"), 500, 3)
    assert (await office.post("stop", project="shop")).status == 200


async def test_no_secret_of_the_caller_s_is_in_the_log(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("locald.daemon.loop.step", broken)
    caller = SHELL | {"env": {"TOKEN": "hunter2"}}
    is_refused(await office.up(office.project(SHOP), caller=caller), 500, 3)
    assert "ZeroDivisionError" in caplog.text
    assert "hunter2" not in caplog.text


# Streams.


async def test_head_tells_of_a_stream_without_beginning_it(office: Office) -> None:
    for target in ("/v1/status", "/v1/events", "/v1/logs?follow=1", "/v1/logs"):
        answer = await office.ask("HEAD", target)
        assert (answer.status, answer.body) == (200, b"")
    assert office.hub._readers == set()


async def event(stream: Any) -> tuple[str, Json]:
    """The next server-sent event."""
    name = (await stream.content.readline()).decode().strip()
    data = (await stream.content.readline()).decode()
    assert await stream.content.readline() == b"\n"
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def test_a_quiet_stream_says_that_it_is_still_there(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("locald.daemon.api.events.HEARTBEAT", 0.01)
    async with office.client.get("http://locald/v1/events") as stream:
        assert (await event(stream))[0] == "snapshot"
        assert await stream.content.readline() == b": still here\n"


async def test_who_has_left_is_not_remembered(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locald.daemon.api.events.HEARTBEAT", 0.01)
    async with office.client.get("http://locald/v1/events") as stream:
        await event(stream)
        assert len(office.hub._readers) == 1
    async with asyncio.timeout(5):
        while office.hub._readers:  # noqa: ASYNC110 (there is no news of it)
            await asyncio.sleep(0.01)


async def test_streams_do_not_hold_up_the_end_of_the_daemon(office: Office) -> None:
    """And whoever follows hears the last of it first."""
    await office.up(office.project(SHOP))
    async with (
        office.client.get("http://locald/v1/events") as events,
        office.client.get("http://locald/v1/logs?follow=1") as logs,
    ):
        await event(events)
        await office.post("server/stop")
        await office.core.leaving.wait()
        began = asyncio.get_running_loop().time()
        await office.entrance.finish()
        assert asyncio.get_running_loop().time() - began < 1
        told = (await events.content.read()).decode()
        assert '"state": "stopped"' in told.split("event: ")[-1]
        await logs.content.read()


# `up`.


async def test_up_answers_with_what_is_wanted_now_dependencies_first(office: Office) -> None:
    answer = await office.up(office.project(SHOP), "web")
    begun = {"ends": {}, "starts": ["db", "web"], "changed": [], "removed": []}
    whose = {"project": "shop", "instance": None}
    assert answer.json == {**whose, "services": ["db", "web"], "warnings": [], **begun}
    await office.until(lambda world: world.services[Key("shop", "web")].is_healthy)
    assert office.crew.said(Start) == ["shop:db#1", "shop:web#1"]


async def test_stop_and_down_answer_with_what_ends_dependents_first(office: Office) -> None:
    await office.up(office.project(worker("a") + worker("c", "a") + worker("b", "c") + worker("alone")))
    assert (await office.post("stop", project="shop", services=["a"])).json["services"] == ["b", "c", "a"]
    assert (await office.post("down", project="shop")).json["services"] == ["b", "c", "alone", "a"]


async def test_services_that_there_are_not_are_all_named_and_nothing_happens(office: Office) -> None:
    refused = await office.up(office.project(SHOP), "web", "dbb", "nothing")
    is_refused(refused)
    problems = refused.json["problems"]
    assert [each["what"] for each in problems] == [
        "no such service: dbb",
        "no such service: nothing",
    ]
    assert problems[0]["hint"] == 'did you mean "db"?'
    assert not office.loop.world.services


async def test_two_at_once_are_one_after_the_other(office: Office) -> None:
    folder = office.project(server("web") + worker("queue"))
    answers = await asyncio.gather(office.up(folder), office.up(folder, "web"), office.up(folder))
    assert [each.status for each in answers] == [200] * 3
    await office.until(lambda world: all(each.facts and each.facts.pid for each in world.services.values()))
    assert sorted(office.crew.said(Start)) == ["shop:queue#1", "shop:web#1"]
    assert not office.crew.said(Terminate)


async def test_two_projects_at_once_never_get_the_same_port(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when both would like to have the same one."""

    def alike(*_: object) -> Iterator[int]:
        return iter(range(21000, 21100))

    monkeypatch.setattr(ports, "candidates", alike)
    folders = [office.project(server("web"), f"p{number}", f"p{number}") for number in range(5)]
    await asyncio.gather(*map(office.up, folders))
    rows = (await office.get("status")).json["services"]
    assert len({row["port"] for row in rows}) == 5


async def test_a_folder_is_the_same_however_one_gets_there(office: Office) -> None:
    folder = office.project(SHOP)
    link = str(office.folder / "link")
    os.symlink(folder, link)
    await office.up(link)
    assert (await office.rows(directory=folder))["web"]["directory"] == folder
    await office.until(lambda world: world.services[Key("shop", "web")].is_healthy)
    await office.up(folder)
    await office.up(f"{folder}/../shop/")
    assert not office.crew.said(Terminate)
    assert (await office.rows(directory=link)).keys() == {"db", "web", "alone"}
    assert (await office.post("down", directory=link)).json["project"] == "shop"


async def test_a_folder_that_has_become_a_link_is_still_the_same(office: Office) -> None:
    """Somebody moved the project and left a link behind."""
    folder = office.project(SHOP)
    await office.up(folder)
    os.rename(folder, f"{folder}-moved")
    os.symlink(f"{folder}-moved", folder)
    for way in (folder, f"{folder}-moved"):
        assert (await office.rows(directory=way))["web"]["run"] >= 0
    assert (await office.post("stop", directory=f"{folder}-moved")).json["project"] == "shop"


@pytest.mark.parametrize("what", ["stop", "down"])
@pytest.mark.parametrize("by", ["project", "directory"])
async def test_what_runs_of_a_deleted_folder_can_still_be_ended(office: Office, what: str, by: str) -> None:
    folder = office.project(SHOP)
    await office.up(folder)
    os.unlink(f"{folder}/locald.toml")
    os.rmdir(folder)
    is_refused(await office.up(folder))
    assert (await office.rows(directory=folder)).keys() == {"db", "web", "alone"}
    answer = await office.post(what, **({"project": "shop"} if by == "project" else {"directory": folder}))
    assert set(answer.json["services"]) == {"db", "web", "alone"}
    await office.until(lambda world: not any(each.run for each in world.services.values()))


async def test_a_project_that_was_moved_goes_on_in_its_new_folder(office: Office) -> None:
    folder = office.project(SHOP)
    await office.up(folder)
    await office.until(lambda world: world.services[Key("shop", "web")].is_healthy)
    os.rename(folder, new := f"{folder}-new")
    assert (await office.up(new)).status == 200
    await office.until(lambda world: world.services[Key("shop", "web")].runs == 2)
    assert {row["directory"] for row in (await office.rows()).values()} == {new}
    assert (await office.post("down", directory=new)).json["project"] == "shop"


async def test_a_second_folder_of_the_same_name_is_an_instance(office: Office) -> None:
    folder, copy = office.project(SHOP), office.project(SHOP, folder="copy")
    await office.up(folder)
    seen = (await office.rows(directory=copy))["web"]
    assert (seen["project"], seen["instance"]) == ("shop", "copy"), "what it would be is told before"
    assert (await office.up(copy)).json["instance"] == "copy"
    own, other = (await office.rows(directory=folder))["web"], (await office.rows(directory=copy))["web"]
    assert (own["directory"], own["instance"]) == (folder, None)
    assert (other["directory"], other["instance"]) == (copy, "copy")
    named = (await office.rows(project="shop@copy"))["web"]
    assert (named["directory"], named["port"]) == (copy, other["port"])


async def test_an_instance_s_name_is_that_of_its_folder_also_when_the_first_one_is_down(
    office: Office,
) -> None:
    folder, copy = office.project(SHOP), office.project(SHOP, folder="copy")
    await office.up(folder)
    await office.up(copy)
    for each in (folder, copy):
        await office.post("down", directory=each)
    await office.until(lambda world: not world.places)
    assert (await office.up(copy)).json["instance"] == "copy"
    assert (await office.up(folder)).json["project"] == "shop"


async def test_a_folder_that_is_gone_keeps_no_name(office: Office) -> None:
    folder = office.project(SHOP)
    await office.up(folder)
    await office.post("down", directory=folder)
    await office.until(lambda world: not world.places)
    shutil.rmtree(folder)
    assert (await office.up(office.project(SHOP, folder="other"))).json["project"] == "shop"


async def test_a_label_that_was_set_is_taken_and_two_alike_are_refused(office: Office) -> None:
    labelled = SHELL | {"env": {**SHELL["env"], "LOCALD_INSTANCE": "mine"}}
    folder, copy = office.project(SHOP), office.project(SHOP, folder="copy")
    assert (await office.up(folder, caller=labelled)).json["instance"] == "mine"
    refused = await office.up(copy, caller=labelled)
    is_refused(refused)
    assert folder in refused.problem["what"]
    assert (await office.up(copy)).json["project"] == "shop"


async def test_a_folder_that_gets_another_label_goes_on_under_it_alone(office: Office) -> None:
    folder = office.project(SHOP)
    await office.up(folder)
    labelled = SHELL | {"env": {**SHELL["env"], "LOCALD_INSTANCE": "mine"}}
    answer = (await office.up(folder, caller=labelled)).json
    (warning,) = answer["warnings"]
    assert warning["what"].startswith('instance renamed from "shop" to "shop@mine"')
    assert (answer["instance"], set(office.loop.world.places)) == ("mine", {"shop@mine"})


async def test_a_fixed_port_gives_way_to_that_of_another_instance(office: Office) -> None:
    text = server("web", "port = 28411")
    folder, copy = office.project(text), office.project(text, folder="copy")
    await office.up(folder)
    answer = (await office.up(copy)).json
    (warning,) = answer["warnings"]
    assert "port 28411 is used by shop:web" in warning["what"]
    line = 3 + text.splitlines().index("port = 28411")
    assert warning["where"] == f"locald.toml:{line}: services.web.port"
    row = (await office.rows(directory=copy))["web"]
    assert row["port"] != 28411
    assert row["port_source"] == "assigned"
    assert (await office.up(copy)).json["warnings"] == [], "it is said once"


# A project that got another name.


async def test_under_a_new_name_a_project_begins_when_the_old_one_has_ended(office: Office) -> None:
    """Ports that the file names are free again then; and somebody is told."""
    office.crew.stubborn = True
    folder = office.project(SHOP)
    await office.up(folder)
    await office.until(is_healthy("shop", "web"))
    office.project(SHOP, name="store")
    renamed = asyncio.ensure_future(office.up(folder))
    await office.until(lambda world: "shop:web#1" in office.crew.said(Terminate))
    other = await office.up(office.project(worker("x"), "other", "other"))
    assert other.status == 200, "nobody else has to wait for that"
    assert not renamed.done()
    office.crew.stubborn = False
    office.crew.end_all()
    answer = await renamed
    assert answer.json["project"] == "store"
    (warning,) = answer.json["warnings"]
    assert warning["what"].startswith('project renamed from "shop" to "store", services under the old name')
    assert office.loop.world.places.keys() == {"store", "other"}
    assert (await office.rows(directory=folder)).keys() == {"db", "web", "alone"}
    is_refused(await office.get("status", project="shop"))


def is_healthy(project: str, name: str) -> Any:
    return lambda world: world.services[Key(project, name)].is_healthy


async def test_before_its_up_a_renamed_project_is_shown_and_stopped_as_what_it_was(office: Office) -> None:
    folder = office.project(SHOP)
    await office.up(folder)
    office.project(SHOP, name="store")
    assert {row["project"] for row in (await office.rows(directory=folder)).values()} == {"shop"}
    assert (await office.post("down", directory=folder)).json["project"] == "shop"


async def test_nothing_begins_under_a_new_name_while_the_old_one_does_not_end(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing, "STOPPED_WITHIN", 0.05)
    office.crew.stubborn = True
    folder = office.project(worker("web"))
    await office.up(folder)
    await office.until(is_healthy("shop", "web"))
    office.project(worker("web"), name="store")
    refused = await office.up(folder)
    is_refused(refused)
    assert '"shop"' in refused.problem["what"]
    assert office.loop.world.places.keys() == {"shop"}
    office.crew.end_all()
    await office.until(lambda world: not world.places)
    assert (await office.up(folder)).json["project"] == "store"


async def test_a_mistake_in_the_renamed_file_stops_nothing(office: Office) -> None:
    folder = office.project(SHOP)
    await office.up(folder)
    office.project(worker("web", "nothing"), name="store")
    is_refused(await office.up(folder))
    is_refused(await office.up(office.project(SHOP, name="store"), "nothing"))
    assert not office.crew.said(Terminate)
    assert office.loop.world.places.keys() == {"shop"}


# What is only looked at.


async def test_a_project_that_was_never_up_is_shown_without_the_shell_that_it_needs(office: Office) -> None:
    """Neither variables nor files of an environment are needed to say that nothing runs."""
    folder = office.project(worker("web", more='env = { A = "${TOKEN}" }\nenv_file = "secret.env"'))
    rows = await office.rows(directory=folder)
    assert (rows["web"]["state"], rows["web"]["run"]) == ("stopped", 0)
    assert rows["web"]["since"] == office.core.identity()["started_at"], "for as long as anybody knows"
    answer = await office.get("status", directory=folder, service="wbe")
    is_refused(answer)
    assert answer.problem["hint"] == 'did you mean "web"?'
    assert not office.loop.world.places


# `server stop`.


async def test_while_everything_is_stopped_nothing_can_be_wanted(office: Office) -> None:
    office.crew.stubborn = True
    folder = office.project(SHOP)
    await office.up(folder)
    await office.until(is_healthy("shop", "web"))
    assert (await office.post("server/stop")).status == 200
    for refused in (await office.up(folder), await office.post("restart", project="shop")):
        is_refused(refused, 503, 3)
        assert "server stop" in refused.problem["what"]
    assert (await office.get("status")).status == 200
    assert (await office.post("stop", project="shop")).status == 200
    assert (await office.post("server/stop")).status == 200
    assert not office.core.leaving.is_set()
    office.crew.stubborn = False
    office.crew.end_all()
    await office.core.leaving.wait()


async def test_an_up_that_is_under_way_when_everything_is_stopped_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be forgotten with the daemon, and whoever asked told that all is well."""
    reading, go_on = asyncio.Event(), asyncio.Event()
    real = requests.up

    async def slowly(*asked: Any, **more: Any) -> Any:
        reading.set()
        await go_on.wait()
        return await real(*asked, **more)

    monkeypatch.setattr(requests, "up", slowly)
    up = asyncio.ensure_future(office.up(office.project(SHOP)))
    await reading.wait()
    await office.post("server/stop")
    go_on.set()
    is_refused(await up, 503, 3)
    assert not office.loop.world.services


async def test_with_nothing_running_the_daemon_ends_at_once(office: Office) -> None:
    await office.post("server/stop")
    assert office.core.leaving.is_set()


# Whoever asks.


async def test_a_shell_whose_variables_are_no_text_can_start_services(office: Office) -> None:
    """They arrive as lone surrogates, as Python has them."""
    caller = SHELL | {"env": {"NAME": "caf\udce9"}}
    folder = office.project(worker("web"))
    assert (await office.up(folder, caller=caller)).status == 200
    environment = await office.get("environment", project="shop", service="web")
    assert environment.json["env"]["NAME"] == "caf\udce9"
    await office.store.saved()
    assert "caf" in (office.folder / "state.json").read_text()


async def test_who_goes_away_in_the_middle_is_missed_by_nobody(office: Office) -> None:
    def send(data: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(office.socket)
            caller.sendall(data)

    for data in (b"\0\xff\n" * 100, b"POST /v1/up HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"):
        await asyncio.to_thread(send, data)
    assert (await office.get("ping")).status == 200


async def test_many_services_are_started_by_one_request(office: Office) -> None:
    folder = office.project("".join(worker(f"s{number}") for number in range(200)))
    await office.up(folder)
    assert len(await office.rows()) == 200
    assert len(office.crew.said(Start)) == 200
    assert not office.crew.said(Kill)
