"""The same file on another engine: what becomes of each service, and what is refused before anything runs."""

from __future__ import annotations

import pytest

from locald.domain.export.losses import lost_on
from locald.domain.project import config, env
from locald.domain.project.placing import placed
from locald.domain.project.resolving import resolve
from locald.domain.project.spec import Engine, ProjectSpec, Type
from locald.domain.project.texts import Texts
from locald.domain.values.problem import Refused

HEAD = '[project]\nname = "shop"\n'
SHOP = (
    HEAD
    + """
[services.db]
image = "postgres:16"
container_port = 5432
volumes = ["data:/var/lib/postgresql/data", "./init:/init"]
[services.web]
command = "serve --db ${services.db.host}:${services.db.port}"
depends_on = ["db"]
[services.mail]
type = "worker"
command = "mail"
[services.seed]
type = "task"
command = "seed"
"""
)
IMAGES = {"web": "shop/web:1", "mail": "shop/mail:1", "seed": "shop/seed:1"}


def shop(text: str = SHOP, images: dict[str, str] = IMAGES) -> ProjectSpec:
    return placed(config.parse(text), Engine.SWARM, images)


def refused(text: str, images: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(Refused) as refusal:
        shop(text, images or {})
    return [f"{each.where}: {each.what} ({each.hint})" for each in refusal.value.problems]


def test_on_this_machine_nothing_changes() -> None:
    spec = config.parse(SHOP)
    assert placed(spec, Engine.LOCAL, {}) == spec


def test_each_process_without_an_image_is_named_before_anything_is_created() -> None:
    assert refused(SHOP, {"mail": "shop/mail:1"}) == [
        "locald.toml: services.web: web is a process without an image, which a swarm cannot run"
        " (build one that its nodes can pull, then add --image web=REF)",
        "locald.toml: services.seed: seed is a process without an image, which a swarm cannot run"
        " (build one that its nodes can pull, then add --image seed=REF)",
    ]


def test_a_process_with_an_image_is_a_container_and_workers_and_tasks_stay_what_they_are() -> None:
    services = shop().services
    assert (services["web"].type, services["web"].container_port) == (Type.CONTAINER, 8080)
    assert (services["mail"].type, services["seed"].type) == (Type.WORKER, Type.TASK)
    assert all(each.in_container for each in services.values())


def test_addresses_are_those_between_containers_and_the_shell_is_not_there() -> None:
    project = resolve(shop(), "/shop", {"db": 24001, "web": 24002}, {}, {"HOME": "/me"})
    assert project.definitions["web"].spec.command == "serve --db db:5432"
    found, _ = env.compose(project.definitions["seed"], {"HOME": "/me"}, project.definitions)
    assert found == {
        "LOCALD_PROJECT": "shop",
        "LOCALD_INSTANCE": "",
        "LOCALD_SERVICE": "seed",
        "PORT_DB": "5432",
        "PORT_WEB": "8080",
    }
    assert {each.engine for each in project.definitions.values()} == {Engine.SWARM}


@pytest.mark.parametrize(
    ("images", "told"),
    [
        ({"wbe": "x:1"}, "--image wbe: no such service: wbe (name one of db)"),
        ({"db": "x:1"}, "--image db: db has an image in the file (set `image` in locald.local.toml)"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(images: dict[str, str], told: str) -> None:
    assert refused(HEAD + '[services.db]\nimage = "postgres:16"\n', images) == [told]


def test_images_are_for_engines_of_containers() -> None:
    with pytest.raises(Refused, match="the engine local runs processes as they are"):
        placed(config.parse(SHOP), Engine.LOCAL, IMAGES)


def test_what_a_container_elsewhere_cannot_have_is_refused() -> None:
    text = HEAD + '[services.web]\ncommand = "x"\nhealth_check = { type = "notify" }\nstdin = "terminal"\n'
    assert refused(text, {"web": "w:1"}) == [
        "locald.toml: services.web.health_check: READY=1, which web is to say, does not leave a container"
        " (set another `health_check` in locald.local.toml)",
        "locald.toml: services.web.stdin: web has a terminal as its input, which a swarm cannot give it"
        ' (set stdin = "empty" in locald.local.toml)',
    ]


def test_what_is_shared_is_each_instances_own() -> None:
    text = HEAD + '[services.db]\nimage = "postgres:16"\nshared = true\n'
    assert not shop(text, {}).services["db"].shared


def test_what_a_swarm_has_no_word_for_is_told() -> None:
    assert [(each.key, each.because) for each in lost_on(Engine.SWARM, shop().services["db"])] == [
        ("port", "published on every address of its node, not on 127.0.0.1 only"),
        ("volumes", "data is a volume of its node: another node does not have it"),
        ("volumes", "./init has to exist on the node that runs it: another node does not have it"),
    ]
    assert lost_on(Engine.LOCAL, shop().services["db"]) == []


def test_a_check_is_told_to_be_a_command_in_the_container() -> None:
    text = HEAD + '[services.web]\nimage = "w:1"\ncontainer_port = 80\nhealth_check = { type = "http" }\n'
    told = [each.because for each in lost_on(Engine.SWARM, shop(text, {}).services["web"])]
    assert told[1:] == [
        "needs `wget` in the image",
        "when it fails later, the swarm kills the container and starts another",
    ]


def test_the_engine_of_a_project_is_one_users_to_set() -> None:
    local = '[project]\nengine = "swarm"\n'
    assert config.parse(Texts(SHOP, local)).engine is Engine.SWARM
    with pytest.raises(Refused, match="belongs in locald"):
        config.parse(SHOP.replace('name = "shop"', 'name = "shop"\nengine = "swarm"'))
    with pytest.raises(Refused, match="engine"):
        config.parse(Texts(SHOP, '[project]\nengine = "swrm"\n'))


# systemd: processes on this machine.


def test_on_systemd_processes_are_units_and_containers_stay_with_the_engine_of_this_machine() -> None:
    spec = placed(config.parse(SHOP), Engine.SYSTEMD, {})
    project = resolve(spec, "/shop", {"db": 24001, "web": 24002}, {}, {"HOME": "/me"})
    engines = {name: each.engine for name, each in project.definitions.items()}
    assert engines.pop("db") is Engine.LOCAL
    assert set(engines.values()) == {Engine.SYSTEMD}
    assert project.definitions["web"].spec.command == "serve --db 127.0.0.1:24001"
    assert project.definitions["web"].spec.type is Type.EXEC


def test_systemd_takes_a_check_for_ready_and_what_is_shared_but_no_terminal_and_no_images() -> None:
    text = HEAD + '[services.web]\ncommand = "x"\nhealth_check = { type = "notify" }\nshared = true\n'
    assert placed(config.parse(text), Engine.SYSTEMD, {}).services["web"].shared
    with pytest.raises(Refused, match="web has a terminal as its input, which systemd cannot give it"):
        placed(config.parse(f'{text}stdin = "terminal"\n'), Engine.SYSTEMD, {})
    with pytest.raises(Refused, match="the engine systemd runs processes as they are"):
        placed(config.parse(text), Engine.SYSTEMD, {"web": "w:1"})


def test_what_systemd_has_no_word_for_is_told() -> None:
    spec = config.parse(HEAD + '[services.web]\ncommand = "x"\nstdin = "open"\nwatchdog = "5s"\n')
    lost = [(each.key, each.because) for each in lost_on(Engine.SYSTEMD, spec.services["web"])]
    assert lost == [("stdin", "standard input is at its end at once")]
