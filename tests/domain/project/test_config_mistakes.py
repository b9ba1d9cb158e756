"""For each way to get a file wrong: the line, the key, what is wrong and what to do."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.project import config
from locald.domain.project.file import decode
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
def test_each_mistake_is_one_problem_with_its_line(lines: str, said: str) -> None:
    # The others always begin on line 9, so that their lines do not depend on how many these are.
    padded = lines + "\n" * (4 - lines.count("\n"))

    found = "\n".join(problems(f"{HEAD}[services.web]\n{padded}\n{OTHERS}"))
    assert found == re.sub(r"^(\d+: )", r"locald.toml:\1", said, flags=re.MULTILINE)


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
        (HEAD + "[service.web]", "locald.toml:3: service: unknown key\nhint: did you mean [services.web]?"),
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
            'locald.toml:2: project.name: "My Shop" is not a valid name\n'
            'hint: use lower-case letters, digits and inner hyphens, at most 63, as in "my-shop"',
        ),
        (
            HEAD + '[services."my_api"]\ncommand = "x"',
            'locald.toml:3: services.my_api: "my_api" is not a valid name\n'
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
        (HEAD + "[services.a]\ncommand = foo", "locald.toml:4: not valid TOML: invalid value (column 11)"),
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


WEB = '[services.web]\ncommand = "x"\n'
VARIABLES = "put them under [services.web.env], or, for all services, under [project.env]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + WEB + '[env]\nA = "1"', f"5: env: unknown key\nhint: {VARIABLES}"),
        (HEAD + WEB + '[environment]\nA = "1"', f"5: environment: unknown key\nhint: {VARIABLES}"),
        (HEAD + WEB + '[global]\nA = "1"', f"5: global: unknown key\nhint: {VARIABLES}"),
        (
            f'{HEAD}{WEB}env = {{}}\n[env]\nA = "1"',
            f"6: env: unknown key\nhint: {VARIABLES}".replace(
                "under [services.web.env]", "into `env` of [services.web]"
            ),
        ),
        (
            HEAD + 'environment = { A = "1" }\n' + WEB,
            "3: project.environment: unknown key\n"
            'hint: write it as `env`, like env = { LOG_LEVEL = "debug" }',
        ),
        *(
            (
                f'{HEAD}{WEB}[{name}]\nrestart = "no"',
                f"5: {name}: unknown key\n"
                "hint: there are no keys for all services: write them in each, like [services.web]",
            )
            for name in ("defaults", "default", "global")
        ),
        (HEAD + '[api]\ncommand = "x"', "3: api: unknown key\nhint: did you mean [services.api]?"),
        (
            HEAD + '[services]\ncommand = "x"',
            "4: services.command: command is a key of a service\n"
            "hint: write [services.web] on the line before command",
        ),
        (
            HEAD + 'services.api.command = "x"',
            "3: project.services: unknown key\nhint: begin a table of its own: [services.api]",
        ),
        ('name = "shop"', "1: name: unknown key\nhint: write [project] on the line before name"),
        (
            'command = "x"\n' + HEAD,
            "1: command: unknown key\nhint: write [services.web] on the line before command",
        ),
    ],
)
def test_what_stands_in_the_wrong_place_is_told_where_it_belongs(text: str, said: str) -> None:
    assert problems(text) == [f"locald.toml:{said}"]


# What is not TOML.


AS_TABLE = "with each key on its own line"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            'health_check = {\n  type = "http",  # asks\n  path = "/a, {b}",\n}\nport = 3000',
            'write health_check = { type = "http", path = "/a, {b}" }, or a table '
            "[services.web.health_check] ",
        ),
        (
            "env = { A = '1',\n  B = '2' }",
            "write env = { A = '1', B = '2' }, or a table [services.web.env] ",
        ),
        (
            'health_check = { type = "http", status = [\n200,\n],\npath = "/" }',
            'write health_check = { type = "http", status = [200], path = "/" }, or a table '
            "[services.web.health_check] ",
        ),
        (
            "env = {\n" + "".join(f'LONG_NAME_{n} = "value"\n,' for n in range(9)) + "}",
            "write it on one line, or as a table [services.web.env] ",
        ),
    ],
)
def test_an_inline_table_of_several_lines_is_shown_on_one(lines: str, said: str) -> None:
    line = 3 + next(place for place, each in enumerate(lines.split("\n"), 1) if "{" in each)
    assert problems(f"{HEAD}[services.web]\n{lines}") == [
        f"locald.toml:{line}: an inline table must be on one line (TOML 1.0)\nhint: {said}{AS_TABLE}"
    ]


def test_no_line_is_shown_that_would_be_wrong_too() -> None:
    assert problems(f"{HEAD}[services.web]\nenv = {{\n  A = '1',\n  B = {{ x = 1 }}\n}}") == [
        "locald.toml:4: an inline table must be on one line (TOML 1.0)\n"
        f"hint: write it on one line, or as a table [services.web.env] {AS_TABLE}, "
        "where each value must be a string"
    ]


def test_an_inline_table_that_ends_with_a_comma_is_shown_without() -> None:
    assert problems(HEAD + '[services.web]\nenv = { A = "1", }') == [
        "locald.toml:4: an inline table must not end with a comma (TOML 1.0)\n"
        f'hint: write env = {{ A = "1" }}, or a table [services.web.env] {AS_TABLE}'
    ]


REPAIRS = [
    ("command = npm start", 4, 'command = "npm start"'),
    ('command = "npm start\nport = 3000', 4, 'command = "npm start"'),
    ("command = 'npm start\nport = 3000", 4, "command = 'npm start'"),
    ('command = ["npm", "start"\nport = 3000', 4, 'command = ["npm", "start"]'),
    ('command = ["npm", "start\nport = 3000', 4, 'command = ["npm", "start"]'),
    ('command = ["npm" "start"]', 4, 'command = ["npm", "start"]'),
    ('command = [\n  "npm\n]', 5, '"npm"'),
    ('command = "x"\nport = 08080', 5, "port = 8080"),
    ('command = "x"\nport == 8080', 5, "port = 8080"),
    ('command = "x"\nstart_timeout = 30s  # slow', 5, 'start_timeout = "30s"  # slow'),
    ('command = "x"\ntty = False', 5, "tty = false"),
    ('command = "x";', 4, 'command = "x"'),
    ("command = “npm start”", 4, 'command = "npm start"'),
    ("command: npm start", 4, 'command = "npm start"'),
    ('"command": "npm start",', 4, 'command = "npm start"'),
    ('command = "x"\n// port', 5, "# port"),
    ('command = "C:\\Users"', 4, "command = 'C:\\Users'"),
    ('command = "x"\nenv = { A = one, B = "2" }', 5, 'env = { A = "one", B = "2" }'),
    ('command = "x"\nenv = { A: "1" }', 5, 'env = { A = "1" }'),
    ('command = "x"\n[services.my api]\ncommand = "y"', 5, "[services.my-api]"),
    ('command = "x"\n[services.api\ncommand = "y"', 5, "[services.api]"),
    ('command = "x"\n[services.api]]\ncommand = "y"', 5, "[services.api]"),
    ('command = "x"\n[services."api]\ncommand = "y"', 5, "[services.api]"),
    ('command = "x"\nservices.api:\ncommand = "y"', 5, "[services.api]"),
    ('command = "x"\nstart timeout = "3s"', 5, 'start_timeout = "3s"'),
    ("command = 'it's'", 4, 'command = "it\'s"'),
    ('command = "sh -c "npm start""', 4, "command = 'sh -c \"npm start\"'"),
    ('command = "x" // web', 4, 'command = "x" # web'),
    ('command = "x"\nenv = { "A": "1", B: "2" }', 5, 'env = { "A" = "1", B = "2" }'),
    ('command = [\n  "npm"\n  "start"\n]', 5, '"npm",'),
    ('command = [\n  "npm",\n  "start"\nport = 3000', 6, '"start"]'),
]


@pytest.mark.parametrize(("lines", "line", "meant"), REPAIRS)
def test_a_line_that_is_not_toml_is_shown_as_it_was_meant_and_works_when_pasted(
    lines: str, line: int, meant: str
) -> None:
    written = f"{HEAD}[services.web]\n{lines}".split("\n")
    (found,) = problems("\r\n".join(written))

    assert re.fullmatch(rf"locald\.toml:{line}: not valid TOML: .*\nhint: write {re.escape(meant)}", found)
    assert config.parse("\n".join([*written[: line - 1], meant, *written[line:]])).services["web"].command


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD + WEB + WEB,
            "locald.toml:5: .*\nhint: \\[services.web] begins on line 3: put the keys of both there",
        ),
        (
            HEAD + WEB + 'command = "y"',
            "locald.toml:5: .*\nhint: command is on line 4 already: remove one of them",
        ),
        (
            "# mine\nproject:\n  name: shop",
            "locald.toml:2: is YAML, not TOML\nhint: begin it with \\[project] and .*",
        ),
        ('\n{"project": {}}', "locald.toml:2: is JSON, not TOML\nhint: begin it with \\[project] and .*"),
        (
            "[project]\rname = 1",
            "locald.toml: has the line ends of an old Mac .*\nhint: save it with those of Unix .*",
        ),
        (HEAD + "<<<<<<< HEAD\n", "locald.toml:3: .*\nhint: a merge left both versions here: keep one, .*"),
        (
            HEAD + '[services.web] command = "x"',
            'locald.toml:3: .*\nhint: write \\[services.web] and command = "x", each on its own line',
        ),
        (
            HEAD + '[services.web]\ncommand = "x", port = 3000',
            'locald.toml:4: .*\nhint: write command = "x" and port = 3000, each on its own line',
        ),
        (HEAD + WEB + "port = # mine", "locald.toml:5: .*\nhint: write a value after the ="),
        (HEAD + '[services.web]\ncommand = """\nx\n', 'locald.toml:4: .*\nhint: close the string with """'),
        (HEAD + WEB + "port = null", "locald.toml:5: .*\nhint: TOML has no null: leave the key out, .*"),
    ],
)
def test_what_cannot_be_shown_otherwise_is_explained(text: str, said: str) -> None:
    (found,) = problems(text)

    assert re.fullmatch(said, found)


@pytest.mark.parametrize(
    "change", [lambda text: text.replace("\n", "\r\n"), lambda text: text.replace("\n", "\n\t")]
)
def test_line_ends_of_windows_and_tabs_are_no_mistakes(change: Any) -> None:
    assert config.parse(change(HEAD + WEB)).services["web"].command == "x"


LINES = st.lists(
    st.sampled_from([*(f"{lines}" for lines, _, _ in REPAIRS), "[a]", "b = {", "]", "'", '"""', "= 1"])
)


