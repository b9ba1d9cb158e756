"""For each way to get a file wrong: the line, the key, what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.project import config
from locald.domain.values import toml
from locald.domain.values.problem import Problem, Refused

HEAD = '[project]\nname = "shop"\n'
OTHERS = '[services.seed]\ntype = "task"\ncommand = "seed"\n[services.db]\ncommand = "db"\nport = 5432\n'
DB = '[services.db]\ncommand = "db"\n'


def problems(text: str) -> list[str]:
    with pytest.raises(Refused) as refusal:
        config.parse(text)
    return [str(problem) for problem in refusal.value.problems]


def cases() -> list[tuple[str, str]]:
    """From `mistakes.txt`: lines of TOML, and what is said of them."""
    text = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8")
    blocks = [block for block in text.strip().split("\n\n") if not block.startswith("#")]
    split = [block.partition("\n-> ") for block in blocks]
    return [(lines, said.replace("\n-> ", "\n")) for lines, _, said in split]


@pytest.mark.parametrize(("lines", "said"), cases(), ids=[lines for lines, _ in cases()])
def test_one_mistake_is_one_problem_with_its_line(lines: str, said: str) -> None:
    # The others always begin on line 9, so that their lines do not depend on how many these are.
    padded = lines + "\n" * (4 - lines.count("\n"))

    assert problems(f"{HEAD}[services.web]\n{padded}\n{OTHERS}") == [f"locald.toml:{said}"]


def test_a_cycle_is_told_in_its_order_at_the_dependency_that_begins_it() -> None:
    text = HEAD + "".join(
        f'[services.{name}]\ncommand = "x"\ndepends_on = ["{needs}"]\n' for name, needs in ("ab", "bc", "ca")
    )

    assert problems(text) == [
        "locald.toml:5: services.a.depends_on[0]: dependency cycle: a -> b -> c -> a\n"
        "hint: remove one of these dependencies"
    ]


# What is wrong above the services.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'locald.toml: [project] is missing\nhint: begin the file with [project] and name = "shop"'),
        ("[project]", 'locald.toml:1: project: name is missing\nhint: add name = "shop"'),
        ("project = 1", "locald.toml:1: project: must be a table, not a number\nhint: like [project]"),
        (HEAD + "[service.web]", 'locald.toml:3: service: unknown key\nhint: did you mean "services"?'),
        (
            HEAD + "[[services]]",
            "locald.toml:3: services: must be a table, not a list\nhint: like [services.web]",
        ),
        (
            HEAD + "[services]\nweb = 1",
            "locald.toml:4: services.web: must be a table, not a number\nhint: like [services.web]",
        ),
        (
            '[project]\nname = "My Shop"',
            'locald.toml:2: project.name: "My Shop" is not a DNS label\n'
            'hint: use lower-case letters, digits and inner hyphens, at most 63, as in "my-shop"',
        ),
        (
            HEAD + '[services."my_api"]\ncommand = "x"',
            'locald.toml:3: services.my_api: "my_api" is not a DNS label\n'
            'hint: use lower-case letters, digits and inner hyphens, at most 63, as in "my-api"',
        ),
        (
            HEAD + 'domain = "a b"',
            'locald.toml:3: project.domain: "a b" is not a domain name\nhint: like "shop.localhost"',
        ),
    ],
)
def test_what_is_wrong_above_the_services_is_told(text: str, said: str) -> None:
    assert problems(text) == [said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = foo", "locald.toml:1: not valid TOML: invalid value (column 5)"),
        ("\n[a]\n[a]", "locald.toml:3: not valid TOML: cannot declare [a] twice (column 3)"),
        ("[a.b]\n[a.b]", "locald.toml:2: not valid TOML: cannot declare [a.b] twice (column 5)"),
        ('[project]\nname = "x', "locald.toml:2: not valid TOML: unterminated string"),
        ("a = " + "[" * 5000, "locald.toml: values are nested too deeply"),
        ("a = " + "9" * 5000, "locald.toml: a number is too long"),
    ],
)
def test_a_text_that_is_not_toml_has_one_problem_with_its_line(text: str, said: str) -> None:
    (found,) = problems(text)

    assert found.split("\n")[0] == said
    assert "\nhint: " in found


def test_all_problems_are_told_at_once_from_top_to_bottom() -> None:
    text = """
[project]
nam = "shop"
[services.web]
comand = "x"
port = "80"
env = { A = "${services.q.port}", B = 1 }
[services.db]
image = "postgres"
workdir = "."
depends_on = ["web"]
"""
    assert [line.split(": ")[:2] for line in problems(text)] == [
        ["locald.toml:2", "project"],
        ["locald.toml:3", "project.nam"],
        ["locald.toml:5", "services.web.comand"],
        ["locald.toml:6", "services.web.port"],
        ["locald.toml:7", "services.web.env.A"],
        ["locald.toml:7", "services.web.env.B"],
        ["locald.toml:10", "services.db.workdir"],
    ]


def test_the_name_of_the_file_is_the_callers() -> None:
    with pytest.raises(Refused) as refusal:
        config.parse("x = 1\n" + HEAD, "shop/locald.toml")

    assert refusal.value.problems[0].where == "shop/locald.toml:1: x"


def test_a_file_that_is_not_utf8_is_told_with_its_line() -> None:
    assert config.decode("\ufeffé".encode()) == "é"
    with pytest.raises(Refused) as refusal:
        config.decode(b"a\n\xff")

    assert refusal.value.problems == (
        Problem("is not UTF-8 text", "locald.toml:2", "save the file as UTF-8"),
    )


ANYTHING = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = list(config.schema()["$defs"]["ServiceTable"]["properties"])
CHECK_KEYS = ["type", "path", "port", "status", "command", "pattern", "interval", "timeout", "retries"]


@given(st.sampled_from(KEYS), ANYTHING)
def test_whatever_a_key_holds_no_word_of_python_reaches_a_person(key: str, value: Any) -> None:
    text = f'{HEAD}[services.web]\ncommand = "x"\n' + (
        f"{key} = {written(value)}" if key != "command" else ""
    )

    try:
        config.parse(text)
    except Refused as refused:
        said = str(refused)
        assert not any(
            word in said for word in ("Input", "pydantic", "NoneType", "dict", "Value error", "object at")
        )


@given(st.dictionaries(st.sampled_from(CHECK_KEYS), ANYTHING | st.sampled_from(["http", "log", "none"])))
def test_whatever_a_check_holds_is_accepted_or_refused(check: dict[str, Any]) -> None:
    try:
        config.parse(f'{HEAD}[services.web]\ncommand = "x"\nhealth_check = {written(check)}')
    except Refused as refused:
        said = str(refused)
        assert said


def written(value: Any) -> str:
    match value:
        case float():
            return repr(value)
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{toml.key(key)} = {written(each)}" for key, each in value.items()) + "}"
        case _:
            return toml.value(value)
