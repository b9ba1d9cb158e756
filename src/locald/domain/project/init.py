"""A first `locald.toml`, from what a folder holds.

A guess that a person corrects, so it says little and means well: one service for what is surely there,
started as its own tools start it, with the port handed over where the tool would choose its own. A Procfile
is the user's word and is taken as it is. Where nothing is recognised, the file serves the folder, so that
`locald up` works. A compose file is recognised, but not read: beside it the file has no service rather than
one that nobody asked for.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from locald.domain.knowledge import port_options
from locald.domain.project import labels
from locald.domain.values import toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

READ = ("package.json", "Procfile")
"""the files whose contents matter; of all others it is enough to know that they are there"""

COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")

_SIGNS = (
    ("manage.py", "python3 manage.py runserver $PORT"),
    ("artisan", "php artisan serve --port=$PORT"),
    ("bin/rails", "bin/rails server -p $PORT"),
    ("config.ru", "rackup -p $PORT"),
    ("hugo.toml", "hugo server --port $PORT"),
    ("mkdocs.yml", "mkdocs serve -a 127.0.0.1:$PORT"),
    ("_config.yml", "jekyll serve --port $PORT"),
    ("Cargo.toml", "cargo run"),
    ("go.mod", "go run ."),
    ("app.py", "python3 app.py"),
    ("main.py", "python3 main.py"),
    ("server.js", "node server.js"),
)
"""a file that tells what the project is, and how such a project is started; of several the first counts"""

_MANAGERS = (
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
)

_HEAD = """\
# What this project runs. `locald up` starts it, `locald config check` checks this file.
# Each service gets a port of its own in $PORT.

[project]
name = {name}
"""

_CONTAINER = """
# A database in a container, for which `web` would wait with depends_on = ["db"]:
#
# [services.db]
# image = "postgres:16"
# env = { POSTGRES_PASSWORD = "postgres" }
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A service that the folder seems to have. `why`: a comment above it, or empty."""

    name: str
    command: str
    type: str = "exec"
    why: str = ""

    def text(self) -> str:
        why = f"# {self.why}\n" if self.why else ""
        kind = f"type = {toml.value(self.type)}\n" if self.type != "exec" else ""
        return f"\n{why}[services.{self.name}]\n{kind}command = {toml.value(self.command)}\n"


def services(files: Mapping[str, str]) -> tuple[Found, ...]:
    """The services of a folder; none where all that is known of it is a compose file. `files`: the names in
    it, with the contents of those of `READ`; names below a folder are relative, such as `bin/rails`."""
    if listed := tuple(_procfile(files.get("Procfile", ""))):
        return listed
    found = [each for each in (_package(files), _sign(files)) if each]
    if not found and not compose(files):
        return (Found("web", "python3 -m http.server $PORT --bind 127.0.0.1", why="Serves this folder."),)
    if len(found) > 1:
        return found[0], Found("api", found[1].command, why=found[1].why)
    return tuple(found)


def compose(files: Mapping[str, str]) -> str:
    """The name of the compose file in the folder, or empty."""
    return next((file for file in COMPOSE if file in files), "")


def starter(folder: str, files: Mapping[str, str]) -> str:
    """The text of a `locald.toml` for a folder of this name. `files` as for `services`."""
    name = labels.near(folder) or "project"
    parts = [found.text() for found in services(files)]
    return _HEAD.format(name=toml.value(name)) + "".join(parts) + _of_compose(files) + _CONTAINER


def _of_compose(files: Mapping[str, str]) -> str:
    name = compose(files)
    return f"\n# {name} is not read: write each of its containers as a service, as below.\n" if name else ""


def _procfile(text: str) -> Iterator[Found]:
    """`web` has a port, `release` runs once, and the others work in the background, as is the custom."""
    types = {"web": "exec", "release": "task"}
    for name, command in dict(
        re.findall(r"^([A-Za-z0-9_-]+):[ \t]*(\S.*?)[ \t\r]*$", text, re.MULTILINE)
    ).items():
        if (label := labels.near(name)) and "\0" not in command:
            yield Found(label, command, types.get(label, "worker"))


def _package(files: Mapping[str, str]) -> Found | None:
    """The script of package.json that starts the development server."""
    scripts = _scripts(files.get("package.json", ""))
    script = next((name for name in ("dev", "start", "serve") if name in scripts), None)
    if script is None:
        return None
    manager = next((name for file, name in _MANAGERS if file in files), "npm")
    run = f"{manager} run {script}"
    server = None if "PORT" in scripts[script] else port_options.recognise(scripts[script])
    return Found("web", port_options.with_port(run, server) if server else run, why=f'The script "{script}".')


def _scripts(text: str) -> dict[str, str]:
    try:
        scripts = json.loads(text)["scripts"]
        return {name: str(command) for name, command in scripts.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # whatever it is, it has no scripts


def _sign(files: Mapping[str, str]) -> Found | None:
    return next(
        (Found("web", command, why=f"There is {file}.") for file, command in _SIGNS if file in files), None
    )
