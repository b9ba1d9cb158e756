"""Which variables a run gets, who wins, and what `${…}` stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.knowledge.pagers import PAGERS
from locald.domain.project import config, env, template, whereabouts
from locald.domain.project.resolving import env_file_paths, resolve
from locald.domain.values.faults import Bad
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from locald.domain.project.spec import Project

SHOP = """
[project]
name = "shop"
[services.web]
command = "web"
[services.my-api]
command = "api"
[services.jobs]
type = "worker"
command = "jobs"
[services.db]
image = "postgres:16"
container_port = 5432
[services.admin]
image = "admin"
"""
PORTS = {"web": 24001, "my-api": 24002, "db": 24003, "admin": 24004}


def shop(
    more: str = "",
    *,
    env_files: dict[str, dict[str, str]] | None = None,
    shell: dict[str, str] | None = None,
) -> Project:
    """The shop, with these lines added to its file."""
    text = SHOP + more
    return resolve(config.parse(text), "/shop", PORTS, env_files or {}, shell or {}, text=text)


def composed(project: Project, service: str, shell: dict[str, str] | None = None) -> dict[str, str]:
    return env.compose(project.definitions[service], shell or {}, project.definitions)[0]


def warned(project: Project, service: str, shell: dict[str, str] | None = None) -> tuple[Problem, ...]:
    return env.compose(project.definitions[service], shell or {}, project.definitions)[1]


# Layers.


def test_each_layer_goes_over_the_one_before() -> None:
    files = {".env": {"A": "file", "B": "file", "C": "file"}}
    shell = {"B": "shell", "C": "shell"}
    project = shop('[services.x]\ncommand = "x"\nenv = { C = "env" }', env_files=files, shell=shell)
    definition = project.definitions["x"]

    got = composed(project, "x", shell)

    assert (got["A"], got["B"], got["C"]) == ("file", "shell", "env")
    origins = env.origins(definition, shell, project.definitions)
    assert (origins["A"], origins["B"], origins["C"]) == ("env_file", "shell", "env")
    assert origins["PORT_DB"] == origins["LOCALD_PROJECT"] == "locald"


def test_a_service_knows_its_own_port_and_that_of_each_other() -> None:
    got = composed(shop(), "web")

    assert got == {
        **PAGERS,
        "LOCALD_INSTANCE": "",
        "PORT": "24001",
        "PORT_MY_API": "24002",
        "PORT_DB": "24003",
        "PORT_ADMIN": "24004",
        "LOCALD_PROJECT": "shop",
        "LOCALD_SERVICE": "web",
    }


def test_a_worker_gets_no_port_not_even_the_shells() -> None:
    got = composed(shop(), "jobs", {"PORT": "3000"})

    assert "PORT" not in got
    assert got["PORT_WEB"] == "24001"


def test_a_container_gets_the_ports_inside_and_nothing_of_the_shell() -> None:
    project = shop('[services.cms]\nimage = "cms"\ncontainer_port = 80\n', env_files={".env": {"A": "1"}})

    got = composed(project, "cms", {"HOME": "/root"})

    assert got["PORT"] == "80"
    assert got["PORT_DB"] == "5432"
    assert got["PORT_WEB"] == "24001"
    assert "PORT_ADMIN" not in got  # which port that is, its image knows
    assert got["A"] == "1"
    assert "HOME" not in got


@pytest.mark.parametrize(
    "name",
    [
        "NOTIFY_SOCKET",
        "LOCALD_RUN",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
    ],
)
def test_what_the_shells_own_manager_told_it_is_not_passed_on(name: str) -> None:
    assert name not in composed(shop(), "web", {name: "1"})
    assert warned(shop(), "web", {name: "1"}) == ()


def test_variables_that_only_look_alike_are_the_users_own() -> None:
    shell = {"LISTEN_ADDR": "x", "PORT_NOBODY": "1", "PORT_WEB": "1", "LOCALD_HOME": "/h"}

    got = composed(shop(), "web", shell)

    assert {name: got[name] for name in shell} == shell


def test_a_value_of_the_users_own_is_ignored_with_a_warning() -> None:
    more = '[services.x]\ncommand = "x"\nenv = { PORT = "1", PORT_DB = "2", LOCALD_PROJECT = "3" }'
    project = shop(more, env_files={".env": {"PORT": "4"}})

    assert composed(project, "x").get("PORT_DB") == "24003"
    assert [problem.where for problem in warned(project, "x")] == [".env", *["services.x.env"] * 3]
    assert warned(project, "x")[0] == Problem(
        "PORT is set by locald; value ignored",
        ".env",
        "set `port` of the service to choose a port",
    )


def test_a_port_that_the_shell_exports_is_warned_of_but_not_inside_a_service() -> None:
    assert [problem.where for problem in warned(shop(), "web", {"PORT": "1"})] == [
        "the environment of the shell"
    ]
    assert warned(shop(), "web", {"PORT": "1", "LOCALD_SERVICE": "api"}) == ()


# ${…}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${services.db.port}", "24003"),
        ("postgres://${services.db.host}:${services.db.port}/x", "postgres://127.0.0.1:24003/x"),
        ("${services.my-api.url}", "http://127.0.0.1:24002/"),
        ("${services.my-api.url}/v1", "http://127.0.0.1:24002/v1"),
        ("${USER}@${HOST:-here}", "ada@here"),
        ("${EMPTY:-default}|${EMPTY}|${NONE:-}", "default||"),
        ("$USER costs $5 and $$ and 100%", "$USER costs $5 and $$ and 100%"),
        ("$${USER} ${USER}", "${USER} ada"),
        ("${FROM_FILE}", "file"),
        ("", ""),
    ],
)
def test_references_stand_for_what_they_name(written: str, meant: str) -> None:
    project = shop(
        f"[services.x]\ncommand = 'x'\nenv = {{ V = '{written}' }}",
        shell={"USER": "ada", "EMPTY": ""},
        env_files={".env": {"FROM_FILE": "file"}},
    )

    assert project.definitions["x"].env == {"V": meant}


def test_a_container_sees_others_by_name_and_processes_on_the_host() -> None:
    values = "${services.db.host}:${services.db.port} ${services.web.host}:${services.web.port}"
    project = shop(f'[services.cms]\nimage = "cms"\nenv = {{ V = "{values}" }}')

    assert project.definitions["cms"].env["V"] == "db:5432 host.docker.internal:24001"


# In commands.


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("serve ${services.db.host}:${services.db.port}", "serve 127.0.0.1:24003"),
        ("curl ${services.my-api.url}/v1", "curl http://127.0.0.1:24002/v1"),
        ("me on ${services.x.port}", "me on 24005"),
        (
            "${HOME} ${X:-y} ${services} $$ ${X#${services.db.port}}",
            "${HOME} ${X:-y} ${services} $$ ${X#24003}",
        ),
        ("${PORT}", "${PORT}"),
        ("$${services.db.port}", "${services.db.port}"),
    ],
)
def test_services_are_named_in_commands_and_the_rest_is_the_shells(
    written: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PORTS, "x", 24005)
    line = shop(f"[services.x]\ncommand = '{written}'").definitions["x"].spec.command
    words = shop(f"[services.x]\ncommand = ['sh', '-c', '{written}']").definitions["x"].spec.command

    assert (line, words) == (meant, ("sh", "-c", meant))


def test_a_command_in_a_container_names_others_as_their_network_does() -> None:
    command = "${services.db.host}:${services.db.port} ${services.web.host}:${services.web.port}"
    project = shop(f'[services.cms]\nimage = "cms"\ncommand = ["at", "{command}"]')

    assert project.definitions["cms"].spec.command == ("at", "db:5432 host.docker.internal:24001")


def test_a_command_with_another_port_is_another_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    more = "[services.x]\ncommand = 'x ${services.db.port}'"
    before = shop(more).definitions
    monkeypatch.setitem(PORTS, "db", 25000)
    after = shop(more).definitions

    assert before["x"] != after["x"]
    assert before["jobs"] == after["jobs"]


def test_the_port_inside_of_another_container_has_to_be_named_for_a_command_too() -> None:
    assert refused('[services.cms]\nimage = "cms"\ncommand = "x ${services.admin.url}"') == [
        'locald.toml:18: services.cms.command: ${services.admin.url}: the port of "admin" is unknown\n'
        'hint: set `container_port` of "admin"'
    ]


def refused(more: str, **options: dict[str, str]) -> list[str]:
    with pytest.raises(Refused) as refusal:
        shop(more, **options)  # type: ignore[arg-type]
    return [str(problem) for problem in refusal.value.problems]


def test_a_variable_that_is_not_set_is_an_error_with_its_line() -> None:
    assert refused('[services.x]\ncommand = "x"\n[services.x.env]\nA = "${NO}"\nB = "${NIL}"') == [
        f"locald.toml:{line}: services.x.env.{key}: ${{{name}}} is not set\n"
        f"hint: set {name} in the shell, or write ${{{name}:-default}}"
        for line, key, name in ((19, "A", "NO"), (20, "B", "NIL"))
    ]


def test_a_port_inside_that_only_the_image_knows_has_to_be_named() -> None:
    assert refused('[services.cms]\nimage = "cms"\nenv = { V = "${services.admin.port}" }') == [
        'locald.toml:18: services.cms.env.V: ${services.admin.port}: the port of "admin" is unknown\n'
        'hint: set `container_port` of "admin"'
    ]


def test_what_is_of_the_proxy_is_left_for_the_run_to_be_told() -> None:
    text = '[services.a]\ncommand = "a ${locald.ca}"\nenv = { W = "${services.admin.https_url}x" }'
    admin = '[services.admin]\ncommand = "b"\n'
    spec = config.parse(f'[project]\nname = "shop"\n{text}\n{admin}')
    definition = resolve(spec, "/shop", {"a": 1, "admin": 2}, {}, {}).definitions["a"]
    assert definition.env["W"] == "${services.admin.https_url}x"
    assert whereabouts.is_by_name(definition)
    others = resolve(spec, "/shop", {"a": 1, "admin": 2}, {}, {}).definitions.values()
    told = env.ByName({"admin": "https://admin.shop.localhost:7443/"}, "/ca.crt")
    filled = whereabouts.filled(definition, others, {"admin": 2}, {}, told)
    assert (filled.spec.command, filled.env["W"]) == ("a /ca.crt", "https://admin.shop.localhost:7443/x")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("${locald.cert}", '${locald.cert}: unknown "cert"'),
        ("${services.admin.http_url}", '${services.admin.http_url}: unknown "http_url"'),
    ],
)
def test_a_fact_that_is_none_is_named(written: str, said: str) -> None:
    (problem,) = refused(f'[services.a]\ncommand = "x"\nenv = {{ V = "{written}" }}')
    assert said in problem
    assert "hint: " in problem


@given(st.text(st.sampled_from("${}:-a.services")))
def test_any_text_is_filled_or_refused_and_without_braces_it_stays(text: str) -> None:
    class Nothing:
        def fact(self, wanted: template.ServiceFact) -> str:
            return str(wanted)

        def variable(self, wanted: template.Variable) -> str:
            return wanted.default or ""

    try:
        filled = template.fill(text, Nothing())
    except Bad:
        assert "${" in text
    else:
        assert "${" in text or filled == text


# Env files.


def test_an_env_file_is_read_as_others_read_it() -> None:
    text = "# comment\nA=1\nexport B='two words' # x\n\nC=\"line\\nline\"\nD\nE=\nF=${A}\n"

    assert env.parse(text) == {"A": "1", "B": "two words", "C": "line\nline", "E": "", "F": "${A}"}


def test_every_bad_line_of_an_env_file_is_named() -> None:
    with pytest.raises(Refused) as refusal:
        env.parse("A=1\n\n\n'b\nB=\"open\nC=2\n=3\n", "conf/.env")

    assert [problem.where for problem in refusal.value.problems] == [
        "conf/.env:4",
        "conf/.env:5",
        "conf/.env:7",
    ]


def test_env_files_refer_to_the_shell_and_to_what_stands_above() -> None:
    files = {"a": {"HOST": "file", "URL": "${SCHEME:-http}://${HOST}/${NONE}"}, "b": {"FULL": "${URL}x"}}
    more = '[services.x]\ncommand = "x"\nenv_file = ["a", "b"]'

    assert shop(more, env_files=files).definitions["x"].env_files["FULL"] == "http://file/x"
    shell = {"HOST": "shell"}
    assert shop(more, env_files=files, shell=shell).definitions["x"].env_files["URL"] == "http://shell/"


def test_later_env_files_go_over_earlier_ones() -> None:
    files = {".env": {"A": "1", "B": "1"}, ".env.local": {"B": "2"}}
    project = shop('[services.x]\ncommand = "x"\nenv_file = [".env", ".env.local"]', env_files=files)

    assert project.definitions["x"].env_files == {"A": "1", "B": "2"}


def test_the_default_env_file_may_be_missing_but_not_one_that_is_named() -> None:
    assert shop().definitions["web"].env_files == {}
    assert refused('[services.x]\ncommand = "x"\nenv_file = "x.env"') == [
        "locald.toml:18: services.x.env_file: no such file: x.env\n"
        "hint: create x.env beside locald.toml, or remove it from env_file"
    ]


def test_an_empty_list_means_no_env_file() -> None:
    project = shop('[services.x]\ncommand = "x"\nenv_file = []', env_files={".env": {"A": "1"}})

    assert project.definitions["x"].env_files == {}
    assert project.definitions["web"].env_files == {"A": "1"}


def test_each_env_file_has_to_be_read_once() -> None:
    more = (
        '[services.x]\ncommand = "x"\nenv_file = ["a", ".env"]\n[services.y]\ncommand = "y"\nenv_file = "a"'
    )

    assert env_file_paths(config.parse(SHOP + more)) == (".env", "a")


def test_ports_belong_to_what_has_one() -> None:
    definitions = shop().definitions

    assert {name: each.port for name, each in definitions.items()} == PORTS | {"jobs": None}
