"""Compose files: each key is carried over, or the report says what became of it."""

from __future__ import annotations

import pytest

from domain.intake.files import plan, refused, remarks, services, spec
from locald.domain.project.spec import (
    CommandCheck,
    Condition,
    NoCheck,
    RestartPolicy,
    ServiceSpec,
    TcpCheck,
    Type,
)


def compose(text: str) -> dict[str, str]:
    return {"compose.yaml": text}


def one(keys: str, *, rest: str = "", **env: str) -> ServiceSpec:
    """The service of a file that has one, `db`, with these keys on lines of their own."""
    return services(compose(of_one(keys, rest)), **env)["db"]


def of_one(keys: str, rest: str = "") -> str:
    lines = "".join(f"    {line}\n" for line in keys.splitlines())
    return f"services:\n  db:\n    image: postgres:16\n{lines}{rest}"


def left(keys: str, rest: str = "") -> list[str]:
    return remarks(compose(of_one(keys, rest)), "left")


def guessed(keys: str, rest: str = "", **env: str) -> list[str]:
    found = remarks(compose(of_one(keys, rest)), "guessed", **env)
    return [each for each in found if not each.startswith(": restart")]


# Ports.


@pytest.mark.parametrize(
    ("notation", "inside", "published"),
    [
        ('"80"', 80, None),
        ("80", 80, None),
        ('"8080:80"', 80, 8080),
        ("8080:80", 80, 8080),
        ("22:22", 22, 22),
        ('"127.0.0.1:8080:80"', 80, 8080),
        ('"127.0.0.1::80"', 80, None),
        ('"0.0.0.0:8080:80/tcp"', 80, 8080),
        ('"[::1]:8080:80"', 80, 8080),
        ('"::1:8080:80"', 80, 8080),
        ('"8080-8090:80"', 80, 8080),
        ("{ target: 80 }", 80, None),
        ('{ target: 80, published: "8080", protocol: tcp, mode: host }', 80, 8080),
        ("{ target: 80, published: 8080, host_ip: 127.0.0.1 }", 80, 8080),
        ('"${P:-8080}:80"', 80, 8080),
    ],
)
def test_a_port_is_read_in_every_notation(notation: str, inside: int, published: int | None) -> None:
    service = one(f"ports:\n  - {notation}")
    assert (service.container_port, service.port) == (inside, published)


@pytest.mark.parametrize("notation", ["http", "80:http", "{ published: 80 }", "0", "99999", "[80]"])
def test_what_is_no_port_is_told_and_left(notation: str) -> None:
    assert one(f"ports:\n  - {notation}").container_port is None
    assert any("is not a port" in each for each in left(f"ports:\n  - {notation}"))


def test_the_first_tcp_port_is_the_service_s_and_the_others_are_told() -> None:
    keys = 'ports:\n  - "53:53/udp"\n  - "9000-9002:9000-9002"\n  - "15672:15672"\nexpose:\n  - 7000'
    service = one(keys)
    assert (service.container_port, service.port) == (9000, 9000)
    assert left(keys) == [
        "db: ports: 53/udp: only TCP is published",
        "db: ports: a range: only its first port, 9000, is published",
        "db: ports: 15672, 7000: a service has one port, here 9000",
    ]


def test_a_port_on_all_addresses_is_published_on_this_machine_only_and_that_is_told() -> None:
    """As each port that names no address is; once for the whole file."""
    text = of_one('ports: ["80:80"]', '  web:\n    image: nginx\n    ports: ["8080:8080"]\n')
    told = [each for each in remarks(compose(text), "carried") if "ports" in each]
    assert told == [": ports: published on 127.0.0.1, not on every address"]
    assert remarks(compose(of_one('ports: ["127.0.0.1:80:80", "7000"]')), "carried") == []


def test_a_port_on_another_address_is_published_on_this_machine_only_and_that_is_told() -> None:
    assert left('ports: ["192.168.0.2:80:80"]') == [
        "db: ports: 192.168.0.2: locald publishes on 127.0.0.1 only"
    ]


