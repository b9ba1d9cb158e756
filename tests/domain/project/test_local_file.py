"""`locald.local.toml` over `locald.toml`: one merged truth, every mistake in the file where it stands."""

from __future__ import annotations

import pytest

from locald.domain.project import config
from locald.domain.project.spec import CommandCheck, HttpCheck, TcpCheck
from locald.domain.project.texts import Texts
from locald.domain.values.problem import Refused

MAIN = """[project]
name = "shop"
env = { A = "1", B = "1" }
[services.web]
command = "npm run dev"
env = { C = "1" }
depends_on = ["db"]
health_check = { type = "http", path = "/health", timeout = "1s" }
[services.db]
image = "postgres:16"
container_port = 5432
"""


def both(local: str) -> Texts:
    return Texts(MAIN, local)


def problems(local: str, main: str = MAIN) -> list[str]:
    with pytest.raises(Refused) as refusal:
        config.parse(Texts(main, local))
    return [str(each).partition("\n")[0] for each in refusal.value.problems]


def test_its_keys_go_over_those_of_the_project_table_by_table() -> None:
    spec = config.parse(
        both(
            """
            [project]
            instance = "mine"
            env.B = "2"
            [services.web]
            command = "npm run debug"
            env.D = "2"
            [services.mine]
            command = "true"
            """
        )
    )
    assert (spec.name, spec.instance, spec.env) == ("shop", "mine", {"A": "1", "B": "2"})
    web = spec.services["web"]
    assert web.command == "npm run debug"
    assert web.env == {"C": "1", "D": "2"}
    assert list(web.depends_on) == ["db"]
    assert set(spec.services) == {"web", "db", "mine"}


def test_what_is_no_table_is_replaced() -> None:
    spec = config.parse(both("[services.web]\ndepends_on = []\n"))
    assert spec.services["web"].depends_on == {}


@pytest.mark.parametrize(
    ("written", "check"),
    [
        ('health_check.path = "/other"', HttpCheck("/other")),
        ('health_check = { type = "tcp" }', TcpCheck()),
        ('health_check = "true"', CommandCheck("true")),
    ],
)
def test_a_check_of_another_type_takes_the_place_of_the_whole(written: str, check: object) -> None:
    found = config.parse(both(f"[services.web]\n{written}\n")).services["web"].health_check
    assert found
    assert found.check == check


def test_a_service_may_be_complete_only_with_both() -> None:
    main = '[project]\nname = "shop"\n[services.web]\nport = 3000\n'
    spec = config.parse(Texts(main, '[services.web]\ncommand = "x"\n'))
    assert spec.services["web"].port == 3000


def test_mistakes_of_both_files_are_told_at_once_each_in_its_own() -> None:
    main = MAIN + 'comand = "x"\n'
    assert problems('[services.web]\nport = 0\n\n[services.db]\nimg = "x"\n', main) == [
        "locald.toml:12: services.db.comand: unknown key",
        "locald.local.toml:2: services.web.port: must be a port from 1 to 65535, not 0",
        "locald.local.toml:5: services.db.img: unknown key",
    ]


def test_a_rule_between_keys_of_both_is_told_where_the_key_at_fault_stands() -> None:
    (told,) = problems('[services.web]\ndepends_on = ["nobody"]\n')
    assert told.startswith("locald.local.toml:2: services.web.depends_on")


def test_what_is_not_toml_in_either_is_told_for_both() -> None:
    assert (
        problems("x", "[project\n")
        == [
            "locald.toml:1: not valid TOML: expected ']' at the end of a table declaration (column 9)",
            "locald.local.toml:1: not valid TOML: expected '=' after a key in a key/value pair",
        ]
        or len(problems("x", "[project\n")) == 2
    )


def test_the_label_of_a_folder_belongs_to_one_person_s_file() -> None:
    main = MAIN.replace('name = "shop"', 'name = "shop"\ninstance = "mine"')
    assert problems("", main) == ["locald.toml:3: project.instance: belongs in locald.local.toml"]


def test_each_value_is_shown_with_the_file_that_it_comes_from() -> None:
    texts = both('[project]\ninstance = "mine"\n[services.web]\nport = 3000\nenv.D = "2"\n')
    sources = {each.key: each.source for each in config.describe(config.parse(texts), texts)}
    assert sources["project.name"] == "locald.toml:2"
    assert sources["project.instance"] == "locald.local.toml:2"
    assert sources["services.web.command"] == "locald.toml:5"
    assert sources["services.web.port"] == "locald.local.toml:4"
    assert sources["services.web.env.C"] == "locald.toml:6"
    assert sources["services.web.env.D"] == "locald.local.toml:5"
    assert sources["services.web.tty"] == "default"
