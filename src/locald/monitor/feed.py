"""The monitor's connection to the daemon: one live socket for all that changes, and requests beside it.

The socket delivers rows, usage and log lines, and is told what is shown. When it breaks, the daemon has ended
or is being replaced. That is reported once. Then the feed tries again until a daemon answers: services
outlive their daemon, and so does the monitor. The new daemon gets the same requests. What is asked while no
daemon has said how things are waits for the try that is under way, or the next one: whether there is a daemon
is known only then.

Messages are read here and nowhere else (`read`). What is not understood is ignored, for the daemon may be
newer. All text in them is made harmless here.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from locald.client.http import Denied, Unreachable, with_query
from locald.domain.values.problem import Problem
from locald.faces import words
from locald.monitor import safe
from locald.monitor.board import Key, Row, Usage, row_of
from locald.monitor.lines import Line, line_of
from locald.wire import now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import aiohttp

AGAIN = 0.25
"""seconds between two tries to reach a daemon that is not there"""
QUIET = 45.0
"""seconds of silence after which the daemon is asked whether it is still there"""
ANSWER = 15.0
"""seconds that a question may take"""
LARGEST = 1 << 25
"""bytes of one message"""
HISTORY = 500
"""lines that are asked for when logs are looked at"""
ABSENT = Problem("daemon is not running, services keep running", hint="run `locald server start`")
OTHER_VERSION = Problem("the daemon has another version", hint="run `locald server restart` to update it")
"""what it is when it has no live socket"""
CROWDED = Problem("the daemon has too many connections", hint="run `locald doctor` to find the cause")


@dataclass(frozen=True, slots=True)
class Met:
    """A daemon answers with all its rows; also when it sends all of them again."""

    daemon: Row
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    rows: tuple[Row, ...]
    removed: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Used:
    usage: dict[Key, Usage]


@dataclass(frozen=True, slots=True)
class Printed:
    """Lines for the watch of this number.

    `history`: they are older than the watch; `skipped`: lines before them were left out.
    """

    watch: int
    lines: tuple[Line, ...]
    history: bool
    skipped: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """`watch` None: it is not about log lines."""

    watch: int | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """The daemon does not answer any more, and why."""

    problem: Problem


News = Met | Changed | Used | Printed | Refused | Gone


class Feed:
    """`sockets` says where to look for the daemon, each time; `on_news` is called with all of them."""

    def __init__(self, sockets: Callable[[], Sequence[str]], on_news: Callable[[News], None]) -> None:
        self._sockets = sockets
        self._on_news = on_news
        self._session: aiohttp.ClientSession | None = None
        """to the daemon that has said how things are"""
        self._problem: Problem | None = None
        """why there is none, once that is known"""
        self._decided = asyncio.Event()
        """of one try to reach a daemon: whether there is one is known"""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._logs: dict[str, Any] | None = None

    async def run(self) -> None:
        """Listen without end, to one daemon after the other.

        The library takes longer to import than a frame to draw. So it is imported here, beside the screen and
        the keys; the methods that use it find it there.
        """
        await asyncio.to_thread(importlib.import_module, "aiohttp")
        while True:
            found = [await self._tried(path) for path in self._sockets()]
            self._lack(next((problem for problem in found if problem != ABSENT), ABSENT))
            await asyncio.sleep(AGAIN)

    async def _tried(self, path: str) -> Problem:
        """Listen to the daemon at `path`. Returns what ended that, or why there is none."""
        import aiohttp

        try:
            await self._listen(path)
        except aiohttp.WSServerHandshakeError as error:
            return CROWDED if error.status == 503 else OTHER_VERSION
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        return ABSENT

    def _lack(self, problem: Problem) -> None:
        """There is no daemon. Reported once, also when the next tries find the same."""
        if problem != self._problem:
            self._on_news(Gone(problem))
        self._decide(None, problem)

    def _decide(self, session: aiohttp.ClientSession | None, problem: Problem | None) -> None:
        self._session, self._problem = session, problem
        self._decided.set()
        self._decided = asyncio.Event()

    async def reached(self) -> aiohttp.ClientSession:
        """A connection to the daemon that has told its rows. Raises Unreachable where there is none."""
        if self._session is None:
            await self._decided.wait()
        if self._session is None:
            problem = self._problem or ABSENT
            raise Unreachable(problem.what, problem.hint)
        return self._session

    async def watch(
        self, number: int, project: str | None, services: Sequence[str], run: int | None = None
    ) -> None:
        """From now on tell the lines of these services (none: all of the project; None: of all projects), or
        of one run of a service."""
        self._logs = {"watch": number, "services": list(services), "n": HISTORY}
        if project is not None:
            self._logs["project"] = project
        if run is not None:
            self._logs["run"] = run
        await self._say({"logs": self._logs})

    async def unwatch(self) -> None:
        self._logs = None
        await self._say({"logs": None})

    async def ask(self, target: str, query: Sequence[tuple[str, str]] = ()) -> Any:
        """The document at `target`. Raises Denied, or Unreachable."""
        return await self._exchange("GET", with_query(target, query), None)

    async def tell(self, target: str, body: dict[str, Any]) -> Any:
        return await self._exchange("POST", target, body)

    async def _listen(self, path: str) -> None:
        """Until the socket ends. Raises what keeps it from being opened."""
        import aiohttp

        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path), timeout=aiohttp.ClientTimeout(ANSWER)
            ) as session,
            session.ws_connect(
                "http://locald/v1/live", heartbeat=QUIET, max_msg_size=LARGEST, compress=0
            ) as socket,
        ):
            self._socket = socket
            try:
                await self._say({"usage": True})
                if self._logs:
                    await self._say({"logs": self._logs})
                await self._hear(socket, session)
            finally:
                self._session = self._socket = None

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse, session: aiohttp.ClientSession) -> None:
        import aiohttp

        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT and (news := understood(message.data)):
                self._on_news(news)
                if self._session is None and isinstance(news, Met):
                    self._decide(session, None)
            await asyncio.sleep(0)  # so that keys and the screen have their turn when many messages come

    async def _say(self, request: dict[str, Any]) -> None:
        """Send it now; with no daemon there, the next one will get it."""
        if self._socket is not None and not self._socket.closed:
            import aiohttp

            try:
                await self._socket.send_str(json.dumps(request))
            except (aiohttp.ClientError, OSError):
                pass

    async def _exchange(self, method: str, target: str, body: dict[str, Any] | None) -> Any:
        session = await self.reached()
        import aiohttp

        try:
            async with session.request(method, f"http://locald{target}", json=body) as answer:
                document = safe.harmless(await answer.json(content_type=None))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unreachable(
                f"the daemon did not answer: {str(error) or type(error).__name__}",
                "the monitor tries again",
            ) from None
        if answer.status != 200:
            raise Denied(problems_of(document) or (Problem(f"HTTP status {answer.status}"),), 3)
        return document if isinstance(document, dict) else {}


def understood(text: str) -> News | None:
    """A message of the live socket; None for what is not understood."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    if isinstance(at := message.get("now"), int | float):
        now.told(at)
    return read(message)