def test_two_services_cannot_publish_one_port() -> None:
    text = of_one('ports: ["80:80"]', '  web:\n    image: nginx\n    ports: ["80:8080"]\n')
    found = services(compose(text))
    assert (found["db"].port, found["web"].port, found["web"].container_port) == (80, None, 8080)
    assert 'web: port: 80 is the port of "db" already' in remarks(compose(text), "left")


# Commands.


@pytest.mark.parametrize(
    ("written", "command"),
    [
        ("redis-server --save '' --port 1", ("redis-server", "--save", "", "--port", "1")),
        ('["sh", "-c", "echo $$HOME"]', ("sh", "-c", "echo $HOME")),
        ("echo ${WHO:-you}", ("echo", "you")),
    ],
)
def test_a_command_is_run_without_a_shell_as_compose_does(written: str, command: tuple[str, ...]) -> None:
    assert one(f"command: {written}").command == command


def test_an_entrypoint_stands_before_the_command_and_is_a_guess() -> None:
    keys = 'entrypoint: ["/run.sh"]\ncommand: serve'
    assert one(keys).command == ("/run.sh", "serve")
    assert guessed(keys) == [
        "db: command: put before `command`: the image's own entrypoint still runs before it"
    ]


# Variables.


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${A}", "${A:-}"),
        ("$A-x", "${A:-}-x"),
        ("${SET}", "${SET}"),
        ("${A:-x y}", "${A:-x y}"),
        ("${A-x}", "${A:-x}"),
        ("${A:?needed}", "${A}"),
        ("${A:-${SET:-z}}", "set"),
        ("${SET:+yes}", "yes"),
        ("${A:+yes}", ""),
        ("a$$b$${c}", "a$b$${c}"),
        ("1.10", "1.1"),
        ("1.0", "1"),
        ("yes", "yes"),
        ("true", "true"),
        ("0o17", "15"),
        ("12:30:45", "12:30:45"),
        ("~", "${V:-}"),
    ],
)
def test_a_variable_in_the_environment_stays_one(written: str, value: str) -> None:
    assert one(f"environment:\n  V: {written}", SET="set").env["V"] == value


def test_variables_elsewhere_are_filled_in_with_the_shell_s_before_those_of_the_file() -> None:
    files = {"compose.yaml": "services: { db: { image: 'postgres:${TAG}' } }", ".env": "TAG=15\n"}
    assert services(files)["db"].image == "postgres:15"
    assert services(files, TAG="16")["db"].image == "postgres:16"
    guess = "db: image: postgres:${TAG} is postgres:15 now: locald fills in variables in `env` only"
    assert guess in remarks(files, "guessed")


@pytest.mark.parametrize("written", ["${", "${A", "${1}", "${A!x}", "${A:?told}"])
def test_what_is_no_variable_or_missing_is_told(written: str) -> None:
    found = remarks(compose(f"services: {{ db: {{ image: 'postgres:{written}' }} }}"), "left")
    assert found[0].startswith("db: image: "), found
    assert services(compose(f"services: {{ db: {{ image: 'postgres:{written}' }} }}")) == {}


def test_the_env_file_beside_it_reaches_a_container_only_where_its_variables_are_used() -> None:
    """Compose takes variables from `.env` but does not hand the file on."""
    files = compose(of_one("environment:\n  A: ${PW}", "  web:\n    image: nginx\n")) | {".env": "PW=1"}
    found = services(files)
    assert found["db"].env_file is None
    assert found["web"].env_file == ()


def test_the_env_file_beside_it_is_named_once() -> None:
    text = of_one("environment: [A=$X]\nenv_file: [.env, a.env]")
    found = services(compose(text) | {".env": "X=1", "a.env": "Y=1"})["db"]
    assert found.env_file == (".env", "a.env")


def test_env_files_are_taken_in_every_notation_and_a_missing_one_is_told() -> None:
    for written in ("a.env", "[a.env]", "[{path: ./a.env}]", "[{path: a.env, required: false}]"):
        assert services(compose(of_one(f"env_file: {written}")) | {"a.env": "X=1"})["db"].env_file == (
            "a.env",
        )
    assert left("env_file: a.env") == ["db: env_file: there is no a.env: create it, then add it"]
    assert left("env_file: [{path: a.env, required: false}]") == ["db: env_file: there is no a.env"]


