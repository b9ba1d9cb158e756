"""A project written for other engines: what is written, word for word, and what is told to be lost.

The files in `golden/` are what `golden/locald.toml` becomes. To write them again after a change that is
meant, run this file as a program, and read the difference.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import compose_spec
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from locald.domain.export import compose, kubernetes, systemd
from locald.domain.export.plan import Learned, Loss, Outside, Plan, make
from locald.domain.project import config
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    Writer = Callable[[Plan], tuple[dict[str, str], list[Loss]]]

GOLDEN = Path(__file__).parent / "golden"
LEARNED = {
    "cache": Learned(24001, "protocol", "redis", 0.4),
    "mail": Learned(24002, "explicit", "notify", 0.2),
}
IMAGES = {name: f"shop/{name}:1" for name in ("migrate", "api", "worker", "mail")}
WRITERS: dict[str, Writer] = {
    "compose": compose.write,
    "systemd": systemd.write,
    "kubernetes": kubernetes.write,
}


def written(name: str) -> tuple[dict[str, str], list[Loss]]:
    spec = config.parse((GOLDEN / "locald.toml").read_text())
    shell = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    images = {} if name == "systemd" else IMAGES
    outside = Outside("/srv/shop", {".env": {"FROM_FILE": "1"}}, shell, LEARNED, images)
    return WRITERS[name](make(spec, outside))


def one(
    name: str, services: str, *, learned: dict[str, Learned] | None = None, **images: str
) -> tuple[str, list[str]]:
    """The text of all files of a small project, and its losses as `key: because`."""
    spec = config.parse(f'[project]\nname = "shop"\n{services}')
    outside = Outside("/srv/shop", {}, {"HOME": "/home/x"}, learned or {}, images)
    files, losses = WRITERS[name](make(spec, outside))
    return "".join(files.values()), [f"{loss.key}: {loss.because}" for loss in losses]


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_what_it_was(name: str) -> None:
    files, losses = written(name)
    told = "".join(f"{loss.service}: {loss.key}: {loss.because}\n" for loss in losses)
    kept = {path.name: path.read_text() for path in (GOLDEN / name).iterdir()}
    assert files | {"losses.txt": told} == kept


@pytest.mark.parametrize("name", WRITERS)
def test_each_loss_stands_as_a_comment_beside_its_line(name: str) -> None:
    files, losses = written(name)
    text = "".join(files.values())
    for loss in losses:
        assert f"# {loss.key}: {loss.because}\n" in text, loss


# By the readers of the formats.


def test_the_compose_file_is_one_by_the_specification() -> None:
    text = written("compose")[0]["compose.yaml"]
    # `on-failure:5` is in the specification, but not in this reader of it.
    found = compose_spec.PyCompose.from_yaml(re.sub("on-failure:[0-9]+", "on-failure", text))
    assert sorted(found.service_names()) == ["api", "cache", "db", "mail", "migrate", "worker"]
    assert yaml.safe_load(text)["services"]["api"]["environment"]["T"] == "é\t'\"%\\"


def test_the_objects_are_valid_by_the_schema_of_kubernetes() -> None:
    documents = list(yaml.safe_load_all(written("kubernetes")[0]["kubernetes.yaml"]))
    for document in documents:
        kubernetes_validate.validate(document, "1.37", strict=True)
    kinds = [document["kind"] for document in documents]
    assert (kinds.count("Deployment"), kinds.count("Job"), kinds.count("Service")) == (5, 1, 4)
    assert not any("livenessProbe" in str(document) for document in documents)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_no_fault_with_its_units(tmp_path: Path) -> None:
    spec = config.parse(
        '[project]\nname = "shop"\n[services.web]\ncommand = ["sleep", "5%d $HOME \\"q\\" é"]\nport = 18000\n'
        'env = { A = "1 % \\\\ $B" }\nwatchdog = "1m30s"\nstart_timeout = "500ms"\nstop_signal = "SIGINT"\n'
        'depends_on = ["seed"]\nhealth_check = { type = "http", status = [200] }\n'
        '[services.seed]\ntype = "task"\ncommand = "true"\n'
        '[services.job]\ntype = "worker"\ncommand = "sleep 1"\ndepends_on = { web = "started" }\n'
    )
    files, _ = systemd.write(make(spec, Outside("/tmp", {}, {"PATH": "/bin"}, {}, {})))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / name) for name in files]
    done = subprocess.run(
        ["systemd-analyze", "verify", *paths], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


# What is not written.


@pytest.mark.parametrize("name", ["compose", "kubernetes"])
def test_a_process_without_an_image_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="web is a process without an image"):
        one(name, '[services.web]\ncommand = "x"')
    assert "image: shop/web:1" in one(name, '[services.web]\ncommand = "x"', web="shop/web:1")[0]


def test_an_image_of_no_service_is_refused() -> None:
    with pytest.raises(Refused, match="no such service: wbe"):
        one("compose", '[services.web]\ncommand = "x"', wbe="x")


def test_a_unit_of_systemd_needs_a_port_that_is_known() -> None:
    with pytest.raises(Refused, match="its port is not known"):
        one("systemd", '[services.web]\ncommand = "x"')
    text, losses = one("systemd", '[services.web]\ncommand = "x"', learned={"web": Learned(24003, "tcp")})
    assert 'Environment="PORT=24003"' in text
    assert "port: fixed: 24003 is the port that locald assigned" in losses
    assert "health_check: was not in the file: it was healthy by tcp" in losses


def test_kubernetes_takes_no_folder_of_this_machine() -> None:
    with pytest.raises(Refused, match=r"\./data:/data is a file or folder of this machine"):
        one("kubernetes", '[services.db]\nimage = "x"\nvolumes = ["./data:/data"]')


def test_a_variable_that_is_not_set_is_refused_where_it_has_to_be_filled_in() -> None:
    service = '[services.db]\nimage = "x"\ncontainer_port = 1\nenv = { A = "${NOT_SET}" }'
    assert 'A: "${NOT_SET:?}"' in one("compose", service)[0]
    with pytest.raises(Refused, match=r"\$\{NOT_SET\} is not set"):
        one("kubernetes", service)


# Meanings.


def test_what_was_learned_is_used_and_named() -> None:
    service = '[services.db]\nimage = "postgres"\ncontainer_port = 5432'
    text, losses = one("compose", service, learned={"db": Learned(24004, "protocol", "postgres", 1.62)})
    assert losses[2].endswith("no limit as start_timeout is, and it was ready after 1.6s here"), losses
    assert "pg_isready -h 127.0.0.1 -p 5432" in text
    assert '"127.0.0.1:24004:5432"' in text
    assert "healthcheck: was not in the file: it was healthy by protocol (postgres)" in losses
    assert "ports: fixed: 24004 is the port that locald assigned" in losses


def test_an_image_s_own_check_is_left_to_the_engine_or_said_to_be_ignored() -> None:
    service = (
        '[services.db]\nimage = "x"\ncontainer_port = 1\n[services.web]\nimage = "y"\ndepends_on = ["db"]'
    )
    learned = {"db": Learned(24005, "docker")}
    text, _ = one("compose", service, learned=learned)
    assert "healthcheck" not in text.split("web:")[0]
    assert "condition: service_healthy" in text
    _, losses = one("kubernetes", service, learned=learned)
    assert any("the image's HEALTHCHECK is ignored by Kubernetes" in each for each in losses)


def test_who_waits_for_what_cannot_be_asked_waits_for_its_start_and_that_is_told() -> None:
    services = '[services.db]\nimage = "x"\n[services.web]\nimage = "y"\ndepends_on = ["db"]'
    text, losses = one("compose", services)
    assert "condition: service_started" in text
    assert "depends_on: waits until db has started: it has no check that compose could make" in losses


def test_ready_by_notify_is_exact_for_systemd_and_lost_for_the_others() -> None:
    service = '[services.web]\ncommand = "x"\nport = 18001\nhealth_check = { type = "notify" }'
    text, losses = one("systemd", service)
    assert "Type=notify\nNotifyAccess=all\n" in text
    assert not any("health_check" in each for each in losses)
    for name in ("compose", "kubernetes"):
        lost = one(name, service, web="x")[1]
        assert any("a check of type notify is lost" in each for each in lost)


def test_a_project_that_a_format_expresses_wholly_has_no_losses() -> None:
    service = '[services.db]\nimage = "x"\ncontainer_port = 80\nport = 8080\nrestart = "no"\n'
    assert one("compose", f'{service}health_check = {{ type = "none" }}')[1] == []
    assert one("compose", f'{service}health_check = "true"')[1] == [
        "healthcheck: start_period is a grace, and no limit as start_timeout is"
    ]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    "key", ['watch = ["*.py"]', "on_demand = true", "shared = true", 'domains = ["a.localhost"]']
)
def test_what_only_locald_has_a_word_for_is_told(name: str, key: str) -> None:
    service = f'[services.web]\ncommand = "x"\nport = 18003\n{key}'
    losses = (one(name, service) if name == "systemd" else one(name, service, web="x"))[1]
    assert any(each.startswith(f"{key.split()[0]}: ") for each in losses)


@pytest.mark.parametrize(
    "key", ['watch = ["src"]', "shared = true", 'domains = ["a.test"]', "on_demand = true"]
)
def test_it_is_told_of_containers_of_systemd_too(key: str) -> None:
    losses = one("systemd", f'[services.db]\nimage = "x"\ncontainer_port = 1\nport = 18003\n{key}')[1]
    assert any(each.startswith(f"{key.split()[0]}: ") for each in losses)


@pytest.mark.parametrize("name", WRITERS)
def test_standard_input_that_stays_open_is_told_to_be_lost(name: str) -> None:
    service = '[services.web]\ncommand = "x"\nport = 18003\nstdin = "open"'
    losses = (one(name, service) if name == "systemd" else one(name, service, web="x"))[1]
    assert "stdin: standard input is at its end at once" in losses


def test_what_a_job_loses_of_its_restarts_is_told() -> None:
    text, losses = one(
        "kubernetes", '[services.it]\ntype = "task"\ncommand = "do"\nrestart = "on-failure"', it="x:1"
    )
    assert "backoffLimit: 5" in text
    assert "restart: 5 times in total, not within a minute, up to six minutes apart" in losses
    _, losses = one("kubernetes", '[services.it]\ntype = "task"\ncommand = "do"', it="x:1")
    assert not [each for each in losses if each.startswith("restart")]


def test_who_needs_another_service_goes_with_it_in_systemd() -> None:
    services = (
        '[services.db]\ntype = "worker"\ncommand = "a"\n[services.seed]\ntype = "task"\ncommand = "b"\n'
        'depends_on = ["db"]\n[services.web]\ntype = "worker"\ncommand = "c"\ndepends_on = ["db", "seed"]\n'
    )
    told = [each for each in one("systemd", services)[1] if each.startswith("depends_on")]
    assert told == [
        "depends_on: carried out again with db, also after a failure of that",
        "depends_on: stopped and started again with db, also after a failure of that",
    ]


def test_a_task_that_is_started_by_name_is_a_suspended_job() -> None:
    task = '[services.seed]\ntype = "task"\ncommand = "x"\nautostart = false'
    text = one("kubernetes", task, seed="x")[0]
    document = yaml.safe_load(text)
    kubernetes_validate.validate(document, "1.37", strict=True)
    assert document["spec"]["suspend"] is True


def test_the_mode_of_killing_is_systemd_s_own() -> None:
    service = '[services.web]\ncommand = "x"\nport = 18003\nkill_mode = "mixed"'
    assert "KillMode=mixed\n" in one("systemd", service)[0]


def test_a_dollar_sign_stays_one() -> None:
    service = (
        '[services.a]\ncommand = ["echo", "$x $(y) 100%"]\nport = 18002\nhealth_check = { type = "none" }'
    )
    assert '"echo" "$$x $$(y) 100%%"' in one("systemd", service)[0]
    assert "$$x $$(y)" in one("compose", service, a="x")[0]
    assert "$x $$(y)" in one("kubernetes", service, a="x")[0]


def _write_again() -> None:
    for name in WRITERS:
        files, losses = written(name)
        told: dict[str, Any] = {"losses.txt": "".join(f"{x.service}: {x.key}: {x.because}\n" for x in losses)}
        shutil.rmtree(GOLDEN / name, ignore_errors=True)
        (GOLDEN / name).mkdir()
        for path, text in (files | told).items():
            (GOLDEN / name / path).write_text(text)


if __name__ == "__main__":
    _write_again()
