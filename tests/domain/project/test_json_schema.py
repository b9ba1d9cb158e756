"""The JSON Schema and the parser are of one mind about every file that is not about several services."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.knowledge.protocols import PROTOCOLS
from locald.domain.knowledge.signals import NUMBERS
from locald.domain.project import config
from locald.domain.project.texts import Texts
from locald.domain.values import toml
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA, LOCAL_SCHEMA = config.schema(), config.local_schema()
VALIDATOR, LOCAL_VALIDATOR = map(jsonschema.Draft202012Validator, (SCHEMA, LOCAL_SCHEMA))

GOOD: dict[str, list[Any]] = {
    "type": ["exec", "worker", "task", "container"],
    "command": ["npm start", ["python3", "-c", ""]],
    "image": ["postgres:16", "registry.example:5000/a/b:2", "a@sha256:" + "0f" * 32],
    "container_port": [1, 65535],
    "volumes": [[], ["./data:/data", "data:/data:ro"]],
    "port": [1, 3000],
    "env": [{}, {"A": "", "b c": "${HOME}"}],
    "env_file": [".env", [], [".env", "x"]],
    "workdir": ["backend"],
    "depends_on": [[], {}, ["db"], {"db": "healthy", "cache": "started"}],
    "health_check": [
        "true",
        {"type": "http"},
        {
            "type": "http",
            "path": "/x",
            "port": 80,
            "status": [200, 599],
            "interval": 1,
            "timeout": "2s",
            "retries": 1,
        },
        {"type": "http", "scheme": "https", "headers": {"Host": "shop.localhost", "X-A": ""}},
        *({"type": name} for name in PROTOCOLS),
        {"type": "postgres", "port": 5432, "interval": "10s", "timeout": 1, "retries": 2},
        {"type": "tcp"},
        {"type": "tcp", "port": 9},
        {"type": "command", "command": "x"},
        {"type": "log", "pattern": "ready.*"},
        {"type": "notify", "retries": 2},
        {"type": "none"},
    ],
    "start_timeout": [0.5, 60, "1m30s", "500ms"],
    "restart": ["no", "on-failure", "always"],
    "max_restarts": [0, 10],
    "stop_signal": ["INT", *NUMBERS],
    "stop_timeout": ["10s"],
    "watchdog": ["1h"],
    "log_size": [1, "50MB", "1GiB", "1.5 KB"],
    "tty": [True, False],
    "stdin": ["empty", "open", "terminal"],
    "kill_mode": ["all", "mixed"],
    "usage": ["shown", "always"],
    "watch": [
        "src",
        ["src/**/*.py", "../shared"],
        {"paths": ["src"]},
        {"paths": ["a", "b"], "ignore": ["a/x"], "debounce": "1s", "signal": "SIGHUP"},
    ],
}
BAD: dict[str, list[Any]] = {
    "type": ["Exec", 1],
    "command": ["", " ", [], [1], 5, {}, True],
    "image": ["", "a b", "Postgres", "../x", "a\n", "a" * 513, 1],
    "container_port": [0, 65536, "80", True],
    "volumes": ["a:/b", ["a"], ["a:b"], [1]],
    "port": [0, 70000, "3000", True, 3000.5],
    "env": [{"A": 1}, {"": "x"}, {"A=": "x"}, [], "A=1"],
    "env_file": ["", [""], 1],
    "workdir": ["", 1],
    "depends_on": ["db", [1], {"db": "ready"}, {"db": True}],
    "health_check": [
        "",
        "notify",
        5,
        {},
        {"type": "htp"},
        {"type": "http", "path": "x"},
        {"type": "http", "status": []},
        {"type": "http", "status": [99]},
        {"type": "http", "status": 200},
        {"type": "http", "pattern": "x"},
        {"type": "http", "scheme": "tls"},
        {"type": "http", "headers": {"a b": "x"}},
        {"type": "http", "headers": {"A": "x\n"}},
        {"type": "http", "headers": {"A": 1}},
        {"type": "tcp", "path": "/"},
        {"type": "postgresql"},
        {"type": "postgres", "port": 0},
        {"type": "redis", "path": "/"},
        "redis",
        {"type": "command"},
        {"type": "log"},
        {"type": "none", "retries": 0},
        {"type": "none", "interval": "0s"},
    ],
    "start_timeout": [0, -1, "0s", "30", "soon", True, []],
    "restart": ["never", True],
    "max_restarts": [-1, "5", True],
    "stop_signal": ["term", "SIGFOO", 15, "RTMIN+99"],
    "stop_timeout": ["10 s", "s"],
    "watchdog": ["-1s", {}],
    "log_size": [0, -1, "50", "50mb", "0MB", True],
    "tty": ["yes", 1],
    "stdin": ["tty", "Open", True, 1],
    "kill_mode": ["process", 1],
    "usage": ["never", True],
    "watch": ["", "/src", "~/src", [], [""], [1], {}, {"paths": []}, {"paths": "src"}, {"ignore": ["a"]}],
    "comand": ["x"],
}

SERVICES = st.sets(st.sampled_from(sorted(GOOD)), max_size=6).flatmap(
    lambda keys: st.fixed_dictionaries({key: st.sampled_from(GOOD[key]) for key in sorted(keys)})
)


WEB = '[project]\nname = "shop"\n[services.web]\ncommand = "x"\n'


def accepts(document: dict[str, Any], local: dict[str, Any] | None = None) -> bool:
    try:
        config.parse(Texts(written(document), None if local is None else written(local)))
    except Refused:
        return False
    return True


def written(document: dict[str, Any]) -> str:
    return "\n".join(f"{key} = {toml.value(value)}" for key, value in document.items())


def file(service: dict[str, Any]) -> dict[str, Any]:
    """A file with this service, and those that it may depend on."""
    others = {"db": {"command": "db"}, "cache": {"image": "cache"}}
    return {"project": {"name": "shop"}, "services": {"web": service, **others}}


@pytest.mark.parametrize("schema", [SCHEMA, LOCAL_SCHEMA], ids=["locald.toml", "locald.local.toml"])
def test_it_is_a_schema_of_the_draft_that_it_names(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    json.dumps(schema)


@given(SERVICES)
def test_parser_and_schema_agree_on_which_keys_go_together(service: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(file(service)) == accepts(file(service))


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in GOOD for value in GOOD[key]], ids=repr)
def test_a_good_value_is_good_to_both(key: str, value: Any) -> None:
    service: dict[str, Any] = {"command": "x", key: value}
    if key in ("image", "container_port", "volumes") or value == "container":
        service["image"] = "x"
    if key == "image":
        service["image"] = value

    assert VALIDATOR.is_valid(file(service))
    assert accepts(file(service))


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in BAD for value in BAD[key]], ids=repr)
def test_a_bad_value_is_bad_to_both(key: str, value: Any) -> None:
    service: dict[str, Any] = {"command": "x"} | (
        {"image": "x"} if key in ("container_port", "volumes") else {}
    )

    assert not VALIDATOR.is_valid(file(service | {key: value}))
    assert not accepts(file(service | {key: value}))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"project": {}},
        {"project": {"name": "Shop"}},
        {"project": {"name": "shop", "nam": 1}},
        {"project": {"name": "shop", "domain": "a..b"}},
        {"project": {"name": "shop", "domain": "shop.example"}},
        {"project": {"name": "shop", "domain": "shoptest"}},
        {"project": {"name": "shop", "instance": "mine"}},
        {"project": {"name": "shop"}, "service": {}},
        {"project": {"name": "shop"}, "services": []},
        {"project": {"name": "shop"}, "services": {"a_b": {"command": "x"}}},
        {"project": {"name": "shop"}, "services": {"-a": {"command": "x"}}},
        {"project": {"name": "shop"}, "services": {"a" * 64: {"command": "x"}}},
        {"project": {"name": "shop"}, "services": {"a": 1}},
    ],
    ids=repr,
)
def test_what_is_wrong_above_a_service_is_wrong_to_both(document: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(document)
    assert not accepts(document)


@pytest.mark.parametrize(
    "document",
    [
        {"project": {"name": "shop"}},
        {"project": {"name": "a" * 63, "domain": "shop.test"}, "services": {}},
        {"project": {"name": "shop", "domain": "localhost"}},
        {"project": {"name": "0-9"}, "services": {"1": {"command": "x"}}},
    ],
    ids=repr,
)
def test_what_is_right_above_a_service_is_right_to_both(document: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(document)
    assert accepts(document)


# `locald.local.toml`: any part of a file.


@given(SERVICES, SERVICES)
def test_what_makes_a_right_file_of_another_is_right_in_the_local_one(
    main: dict[str, Any], local: dict[str, Any]
) -> None:
    over = {"services": {"web": local}}
    assert LOCAL_VALIDATOR.is_valid(over) or not accepts(file(main), over)


@pytest.mark.parametrize("key", GOOD)
def test_a_key_alone_is_right_in_the_local_one_whatever_it_needs_beside_it(key: str) -> None:
    for value in GOOD[key]:
        assert LOCAL_VALIDATOR.is_valid({"services": {"web": {key: value}}}), value


@pytest.mark.parametrize(
    "local",
    [
        {},
        {"project": {"instance": "mine"}},
        {"project": {"domain": "shop.example"}},
        {"services": {"web": {}}},
        {"services": {"web": {"health_check": {"interval": "1s"}}}},
        {"services": {"web": {"health_check": {"path": "/ready"}}}},
        {"services": {"web": {"watch": {"ignore": ["a"]}}}},
    ],
    ids=repr,
)
def test_the_local_one_need_not_be_complete(local: dict[str, Any]) -> None:
    check, watch = {"type": "http", "path": "/"}, {"paths": ["src"]}
    assert accepts(file({"command": "x", "health_check": check, "watch": watch}), local)
    assert LOCAL_VALIDATOR.is_valid(local)


PARTS: list[Any] = [{}, {"ignore": ["a"]}]
"""wrong alone, and right over other keys of the same table"""


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in BAD for value in BAD[key]], ids=repr)
def test_a_bad_value_is_bad_in_the_local_one_too(key: str, value: Any) -> None:
    if value not in PARTS:
        assert not LOCAL_VALIDATOR.is_valid({"services": {"web": {key: value}}})
        assert not accepts(file({"command": "x"}), {"services": {"web": {key: value}}})


@pytest.mark.parametrize(
    "local",
    [
        {"project": {"instance": "My Feature"}},
        {"project": {"nam": "x"}},
        {"services": {"web": {"type": "worker", "port": 3000}}},
        {"services": {"web": {"image": "postgres:16", "tty": False}}},
        {"services": {"web": {"health_check": {"pth": "/"}}}},
        {"services": {"web": {"health_check": {"type": "command"}}}},
    ],
    ids=repr,
)
def test_what_no_other_file_can_make_right_is_wrong_in_the_local_one(local: dict[str, Any]) -> None:
    assert not LOCAL_VALIDATOR.is_valid(local)
    assert not accepts(file({"command": "x"}), local)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of the schema that describes a table; `allOf` adds what tables must not be together."""
    if isinstance(schema, list):
        for each in schema:
            yield from objects(each)
    elif isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for key, value in schema.items():
            yield from objects(value) if key != "allOf" else ()