@pytest.mark.parametrize("written", ["[A=1, B, C=x=y]", '{ A: "1", B: , C: x=y }'])
def test_the_environment_is_a_list_or_a_table(written: str) -> None:
    assert one(f"environment: {written}").env == {"A": "1", "B": "${B:-}", "C": "x=y"}


@pytest.mark.parametrize(
    ("written", "container_port", "told"),
    [
        ("environment: { PORT: 80, A: b }\nports: ['8080:80']", 80, ""),
        ("environment: { PORT: 3000, A: b }", 3000, "container_port: PORT in its environment names it"),
        (
            "environment: ['PORT=${PORT:-80}', A=b]\nexpose: [80]",
            80,
            "env: PORT: ${PORT:-80} is left out: locald sets it to 80",
        ),
        (
            "environment: ['PORT=${PORT}', A=b]",
            None,
            "env: PORT: ${PORT:-} is left out: locald sets it to the image's port",
        ),
    ],
)
def test_the_port_that_a_container_is_told_is_its_own(
    written: str, container_port: int | None, told: str
) -> None:
    found = one(written)
    assert (found.env, found.container_port) == ({"A": "b"}, container_port)
    guessed = remarks(compose(of_one(written)), "guessed")
    assert [each for each in guessed if "PORT" in each] == ([f"db: {told}"] if told else [])


# Dependencies and health.


def test_conditions_are_carried_and_a_list_waits_until_servers_are_healthy() -> None:
    text = of_one(
        "ports: [5432]",
        "  job: { image: busybox }\n"
        "  web: { image: nginx, depends_on: [db, job] }\n"
        "  api:\n    image: nginx\n    depends_on:\n      db: { condition: service_started }\n"
        "      web: { condition: service_healthy }\n",
    )
    found = services(compose(text))
    assert found["web"].depends_on == {"db": Condition.HEALTHY, "job": Condition.STARTED}
    assert found["api"].depends_on == {"db": Condition.STARTED, "web": Condition.HEALTHY}
    assert "web: depends_on: until db is healthy; compose waits only until it has started" in remarks(
        compose(text), "guessed"
    )


def test_a_container_that_runs_to_completion_is_written_as_a_comment_and_no_one_waits_for_it() -> None:
    text = of_one(
        "",
        "  migrate: { image: app }\n"
        "  web: { image: nginx, depends_on: { migrate: { condition: service_completed_successfully } } }\n",
    )
    assert sorted(services(compose(text))) == ["db", "web"]
    assert services(compose(text))["web"].depends_on == {}
    assert "web: depends_on: migrate: it cannot run yet" in remarks(compose(text), "left")


@pytest.mark.parametrize(
    ("test", "command"),
    [
        ("pg_isready -U $${USER:-x}", "pg_isready -U ${USER:-x}"),
        ('["CMD-SHELL", "curl -f localhost || exit 1"]', "curl -f localhost || exit 1"),
        ('["CMD", "mysqladmin", "ping", "-p a"]', "mysqladmin ping '-p a'"),
    ],
)
def test_a_healthcheck_is_a_command(test: str, command: str) -> None:
    service = one(f"healthcheck:\n  test: {test}\n  interval: 1m30s\n  timeout: 500ms\n  retries: 7")
    assert service.health_check is not None
    assert service.health_check.check == CommandCheck(command)
    assert (service.health_check.interval, service.health_check.timeout) == (90.0, 0.5)
    assert service.health_check.retries == 7


def test_a_long_start_period_is_a_longer_start_timeout() -> None:
    assert one("healthcheck: { test: x, start_period: 2m, interval: 10s, retries: 3 }").start_timeout == 150
    assert one("healthcheck: { test: x, start_period: 5s, interval: 1s }").start_timeout == 60


def test_a_healthcheck_that_is_disabled_leaves_the_port_or_nothing() -> None:
    for check in ("{ disable: true }", '{ test: ["NONE"] }'):
        for ports, kind in (("\nports: [80]", TcpCheck()), ("", NoCheck())):
            found = one(f"healthcheck: {check}{ports}").health_check
            assert found is not None
            assert found.check == kind


