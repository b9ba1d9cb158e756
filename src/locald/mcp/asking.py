"""What each tool does: it asks the daemon what the command of the same name asks, and answers its document.

Everything here is synchronous and takes as long as services take; the server runs it in threads.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from locald.client import daemon, oneoff
from locald.client.caller import caller
from locald.client.follow import Following, TimedOut
from locald.client.http import Denied, Unanswered
from locald.client.target import choose, here
from locald.domain.project.file import FILE
from locald.domain.values.problem import Problem, Refused
from locald.faces import documents
from locald.mcp import running
from locald.mcp.arguments import seconds
from locald.mcp.failing import Failed, not_ready, still_there
from locald.mcp.waiting import Progress
from locald.wire.home import Home

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from locald.client.follow import Board
    from locald.client.http import Api
    from locald.client.target import Target
    from locald.mcp import arguments
    from locald.mcp.waiting import Call

    Json = dict[str, Any]
    Check = Callable[[str], tuple[tuple[Problem, ...], int]]


class Asking:
    """For the project of one folder. `check` looks through its file."""

    def __init__(self, directory: str | None, check: Check) -> None:
        self.home = Home.find()
        self._directory = directory
        self._check = check
        self._last: Api | None = None
        """the daemon that has answered last, where the next question goes first"""

    @property
    def folder(self) -> str:
        """Of the project. Raises Refused when there is none."""
        return here(self._directory)

    def target(self, services: Sequence[str] = ()) -> Target:
        for name in services:
            if not set(name).isdisjoint(":@/"):
                what = f"not a service of this project: {name}"
                raise Refused(Problem(what, "services", "name a service of this folder's project, like web"))
        chosen = choose([], self.folder)
        return chosen.only(list(services))

    # Tools that change something.

    def up(self, call: Call, asked: arguments.Start) -> Json:
        return self._started(call, "/v1/up", asked)

    def restart(self, call: Call, asked: arguments.Start) -> Json:
        return self._started(call, "/v1/restart", asked)

    def stop(self, call: Call, asked: arguments.Stop) -> Json:
        deadline = time.monotonic() + seconds(asked.timeout)
        target = self.target(asked.services)
        api = daemon.find(self.home)
        if api is None and not os.path.exists(self.home.wanted):
            return documents.stopped({}, [])
        answer = (api or daemon.start(self.home)).post("/v1/stop", target.body)
        names = [name for name in answer["services"] if name in answer.get("ends", answer["services"])]
        if not names:
            return documents.stopped(answer, [])
        following = Following(self.home, api or daemon.look(self.home), target.only(names).query, "down")
        try:
            board = following.run(Progress(call, "gone"), deadline)
        except TimedOut as late:
            raise Failed(still_there(late.board.rows, asked.timeout), 124, late.board.document) from None
        except Denied:
            board = following.board  # it was taken down meanwhile: nothing of it can run
        ended = ("stopped", "failed", "completed", "blocked")
        again = [row["name"] for row in board.rows if row["state"] not in ended]
        done = [row["name"] for row in board.rows if row["state"] == "completed"]
        return documents.stopped(answer, [name for name in names if name not in (*again, *done)], again)

    def exec(self, call: Call, asked: arguments.Exec) -> Json:
        target = self.target([asked.service])
        answer = daemon.start(self.home).get("/v1/environment", target.query)
        if "container" in answer:
            command, environment = oneoff.inside(asked.service, answer, asked.command, ["-i"])
            workdir = None
        else:
            command, environment = asked.command, oneoff.environment(answer)
            workdir = answer["workdir"]
        try:
            told, is_late = running.run(
                call, command, environment, workdir, seconds(asked.timeout), asked.bytes
            )
        except OSError as error:
            what = workdir if workdir is not None and error.filename == workdir else command[0]
            raise Refused(Problem(f"{what}: {error.strerror}", "command", "check its name")) from None
        if is_late:
            what = f"killed after {asked.timeout}: {command[0]} had not ended"
            raise Failed([Problem(what, hint="set a longer `timeout`")], 124, told)
        return told

    # Tools that look.

    def wait(self, call: Call, asked: arguments.Wait) -> Json:
        target = self.target(asked.services)
        return self._settled(call, daemon.look(self.home), target, asked.timeout, time.monotonic())

    def status(self, call: Call, asked: arguments.Services) -> Json:
        return self._get("/v1/status", self.target(asked.services))

    def why(self, call: Call, asked: arguments.Why) -> Json:
        return self._get("/v1/why", self.target([asked.service]))

    def timeline(self, call: Call, asked: arguments.Nothing) -> Json:
        return self._get("/v1/timeline", self.target())

    def logs(self, call: Call, asked: arguments.Logs) -> Json:
        wanted: dict[str, object] = {
            "n": asked.lines,
            "bytes": asked.bytes,
            "plain": 1,
            "level": asked.level,
            "grep": asked.grep,
            "cursor": asked.cursor,
        }
        if asked.since is not None:
            wanted["since"] = f"-{seconds(asked.since)}"
        fields = [(name, str(value)) for name, value in wanted.items() if value is not None]
        return self._get("/v1/lines", self.target(asked.services), fields)

    def config_check(self, call: Call, asked: arguments.Nothing) -> Json:
        folder = self.folder
        found, _ = self._check(folder)
        return documents.checked(os.path.join(folder, FILE), found)

    # What they have in common.

    def _get(self, path: str, target: Target, fields: Sequence[tuple[str, str]] = ()) -> Json:
        query = [*target.query, *fields]
        if last := self._last:
            try:
                return self._got(last, path, query)
            except Unanswered:
                pass  # it has ended since; another one may be at another place
        self._last = daemon.look(self.home)
        return self._got(self._last, path, query)

    def _got(self, api: Api, path: str, query: Sequence[tuple[str, str]]) -> Json:
        found: Json = api.get(path, query)
        return found

    def _started(self, call: Call, path: str, asked: arguments.Start) -> Json:
        began = time.monotonic()
        target = self.target(asked.services)
        api = daemon.start(self.home, on_wait=lambda: call.tell("starting the daemon"))
        answer = api.post(path, {**target.body, "caller": caller()})
        target = target.only(answer["services"])
        warnings = {"warnings": answer["warnings"]} if answer.get("warnings") else {}
        if not target.services:
            return {**api.get("/v1/status", target.where), "services": [], **warnings}
        if asked.detach:
            found: Json = api.get("/v1/status", target.query)
            return found | warnings
        return self._settled(call, api, target, asked.timeout, began) | warnings

    def _settled(self, call: Call, api: Api, target: Target, timeout: str, began: float) -> Json:
        """How the services are when they have settled. Raises Failed unless all are healthy."""
        following = Following(self.home, api, target.query, "ready")
        try:
            board = following.run(Progress(call, "ready"), began + seconds(timeout))
        except TimedOut as late:
            problems = not_ready(late.board.rows, [], timeout) or [Problem(f"no news within {timeout}")]
            raise Failed(problems, 124, late.board.document) from None
        rows = _asked_for(target, board)
        gone = board.gone if target.services or not rows else []
        if problems := not_ready(rows, gone):
            raise Failed(problems, 1, board.document)
        return board.document


def _asked_for(target: Target, board: Board) -> list[Json]:
    """Of the rows of a whole project those that somebody has asked for."""
    if target.services:
        return board.rows
    wanted = [row for row in board.rows if row["state"] != "stopped" or row["run"]]
    return wanted or board.rows
