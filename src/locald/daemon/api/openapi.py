"""The API described, for people and for generators: OpenAPI 3.1, made from the routes and the schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locald.domain.project.spec import Engine
from locald.wire.schemas import MAP, NUMBER, TEXT, TEXT_OR_NULL, ref, schemas
from locald.wire.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.daemon.api.http import Route

Json = dict[str, Any]

_CHOICE = {
    "project": "a running project, by name",
    "directory": "a project by the absolute path of its folder",
}
_SERVICES = "a service of the project, repeatable (default: all)"

QUERIES: dict[str, dict[str, str]] = {
    "/v1/status": {**_CHOICE, "service": _SERVICES},
    "/v1/events": {
        **_CHOICE,
        "service": _SERVICES,
        "until": "when the stream ends: `ready` (every service has settled), `down` (everything has stopped)",
    },
    "/v1/why": {**_CHOICE, "service": "the service"},
    "/v1/environment": {
        **_CHOICE,
        "service": "the service",
        "mask": "1: mask what looks like a secret (always on for the dashboard's site)",
    },
    "/v1/definition": {**_CHOICE, "service": "the service"},
    "/v1/runs": {**_CHOICE, "service": _SERVICES},
    "/v1/usage": {**_CHOICE, "service": _SERVICES},
    "/v1/terminal": {**_CHOICE, "service": "the service"},
    "/v1/effect": {
        **_CHOICE,
        "service": _SERVICES,
        "action": "`up`, `stop`, `restart` or `down`",
    },
    "/v1/timeline": dict(_CHOICE),
    "/v1/instances": {"timeout": "seconds to wait for an engine to measure its volumes (default: 1)"},
    "/v1/logs": {
        **_CHOICE,
        "service": _SERVICES,
        "n": "number of latest lines, 0 for new ones only, or `all`",
        "since": "epoch seconds, or with a minus seconds before now: only lines printed since",
        "until": "epoch seconds, or with a minus seconds before now: only lines printed until then",
        "grep": "a regular expression, only lines that match",
        "follow": "1: follow new lines",
        "plain": "1: strip escape sequences, and fold",
        "fold": "1: of progress that was drawn over and over only the last state",
        "run": "only lines of the run with this number",
        "level": "only lines that name this level or a graver one: `error`, `warn`, `info`, `debug`",
        "format": "`text`: the history as it is, in pieces of so many `bytes` behind a line that says whose",
    },
}
QUERIES["/v1/lines"] = {
    **{name: text for name, text in QUERIES["/v1/logs"].items() if name not in ("follow", "format")},
    "n": "number of lines at most (default: 100)",
    "bytes": "bytes of all lines together at most",
    "cursor": "of an earlier answer: the lines that came after it (default: the last lines)",
    "before": "epoch seconds of the oldest line that is known: the last lines up to this millisecond",
    "known": "with `before`: how many lines of this millisecond are known; the last so many are left out",
    "shown": "1: with `shown`, how a screen shows a line of a structured log",
}
BODIES: dict[str, list[str]] = {
    "/v1/up": ["project", "directory", "services", "caller", "read", "attach", "engine", "images", "context"],
    "/v1/stop": ["project", "directory", "services"],
    "/v1/restart": ["project", "directory", "services", "caller"],
    "/v1/down": ["project", "directory"],
    "/v1/dashboard": ["by_name"],
    "/v1/instances/prune": [],
    "/v1/server/stop": [],
    "/v1/server/restart": [],
}
SUMMARIES = {
    "/v1/ping": "Check that the daemon is running",
    "/v1/status": "State, health and source of every service",
    "/v1/events": "Stream of status changes (server-sent events `snapshot` and `change`)",
    "/v1/live": "Rows, log lines and usage over one WebSocket (messages: `daemon/api/live.py`)",
    "/v1/why": "Explain the status of a service: blockers, evidence, hints",
    "/v1/timeline": "Timeline of the last start, with the critical path",
    "/v1/logs": "Output of services, one JSON object per line (a last one with `problems` on failure)",
    "/v1/lines": "A page of log lines, and the cursor at which the next one begins",
    "/v1/environment": "Environment of a run, with the origin of each value",
    "/v1/definition": "What a service runs, where, and which line of which file says so",
    "/v1/runs": "The latest runs of services: start, readiness, end, exit code and cause",
    "/v1/usage": "Processor (cores) and memory (bytes) of the last 15 minutes, as far as they were measured",
    "/v1/terminal": "The run of a service that has a terminal to attach to",
    "/v1/effect": "What an action would stop and start",
    "/v1/instances": "Every known folder of every project: its instance, branch, what runs, disk used",
    "/v1/instances/prune": "Stop and forget the instances whose folders are gone",
    "/v1/proxy": "The proxy: its ports, its authority, and where every name leads",
    "/v1/up": "Apply locald.toml and start services with their dependencies",
    "/v1/stop": "Stop services, dependents first",
    "/v1/restart": "Restart these services only",
    "/v1/down": "Stop a project and remove it",
    "/v1/dashboard": "Create a sign-in address for the dashboard (valid once, for five minutes)",
    "/v1/server/stop": "Stop all services and the daemon",
    "/v1/server/restart": "Stop the daemon, services keep running",
}
ANSWERS = {
    "/v1/ping": "Ping",
    "/v1/status": "Status",
    "/v1/why": "Why",
    "/v1/timeline": "Timeline",
    "/v1/lines": "Lines",
    "/v1/environment": "Environment",
    "/v1/definition": "Definition",
    "/v1/runs": "Runs",
    "/v1/usage": "Usage",
    "/v1/terminal": "Terminal",
    "/v1/effect": "Effect",
    "/v1/instances": "Instances",
    "/v1/instances/prune": "Removed",
    "/v1/proxy": "Proxy",
    "/v1/up": "Begun",
    "/v1/stop": "Affected",
    "/v1/restart": "Begun",
    "/v1/down": "Affected",
    "/v1/dashboard": "Dashboard",
    "/v1/server/stop": "Nothing",
    "/v1/server/restart": "Nothing",
}
STREAMS = {
    "/v1/events": "text/event-stream",
    "/v1/live": "application/json",
    "/v1/logs": "application/x-ndjson",
}


def described(routes: Iterable[Route]) -> Json:
    """The whole description."""
    paths: Json = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route.path)
    about = {"title": "locald", "version": __version__, "description": "The daemon on this machine."}
    return {"openapi": "3.1.0", "info": about, "paths": paths, "components": {"schemas": schemas()}}


def _operation(path: str) -> Json:
    described: Json = {
        "summary": SUMMARIES[path],
        "responses": {
            "200": {"description": "done", "content": _content(path)},
            "422": _problems("refused, nothing has changed"),
            "default": _problems("malformed request, or internal error of the daemon"),
        },
    }
    if path in QUERIES:
        described["parameters"] = [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in QUERIES[path].items()
        ]
    if path in BODIES:
        fields = {name: _BODY[name] for name in BODIES[path]}
        body = {"type": "object", "properties": fields, "additionalProperties": False}
        described["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return described


def _problems(when: str) -> Json:
    return {"description": when, "content": {"application/json": {"schema": ref("Problems")}}}


def _content(path: str) -> Json:
    if path in STREAMS:
        return {STREAMS[path]: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": ref(ANSWERS[path])}}


_BODY: Json = {
    "by_name": {
        "type": "boolean",
        "description": "the address has the dashboard's name, by way of the proxy",
    },
    "attach": {"type": "boolean", "description": "refuse unless `services` is one that has a terminal"},
    "context": {
        "type": "string",
        "description": "of the KUBECONFIG (default: where it runs, or the current one)",
    },
    "engine": {"enum": list(Engine), "description": "where to run them (default: what the file says)"},
    "images": {**MAP, "description": "of processes, by service, for engines of containers"},
    "project": TEXT,
    "directory": TEXT,
    "services": {"type": "array", "items": TEXT},
    "caller": {
        "type": "object",
        "description": "the calling shell, whose environment services inherit (default: the last one)",
        "properties": {
            "env": MAP,
            "umask": NUMBER,
            "limits": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": NUMBER},
            },
        },
    },
    "read": {
        "type": "object",
        "description": "the file as a client of the same version has read it (default: the daemon reads it)",
        "properties": {
            "version": TEXT,
            "texts": {"type": "array", "items": TEXT_OR_NULL},
            "spec": {"type": "object"},
        },
    },
}