# The end of a service.


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ('"no"', RestartPolicy.NO),
        ("no", RestartPolicy.NO),
        ("always", RestartPolicy.ALWAYS),
        ("unless-stopped", RestartPolicy.ALWAYS),
        ("on-failure:3", RestartPolicy.ON_FAILURE),
    ],
)
def test_restart_policies(written: str, policy: RestartPolicy) -> None:
    assert one(f"restart: {written}").restart is policy


def test_stop_signal_and_grace() -> None:
    service = one("stop_signal: SIGINT\nstop_grace_period: 1m")
    assert (service.stop_signal, service.stop_timeout) == ("SIGINT", 60.0)
    assert left("stop_signal: SIGNOTHING") == ['db: stop_signal: "SIGNOTHING" is not a signal']


def test_a_profile_is_a_group_whose_services_start_by_name() -> None:
    found = spec(compose(of_one("profiles: [debug, Big One]")))
    assert found.services["db"].autostart is False
    assert found.groups == {"debug": ("db",), "big-one": ("db",)}


# Volumes, secrets.


def test_volumes_in_every_notation() -> None:
    keys = (
        "volumes:\n  - data:/var/lib\n  - ./a:/a:ro,z\n  - /abs:/b\n  - ../up:/c\n  - ext:/e\n"
        "  - /anonymous\n"
        "  - { type: bind, source: ./f, target: /f, read_only: true }\n  - { type: tmpfs, target: /t }"
    )
    rest = "volumes: { data: , ext: { external: true, name: theirs } }\n"
    assert one(keys, rest=rest).volumes == (
        "data:/var/lib",
        "./a:/a:ro,z",
        "/abs:/b",
        "../up:/c",
        "external:theirs:/e",
        "./f:/f:ro",
    )
    assert left(keys, rest) == [
        "db: volumes: /anonymous without a name: what is in it is gone when the container is removed",
        "db: volumes: /t: only folders and volumes are mounted, not tmpfs",
    ]


def test_secrets_that_are_files_are_mounted() -> None:
    rest = "secrets: { tok: { file: ./tok }, out: { external: true } }\n"
    assert one("secrets: [tok, out]", rest=rest).volumes == ("./tok:/run/secrets/tok:ro",)
    assert left("secrets: [tok, out]", rest) == ["db: secrets: out: only one that is a file can be mounted"]


# What cannot be carried.


def test_a_build_is_said_to_be_missing_and_the_service_stands_there_as_a_comment() -> None:
    files = compose("services: { web: { build: { context: ./web }, ports: ['80:80'] } }")
    made = plan(files)
    assert made.present == ()
    assert "its image is built from ./web, and locald builds none" in made.services[0].missing
    assert 'set image = "shop-web"' in made.services[0].missing


def test_an_image_that_is_also_built_is_carried_with_a_word() -> None:
    assert left("build: .") == ["db: build: locald does not build it: run `docker compose build db` first"]


def test_every_other_key_is_left_with_a_reason_and_a_line() -> None:
    files = compose(of_one("privileged: true\nuser: root\nsomething: 1\nx-mine: 2\ncontainer_name: db"))
    found = [each for each in plan(files).remarks if each.outcome == "left"]
    assert [(each.key, each.where) for each in found] == [
        ("privileged", "compose.yaml:4"),
        ("user", "compose.yaml:5"),
        ("something", "compose.yaml:6"),
    ]


def test_other_names_of_a_container_are_told_for_it_is_found_by_that_of_its_service() -> None:
    by_service = "a container is found by the name of its service"
    assert left("container_name: shop-db") == [f"db: container_name: {by_service}"]
    assert left("networks: { back: { aliases: [store, pg.local] }, front: }") == [
        f"db: networks: store, pg.local: {by_service}"
    ]
    assert left("networks: [back]") == left("networks: { back: { ipv4_address: 10.0.0.5 } }") == []
    assert left('links: ["cache:redis", other]') == [
        "db: links: redis: cache is found by its own name",
        "db: links: services of a project find each other by name already",
    ]


def test_a_network_that_others_have_too_is_told() -> None:
    files = compose(of_one("networks: [front]") + "\nnetworks: { front: { external: true }, back: {} }")
    told = ": networks: front: the containers of a project share a network of their own"
    assert remarks(files, "left") == [told]