@given(LINES.map("\n".join) | st.text(st.sampled_from("[]{}='\"\n ab,.:#1\\")))
def test_whatever_is_not_toml_has_a_problem_with_a_hint_that_is_meant(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = r"locald\.toml:(\d+): (not valid TOML|an inline table|is \w+, not TOML).*\nhint: ."
        lines = [int(found[1]) for each in problems(text) if (found := re.match(said, each))]
        stopped = re.search(r"at line (\d+)", str(error))
        assert lines
        assert lines == sorted(set(lines))
        assert lines[0] <= (int(stopped[1]) if stopped else text.count("\n") + 1)


def test_behind_a_line_that_cannot_be_read_the_other_mistakes_are_found() -> None:
    text = f"""{HEAD}[services.web]
command = npm start
prot = 3000
start_timeout = 30s
[services.db]
image = postgres
volumes = ["data:/var"]
restart = "never"
"""
    assert [each.split("\nhint: ")[1] for each in problems(text)] == [
        'write command = "npm start"',
        'did you mean "port"?',
        'write start_timeout = "30s"',
        'write image = "postgres"',
        'did you mean "no"?',
    ]


def test_what_may_come_of_a_line_that_nobody_understands_is_not_told() -> None:
    text = f"{HEAD}[services.db]\nimage =\nvolumes = ['data:/var']\nprot = 1\n"

    assert [each.splitlines()[0] for each in problems(text)] == [
        "locald.toml:4: not valid TOML: invalid value (column 8)",
        "locald.toml:6: services.db.prot: unknown key",
    ]


def test_a_value_that_nobody_can_read_is_told_behind_a_line_that_is_not_toml() -> None:
    text = f"{HEAD}[services.web]\ncommand = npm start\nport = {'9' * 5000}\n"

    assert [each.splitlines()[0] for each in problems(text)] == [
        "locald.toml:4: not valid TOML: invalid value (column 11)",
        "locald.toml: a number is too long",
    ]


@pytest.mark.parametrize("broken", ["[services.web", "command = [", 'env = { A = "1",', 'x = """'])
def test_where_what_follows_depends_on_a_line_only_that_is_told(broken: str) -> None:
    assert len(problems(f"{HEAD}{broken}\nprot = 1\nport = x\n")) == 1


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
    assert decode("\ufeffé".encode()) == "é"
    with pytest.raises(Refused) as refusal:
        decode(b"a\n\xff")

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
