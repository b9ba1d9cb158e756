"""What is answered, as JSON Schemas: of the API, and of every face that answers the same documents.

Schemas of what is shown come from the views themselves (times are text on the wire), so a field that is added
there is described here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locald.domain.explain.view import Row
from locald.domain.knowledge.level import LEVELS
from locald.domain.lifecycle.health import Evidence

if TYPE_CHECKING:
    from msgspec import Struct

Json = dict[str, Any]

TIMES = ("since", "started_at", "ready_at", "at")
COMPONENTS = "#/components/schemas/"

TEXT: Json = {"type": "string"}
TEXT_OR_NULL: Json = {"type": ["string", "null"]}
NUMBER: Json = {"type": "integer"}
MAP: Json = {"type": "object", "additionalProperties": TEXT}
TIME: Json = {"type": ["string", "null"], "format": "date-time"}


def ref(name: str) -> Json:
    return {"$ref": f"{COMPONENTS}{name}"}


def schemas() -> Json:
    row = _of_view(Row)
    problem = object_of(dict.fromkeys(("what", "where", "hint"), TEXT), {"level": {"enum": ["warning"]}})
    daemon = {"pid": NUMBER, "version": TEXT, "started_at": TIME, "dashboard_url": TEXT_OR_NULL}
    way_in = object_of({"id": TEXT, "docker": MAP})
    runs: Json = {"type": "object", "additionalProperties": NUMBER}
    affected = {"project": TEXT_OR_NULL, "instance": TEXT_OR_NULL, "services": list_of(TEXT), "ends": runs}
    of_line = {"at": TIME, "project": TEXT, "instance": TEXT_OR_NULL, "service": TEXT, "run": NUMBER}
    streams: Json = {"enum": ["stdout", "stderr", "locald"]}
    line = object_of(
        {**of_line, "stream": streams, "level": {"enum": [*LEVELS, None]}, "line": TEXT},
        {"shown": TEXT, "over": NUMBER},
    )
    kept: Json = {"type": "object", "additionalProperties": list_of(TEXT)}
    lists = dict.fromkeys(("starts", "changed", "removed"), list_of(TEXT))
    return {
        "Ping": object_of({"pid": NUMBER, "version": TEXT}),
        "Daemon": object_of(daemon, {"trouble": TEXT}),
        "Service": row,
        "Status": object_of(
            {"daemon": ref("Daemon"), "services": list_of(ref("Service"))}, {"moved_from": TEXT}
        ),
        "Why": _why(row),
        "Timeline": _timeline(row),
        "Environment": object_of(
            {"env": MAP, "workdir": TEXT, "origins": MAP},
            {"masked": list_of(TEXT), "container": {"oneOf": [way_in, {"type": "null"}]}, "engine": TEXT},
        ),
        "Definition": object_of(
            {
                "type": TEXT,
                "command": {"oneOf": [TEXT, list_of(TEXT), {"type": "null"}]},
                "image": TEXT_OR_NULL,
                "workdir": TEXT,
                "file": TEXT,
                "line": {"oneOf": [NUMBER, {"type": "null"}]},
            }
        ),
        "Runs": object_of({"runs": list_of(_run())}),
        "Usage": _usage(),
        "Terminal": object_of({"run": TEXT}),
        "Lines": object_of({"lines": list_of(line), "truncated": {"type": "boolean"}, "cursor": TEXT}),
        "Dashboard": object_of({"url": TEXT}),
        "Begun": object_of(
            {**affected, **lists, "warnings": list_of(ref("Problem"))},
            {"on_demand": list_of(TEXT), "moved": MAP},
        ),
        "Affected": object_of({**affected, "moved_from": TEXT_OR_NULL, "kept": kept}),
        "Effect": object_of({"ends": list_of(TEXT), "starts": list_of(TEXT)}),
        "Instance": object_of(
            {
                "project": TEXT,
                "instance": TEXT_OR_NULL,
                "directory": TEXT,
                "shared": {"type": "boolean"},
                "branch": TEXT_OR_NULL,
                "exists": {"type": "boolean"},
                **dict.fromkeys(("services", "running", "disk_bytes", "logs_bytes", "volumes_bytes"), NUMBER),
                "disk_unknown": TEXT_OR_NULL,
            }
        ),
        "Instances": object_of({"instances": list_of(ref("Instance"))}),
        "Proxy": _proxy(),
        "Removed": object_of({"removed": list_of(ref("Instance"))}),
        "Nothing": object_of({}),
        "Problem": problem,
        "Problems": object_of({"problems": list_of(ref("Problem")), "exit": NUMBER}),
    }


def _proxy() -> Json:
    number: Json = {"type": ["integer", "null"]}
    yes: Json = {"type": "boolean"}
    whose = {"name": TEXT, "service": TEXT, "project": TEXT, "instance": TEXT_OR_NULL}
    told = dict.fromkeys(("dashboard", "ca", "caddy", "trouble", "hint"), TEXT_OR_NULL)
    return object_of(
        {
            "running": yes,
            "https_port": number,
            "http_port": number,
            **told,
            "routes": list_of(object_of({**whose, "address": TEXT, "open": yes})),
            "lost": list_of(object_of({**whose, "owner": TEXT_OR_NULL})),
            "notes": list_of(TEXT),
        }
    )


def _why(row: Json) -> Json:
    brief = {name: row["properties"][name] for name in ("state", "health", "because")}
    told = {
        name: row["properties"][name]
        for name in ("project", "instance", "state", "health", "source", "because")
    }
    blockers = list_of(object_of({"service": TEXT, **brief}))
    evidence = list_of(_of_view(Evidence))
    told["cause"] = TEXT_OR_NULL
    ending = {"hints": list_of(TEXT), "summary": TEXT}
    return object_of({"service": TEXT, **told, "blockers": blockers, "evidence": evidence, **ending})


def _run() -> Json:
    times = dict.fromkeys(("started_at", "ready_at", "ended_at"), TIME)
    told = dict.fromkeys(("cause", "said"), TEXT_OR_NULL)
    code = {"type": ["integer", "null"]}
    return object_of({"service": TEXT, "run": NUMBER, **times, "exit_code": code, **told})


def _usage() -> Json:
    sample = object_of({"at": TIME, "cpu": {"type": "number"}, "memory": NUMBER})
    told = {"project": TEXT, "instance": TEXT_OR_NULL, "name": TEXT, "samples": list_of(sample)}
    return object_of({"step": {"type": "number"}, "services": list_of(object_of(told))})


def _timeline(row: Json) -> Json:
    times = dict.fromkeys(("queued_at", "spawned_at", "listening_at", "ready_at", "ended_at"), TIME)
    source, number = row["properties"]["source"], {"type": ["integer", "null"]}
    ending = {"waited_for": list_of(TEXT), "median_ms": number, "cause": TEXT_OR_NULL}
    part = object_of({"name": TEXT, **times, "source": source, **ending})
    start = {"services": list_of(part), "critical_path": list_of(TEXT), "total_ms": number}
    before = {"oneOf": [object_of(start), {"type": "null"}]}
    return object_of({"project": TEXT, "instance": TEXT_OR_NULL, **start, "before": before})


def _of_view(view: type[Struct]) -> Json:
    """Of a struct whose fields are plain values, or other views."""
    from msgspec.json import schema_components  # rarely asked for

    (schema,), definitions = schema_components([view])
    properties = definitions[schema["$ref"].rpartition("/")[2]]["properties"]
    told = {name: _resolved(properties[name], definitions) for name in view.__struct_fields__}
    return object_of({name: TIME if name in TIMES else described for name, described in told.items()})


def _resolved(schema: Json, definitions: Json) -> Json:
    if isinstance(values := schema.get("additionalProperties"), dict):
        return schema | {"additionalProperties": _resolved(values, definitions)}
    name = schema.get("$ref", "").rpartition("/")[2]
    return definitions[name] if name else schema


def list_of(items: Json) -> Json:
    return {"type": "array", "items": items}


def object_of(properties: Json, sometimes: Json | None = None) -> Json:
    """`sometimes`: those that are not always there."""
    return {
        "type": "object",
        "properties": properties | (sometimes or {}),
        "required": list(properties),
    }