def read(message: dict[str, Any]) -> News | None:
    match message.get("kind"):
        case "snapshot":
            daemon = safe.harmless(message.get("daemon"))
            return Met(daemon if isinstance(daemon, dict) else {}, _rows(message))
        case "change":
            removed = [row for raw in _listed(message, "removed") if (row := row_of(raw))]
            return Changed(_rows(message), tuple(map(words.key, removed)))
        case "usage":
            return Used(_usage(message))
        case "lines" if isinstance(message.get("watch"), int):
            found = tuple(line for raw in _listed(message, "lines") if (line := line_of(raw)))
            return Printed(
                message["watch"], found, bool(message.get("history")), bool(message.get("skipped"))
            )
        case "refused":
            watch = message.get("watch")
            return Refused(watch if isinstance(watch, int) else None, problems_of(safe.harmless(message)))
        case _:
            return None


def problems_of(document: Any) -> tuple[Problem, ...]:
    """The problems that an answer names."""
    if not isinstance(document, dict):
        return ()
    fields = ("what", "where", "hint")
    return tuple(
        Problem(*(str(each.get(name) or "") for name in fields))
        for each in _listed(document, "problems")
        if isinstance(each, dict)
    )


def _rows(message: dict[str, Any]) -> tuple[Row, ...]:
    return tuple(row for raw in _listed(message, "services") if (row := row_of(safe.harmless(raw))))


def _usage(message: dict[str, Any]) -> dict[Key, Usage]:
    found: dict[Key, Usage] = {}
    for each in _listed(message, "services"):
        if row := row_of(each):
            cpu, memory = row.get("cpu"), row.get("memory")
            if isinstance(cpu, int | float) and isinstance(memory, int | float):
                found[words.key(row)] = Usage(float(cpu), int(memory))
    return found


def _listed(document: dict[str, Any], name: str) -> list[Any]:
    found = document.get(name)
    return found if isinstance(found, list) else []
