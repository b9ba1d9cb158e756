"""The words between daemon and keeper, version 1: one JSON object a line, in both directions.

The keeper outlives daemons and may be older than the one that speaks to it, so what it does not know in a
request it ignores, and what it cannot use it answers with an `error` event; nothing that arrives here can
end it. Version 1 stays understood: later versions only add requests, fields and events.

Requests: `hello`, `spawn`, `signal`, `kill`, `note`, `tail`, `forget`, `quit`; of who is no daemon: `attach`.
Events: `hello`, `replayed`, `spawned`, `refused`, `notified`, `ended`, `exited`, `gone`, `stuck`, `output`,
`error`; for who is no daemon: `attached`, `error`.
"""

from __future__ import annotations

import json
import resource

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from typing import Any

    Event = dict[str, Any]

PROTOCOL = 1
LONGEST_LINE = 16 * 1024 * 1024
"""bytes; an environment may hold a few megabytes"""


class Malformed(Exception):
    """A request that cannot be carried out; the text says why."""


def encode(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Request:
    """Raises Malformed for what is no JSON object."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Malformed("a request is an object")
    return Request(found)


class Request:
    """The fields of a request, each checked when it is asked for; then Malformed is raised."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if isinstance(value, str):
            return value
        raise self.malformed(name, "a string")

    def number(self, name: str, lowest: int, highest: int) -> int:
        value = self._fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        raise self.malformed(name, f"a number from {lowest} to {highest}")

    def truth(self, name: str) -> bool:
        value = self._fields.get(name)
        if isinstance(value, bool):
            return value
        raise self.malformed(name, "true or false")

    def texts(self, name: str) -> list[str]:
        value = self._fields.get(name)
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return value
        raise self.malformed(name, "a list of strings")

    def table(self, name: str) -> dict[str, Any]:
        value = self._fields.get(name)
        if isinstance(value, dict):
            return value
        raise self.malformed(name, "an object")

    def has(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def malformed(self, name: str, wanted: str) -> Malformed:
        return Malformed(f"{name} must be {wanted}")

    def identity(self) -> dict[str, str]:
        """What it asks for, and for which run, as far as it says: by this an `error` is known for its own."""
        said = {name: self._fields.get(name) for name in ("do", "run")}
        return {name: value for name, value in said.items() if isinstance(value, str) and len(value) <= 200}


class Order:
    """What to spawn. Strings are bytes already, as exec(2) takes them: UTF-8, foreign bytes escaped."""

    __slots__ = (
        "argv",
        "cwd",
        "env",
        "limits",
        "log_size",
        "logs",
        "number",
        "run",
        "stdin_open",
        "terminal",
        "tty",
        "umask",
        "watchdog_usec",
    )

    def __init__(self, request: Request) -> None:
        """Raises Malformed."""
        self.run = request.text("run")
        self.number = run_number(self.run)
        self.argv = [_raw(request, "argv", each) for each in request.texts("argv")]
        self.cwd = _raw(request, "cwd", request.text("cwd"))
        self.env = _environment(request)
        self.umask = request.number("umask", 0, 0o7777)
        self.limits = _limits(request)
        self.tty = request.truth("tty")
        # A daemon of an earlier version says nothing of it.
        stdin = request.text("stdin") if request.has("stdin") else "empty"
        self.stdin_open = stdin == "open"
        self.terminal = stdin == "terminal"
        self.watchdog_usec = (
            request.number("watchdog_usec", 1, 2**63) if request.has("watchdog_usec") else None
        )
        self.logs = request.text("logs")
        self.log_size = request.number("log_size", 1, 2**63)
        if not self.argv or not self.argv[0]:
            raise request.malformed("argv", "a program and its arguments")
        if not self.cwd.startswith(b"/") or not self.logs.startswith("/") or "\0" in self.logs:
            raise request.malformed("cwd and logs", "absolute paths")


def run_number(run: str) -> int:
    """The number in a run's name, `project:service#number`. Raises Malformed."""
    service, _, number = run.rpartition("#")
    if not service or len(run) > 200 or "/" in run or not (number.isascii() and number.isdecimal()):
        raise Malformed("run must be project:service#number")
    return int(number)


def _environment(request: Request) -> dict[bytes, bytes]:
    env = {}
    for name, value in request.table("env").items():
        if not isinstance(value, str) or not name or "=" in name:
            raise request.malformed("env", "names without '=' and their values")
        env[_raw(request, "env", name)] = _raw(request, "env", value)
    return env


def _raw(request: Request, field: str, text: str) -> bytes:
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise request.malformed(field, "text") from None
    if b"\0" in raw:
        raise request.malformed(field, "free of NUL")
    return raw


def _limits(request: Request) -> list[tuple[int, int, int]]:
    """(which, soft, hard) of each limit that this kernel knows; -1 is without limit."""
    found = []
    for name, pair in request.table("limits").items():
        which = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(each) is int for each in pair):
            raise request.malformed("limits", "names with a soft and a hard limit")
        if isinstance(which, int):
            found.append((which, pair[0], pair[1]))
    return found
