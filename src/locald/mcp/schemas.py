"""What the tools answer, as JSON Schemas: those of the API, each complete in itself."""

from __future__ import annotations

from typing import Any

from locald.wire.schemas import COMPONENTS, NUMBER, TEXT, TEXT_OR_NULL, list_of, object_of, schemas

Json = dict[str, Any]

_ALL = schemas()


def _whole(schema: Any) -> Any:
    """The schema with what it refers to put in its place."""
    if isinstance(schema, list):
        return [_whole(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(_ALL[schema["$ref"].removeprefix(COMPONENTS)])
    return {name: _whole(each) for name, each in schema.items()}


def _or_error(schema: Json) -> Json:
    """Some clients check the answers of failed calls too, so these fit as well."""
    answers = [{"required": schema["required"]}, {"required": ["error"]}]
    return {"type": "object", "properties": schema["properties"] | _ERROR, "anyOf": answers}


def _answer(name: str, sometimes: Json | None = None) -> Json:
    schema: Json = _whole(_ALL[name])
    return _or_error(schema | {"properties": schema["properties"] | (sometimes or {})})


_PROBLEM = object_of(dict.fromkeys(("what", "where", "hint"), TEXT), {"level": {"enum": ["warning"]}})
_PROBLEMS = list_of(_PROBLEM)
_ERROR: Json = {
    "error": object_of({"code": NUMBER, **dict.fromkeys(("message", "where", "hint"), TEXT)}),
    "problems": _PROBLEMS,
}
_FLAG: Json = {"type": "boolean"}

STATUS = _answer("Status", {"warnings": _PROBLEMS})
WHY = _answer("Why")
TIMELINE = _answer("Timeline")
LINES = _answer("Lines")
STOPPED = _or_error(
    object_of(
        {
            "project": TEXT_OR_NULL,
            "instance": TEXT_OR_NULL,
            "moved_from": TEXT_OR_NULL,
            "stopped": list_of(TEXT),
            "running_again": list_of(TEXT),
            "kept": {"type": "object", "additionalProperties": list_of(TEXT)},
        }
    )
)
EXECUTED = _or_error(object_of({"exit_code": NUMBER, "stdout": TEXT, "stderr": TEXT, "truncated": _FLAG}))
CHECKED = _or_error(object_of({"file": TEXT, "problems": _PROBLEMS, "warnings": _PROBLEMS}))
