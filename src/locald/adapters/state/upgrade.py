"""The saved state of earlier versions, as the first line of a file of today. Pure: a document in, a line out.

Until schema 2 a file was one document with everything, of the same names as a line has today.

Each step leads from one schema to the next, so a state of any age walks up to the present one. A step knows
names only, not what they mean: what is wrong with a document is found when the result is read.
"""

from __future__ import annotations

from typing import Any

from locald.adapters.state.document import SCHEMA

Json = dict[str, Any]

_SERVICE_1 = {"wish": "desired", "life": "facts", "verdict": "result"}
_FACTS_1 = {"heard": "evidence", "said": "notify"}
_DESIRED_1 = {"again": "restart", "gone": "removed"}


def upgraded(document: Json) -> Json:
    """The line that this version would have written. Raises ValueError for a schema that is not known,
    KeyError and TypeError for what is no state at all."""
    schema = document["schema"]
    if schema == 1:
        services = [entry | {"service": _service_2(entry["service"])} for entry in document["services"]]
        return document | {"services": services}
    if schema != 2:
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
