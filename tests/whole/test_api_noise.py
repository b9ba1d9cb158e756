"""Any question by the description of the API, or nearly so, has an answer that is in the description."""

from __future__ import annotations

import json
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from whole.machine import PATIENCE
from whole.test_api import SLEEPER, Answer, get

if TYPE_CHECKING:
    from whole.machine import Json, Machine

ENDS_THE_DAEMON = ("/v1/server/stop", "/v1/server/restart")
ENDLESS = ("/v1/events", "/v1/live", "/v1/terminal")
"""what is answered without end, or by another protocol"""
EXAMPLES = 250
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=6), parts, max_size=3),
    max_leaves=6,
)
Likely = dict[str, list[str]]
LIKELY: Likely = {
    "project": ["shop", "nobody", "shop@feat", ""],
    "directory": ["/", "/nowhere", "relative", "/\0"],
    "service": ["web", "seed", "shop:web", "nobody", "web#1", "*"],
    "n": ["0", "5", "all", "-1", "9" * 30],
    "since": ["0", "1e400", "nan", "-5"],
    "grep": ["web", "(", "(.*a){30}", "[[:alpha:]]"],
    "plain": ["1", "0"],
    "level": ["error", "loud"],
    "format": ["text", "json"],
    "bytes": ["0", "100", "9" * 30],
    "cursor": ["x", "AAAA", "e30="],
    "mask": ["1"],
    "action": ["up", "stop", "down", "restart", "jump"],
}


def operations(described: Json) -> list[tuple[str, str, Json]]:
    return [
        (method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if path not in (*ENDS_THE_DAEMON, *ENDLESS)
    ]


def requests(described: Json, likely: Likely) -> st.SearchStrategy[tuple[str, str, bytes, Json]]:
    """(method, target, body, operation)"""
    return st.one_of([_request(*each, likely) for each in operations(described)])


def _request(
    method: str, path: str, operation: Json, likely: Likely
) -> st.SearchStrategy[tuple[str, str, bytes, Json]]:
    names = [each["name"] for each in operation.get("parameters", []) if each["name"] != "follow"]
    values = {name: st.sampled_from(likely.get(name, [""])) | st.text(max_size=8) for name in names}
    asked = [st.tuples(st.just(name), value) for name, value in values.items()]
    query = st.lists(st.one_of(asked), max_size=4) if asked else st.just([])
    target = query.map(lambda pairs: f"{path}?{urlencode(pairs, quote_via=quote, errors='replace')}")
    body = _body(operation, likely) if method == "post" else st.just(b"")
    return st.tuples(st.just(method.upper()), target, body, st.just(operation))


def _body(operation: Json, likely: Likely) -> st.SearchStrategy[bytes]:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    fields: dict[str, st.SearchStrategy[Any]] = {
        name: _value(name, field, likely) | JSON for name, field in schema["properties"].items()
    }
    nearly = st.fixed_dictionaries({}, optional=fields) | JSON
    return nearly.map(lambda told: json.dumps(told).encode()) | st.binary(max_size=30)


def _value(name: str, schema: Json, likely: Likely) -> st.SearchStrategy[Any]:
    match schema.get("type"):
        case "array":
            return st.lists(st.sampled_from(likely["service"]), max_size=3)
        case "boolean":
            return st.booleans()
        case "object":
            return st.fixed_dictionaries({"env": st.dictionaries(st.text(max_size=4), st.text(max_size=4))})
        case _:
            return st.sampled_from(likely.get(name, [""]))


def asked(machine: Machine, method: str, target: str, body: bytes) -> Answer:
    head = f"{method} {target} HTTP/1.1\r\nHost: locald\r\nConnection: close\r\n"
    head += f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(PATIENCE)
        caller.connect(str(machine.home / "run" / "locald.sock"))
        caller.sendall(head.encode() + body)
        return Answer(b"".join(iter(lambda: caller.recv(65536), b"")))


@pytest.mark.timeout(240)
def test_any_question_has_an_answer_that_is_described(machine: Machine) -> None:
    machine.write(f'[services.web]\n{SLEEPER}[services.seed]\ntype = "task"\ncommand = "echo done"\n')
    machine.up()
    described = get(machine, "/v1/openapi.json")
    likely = LIKELY | {"directory": [*LIKELY["directory"], str(machine.folder)]}
    pid, seen = machine.daemon_pid(), Counter[int]()

    @settings(
        max_examples=EXAMPLES, deadline=None, phases=(Phase.generate, Phase.shrink), database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(requests(described, likely))
    def ask(request: tuple[str, str, bytes, Json]) -> None:
        method, target, body, operation = request
        answer = asked(machine, method, target, body)
        seen[answer.status] += 1
        assert answer.status < 500, answer.body
        responses = operation["responses"]
        response = responses.get(str(answer.status), responses["default"])
        if content := response.get("content", {}).get("application/json"):
            whole = {**content["schema"], "components": described["components"]}
            jsonschema.Draft202012Validator(whole).validate(answer.json)

    ask()
    assert min(seen[200], seen[422]) > EXAMPLES / 20, seen
    assert machine.daemon_pid() == pid
    assert "Traceback" not in (machine.home / "logs" / "daemon.log").read_text()