@pytest.mark.parametrize("schema", [SCHEMA, LOCAL_SCHEMA], ids=["locald.toml", "locald.local.toml"])
def test_no_table_takes_a_key_that_it_does_not_know(schema: dict[str, Any]) -> None:
    found = list(objects(schema))

    assert len(found) > 10
    assert all(each["additionalProperties"] is False for each in found)


def test_every_key_is_described() -> None:
    for each in objects(SCHEMA):
        for key, value in each.get("properties", {}).items():
            described = (
                value.get("description") or SCHEMA["$defs"][value["$ref"].split("/")[-1]]["description"]
            )
            assert described.endswith("."), key


def test_a_default_that_is_named_is_what_a_missing_key_means() -> None:
    plain = config.parse(WEB).services["web"]
    for key, value in SCHEMA["$defs"]["ServiceTable"]["properties"].items():
        if "default" in value and key != "volumes":
            text = f"{WEB}{key} = {toml.value(value['default'])}"
            assert config.parse(text).services["web"] == plain, key


@pytest.mark.parametrize("check", ["http", "tcp", "none"])
def test_a_default_of_a_check_that_is_named_is_what_a_missing_key_means(check: str) -> None:
    head = f'{WEB}[services.web.health_check]\ntype = "{check}"\n'
    table = SCHEMA["$defs"][f"{check.capitalize()}Table"]["properties"]
    for key, value in table.items():
        if "default" in value:
            assert config.parse(f"{head}{key} = {toml.value(value['default'])}") == config.parse(head), key
