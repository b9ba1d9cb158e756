"""The API described, for people and for generators: OpenAPI 3.1, made from the routes and the views.

Schemas of what is shown come from the views themselves (times are text on the wire), so a field that is added
there is described here.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from locald.domain.explain.view import Row
from locald.domain.knowledge.level import LEVELS
from locald.domain.lifecycle.health import Evidence
from locald.wire.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.daemon.api.http import Route

Json = dict[str, Any]

TIMES = ("since", "started_at", "ready_at", "at")

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
    "/v1/effect": {
        **_CHOICE,
        "service": _SERVICES,
        "action": "`up`, `stop`, `restart` or `down`",
    },
    "/v1/timeline": dict(_CHOICE),
    "/v1/logs": {
        **_CHOICE,
        "service": _SERVICES,
        "n": "number of latest lines, 0 for new ones only, or `all`",
        "since": "epoch seconds, only lines printed since",
        "grep": "a regular expression, only lines that match",
        "follow": "1: follow new lines",
        "plain": "1: strip escape sequences",
        "level": "only lines that name this level or a graver one: `error`, `warn`, `info`, `debug`",
        "format": "`text`: the history as it is, in pieces of so many `bytes` behind a line that says whose",
    },
}
QUERIES["/v1/lines"] = {
    **{name: text for name, text in QUERIES["/v1/logs"].items() if name not in ("follow", "format")},
    "n": "number of lines at most (default: 100)",
    "bytes": "bytes of all lines together at most",
    "cursor": "of an earlier answer: the lines that came after it (default: the last lines)",
}
BODIES: dict[str, list[str]] = {
    "/v1/up": ["project", "directory", "services", "caller", "read"],
    "/v1/stop": ["project", "directory", "services"],
    "/v1/restart": ["project", "directory", "services", "caller"],
    "/v1/down": ["project", "directory"],
    "/v1/dashboard": [],
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
    "/v1/effect": "What an action would stop and start",
    "/v1/instances": "Every known folder of every project: its instance, branch, and what of it runs",
    "/v1/instances/prune": "Stop and forget the instances whose folders are gone",
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
    "/v1/effect": "Effect",
    "/v1/instances": "Instances",
    "/v1/instances/prune": "Removed",
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
    return {"openapi": "3.1.0", "info": about, "paths": paths, "components": {"schemas": _schemas()}}


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
        body = {"type": "object", "properties": {name: _BODY[name] for name in BODIES[path]}}
        described["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return described


def _problems(when: str) -> Json:
    return {"description": when, "content": {"application/json": {"schema": _ref("Problems")}}}


def _content(path: str) -> Json:
    if path in STREAMS:
        return {STREAMS[path]: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": _ref(ANSWERS[path])}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Json = {"type": "string"}
_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_NUMBER: Json = {"type": "integer"}
_MAP: Json = {"type": "object", "additionalProperties": _TEXT}
_TIME: Json = {"type": ["string", "null"], "format": "date-time"}
_BODY: Json = {
    "project": _TEXT,
    "directory": _TEXT,
    "services": {"type": "array", "items": _TEXT},
    "caller": {
        "type": "object",
        "description": "the calling shell, whose environment services inherit (default: the last one)",
        "properties": {
            "env": _MAP,
            "umask": _NUMBER,
            "limits": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": _NUMBER},
            },
        },
    },
    "read": {
        "type": "object",
        "description": "the file as a client of the same version has read it (default: the daemon reads it)",
        "properties": {
            "version": _TEXT,
            "texts": {"type": "array", "items": _TEXT_OR_NULL},
            "spec": {"type": "object"},
        },
    },
}


def _schemas() -> Json:
    row = _of_view(Row)
    problem = _object(dict.fromkeys(("what", "where", "hint"), _TEXT), {"level": {"enum": ["warning"]}})
    daemon = {"pid": _NUMBER, "version": _TEXT, "started_at": _TIME, "dashboard_url": _TEXT_OR_NULL}
    way_in = _object({"id": _TEXT, "docker": _MAP})
    runs: Json = {"type": "object", "additionalProperties": _NUMBER}
    affected = {"project": _TEXT_OR_NULL, "services": _list(_TEXT), "ends": runs}
    of_line = {"at": _TIME, "project": _TEXT, "instance": _TEXT_OR_NULL, "service": _TEXT, "run": _NUMBER}
    streams: Json = {"enum": ["stdout", "stderr", "locald"]}
    line = _object({**of_line, "stream": streams, "level": {"enum": [*LEVELS, None]}, "line": _TEXT})
    lists = dict.fromkeys(("starts", "changed", "removed"), _list(_TEXT))
    return {
        "Ping": _object({"pid": _NUMBER, "version": _TEXT}),
        "Daemon": _object(daemon, {"trouble": _TEXT}),
        "Service": row,
        "Status": _object(
            {"daemon": _ref("Daemon"), "services": _list(_ref("Service"))}, {"moved_from": _TEXT}
        ),
        "Why": _why(row),
        "Timeline": _timeline(row),
        "Environment": _object(
            {"env": _MAP, "workdir": _TEXT, "origins": _MAP},
            {"masked": _list(_TEXT), "container": {"oneOf": [way_in, {"type": "null"}]}},
        ),
        "Lines": _object({"lines": _list(line), "truncated": {"type": "boolean"}, "cursor": _TEXT}),
        "Dashboard": _object({"url": _TEXT}),
        "Begun": _object({**affected, **lists, "warnings": _list(_ref("Problem"))}),
        "Affected": _object({**affected, "moved_from": _TEXT_OR_NULL}),
        "Effect": _object({"ends": _list(_TEXT), "starts": _list(_TEXT)}),
        "Instance": _object(
            {
                "project": _TEXT,
                "instance": _TEXT_OR_NULL,
                "directory": _TEXT,
                "branch": _TEXT_OR_NULL,
                "exists": {"type": "boolean"},
                **dict.fromkeys(("services", "running", "disk_bytes"), _NUMBER),
            }
        ),
        "Instances": _object({"instances": _list(_ref("Instance"))}),
        "Removed": _object({"removed": _list(_ref("Instance"))}),
        "Nothing": _object({}),
        "Problem": problem,
        "Problems": _object({"problems": _list(_ref("Problem")), "exit": _NUMBER}),
    }


def _why(row: Json) -> Json:
    brief = {name: row["properties"][name] for name in ("state", "health", "because")}
    told = {
        name: row["properties"][name]
        for name in ("project", "instance", "state", "health", "source", "because")
    }
    blockers = _list(_object({"service": _TEXT, **brief}))
    evidence = _list(_of_view(Evidence))
    ending = {"hints": _list(_TEXT), "summary": _TEXT}
    return _object({"service": _TEXT, **told, "blockers": blockers, "evidence": evidence, **ending})


def _timeline(row: Json) -> Json:
    times = dict.fromkeys(("queued_at", "spawned_at", "listening_at", "ready_at"), _TIME)
    source, number = row["properties"]["source"], {"type": ["integer", "null"]}
    ending = {"waited_for": _list(_TEXT), "median_ms": number}
    part = _object({"name": _TEXT, **times, "source": source, **ending})
    path, total = _list(_TEXT), number
    return _object(
        {
            "project": _TEXT,
            "instance": _TEXT_OR_NULL,
            "services": _list(part),
            "critical_path": path,
            "total_ms": total,
        }
    )


def _of_view(view: type) -> Json:
    from pydantic import TypeAdapter  # the daemon starts without it, and this is rarely asked for

    schema = TypeAdapter(view).json_schema()
    definitions = schema.get("$defs", {})
    told = {field.name: _resolved(schema["properties"][field.name], definitions) for field in fields(view)}
    return _object({name: _TIME if name in TIMES else described for name, described in told.items()})


def _resolved(schema: Json, definitions: Json) -> Json:
    if isinstance(values := schema.get("additionalProperties"), dict):
        return schema | {"additionalProperties": _resolved(values, definitions)}
    name = schema.get("$ref", "").rpartition("/")[2]
    return definitions[name] if name else schema


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _object(properties: Json, sometimes: Json | None = None) -> Json:
    """`sometimes`: those that are not always there."""
    return {
        "type": "object",
        "properties": properties | (sometimes or {}),
        "required": list(properties),
    }
