"""Questions: they change nothing and are answered at once, also while services are being restored."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from locald.adapters import pages, ports
from locald.adapters.histories import Choice
from locald.adapters.pages import Limits
from locald.adapters.patterns import TooSlow
from locald.daemon import requests, runners
from locald.daemon.api import crowd
from locald.daemon.api.http import Answer, Failure, Request, Stream, document
from locald.daemon.api.scope import (
    at,
    folder,
    misused,
    moved_from,
    one,
    pattern,
    project_of,
    scope,
    text,
    too_slow,
)
from locald.daemon.instances import checkouts
from locald.daemon.last_words import printed_last
from locald.daemon.meter import STEP
from locald.domain.explain import in_use
from locald.domain.explain.last_word import is_over, last_word
from locald.domain.explain.located import located, others
from locald.domain.explain.past import runs
from locald.domain.explain.summary import summary
from locald.domain.explain.timeline import timeline
from locald.domain.explain.view import row
from locald.domain.explain.why import root_of, why
from locald.domain.knowledge.in_use import port_in_use
from locald.domain.knowledge.level import LEVELS, level
from locald.domain.knowledge.masking import masked
from locald.domain.lifecycle import sharing
from locald.domain.lifecycle.service import Service
from locald.domain.lifecycle.world import World
from locald.domain.project import attaching, env
from locald.domain.project.names import Key, Run
from locald.domain.values.problem import Problem, Refused
from locald.wire import rows
from locald.wire.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from locald.adapters.histories import LogLine, Packet
    from locald.daemon.api.scope import Scope
    from locald.daemon.core import Core
    from locald.daemon.hub import News, Subscription
    from locald.daemon.instances import Checkout
    from locald.domain.knowledge.level import Level

MOST_LINES, MOST_BYTES = 10_000, 1_000_000
"""of a page"""
MOST_RUNS = 1 << 31
HEARTBEAT = 15.0
"""seconds between two comments on a quiet stream, so that both sides notice a broken one"""


MIXED = "application/octet-stream"
FOUND_WITHIN = 0.4
"""seconds that who asks for the status waits for a keeper that has not answered a new daemon yet"""


class Reading:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._last: tuple[World | None, object, Answer | None] = (None, None, None)
        """of which world somebody asked for the status, what exactly, and what was answered"""
        self._last_event: tuple[News | None, bytes] = (None, b"")

    async def ping(self, request: Request) -> Answer:
        return document({"pid": self._core.identity()["pid"], "version": __version__})

    async def status(self, request: Request) -> Answer:
        names, directory = request.query.getall("service"), folder(request.query)
        if directory and not text(request.query, "project") and await at(self._core, directory) is None:
            world, keys = await self._as_written(directory, names)
        else:
            chosen = await scope(self._core, request.query, names)
            await self._found(chosen)
            world = self._core.world
            keys = chosen.keys(world)
        moved = await moved_from(self._core, request.query)
        return self._status(world, keys, {"moved_from": moved} if moved else {})

    def _status(self, world: World, keys: list[Key], more: dict[str, Any]) -> Answer:
        """Rows tell of a world alone, which is another one after each change: so who asks the same question
        before the next change gets the same answer, and many who ask cost little."""
        asked = (keys, self._core.identity(), more)
        last_world, last_asked, answer = self._last
        if last_world is world and last_asked == asked and answer:
            return answer
        services = [rows.row(row(world, world.services[key])) for key in keys]
        answer = document({"daemon": asked[1], "services": services, **more})
        self._last = (world, asked, answer)
        return answer

    async def _found(self, chosen: Scope) -> None:
        """Leave a daemon that has just begun a moment to find what the one before has left."""
        if not self._is_sought(chosen):
            return
        reader = self._core.hub.subscribe(chosen.holds, "ready")
        try:
            async with asyncio.timeout(FOUND_WITHIN):
                while self._is_sought(chosen):
                    await self._core.hub.next(reader)
        except TimeoutError:
            pass  # it is told so
        finally:
            self._core.hub.unsubscribe(reader)

    def _is_sought(self, chosen: Scope) -> bool:
        world = self._core.world
        return any(world.services[key].is_sought for key in chosen.keys(world))

    async def _as_written(self, directory: str, names: list[str]) -> tuple[World, list[Key]]:
        """A world with a project that was never brought up, as its file says. Nothing is kept of it."""
        project = await requests.as_written(self._core.world, directory, self._core.texts, self._core.ports)
        since = self._core.started_at
        chosen = requests.chosen(project.name, project.definitions, names, project.groups)
        running = self._core.world.services
        services = [
            sharing.known_to(running.get(each.key) or Service(each, since=since), project.name)
            for each in project.definitions.values()
        ]
        shown = World.of(services, {project.name: requests.place(project)})
        return shown, [project.definitions[name].key for name in chosen]

    async def why(self, request: Request) -> Answer:
        key = await one(self._core, request.query, request.query.getall("service"))
        explained = await self.explained(key)
        if explained is None:  # forgotten meanwhile
            raise Failure(404)
        return document(explained)

    async def explained(self, key: Key) -> dict[str, Any] | None:
        """The `why` document of a service; None when it is not known, or no longer."""
        if key not in self._core.world.services:
            return None
        root = root_of(self._core.world, self._core.world.services[key])
        printed = await self._printed_last(root)
        seen = await self._of_ports(root, [line for stream, line in printed if stream != "locald"])
        world = self._core.world
        if key not in world.services:
            return None
        return rows.why(why(world, key, seen), summary(world, key, last_word(printed)))

    async def _printed_last(self, service: Service) -> list[tuple[str, str]]:
        """The last lines of what the service printed, if it ended by itself, with their streams."""
        if not is_over(service):
            return []
        return await printed_last(self._core.logbook, Run(service.key, service.runs))

    async def _of_ports(self, service: Service, printed: list[str]) -> list[str]:
        """What to do if it says that its port was in use, where who has that is known."""
        named = port_in_use(printed)
        if named is None:
            return []
        for port in [named] if named else in_use.wanted(service):
            holder = await asyncio.to_thread(ports.holder, port)
            if holder or named:
                other = in_use.who_listens(self._core.world, port)
                return [in_use.hint(service, port, holder, other)]
        return [in_use.hint_without_port(service)] if service.present.port else []

    async def timeline(self, request: Request) -> Answer:
        project = await project_of(self._core, request.query)
        if project is None:
            raise Refused(Problem("a timeline needs a project", hint="set `project` or `directory`"))
        services = self._core.world.of_project(project)
        return document(rows.timeline(timeline(project, services)))

    async def runs(self, request: Request) -> Answer:
        """The runs of services that are remembered, the newest first."""
        chosen = await scope(self._core, request.query, request.query.getall("service"))
        world = self._core.world
        return document({"runs": rows.runs(runs([world.services[key] for key in chosen.keys(world)]))})

    async def usage(self, request: Request) -> Answer:
        """What services took in the last quarter of an hour, as far as it was measured."""
        chosen = await scope(self._core, request.query, request.query.getall("service"))
        past = self._core.past_usage
        told = [
            {**rows.whose(key.project), "name": key.service, "samples": rows.samples(past(key))}
            for key in chosen.keys(self._core.world)
        ]
        return document({"step": STEP, "services": told})

    async def environment(self, request: Request) -> Answer:
        key = await one(self._core, request.query, request.query.getall("service"))
        world = self._core.world
        service = world.services[key]
        definition, neighbours = located(world, service.definition), others(world, key.project)
        told: dict[str, Any] = {
            "env": runners.environment(service, definition, neighbours),
            "workdir": runners.workdir(definition),
            "origins": env.origins(definition, service.caller.env, neighbours),
        }
        if service.present.spec.in_container:
            told["container"] = self._way_in(service)
        if request.is_masked or request.query.get("mask") == "1":
            told["env"], told["masked"] = masked(told["env"])
        return document(told)

    async def terminal(self, request: Request) -> Answer:
        """Which run to attach to."""
        key = await one(self._core, request.query, request.query.getall("service"))
        service = self._core.world.services[key]
        if refused := attaching.refusal(service.present.spec):
            raise Refused(refused)
        if service.run is None:
            hint = f"run `locald up {key.service} --attach` to start it and attach to it"
            raise Refused(Problem(f"{key.service} is not running", hint=hint))
        return document({"run": str(service.run)})

    async def instances(self, request: Request) -> Answer:
        """Every folder that is known: which project or instance it is, and what of it runs."""
        found = await asyncio.to_thread(checkouts, self._core.world, self._core.logbook.size)
        return document({"instances": [checkout(each) for each in found]})

    async def proxy(self, request: Request) -> Answer:
        """Where services are reached by name, and which names there are."""
        assert self._core.proxy
        return document(self._core.proxy.status())

    def _way_in(self, service: Service) -> dict[str, Any] | None:
        """Its container, and the environment for a docker command; None while it does not run."""
        found = self._core.way_in(service.run) if service.run else None
        return {"id": found[0], "docker": found[1]} if found else None

    # Streams.

    async def logs(self, request: Request) -> Stream:
        """One JSON object a line: the history, and with `follow` what is printed from now on.

        An empty line says that we are still here; one with `problems`, the last, why it does not go on.
        With `format=text` the history comes as it is, which is a tenth of the work: a line with the names of
        the `services`, and then, again and again, one with `service`, `stream` and a number of `bytes`, and
        so many bytes behind it, which are lines.
        """
        query, book = request.query, self._core.logbook
        chosen = await scope(self._core, query, query.getall("service"))
        keys = chosen.keys(self._core.world)
        count, choice = _count(query.get("n", "100")), _choice(query)
        if query.get("format") == "text":
            if query.get("follow") == "1":
                raise misused("is for the history only, not with follow", "format")
            return Stream(MIXED, lambda: _as_text(keys, book.packets(keys, count, choice)))
        read = book.follow if query.get("follow") == "1" else book.history
        return Stream("application/x-ndjson", lambda: _printed(read(keys, count, choice)))

    async def lines(self, request: Request) -> Answer:
        """A page of log lines, and the cursor that the next one begins at."""
        query = request.query
        chosen = await scope(self._core, query, query.getall("service"))
        limits = Limits(
            _at_most(query, "n", 100, MOST_LINES), _at_most(query, "bytes", MOST_BYTES, MOST_BYTES)
        )
        marks, choice = _marks(query), _choice(query)
        try:
            page = await self._core.logbook.page(chosen.keys(self._core.world), marks, limits, choice)
        except TooSlow as slow:
            raise too_slow(slow) from None
        told = {"lines": list(map(log_line, page.lines)), "truncated": page.more}
        return document(told | {"cursor": pages.written(page.marks)})

    async def events(self, request: Request) -> Stream:
        """Rows as they change, as server-sent events: a `snapshot`, then `change` after `change`."""
        chosen = await scope(self._core, request.query, request.query.getall("service"))
        until = request.query.get("until", "ready")
        if until not in ("ready", "down"):
            raise misused("must be ready or down", "until")
        return Stream("text/event-stream", lambda: self._events(chosen, until), crowd.READ_WITHIN)

    async def _events(self, chosen: Scope, until: str) -> AsyncGenerator[bytes]:
        reader = self._core.hub.subscribe(chosen.holds, until)
        try:
            async for news in self._news(reader):
                yield self._event(news) if news else b": still here\n\n"
        finally:
            self._core.hub.unsubscribe(reader)

    async def _news(self, reader: Subscription) -> AsyncIterator[News | None]:
        """All news, and None when there was none for a while. When the daemon ends, its last are told too."""
        hub = self._core.hub
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    news = await hub.next(reader)
            except TimeoutError:
                yield None
            except asyncio.CancelledError:
                for last in hub.rest(reader):
                    yield last
                raise
            else:
                yield news

    def _event(self, news: News) -> bytes:
        """Many who look at the same are told the same."""
        last, event = self._last_event
        if news == last and not news.complete:
            return event
        name = "snapshot" if news.complete else "change"
        event = f"event: {name}\ndata: {json.dumps(told(self._core, news))}\n\n".encode()
        self._last_event = (news, event)
        return event


def told(core: Core, news: News) -> dict[str, Any]:
    """A piece of news, of a `snapshot` or of a `change`."""
    body: dict[str, Any] = {"services": [rows.row(one) for one in news.rows], "settled": news.settled}
    if news.complete:
        return body | {"daemon": core.identity()}
    return body | {"removed": [{**rows.whose(key.project), "name": key.service} for key in news.removed]}


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if text.isascii() and text.isdecimal():
        return int(text)
    raise misused("must be a number of lines, or all", "n")


def _choice(query: Mapping[str, str]) -> Choice:
    grep = pattern(query["grep"]) if "grep" in query else None
    is_plain = query.get("plain") == "1"
    folds = is_plain or query.get("fold") == "1"
    since, until = _moment(query, "since"), _moment(query, "until")
    return Choice(since, grep, is_plain, _level(query), until, folds, _run(query))


def _run(query: Mapping[str, str]) -> int | None:
    if "run" not in query:
        return None
    if not (query["run"].isdecimal() and query["run"].isascii() and 0 < int(query["run"]) <= MOST_RUNS):
        raise misused("must be the number of a run", "run")
    return int(query["run"])


def _moment(query: Mapping[str, str], field: str) -> float | None:
    try:
        at = float(query[field]) if field in query else None
    except ValueError:
        at = math.nan
    if at is not None and not math.isfinite(at):
        raise misused("must be epoch seconds", field)
    return at


def _level(query: Mapping[str, str]) -> Level | None:
    if "level" not in query:
        return None
    found = next((level for level in LEVELS if level == query["level"]), None)
    if found is None:
        raise misused(f"must be one of {', '.join(LEVELS)}", "level")
    return found


def _at_most(query: Mapping[str, str], field: str, usual: int, most: int) -> int:
    asked = query.get(field, str(usual))
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 20 and int(asked) <= most):
        raise misused(f"must be a number, {most} at most", field)
    return int(asked)


def _marks(query: Mapping[str, str]) -> pages.Marks | None:
    if not query.get("cursor"):
        return None
    try:
        return pages.understood(query["cursor"])
    except pages.NoCursor:
        raise misused("must be the `cursor` of an earlier answer", "cursor") from None


async def _printed(batches: AsyncGenerator[list[LogLine]]) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(batches) as found:
            async for lines in found:
                yield await asyncio.to_thread(_ndjson, lines) or b"\n"
    except TooSlow as slow:
        yield _refusal(too_slow(slow))


async def _as_text(keys: list[Key], batches: AsyncGenerator[list[Packet]]) -> AsyncGenerator[bytes]:
    yield _line({"services": [key.service for key in keys]})
    try:
        async with aclosing(batches) as found:
            async for packets in found:
                if packets:
                    yield b"".join(part for packet in packets for part in _packed(packet))
    except TooSlow as slow:
        yield _refusal(too_slow(slow))


def _packed(packet: Packet) -> list[bytes]:
    size = sum(map(len, packet.data))
    head = {"service": packet.key.service, "stream": packet.stream, "bytes": size}
    return [_line(head), *packet.data]


def _line(told: Any) -> bytes:
    return json.dumps(told).encode() + b"\n"


def _refusal(refused: Refused) -> bytes:
    """In place of a line."""
    return _line(rows.refusal(refused.problems, 2))


def _ndjson(lines: list[LogLine]) -> bytes:
    return b"".join(_line(log_line(line)) for line in lines)


def checkout(found: Checkout) -> dict[str, Any]:
    """One entry of `instances --json`."""
    return {
        **rows.whose(found.project),
        "directory": found.folder,
        "shared": found.is_shared,
        "branch": found.branch or None,
        "exists": found.is_there,
        "services": found.services,
        "running": found.running,
        "disk_bytes": found.disk,
    }


def log_line(line: LogLine) -> dict[str, Any]:
    """One line of `logs --json`."""
    return {
        "at": rows.timestamp(line.at),
        **rows.whose(line.key.project),
        "service": line.key.service,
        "run": line.run,
        "stream": line.stream,
        "level": level(line.line),
        "line": line.line,
    }
