"""The saved state of earlier versions, in today's words. Pure: a document in, a document out.

Each step leads from one schema to the next, so a state of any age walks up to the present one. A step knows
names only, not what they mean: what is wrong with a document is found when the result is read.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

SCHEMA = 2
"""the schema of this version; 1: before 0.1.0 was released"""

_SERVICE_1 = {"wish": "desired", "life": "facts", "verdict": "result"}
_FACTS_1 = {"heard": "evidence", "said": "notify"}
_DESIRED_1 = {"again": "restart", "gone": "removed"}


def upgraded(document: Json) -> Json:
    """The document as this version would have written it. Raises ValueError for a schema that is not known,
    KeyError and TypeError for what is no state at all."""
    schema = document["schema"]
    if schema == 1:
        services = [entry | {"service": _service_2(entry["service"])} for entry in document["services"]]
        return document | {"schema": 2, "services": services}
    if schema != SCHEMA:
        raise ValueError(f"schema {schema}, this version supports {SCHEMA}")
    return document


def _service_2(old: Json) -> Json:
    service = _renamed(old, _SERVICE_1)
    service["desired"] = _DESIRED_1.get(service["desired"], service["desired"])
    if service["facts"] is not None:
        service["facts"] = _renamed(service["facts"], _FACTS_1)
    return service


def _renamed(old: Json, names: dict[str, str]) -> Json:
    return {names.get(name, name): value for name, value in old.items()}