def test_a_name_that_is_no_label_is_changed_also_where_it_is_a_host() -> None:
    text = (
        "services: { My_DB: { image: a }, web: { image: b, environment: [U=pg://My_DB:1/x, V=a.My_DB:1] } }"
    )
    found = services(compose(text))
    assert found["web"].env == {"U": "pg://my-db:1/x", "V": "a.My_DB:1"}


# Several files.


def test_an_override_is_merged_by_the_rules_of_compose() -> None:
    files = {
        "docker-compose.yml": of_one(
            'command: [a, b]\nports: ["80:80"]\nenvironment: [A=1, B=2]\nvolumes: ["./x:/d", "./y:/e"]\n'
            "depends_on: [web]",
            "  web: { image: nginx }\n",
        ),
        "docker-compose.override.yml": (
            "services:\n  db:\n    command: [c]\n    ports: !override ['81:80']\n"
            "    environment: { B: 3, C: 4 }\n"
            "    volumes: ['./z:/d']\n    depends_on: !reset null\n  more: { image: redis }\n"
        ),
    }
    found = services(files)
    assert sorted(found) == ["db", "more", "web"]
    db = found["db"]
    assert (db.command, db.port, db.env) == (("c",), 81, {"A": "1", "B": "3", "C": "4"})
    assert (db.volumes, db.depends_on) == (("./y:/e", "./z:/d"), {})
    assert plan(files).sources == ("docker-compose.yml", "docker-compose.override.yml")


def test_extends_takes_from_this_file_and_from_another_folder() -> None:
    files = {
        "compose.yaml": (
            "services:\n  base: { image: nginx, environment: { A: 1, B: 1 } }\n"
            "  web: { extends: base, environment: { B: 2 } }\n"
            "  api: { extends: { file: common/base.yaml, service: api }, command: run }\n"
        ),
        "common/base.yaml": "services: { api: { image: app, volumes: ['./d:/d', 'v:/v'] } }",
    }
    found = services(files)
    assert found["web"].env == {"A": "1", "B": "2"}
    assert (found["api"].image, found["api"].volumes) == ("app", ("./common/d:/d", "v:/v"))


def test_what_is_extended_is_looked_for_before_one_file_is_laid_over_another() -> None:
    files = compose("services: { a: { image: x, environment: { A: '1' } }, b: { extends: a } }")
    files["compose.override.yaml"] = "services: { a: { environment: { A: '2' } } }"
    assert {name: each.env for name, each in services(files).items()} == {"a": {"A": "2"}, "b": {"A": "1"}}
    files["compose.override.yaml"] = "services: { b: { extends: a } }"
    assert refused(files).startswith('compose.override.yaml:1: extends "a"')


def test_included_files_are_read_with_paths_of_their_own_folder() -> None:
    files = compose("include: [more/db.yaml]\nservices: { web: { image: x, depends_on: [db] } }")
    files["more/db.yaml"] = "services: { db: { image: db, ports: ['5:5'], volumes: ['./d:/d', 'v:/v'] } }"
    found = services(files)
    assert found["db"].volumes == ("./more/d:/d", "v:/v")
    assert list(found["web"].depends_on) == ["db"]
    assert plan(files).sources == ("compose.yaml", "more/db.yaml")
    files["more/.env"] = "A=1"
    because = "more/.env: set its variables in the .env beside the first file"
    assert remarks(files, "left") == [f": include: {because}"]
    files["more/db.yaml"] = "services: { web: { image: y } }"
    assert '"web" is also a service of more/db.yaml, which is included' in refused(files)
    files["compose.yaml"] = "include: [oci://x/y, { path: more/db.yaml, env_file: x }]"
    assert remarks(files, "left")[:2] == [
        ": include: oci://x/y: only files of this machine are read",
        ": include: env_file: paths and variables are those of the file",
    ]


