"""Compose files in and out, beside Docker Compose itself: it takes what `export` writes, runs it until it is
healthy, and reads what `init` reads in the same way."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from domain.intake.files import plan, refused, services
from engine import images
from locald.domain.project import env, template
from locald.domain.values import toml
from whole import compose_itself
from whole.compose_itself import ask, understood
from whole.harbour import harbour
from whole.machine import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from engine.session import Docker
    from locald.domain.project.template import ServiceFact, Variable
    from whole.machine import Machine

__all__ = ["harbour"]

pytestmark = pytest.mark.skipif(
    not compose_itself.program() and os.environ.get("CI") != "true",
    reason=f"Docker Compose 2 is not installed ({compose_itself.HINT})",
)

SET = {"SET": "s", "EMPTY": "", "OTHER": "o"}
"""the shell"""


# Out.

ODD = "é \t'\"% $HOME ${not} $$ \\ #x: {y}"


def test_an_exported_file_is_valid_by_the_schema_of_compose_and_means_what_was_meant(
    machine: Machine,
) -> None:
    (machine.folder / ".env").write_text("FROM_FILE='a b'\n")
    machine.write(
        f"[services.db]\nimage = 'postgres:16'\ncontainer_port = 5432\nport = 5433\n"
        f"env = {{ ODD = {toml.value(ODD.replace('${', '$${'))}, LEVEL = '${{LEVEL:-info}}' }}\n"
        "volumes = ['data:/var/lib/postgresql/data:ro', './conf:/etc/conf', 'external:old:/old']\n"
        "health_check = { type = 'postgres', interval = '500ms', retries = 5 }\nstart_timeout = '1m30s'\n"
        "max_restarts = 7\nstop_signal = 'SIGINT'\nstop_timeout = '1500ms'\n"
        "[services.seed]\ntype = 'task'\ncommand = ['sh', '-c', 'echo $HOME']\n"
        "depends_on = { db = 'healthy', cache = 'started' }\n"
        "[services.cache]\nimage = 'redis:7'\nrestart = 'always'\nautostart = false\n"
        "[services.web]\ncommand = 'serve --db ${services.db.host}:${services.db.port} --port $PORT'\n"
        "health_check = { type = 'http', path = '/a?b=c&d', headers = { X = \"it's\" } }\n"
        "depends_on = ['seed']\nenv_file = '.env'\nrestart = 'no'\n"
    )
    images = ("--image", "seed=shop/seed:1", "--image", "web=shop/web:1")
    out = machine.folder / "out"
    assert machine.locald("export", "compose", "--lossy", *images, "-o", str(out)).returncode == 0

    found = understood(out)

    db = found["db"]
    assert plain(db["environment"]) == {
        "FROM_FILE": "a b",
        "ODD": ODD,
        "LEVEL": "info",
        "PORT": "5432",
    }
    assert [(each["host_ip"], each["published"], each["target"]) for each in db["ports"]] == [
        ("127.0.0.1", "5433", 5432)
    ]
    assert [(each["type"], each["target"], each.get("read_only", False)) for each in db["volumes"]] == [
        ("volume", "/var/lib/postgresql/data", True),
        ("bind", "/etc/conf", False),
        ("volume", "/old", False),
    ]
    assert db["volumes"][1]["source"] == str(machine.folder / "conf"), "the folder of the project"
    assert (db["restart"], db["stop_signal"], db["stop_grace_period"]) == ("on-failure:7", "SIGINT", "1.5s")
    check = db["healthcheck"]
    assert (check["interval"], check["start_period"], check["retries"]) == ("500ms", "1m30s", 5)
    assert found["cache"]["profiles"] == ["manual"]
    conditions = {name: each["condition"] for name, each in found["seed"]["depends_on"].items()}
    assert conditions == {"db": "service_healthy", "cache": "service_started"}
    web = found["web"]
    assert web["depends_on"]["seed"]["condition"] == "service_completed_successfully"
    assert plain(web["command"]) == ["/bin/sh", "-c", "serve --db db:5432 --port $PORT"]
    assert web["environment"] == {"FROM_FILE": "a b", "PORT": "8080"}


def plain(value: Any) -> Any:
    """What `config` prints is a compose file again, in which a dollar sign is written twice."""
    return json.loads(json.dumps(value).replace("$$", "$"))


@pytest.mark.timeout(180)
def test_compose_brings_an_exported_project_up_until_it_is_healthy(harbour: Machine, docker: Docker) -> None:
    """The order of the dependencies and a task included."""
    port = free_port()
    harbour.write(
        f"[services.store]\nimage = '{images.name('store')}'\ncontainer_port = 6379\n"
        "volumes = ['kept:/data']\n"
        "[services.seed]\ntype = 'task'\ndepends_on = ['store']\n"
        "command = 'echo visits | nc ${services.store.host} ${services.store.port} >/data/seeded'\n"
        f"[services.web]\nimage = '{images.name('http')}'\ncontainer_port = 8080\nport = {port}\n"
        "depends_on = ['seed']\nhealth_check = { type = 'http', interval = '300ms' }\n",
        name=harbour.name,
    )
    out = harbour.folder / "out"
    seed = f"seed={images.name('store')}"
    done = harbour.locald("export", "compose", "--lossy", "--image", seed, "-o", str(out))
    assert done.returncode == 0, done.stderr
    engine = {"DOCKER_HOST": docker.host}
    try:
        up = ask(out, "up", "--detach", "--wait", "--wait-timeout", "100", env=engine)
        assert up.returncode == 0, up.stderr
        shown = ask(out, "ps", "--all", "--format", "json", env=engine).stdout
        rows = {row["Service"]: row for row in map(json.loads, shown.splitlines())}
        assert {name: row["State"] for name, row in rows.items()} == {
            "store": "running",
            "seed": "exited",
            "web": "running",
        }
        assert (rows["seed"]["ExitCode"], rows["web"]["Health"], rows["store"]["Health"]) == (
            0,
            "healthy",
            "healthy",
        )
        inside = docker.api.get(f"/containers/{rows['web']['ID']}/json")
        published = inside["NetworkSettings"]["Ports"]["8080/tcp"]
        assert published == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    finally:
        down = ask(out, "down", "--volumes", "--timeout", "1", env=engine)
    assert down.returncode == 0, down.stderr


# In.

PORTS = (
    '"80"', "3000", '"8080:80"', '"127.0.0.1:8081:80"', '"[::1]:8082:80"', '"::1:8092:80"',
    '"127.0.0.1::80"', '"0.0.0.0:8083:80/tcp"', '"8093:80/TCP"', "22:22", '"9000-9002:9000-9002"',
    '"3000-3002"', '"8085-8090:80"', "{ target: 80 }", "{ target: 80, published: 8095 }",
    '{ target: 80, published: "8096-8099" }', '"${NOT:-8100}:${NOT-80}"',
    '{ target: 80, published: "8091", host_ip: 127.0.0.1, protocol: tcp, mode: host, name: web }',
)  # fmt: skip


def test_ports_are_read_as_compose_reads_them(tmp_path: Path) -> None:
    """The first one, for a service of locald has one; of a range on the machine for one inside, too."""
    rows = "".join(f"  s{i}:\n    image: x\n    ports: [{each}]\n" for i, each in enumerate(PORTS))
    (tmp_path / "compose.yaml").write_text(f"name: x\nservices:\n{rows}")
    theirs = understood(tmp_path)
    for number, notation in enumerate(PORTS):
        first = theirs[f"s{number}"]["ports"][0]
        said = first.get("published", "").partition("-")[0]
        ours = services({"compose.yaml": f"services: {{ s: {{ image: x, ports: [{notation}] }} }}"})["s"]
        assert (ours.container_port, ours.port) == (first["target"], int(said) if said else None), notation


VALUES = (
    "$SET", "${SET}", "${UNSET}", "$SET_x", "$SET-x", "${UNSET:-d}", "${EMPTY:-d}",
    "${UNSET-d}", "${UNSET:-${SET}}", "${UNSET:-${UNSET:-x}}", "${UNSET:-$SET}", "${UNSET:-a$$b}",
    "${UNSET:-}", "${SET:-a:b}", "${SET:+yes}", "${UNSET:+yes}", "${EMPTY:+yes}", "${EMPTY+yes}",
    "${SET:?told}", "${EMPTY?told}", "$$SET", "$${SET}", "a$$b", "$", "$ 5", "$5", "a$", "$-", "%$!",
    "http://${UNSET:-h}:${NOT:-1}/", "${UNSET:-a}b}", '${UNSET:-{"a":1}}', '${SET:-{"a":1}}', "{$SET}",
    "${UNSET:-it's \\\"quoted\\\"}", "$é",
)  # fmt: skip
WRONG = ("${5}", "${}", "${SET", "${SET!}", "${UNSET:?told}", "${UNSET?told}", "${EMPTY:?told}", "${ SET}")


def test_variables_are_filled_in_as_compose_does(tmp_path: Path) -> None:
    rows = "".join(f"      V{i}: {json.dumps(each)}\n" for i, each in enumerate(VALUES))
    text = f"name: x\nservices:\n  s:\n    image: x\n    environment:\n{rows}"
    (tmp_path / "compose.yaml").write_text(text)
    theirs = plain(understood(tmp_path, env=SET)["s"]["environment"])
    ours = services({"compose.yaml": text}, **SET)["s"].env
    for number, written in enumerate(VALUES):
        filled = template.fill(ours[f"V{number}"], Shell())
        assert filled == theirs[f"V{number}"], written


class Shell:
    """The variables of this test for `${…}` of locald."""

    def fact(self, wanted: ServiceFact) -> str:
        raise AssertionError(wanted)

    def variable(self, wanted: Variable) -> str:
        found = SET.get(wanted.name, "")
        return found or wanted.default or ""


@pytest.mark.parametrize("written", WRONG)
def test_what_compose_refuses_is_no_value_here_either(tmp_path: Path, written: str) -> None:
    text = f"name: x\nservices:\n  s:\n    image: {json.dumps(f'x:{written}')}\n"
    (tmp_path / "compose.yaml").write_text(text)
    assert ask(tmp_path, "config", env=SET).returncode != 0
    assert services({"compose.yaml": text}, **SET) == {}
    assert plan({"compose.yaml": text}, **SET).remarks[0].key == "image"


ENV_FILES = (
    "a.env",
    "[a.env]",
    "[./a.env, b.env]",
    "[{ path: a.env }]",
    "[{ path: c.env, required: false }]",
)


@pytest.mark.parametrize("notation", ENV_FILES)
def test_env_files_are_read_as_compose_reads_them(tmp_path: Path, notation: str) -> None:
    text = f"name: x\nservices: {{ s: {{ image: x, env_file: {notation} }} }}"
    files = {
        "compose.yaml": text,
        "a.env": "A=1\nQ=\"two words\"\nexport E='$x'\n# C=3\n\nS = spaced \nD=${Q}-x\n",
        "b.env": "A=2\nB=${A}\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    theirs = plain(understood(tmp_path)["s"].get("environment", {}))
    ours = services(files)["s"].env_file or ()
    assert env.merge([env.parse(files[name], name) for name in ours], {}) == theirs


FEATURES = """
name: x
include: [part/compose.yaml, { path: [part/one.yaml, part/two.yaml] }]
x-common: &common
  image: x:1
  environment: &env
    A: "1"
    B: two
  restart: on-failure:3
