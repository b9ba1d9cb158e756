"""What a request meets at a name while the service does not serve: asked by Caddy, which has the request.

    /hold      a service's gate is closed, or it did not listen: 204 when it serves, else what is said
    /nowhere   the name is none of ours, or leads nowhere
    /loop      the request came back to the same service again and again
    /broken    the service broke off without an answer
    /own       the page that is shown in place of a service asks for news

A browser that goes to an address is shown a page at once; whatever else asks (scripts, `fetch`, images) is
kept waiting for a while, for it could not come back by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from locald.adapters.caddy.config import ROUNDS
from locald.adapters.histories import Choice
from locald.daemon.api.http import Answer, document
from locald.daemon.dashboard import link as starting
from locald.daemon.proxy.page import POLICY, Link, Part, page
from locald.domain.explain.routes import is_ours, routes, suffix
from locald.domain.explain.visit import Meets, meets
from locald.domain.explain.why import root_of
from locald.domain.lifecycle.messages import Wake
from locald.domain.project.names import Key
from locald.domain.values import digits
from locald.domain.values.plain import plain
from locald.wire.named import from_anywhere

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.daemon.api.http import Request
    from locald.daemon.api.reading import Reading
    from locald.daemon.core import Core
    from locald.domain.lifecycle.world import World

HELD = 60.0
"""seconds that a request is kept waiting for a service"""
NEWS_WITHIN = 20.0
"""seconds that a page waits for news before it asks again"""
LINES, LOOKED_AT = 12, 60
"""of output, on a page; and those that they are chosen from"""
MOST_ROUNDS = 5
"""times that a request may come to the same service on its way"""
AGAIN = {"Retry-After": "1", "Cache-Control": "no-store"}


class Answers:
    def __init__(self, core: Core, reading: Reading) -> None:
        self._core, self._reading = core, reading
        self._waiting: dict[Key, set[asyncio.Future[None]]] = {}

    def change(self, _: World, moved: frozenset[Key]) -> None:
        """The world's watcher."""
        for key in moved & self._waiting.keys():
            for each in self._waiting.pop(key):
                if not each.done():
                    each.set_result(None)

    async def respond(self, request: Request) -> Answer:
        key = Key.parse(request.headers.get("x-locald-service", ""))
        match request.path:
            case "/hold":
                return await self._hold(request, key)
            case "/own":
                return await self._news(request, key)
            case "/loop":
                return self._rounds(request, key)
            case "/broken":
                return await self._broken(request, key)
            case _:
                return self._nowhere(request)

    # A service that does not serve.

    async def _hold(self, request: Request, key: Key) -> Answer:
        service = self._core.world.services.get(key)
        if service and meets(service) is Meets.DEMAND:
            await self._core.ask(Wake(key))
        if not is_navigation(request.headers):
            await self._until_settled(key)
        service = self._core.world.services.get(key)
        if service is None:
            return self._nowhere(request)
        if meets(service) is Meets.SERVICE:
            return Answer(b"", 204)
        return await self._explained(request, key, 503)

    async def _until_settled(self, key: Key) -> None:
        """Until it serves, or does not come by itself, or the time is up."""
        try:
            async with asyncio.timeout(HELD):
                while (service := self._core.world.services.get(key)) and meets(service) is Meets.WAIT:
                    await self._moved(key)
        except TimeoutError:
            pass

    async def _moved(self, key: Key) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(waiting)
        try:
            await waiting
        finally:
            if key in self._waiting:
                self._waiting[key].discard(waiting)

    async def _broken(self, request: Request, key: Key) -> Answer:
        if key not in self._core.world.services:
            return _refused(request, 502, "the service broke off without an answer", "try again")
        return await self._explained(request, key, 502)

    async def _explained(self, request: Request, key: Key, status: int) -> Answer:
        told = await self._reading.explained(key)
        if told is None:
            return self._nowhere(request)
        if not is_navigation(request.headers):
            return Answer(json.dumps(told).encode(), status, headers=AGAIN)
        output = await self._output(key)
        return _page(self._shown(key, told, output, is_broken=status == 502), status)

    def _shown(self, key: Key, told: Mapping[str, Any], output: list[str], *, is_broken: bool) -> str:
        state = str(told["state"])
        word = str(told["health"]) if state == "running" else state
        title = f"{key.service} {_is(word)}"
        if is_broken:
            title = f"{key.service} broke off without an answer"
        blockers = [
            f"`{each['service']}` {_is(each['state'])}: {each['because']}" for each in told["blockers"]
        ]
        hints = [from_anywhere(str(hint), key.project) for hint in told["hints"]]  # who knows which folder
        steps = [*hints, f"run `locald why {key}` for details"]
        parts = [
            Part("Blocked by (root cause last)", blockers),
            Part("Last output", output=output),
            Part("Next steps", [f"{step[0].upper()}{step[1:]}." for step in steps]),
        ]
        link = self._way_to_start(key)
        said = f"{_sentence(str(told['because']))} {self._what_comes(key)}"
        return page(title, said, parts, state=word, tag=self._tag(key), link=link)

    def _what_comes(self, key: Key) -> str:
        service = self._core.world.services.get(key)
        return "This page goes on to it by itself." if service and meets(service) is Meets.WAIT else ""

    def _way_to_start(self, key: Key) -> Link | None:
        """For what does not come by itself. Who asks here may be anybody: only who is signed in at the
        dashboard has a button there."""
        service, site = self._core.world.services.get(key), self._core.dashboard
        if service is None or meets(service) is not Meets.REASON or not (site and site.url):
            return None
        return Link(starting.address(site.url, key), f"{starting.word(service)} {key.service}")

    async def _output(self, key: Key) -> list[str]:
        """The last lines of what is the matter, as far as it has run. Programs that clear the screen print
        many empty ones."""
        service = self._core.world.services.get(key)
        if service is None:
            return []
        root = root_of(self._core.world, service)
        lines = await self._core.logbook.last(root.key, LOOKED_AT, Choice(plain=True))
        printed = [plain(line.line) for line in lines if line.run == root.runs]
        return [line for line in printed if line.strip()][-LINES:]

    def _rounds(self, request: Request, key: Key) -> Answer:
        """204, unless the request has been to this very service again and again."""
        passed = request.headers.get(ROUNDS.lower(), "").split()
        if passed.count(str(key)) < MOST_ROUNDS:
            return Answer(b"", 204)
        what = f"{key.service} sends requests for its own name back to itself"
        return _refused(request, 508, what, "check where it forwards requests to")

    # News for the page.

    async def _news(self, request: Request, key: Key) -> Answer:
        target = urlsplit(request.headers.get("x-locald-uri", ""))
        if not target.path.endswith("/news"):
            return _refused(request, 404, "no such page", "")
        seen = parse_qs(target.query).get("tag", [""])[0]
        try:
            async with asyncio.timeout(NEWS_WITHIN):
                while self._tag(key) == seen:
                    await self._moved_around(key)
        except TimeoutError:
            pass
        return document({"changed": self._tag(key) != seen})

    async def _moved_around(self, key: Key) -> None:
        """Until it, or what blocks it, has moved."""
        service = self._core.world.services.get(key)
        if service is None:
            return
        keys = {key, root_of(self._core.world, service).key}
        waiting = [asyncio.ensure_future(self._moved(each)) for each in keys]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    def _tag(self, key: Key) -> str:
        """What a page shows, as a word: another one when it would show something else."""
        world = self._core.world
        service = world.services.get(key)
        if service is None:
            return "gone"
        root = root_of(world, service)
        seen = (
            meets(service),
            service.phase.kind,
            root.phase.kind,
            service.result.because,
            root.result.because,
        )
        return hashlib.sha256(repr(seen).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    # Names that lead nowhere.

    def _nowhere(self, request: Request) -> Answer:
        world = self._core.world
        host = request.headers.get("x-locald-host", "")
        name, _, port = host.lower().partition(":")
        if not is_ours(world, name.removesuffix(".")):
            what = "this name is not served here"
            return _refused(request, 421, what, "use the name of a service: `locald proxy status` lists them")
        scheme = request.headers.get("x-locald-scheme", "https")
        behind = suffix(digits.port(port), 0)
        known = [f"{scheme}://{route.name}{behind}/" for route in routes(world) if "*" not in route.name]
        if not is_navigation(request.headers):
            what = f"no service has the name {name}"
            return document({"error": {"code": "unknown_name", "message": what, "names": known}}, 404)
        parts = [Part("Names", addresses=known)]
        return _page(page("No service has this name", f"`{name}` leads nowhere.", parts), 404)


def is_navigation(headers: Mapping[str, str]) -> bool:
    """Whether a browser asks for a page to show, by its own word; an older one by what it accepts."""
    if headers.get("x-locald-method", "GET") not in ("GET", "HEAD"):
        return False
    mode = headers.get("sec-fetch-mode")
    return mode == "navigate" if mode else "text/html" in headers.get("accept", "")


def _is(state: str) -> str:
    return state if state == "failed" else f"is {state}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _refused(request: Request, status: int, what: str, hint: str) -> Answer:
    if not is_navigation(request.headers):
        error = {"code": _CODES[status], "message": what, "where": None, "hint": hint or None}
        return Answer(json.dumps({"error": error}).encode(), status, headers={"Cache-Control": "no-store"})
    parts = [Part("Next steps", [_sentence(hint)])] if hint else []
    return _page(page(what[0].upper() + what[1:], "", parts), status)


_CODES = {404: "not_found", 421: "misdirected", 502: "broken_off", 508: "loop"}


def _page(text: str, status: int) -> Answer:
    headers = {**AGAIN, "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    if status != 503:
        del headers["Retry-After"]
    return Answer(text.encode(), status, "text/html; charset=utf-8", headers)
