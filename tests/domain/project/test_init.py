"""A first file fits what is in the folder, and is always one that `config check` accepts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.project import config, init
from locald.domain.project.spec import ServiceSpec, Type


def started(files: dict[str, str], folder: str = "shop") -> dict[str, ServiceSpec]:
    return config.parse(init.starter(folder, files)).services


def commands(files: dict[str, str]) -> dict[str, object]:
    return {name: service.command for name, service in started(files).items()}


def package(**scripts: str) -> str:
    return json.dumps({"scripts": scripts})


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"package.json": package(dev="vite")}, "npm run dev -- --port $PORT"),
        ({"package.json": package(dev="vite"), "pnpm-lock.yaml": ""}, "pnpm run dev --port $PORT"),
        ({"package.json": package(start="node server.js"), "yarn.lock": ""}, "yarn run start"),
        ({"package.json": package(start="react-scripts start")}, "npm run start"),
        ({"package.json": package(dev="vite --port $PORT")}, "npm run dev"),
        ({"manage.py": ""}, "python3 manage.py runserver $PORT"),
        ({"bin/rails": "", "config.ru": ""}, "bin/rails server -p $PORT"),
        ({"Cargo.toml": ""}, "cargo run"),
        ({}, "python3 -m http.server $PORT --bind 127.0.0.1"),
        ({"package.json": "not json"}, "python3 -m http.server $PORT --bind 127.0.0.1"),
        ({"package.json": '{"scripts": []}'}, "python3 -m http.server $PORT --bind 127.0.0.1"),
    ],
)
def test_a_project_is_started_as_its_own_tools_start_it(files: dict[str, str], command: str) -> None:
    assert commands(files) == {"web": command}


def test_a_frontend_and_a_backend_are_two_services() -> None:
    files = {"package.json": package(dev="vite"), "manage.py": ""}

    assert commands(files) == {
        "web": "npm run dev -- --port $PORT",
        "api": "python3 manage.py runserver $PORT",
    }


def test_a_procfile_is_taken_at_its_word() -> None:
    files = {
        "Procfile": "# it\nweb: bundle exec puma -p $PORT\r\n"
        "some_worker: rake jobs:work  \nrelease: rake db:migrate\n",
        "package.json": package(dev="vite"),
    }
    services = started(files)

    assert {name: (each.type, each.command) for name, each in services.items()} == {
        "web": (Type.EXEC, "bundle exec puma -p $PORT"),
        "some-worker": (Type.WORKER, "rake jobs:work"),
        "release": (Type.TASK, "rake db:migrate"),
    }


@pytest.mark.parametrize("name", init.COMPOSE)
def test_a_compose_file_is_pointed_to_and_nothing_is_made_up_beside_it(name: str) -> None:
    """A server of the folder would look like what the user has."""
    text = init.starter("shop", {name: "", "README.md": ""})
    assert commands({name: ""}) == {}
    assert f"# {name} is not read: write each of its containers as a service" in text
    assert "http.server" not in text


def test_what_is_recognised_beside_a_compose_file_is_a_service() -> None:
    assert commands({"compose.yaml": "", "manage.py": ""}) == {"web": "python3 manage.py runserver $PORT"}


def test_the_project_is_called_as_its_folder() -> None:
    assert config.parse(init.starter("My Shop_2", {})).name == "my-shop-2"
    assert config.parse(init.starter("…", {})).name == "project"


PROCESSES = st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=4)


@given(
    st.text(max_size=80), PROCESSES, st.text(max_size=20), st.sets(st.sampled_from(["yarn.lock", "app.py"]))
)
def test_whatever_a_folder_holds_the_file_is_valid(
    folder: str, processes: list[tuple[str, str]], script: str, signs: set[str]
) -> None:
    procfile = "\n".join(f"{name}: {command}" for name, command in processes)
    files = {"Procfile": procfile, "package.json": package(dev=script)} | dict.fromkeys(signs, "")

    assert started(files, folder)