services:
  plain:
    <<: *common
  over:
    <<: *common
    image: x:2
    environment:
      <<: *env
      B: three
  several:
    <<: [*common, { stop_signal: SIGINT, image: never }]
  child:
    extends: plain
    environment: { C: "4" }
    restart: !reset null
  other:
    extends: { file: more/base.yaml, service: base }
    ports: !override ["7000:70"]
"""
BASE = """
services:
  base:
    image: base:1
    environment: [FROM=base, KEPT=1]
    env_file: ./base.env
    ports: ["6000:60"]
    volumes: ["./data:/data"]
"""
PART = """
include: [inner/compose.yaml]
services:
  part: { image: part:1, env_file: part.env, secrets: [s], volumes: ["./d:/d"], extends: shared }
  shared: { image: never, environment: { S: "1" } }
secrets: { s: { file: ./s.txt } }
"""
INNER = "services: { inner: { image: inner:1, env_file: inner.env } }"
OVER = """
services:
  plain:
    environment: !override { ONLY: "1" }
    restart: !reset null
  over:
    ports: ["8000:80"]
    environment: !reset null
"""


def test_anchors_merge_keys_extends_and_reset_mean_what_they_mean_to_compose(
    tmp_path: Path,
) -> None:
    files = {
        "compose.yaml": FEATURES,
        "compose.override.yaml": OVER,
        "more/base.yaml": BASE,
        "more/base.env": "Z=1\n",
        "part/compose.yaml": PART,
        "part/part.env": "Z=1\n",
        "part/s.txt": "",
        "part/one.yaml": "services: { both: { image: both:1, ports: ['7100:71'] } }",
        "part/two.yaml": "services: { both: { image: both:2 } }",
        "part/inner/compose.yaml": INNER,
        "part/inner/inner.env": "Z=1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    theirs = understood(tmp_path)
    ours = services(files)
    assert set(ours) == set(theirs)
    for name, found in theirs.items():
        mine = ours[name]
        known = found.get("environment") or {}
        from_file = {"Z": "1"} if mine.env_file else {}
        assert {**from_file, **mine.env} == known, name
        assert mine.image == found["image"], name
        assert mine.stop_signal == found.get("stop_signal", "SIGTERM"), name
        ports = [(each["target"], int(each["published"])) for each in found.get("ports", ())]
        assert ([(mine.container_port, mine.port)] if mine.port else []) == ports, name
    assert ours["other"].volumes == ("./more/data:/data",)
    assert ours["part"].volumes == ("./part/d:/d", "./part/s.txt:/run/secrets/s:ro")


@pytest.mark.parametrize(
    "text",
    [
        "services: [a]",
        "services: { a: { image: x, depends_on: [a] ",
        "services:\n  a:\n    image: x\n   b: 1\n",
        "services: { a: { image: x }, a: { image: y } }",
        "services: { a: { extends: nothing } }",
        "services: { a: { image: *none } }",
        "- a list",
        "just words",
        "services: { a: { <<: 5, image: x } }",
        "\tservices: {}",
        "services: { a: nope }",
    ],
)
def test_what_compose_cannot_read_is_refused_here_too(tmp_path: Path, text: str) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    assert ask(tmp_path, "config").returncode != 0
    assert refused({"compose.yaml": text})
