"""What a file means, and where each value of it comes from."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from locald.domain.project import config
from locald.domain.project.config.checks import PROTOCOLS
from locald.domain.project.spec import (
    CommandCheck,
    Condition,
    HealthCheck,
    HttpCheck,
    LogCheck,
    NoCheck,
    NotifyCheck,
    ProjectSpec,
    ProtocolCheck,
    RestartPolicy,
    ServiceSpec,
    StandardInput,
    TcpCheck,
    Type,
)
from locald.domain.project.texts import Texts
from locald.domain.values import toml

HEAD = '[project]\nname = "shop"\n'
OTHERS = '[services.seed]\ntype = "task"\ncommand = "seed"\n[services.db]\ncommand = "db"\nport = 5432\n'
DB = '[services.db]\ncommand = "db"\n'


def service(lines: str, others: str = "") -> ServiceSpec:
    """The service `web` of a file with these lines in its table, from line 4 on."""
    return config.parse(f"{HEAD}[services.web]\n{lines}\n{others}").services["web"]


def test_the_smallest_service_has_all_the_defaults() -> None:
    spec = config.parse(HEAD + '[services.web]\ncommand = "npm start"')

    assert spec == ProjectSpec(
        name="shop",
        domain="shop.localhost",
        services={"web": ServiceSpec(name="web", type=Type.EXEC, command="npm start")},
    )


def test_every_key_is_taken_over() -> None:
    assert service(
        """
        type = "exec"
        command = ["npm", "start"]
        port = 3000
        env = { A = "1" }
        env_file = ["a.env", "b.env"]
        workdir = "backend"
        depends_on = { db = "started" }
        start_timeout = "1m30s"
        restart = "always"
        max_restarts = 0
        stop_signal = "INT"
        stop_timeout = 0.5
        watchdog = "500ms"
        log_size = "1MiB"
        tty = false
        stdin = "open"
        [services.web.health_check]
        type = "http"
        path = "/health"
        port = 1
        status = [200]
        interval = 1
        timeout = "1m"
        retries = 9
        """,
        DB,
    ) == ServiceSpec(
        name="web",
        type=Type.EXEC,
        command=("npm", "start"),
        port=3000,
        env={"A": "1"},
        env_file=("a.env", "b.env"),
        workdir="backend",
        depends_on={"db": Condition.STARTED},
        health_check=HealthCheck(HttpCheck("/health", 1, (200,)), 1.0, 60.0, 9),
        start_timeout=90.0,
        restart=RestartPolicy.ALWAYS,
        max_restarts=0,
        stop_signal="SIGINT",
        stop_timeout=0.5,
        watchdog=0.5,
        log_size=2**20,
        tty=False,
        stdin=StandardInput.OPEN,
    )


def test_an_image_makes_a_container() -> None:
    spec = service(
        'image = "postgres:16"\ncontainer_port = 5432\nvolumes = ["./data:/data:ro"]\ncommand = ["-v"]'
    )

    assert spec.type is Type.CONTAINER
    assert (spec.image, spec.container_port, spec.volumes) == ("postgres:16", 5432, ("./data:/data:ro",))
    assert spec.command == ("-v",)


def test_a_task_has_defaults_of_its_own() -> None:
    task = service('type = "task"\ncommand = "seed"')

    assert (task.start_timeout, task.restart) == (None, RestartPolicy.NO)


@pytest.mark.parametrize(
    ("written", "check"),
    [
        ('"pg_isready"', CommandCheck("pg_isready")),
        ('{ type = "command", command = "x" }', CommandCheck("x")),
        ('{ type = "http" }', HttpCheck("/", None, ())),
        (
            '{ type = "http", scheme = "https", headers = { Host = "a" } }',
            HttpCheck(scheme="https", headers={"Host": "a"}),
        ),
        ('{ type = "tcp", port = 9 }', TcpCheck(9)),
        *((f'{{ type = "{name}" }}', ProtocolCheck(name)) for name in PROTOCOLS),
        ('{ type = "postgres", port = 5432 }', ProtocolCheck("postgres", 5432)),
        ("{ type = 'log', pattern = 'on port \\d+' }", LogCheck(r"on port \d+")),
        ('{ type = "notify" }', NotifyCheck()),
        ('{ type = "none" }', NoCheck()),
    ],
)
def test_a_check_is_a_command_or_a_table(written: str, check: Any) -> None:
    assert service(f'command = "x"\nhealth_check = {written}').health_check == HealthCheck(check, 5.0, 2.0, 3)


def test_a_list_of_dependencies_waits_for_health() -> None:
    assert service('command = "x"\ndepends_on = ["db"]', DB).depends_on == {"db": Condition.HEALTHY}


def test_one_env_file_may_be_a_string() -> None:
    assert service('command = "x"\nenv_file = "a.env"').env_file == ("a.env",)


def test_the_domain_can_be_chosen_and_a_project_may_be_empty() -> None:
    assert config.parse('project = { name = "a", domain = "a.test" }') == ProjectSpec("a", "a.test", {})


def test_services_stay_in_the_order_of_the_file() -> None:
    text = HEAD + "".join(f'[services.{name}]\ncommand = "x"\n' for name in ("c", "a", "b"))

    assert list(config.parse(text).services) == ["c", "a", "b"]


def test_a_task_may_be_waited_for_in_every_way() -> None:
    for condition in Condition:
        assert service(f'command = "x"\ndepends_on = {{ seed = "{condition}" }}', OTHERS).depends_on == {
            "seed": condition
        }


def test_a_worker_may_be_checked_on_a_port_that_is_named() -> None:
    checked = service('type = "worker"\ncommand = "x"\nhealth_check = { type = "tcp", port = 1 }')

    assert checked.health_check == HealthCheck(TcpCheck(1))


# What comes from where.


def test_every_key_is_described_with_its_line_or_as_a_default() -> None:
    text = HEAD + (
        '[services.web]\ncommand = ["npm", "start"]\nstart_timeout = 90\nenv = { A = "1" }\n'
        'health_check = "true"\ndepends_on = ["db"]\n[services.db]\nimage = "x"\n'
    )
    described = {
        each.key: (each.value, each.source) for each in config.describe(config.parse(text), Texts(text))
    }

    assert described["project.domain"] == ("shop.localhost", "default")
    assert described["services.web.command"] == (["npm", "start"], "locald.toml:4")
    assert described["services.web.start_timeout"] == ("1m30s", "locald.toml:5")
    assert described["services.web.env.A"] == ("1", "locald.toml:6")
    assert described["services.web.health_check.type"] == ("command", "locald.toml:7")
    assert described["services.web.health_check.command"] == ("true", "locald.toml:7")
    assert described["services.web.health_check.interval"] == ("5s", "default")
    assert described["services.web.depends_on.db"] == ("healthy", "locald.toml:8")
    assert described["services.web.log_size"] == ("50MB", "default")
    assert described["services.web.port"] == (None, "default")
    assert described["services.db.type"] == ("container", "default")
    assert "services.db.tty" not in described
    assert "services.web.volumes" not in described


def test_what_is_not_set_is_described_by_what_happens_then() -> None:
    text = HEAD + '[services.web]\ncommand = "x"'
    unset = {
        each.key: each.otherwise
        for each in config.describe(config.parse(text), Texts(text))
        if each.value is None
    }

    keys = ("port", "env_file", "health_check", "watchdog", "watch", "idle_timeout")
    assert unset.keys() == {f"services.web.{key}" for key in keys}
    assert all(unset.values())


@pytest.mark.parametrize(
    "lines",
    [
        'command = "x"',
        'image = "a"\nhealth_check = { type = "http", status = [200] }',
        'type = "task"\ncommand = ["a", ""]',
        'command = "x"\nenv = { "a b" = "\\u007f", A = "${HOME}" }\ndepends_on = { seed = "completed" }',
    ],
)
def test_a_description_read_as_a_file_means_the_same(lines: str) -> None:
    text = f"{HEAD}[services.web]\n{lines}\n{OTHERS}"
    spec = config.parse(text)
    described = config.describe(spec, Texts(text))

    again = "\n".join(
        f"{each.key} = {toml.value(each.value)}" for each in described if each.value is not None
    )

    assert tomllib.loads(again)
    assert config.parse(again) == spec


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('["src"]', {"paths": ["src"], "debounce": "200ms (default)"}),
        ('"src"', {"paths": ["src"], "debounce": "200ms (default)"}),
        (
            '{ paths = ["a", "b"], signal = "HUP", debounce = 1 }',
            {"paths": ["a", "b"], "debounce": "1s", "signal": "SIGHUP"},
        ),
    ],
)
def test_what_is_watched_is_described(written: str, shown: dict[str, object]) -> None:
    text = HEAD + f'[services.web]\ncommand = "x"\nwatch = {written}'
    described = config.describe(config.parse(text), Texts(text))
    found = {
        each.key.rpartition(".")[2]: f"{each.value} (default)" if each.source == "default" else each.value
        for each in described
        if ".watch." in each.key
    }
    assert found == shown