def test_a_remark_names_the_file_and_the_line_that_it_is_about() -> None:
    files = compose("include: [more/db.yaml]\nservices:\n  web:\n    image: x\n    cap_add: [A]")
    files["compose.override.yaml"] = "services:\n  web:\n    privileged: true"
    files["more/db.yaml"] = "services:\n\n\n  db:\n    image: db\n    shm_size: 1gb"
    files["base.yaml"] = "services: { base: { image: y, ulimits: { nofile: 5 } } }"
    files["compose.override.yaml"] += "\n  api: { extends: { file: base.yaml, service: base } }"
    told = {remark.key: remark.where for remark in plan(files).remarks if remark.service}
    assert told["cap_add"] == "compose.yaml:5"
    assert told["privileged"] == "compose.override.yaml:3"
    assert told["shm_size"] == "more/db.yaml:6"
    assert told["ulimits"] == "base.yaml:1"


@pytest.mark.parametrize("included", ["compose.yaml", "gone.yaml"])
def test_a_file_that_includes_itself_or_none_is_refused(included: str) -> None:
    assert "include" in refused(compose(f"include: [{included}]\nservices: {{ a: {{ image: x }} }}"))


def test_a_file_in_another_folder_keeps_its_paths() -> None:
    files = {
        "docker/dev.yaml": of_one("volumes: ['./d:/d', '../up:/u']\nenv_file: a.env"),
        "docker/a.env": "A=1",
    }
    db = services(files, "docker/dev.yaml")["db"]
    assert (db.volumes, db.env_file) == (("./docker/d:/d", "./up:/u"), ("docker/a.env",))


def test_anchors_and_merge_keys_are_filled_in() -> None:
    text = (
        "x-base: &base { image: nginx, restart: always }\n"
        "x-more: &more { image: other, stop_signal: SIGINT }\n"
        "services:\n  a: *base\n  b: { <<: [*base, *more], restart: 'no' }\n"
    )
    found = services(compose(text))
    assert (found["a"].image, found["a"].restart) == ("nginx", RestartPolicy.ALWAYS)
    assert (found["b"].image, found["b"].restart, found["b"].stop_signal) == (
        "nginx",
        RestartPolicy.NO,
        "SIGINT",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: [", "compose.yaml:2: is not valid YAML: "),
        ("\tx: 1", "compose.yaml:1: is not valid YAML: "),
        ("just text", "compose.yaml:1: must be a mapping"),
        ("services: 5", 'compose.yaml:1: "services" must be a mapping'),
        ("services: { a: 5 }", 'compose.yaml:1: the service "a" must be a mapping'),
        (
            "services:\n  a: {image: x}\n  a: {image: y}",
            'compose.yaml:3: is not valid YAML: "a" is there already',
        ),
        ("services: {a: {extends: b}, b: {extends: a}}", 'compose.yaml:1: "a" extends itself'),
        ("services: {a: {extends: c}}", 'compose.yaml:1: extends "c", which compose.yaml does not have'),
        (
            "services: {a: {extends: {file: no.yaml, service: c}}}",
            "compose.yaml:1: extends a service of no.yaml",
        ),
        ("services: *nothing", "compose.yaml:1: is not valid YAML: undefined alias: nothing"),
        ("a: &a [*a]", "compose.yaml:1: is not valid YAML: undefined alias: a"),
        ("[" * 100_000, "compose.yaml:1: is not valid YAML: "),
        (
            "services:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 100)),
            "compose.yaml:60: is not valid YAML: ",
        ),
        ("\0", "compose.yaml: is not valid YAML: "),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(text: str, said: str) -> None:
    assert refused(compose(text)).startswith(said), refused(compose(text))


def test_aliases_of_aliases_take_no_more_room_than_they_do_on_disk() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 30))
    service = "services: { a: { image: nginx, command: *l29, ports: *l2, volumes: *l3 } }"
    text = f"l0: &l0 lol\n{levels}{service}\n"
    assert services(compose(text))["a"].image == "nginx"


def test_a_circle_of_dependencies_is_broken_and_told() -> None:
    text = "services: { a: { image: x, depends_on: [b] }, b: { image: y, depends_on: [a] } }"
    assert len([1 for each in services(compose(text)).values() if each.depends_on]) == 1
    assert any("needs" in each for each in remarks(compose(text), "left"))


def test_a_service_is_a_container() -> None:
    assert one("").type is Type.CONTAINER
