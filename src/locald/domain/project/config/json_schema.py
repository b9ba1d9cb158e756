"""What can be said about the keys of `locald.toml`: its JSON Schema, what each key is for, what it takes.

Each shape describes itself; what it cannot know is added here: which keys go together (`rules` says the same
in words), and the words of the top. What concerns more than one
service (unknown dependencies, cycles, a port named twice) is beyond a schema.

`locald.local.toml` has the same tables, but need not be complete: what it leaves out stands below it. So its
schema requires nothing, and keeps those rules that no other file can make right.
"""

from __future__ import annotations

from typing import Any

from locald.domain.project.config.checks import OF_A_PORT, TABLES
from locald.domain.project.config.domains import OURS
from locald.domain.project.config.keys import FileTable, ServiceTable
from locald.domain.project.config.rules import CONTAINER_ONLY, OF_PORTS, PROCESS_ONLY
from locald.domain.project.config.shapes import Kind, Value
from locald.domain.project.config.table import Table, docs
from locald.domain.project.file import FILE, LOCAL
from locald.domain.project.spec import StandardInput, Type

Schema = dict[str, Any]


def _has(key: str, *values: str) -> Schema:
    """A table whose key has one of these values. Without the type, a string would pass as well."""
    return {"type": "object", "properties": {key: {"enum": list(values)}}, "required": [key]}


_WITHOUT_PORT: Schema = {
    "if": _has("type", Type.WORKER, Type.TASK),
    "then": {
        "properties": {
            **dict.fromkeys(OF_PORTS, False),
            "health_check": {"if": _has("type", *OF_A_PORT), "then": {"required": ["port"]}},
        }
    },
}
_WITH_IMAGE: Schema = {
    "if": {"required": ["image"]},
    "then": {
        "properties": {
            "type": {"const": Type.CONTAINER},
            "health_check": {"not": _has("type", "notify")},
            "stdin": {"not": {"const": StandardInput.TERMINAL}},
            **dict.fromkeys(PROCESS_ONLY, False),
        }
    },
}
_WITHOUT_IMAGE: Schema = {
    "else": {
        "required": ["command"],
        "properties": {
            "type": {"not": {"const": Type.CONTAINER}},
            **dict.fromkeys(CONTAINER_ONLY, False),
        },
    },
}
_WITH_TERMINAL: Schema = {
    "if": _has("stdin", StandardInput.TERMINAL),
    "then": {"properties": {"tty": {"not": {"const": False}}}},
}


def schema() -> Schema:
    """Draft 2020-12. What `config.parse` accepts is valid, and a file that is wrong in itself is not."""
    made = _made(FILE, [_WITHOUT_PORT, _WITH_IMAGE | _WITHOUT_IMAGE, _WITH_TERMINAL])
    project = made["$defs"]["ProjectTable"]["properties"]
    del project["instance"]
    ours = "|".join(each.removeprefix(".") for each in OURS)
    project["domain"]["allOf"] = [{"pattern": rf"(^|\.)({ours})$"}]
    return made


def local_schema() -> Schema:
    """That of `locald.local.toml`: what makes a right file with some `locald.toml` is valid."""
    made = _made(LOCAL, [_WITHOUT_PORT, _WITH_IMAGE, _WITH_TERMINAL])
    made.pop("required")
    tables = made["$defs"]
    for name in ("ProjectTable", "WatchTable"):
        tables[name].pop("required")
    check = tables["ServiceTable"]["properties"]["health_check"]
    check["oneOf"] = [*check["oneOf"], _part_of_a_check(tables)]
    return made


def _part_of_a_check(tables: Schema) -> Schema:
    """Keys that go over those of a check. One that says its type replaces the check, and is complete."""
    names = {table.__name__ for table in TABLES.values()}
    keys = {key: value for name in sorted(names) for key, value in tables[name]["properties"].items()}
    del keys["type"]
    return {"type": "object", "properties": keys, "additionalProperties": False}


def _made(name: str, together: list[Schema]) -> Schema:
    tables: dict[str, Schema] = {}
    top = _described(FileTable, tables)
    tables["ServiceTable"]["allOf"] = together
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name}
    return {**head, "$defs": tables, **top}


def _described(table: type[Table], tables: dict[str, Schema]) -> Schema:
    """A table as a schema. Those that are found inside are put into `tables`."""

    def refer(other: type[Table]) -> Schema:
        name = other.__name__
        if name not in tables:
            tables[name] = {}  # one that is inside of itself would be there already
            tables[name] = _described(other, tables)
        return {"$ref": f"#/$defs/{name}"}

    keys = {name: key.takes.described(refer) | key.doc.described() for name, key in table.keys.items()}
    required = [name for name, key in table.keys.items() if key.required]
    return {
        "type": "object",
        "description": table.__doc__,
        "properties": keys,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def words(table: type[Table], key: str) -> str:
    """What the value of a key may be: `a string or a list of strings`, or the names to choose from."""
    kind: Value = table.keys[key].takes
    if isinstance(kind, Kind) and "enum" in kind.schema:
        return ", ".join(f"`{name}`" for name in kind.schema["enum"])
    return kind.words


def otherwise(key: str) -> str:
    """What happens without this key of a service."""
    return docs(ServiceTable)[key].otherwise


def keys_of(kind: Type) -> list[str]:
    """The keys that mean something for a service of this type, in the order of the reference."""
    without = set(CONTAINER_ONLY if kind is not Type.CONTAINER else PROCESS_ONLY)
    without |= {*OF_PORTS} if kind in (Type.WORKER, Type.TASK) else set()
    without |= {"image"} if kind is not Type.CONTAINER else set()
    return [key for key in ServiceTable.keys if key not in without]
