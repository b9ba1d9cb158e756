"""What is applied to a cluster: by the schema of Kubernetes, and key by key."""

from __future__ import annotations

import base64
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from locald.adapters.containers.create import Order
from locald.adapters.kubernetes import objects
from locald.domain.project import config
from locald.domain.project.names import Key, Run
from locald.domain.project.placing import placed
from locald.domain.project.resolving import resolve
from locald.domain.project.spec import Engine

RUN = Run(Key("shop", "web"), 2)


def made(keys: str, image: str = "", env: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """The objects of a service, by kind; each of them is one by the schema."""
    written = config.parse(f'[project]\nname = "shop"\n[services.web]\n{keys}')
    spec = placed(written, Engine.KUBERNETES, {"web": image} if image else {}, "kind-dev")
    project = resolve(spec, "/srv/shop", {"web": 24001}, {}, {})
    definition = project.definitions["web"]
    assert (definition.context, definition.port) == ("kind-dev", None)
    found = objects.objects(RUN, Order(definition, env or {}, {}, ""), "me")
    for each in found:
        kubernetes_validate.validate(each.body, "1.37", strict=True)
        name = each.body["metadata"]["name"]
        assert each.path[-1] == name
        assert each.body["metadata"]["namespace"] == "locald-shop"
    return {each.body["kind"]: each.body for each in found}


def pod(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    workload = found.get("Deployment") or found["Job"]
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def container(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    (one,) = pod(found)["containers"]
    return dict(one)


def test_a_service_is_a_deployment_of_one_pod_behind_its_name() -> None:
    found = made('image = "nginx:1"\ncontainer_port = 80')
    assert sorted(found) == ["Deployment", "Secret", "Service"]
    assert found["Service"]["spec"]["ports"] == [{"port": 80, "targetPort": 80}]
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"].items() <= labels.items()
    assert objects.run_of(labels) == RUN
    assert container(found)["readinessProbe"]["tcpSocket"] == {"port": 80}
    assert pod(found)["enableServiceLinks"] is False


def test_its_environment_is_in_a_secret_with_its_port_and_whatever_is_in_it() -> None:
    found = made(
        'command = "serve"\nport = 3000', "shop/web:1", {"KEY": "s3cr€t $(PORT)", "BASH_FUNC%%": "x"}
    )
    data = {name: base64.b64decode(value).decode() for name, value in found["Secret"]["data"].items()}
    assert data == {"KEY": "s3cr€t $(PORT)", "PORT": "3000"}
    assert container(found)["envFrom"] == [{"secretRef": {"name": "web-env"}}]
    assert objects.untaken({"BASH_FUNC%%": "x", "KEY": ""}) == ["BASH_FUNC%%"]


def test_its_command_is_an_argument_of_the_image_and_is_not_filled_in() -> None:
    found = made('command = "echo $(date)"', "shop/web:1")
    assert container(found)["args"] == ["/bin/sh", "-c", "echo $$(date)"]


@pytest.mark.parametrize(
    ("check", "asked"),
    [
        ('"curl localhost"', {"exec": {"command": ["sh", "-c", "curl localhost"]}}),
        ('{ type = "http", path = "/up" }', {"httpGet": {"path": "/up", "port": 80}}),
        ('{ type = "tcp", port = 81 }', {"tcpSocket": {"port": 81}}),
    ],
)
def test_a_check_asks_every_second_until_it_passes_and_restarts_nothing(
    check: str, asked: dict[str, Any]
) -> None:
    keys = f'image = "nginx:1"\ncontainer_port = 80\nhealth_check = {check}\n'
    found = container(made(keys))
    assert asked.items() <= found["readinessProbe"].items()
    assert asked.items() <= found["startupProbe"].items()
    assert found["startupProbe"]["periodSeconds"] == 1
    assert found["startupProbe"]["failureThreshold"] > 7 * 24 * 3600
    assert "livenessProbe" not in found


def test_a_check_of_the_output_is_no_probe() -> None:
    keys = 'image = "nginx:1"\ncontainer_port = 80\nhealth_check = { type = "log", pattern = "up" }'
    assert "readinessProbe" not in container(made(keys))


def test_a_task_and_what_is_not_restarted_are_jobs() -> None:
    task = made('type = "task"\ncommand = "seed"\nrestart = "no"', "shop/seed:1")
    assert "Service" not in task
    assert (task["Job"]["spec"]["backoffLimit"], pod(task)["restartPolicy"]) == (0, "Never")
    again = made('type = "task"\ncommand = "seed"\nrestart = "on-failure"\nmax_restarts = 4', "shop/seed:1")
    assert again["Job"]["spec"]["backoffLimit"] == 4
    once = made('image = "nginx:1"\nrestart = "no"')
    assert "Job" in once
    assert "Deployment" in made('image = "nginx:1"\nrestart = "always"')


def test_without_a_known_port_its_name_leads_to_its_pod() -> None:
    assert made('image = "nginx:1"')["Service"]["spec"]["clusterIP"] == "None"


def test_volumes_are_claims_which_do_not_go_with_a_run() -> None:
    found = made('image = "postgres:17"\nvolumes = ["pg_data:/var/lib/pg", "external:shared:/in:ro"]')
    claim = found["PersistentVolumeClaim"]
    assert claim["metadata"]["name"] == "pg-data"
    assert objects.run_of(claim["metadata"]["labels"]) is None
    assert container(found)["volumeMounts"] == [
        {"name": "pg-data", "mountPath": "/var/lib/pg"},
        {"name": "shared", "mountPath": "/in", "readOnly": True},
    ]
    assert [each["persistentVolumeClaim"]["claimName"] for each in pod(found)["volumes"]] == [
        "pg-data",
        "shared",
    ]


def test_times_of_its_end_and_an_open_standard_input() -> None:
    found = made('image = "nginx:1"\nstop_timeout = "2.5s"\nstdin = "open"')
    assert pod(found)["terminationGracePeriodSeconds"] == 3
    assert container(found)["stdin"] is True


def test_names_are_labels_and_no_two_projects_share_one() -> None:
    assert (objects.namespace("shop"), objects.namespace("shop@feat")) == ("locald-shop", "locald-shop--feat")
    long = [objects.namespace("p" * 60 + end) for end in "ab"]
    assert all(len(each) <= 63 for each in long)
    assert len(set(long)) == 2
    labels = objects.labels(Run(Key("shop@feat", "web"), 3), "me")
    assert objects.run_of(labels) == Run(Key("shop@feat", "web"), 3)
